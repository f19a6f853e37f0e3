package schema

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Other packages read declarations for each type, such as safety rules. These are in
// the schema file, under a key of the type, or in a separate file, which is a map with
// the names of types as keys.

// ReadBeside reads a file with declarations for the types of the schema. The limits
// and the directories are those of the schema file. The document is empty if the
// name is empty or the file does not exist. The error is a *yamldoc.Error.
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

// ByType returns the declarations in a document by the names of their types. In errors
// the document is called what. A name that is not a type is an error with the rule
// unknown; its declaration is in the result, too. All errors are *yamldoc.Error.
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

// NewProblem returns a problem with the declaration for a type. The problem has the
// rule of err, or this rule if err has none.
func NewProblem(typ string, err error, rule string) Problem {
	var at *yamldoc.Error
	if !errors.As(yamldoc.WithRule(err, rule), &at) { // the error has no position
		at = &yamldoc.Error{Msg: err.Error(), Rule: rule, Err: err}
	}
	return Problem{Type: typ, Err: at}
}
