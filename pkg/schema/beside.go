package schema

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Other packages declare things for each type, such as safety rules: in the schema,
// under a key of the type, or in a file of their own beside the schema, which is a
// map by the names of types.

// ReadBeside reads a file that goes with the schema, with the same limits as the
// schema. Without a name, or if the file does not exist, the document is empty.
func (s *Schema) ReadBeside(file string) (yamldoc.Node, error) {
	if file == "" {
		return yamldoc.Node{}, nil
	}
	doc, err := yamldoc.ReadFrom(s.from, file, yamldoc.MaxSettings)
	if errors.Is(err, fs.ErrNotExist) {
		return yamldoc.Node{}, nil
	}
	return doc, err
}

// ByType returns what a document declares for each type. What names the document in
// an error; a name that is not a type is an error of the rule unknown. All errors are
// *yamldoc.Error.
func (s *Schema) ByType(doc yamldoc.Node, what, unknown string) (map[string]yamldoc.Node, []error) {
	if doc.IsEmpty() {
		return nil, nil
	}
	pairs, err := doc.Pairs(what)
	if err != nil {
		return nil, []error{err}
	}
	var errs []error
	declared := map[string]yamldoc.Node{}
	for _, p := range pairs {
		if declared[p.Name] = p.Value; !slices.Contains(s.Names(), p.Name) {
			err := p.Key.Errorf("no object type %q%s", p.Name, nearest.Suggest(p.Name, s.Names()))
			errs = append(errs, yamldoc.WithRule(err, unknown))
		}
	}
	return declared, errs
}

// NewProblem returns a problem with what is declared for a type. An error that has
// no rule yet gets this one.
func NewProblem(typ string, err error, rule string) Problem {
	var at *yamldoc.Error
	if !errors.As(yamldoc.WithRule(err, rule), &at) { // an error of no file
		at = &yamldoc.Error{Msg: err.Error(), Rule: rule, Err: err}
	}
	return Problem{Type: typ, Err: at}
}
