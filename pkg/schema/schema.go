// Package schema is what kinds of objects there are: their tags, their fields
// and what these may hold.
//
// A schema is read from a YAML file. What is wrong in it is reported with file
// and line, by type: a mistake in one type does not take the others away from
// an operator who needs them now.
package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/files"
	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Node is the name of the built-in type: a service on a host.
const Node = "node"

// Schema is a set of object types.
type Schema struct {
	file     string
	from     *files.Files // what reads it, and the files beside it
	types    []*Type
	problems []Problem
	oddities []*yamldoc.Error
}

// Type is a kind of objects. It is read-only once loaded.
type Type struct {
	Name     string
	Path     string   // where its objects are, below namespace and version, such as "pools"
	Tags     []string // the parts of a key above the object's name, in order
	Fields   []Field  // in the order they are stored
	Depends  []string // types whose objects must be created first
	FreeForm bool     // objects may have further fields
	Rules    []*Rule  // JSON schemas for some or all of its objects
	RulesDir string   // where their files are; empty if there are none
	Safety   yamldoc.Node
	Readers  yamldoc.Node // programs that read its objects
	Pos      yamldoc.Pos  // where it is declared; zero if built in
}

// Problem is something wrong with a type. Its Error names file and line.
type Problem struct {
	Type string // empty if the problem is of no single type
	Err  *yamldoc.Error
	// Unclear says that a part of the type is missing or cannot be read, so that
	// the type is not what it was meant to be. Else all of it is known, and
	// something is refused.
	Unclear bool
}

// The rules of what is wrong with a schema, and with a JSON schema: which sort
// of mistake a yamldoc.Error is about.
const (
	RuleShape        = "schema-shape"       // a map, a list or a word is expected
	RuleName         = "schema-name"        // what a type, a tag or a field cannot be called
	RuleMissingKey   = "schema-missing-key" // a part that has to be there
	RuleUnknownKey   = "schema-unknown-key" // a part that nothing reads: an oddity
	RuleUnquoted     = "schema-unquoted"    // a default that YAML 1.1 takes for no text: an oddity
	RuleType         = "schema-type"        // no such type of fields
	RuleDefault      = "schema-default"     // the field's type refuses it
	RulePath         = "schema-path"        // none at all, or in the way of another type's
	RuleDepends      = "schema-depends"     // on what is no type
	RuleLoop         = "schema-loop"        // of types that depend on each other
	RuleSelector     = "schema-selector"    // no selector over the type's tags
	RuleJSONInvalid  = "json-schema-invalid"
	RuleJSONMissing  = "json-schema-missing"   // a file that is not there, or not read
	RuleJSONPattern  = "json-schema-pattern"   // a regular expression that RE2 does not know
	RuleJSONFormat   = "json-schema-format"    // a format, which is not asserted: an oddity
	RuleJSONTooLarge = "json-schema-too-large" // larger, or slower, than is read
	RuleRegex        = "regex-two-meanings"    // that RE2 and Python read differently: an oddity
	RuleRegexASCII   = "regex-ascii"           // the same, beyond ASCII: an oddity
)

// UnknownTypeError reports a type that the schema does not have.
type UnknownTypeError struct {
	Name  string
	Known []string
	File  string // the schema file; empty if there is only the built-in type
}

func (e *UnknownTypeError) Error() string {
	return fmt.Sprintf("no object type %q%s", e.Name, nearest.Suggest(e.Name, e.Known))
}

// InvalidError reports a type, or a whole schema, that cannot be used.
type InvalidError struct {
	Problems []Problem // at least one
}

func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the problems.
func (e *InvalidError) Unwrap() []error {
	all := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		all[i] = p.Err
	}
	return all
}

// BuiltIn returns the schema there is without a file: the type node alone, in
// the given path.
func BuiltIn(poolsPath string) *Schema {
	return &Schema{types: []*Type{node(poolsPath)}}
}

func node(poolsPath string) *Type {
	return &Type{
		Name: Node,
		Path: strings.Trim(poolsPath, "/"),
		Tags: []string{"dc", "cluster", "service"},
		Fields: []Field{
			{Name: "weight", Kind: Int, NotNegative: true, Default: value.OfInt(0)},
			{Name: "pooled", Kind: Enum, Words: []string{"yes", "no", "inactive"}, Default: value.OfString("inactive")},
		},
	}
}

// Type returns the type of that name. The error is an *UnknownTypeError or an
// *InvalidError.
func (s *Schema) Type(name string) (*Type, error) {
	var wrong []Problem
	for _, p := range s.problems {
		if p.Type == name {
			wrong = append(wrong, p)
		}
	}
	if len(wrong) > 0 {
		return nil, &InvalidError{wrong}
	}
	for _, t := range s.types {
		if t.Name == name {
			return t, nil
		}
	}
	return nil, &UnknownTypeError{Name: name, Known: s.Names(), File: s.file}
}

// Types returns the types that can be used: the built-in one first if no
// file redefines it, then in the order of the file.
func (s *Schema) Types() []*Type {
	return slices.DeleteFunc(slices.Clone(s.types), func(t *Type) bool { return s.isBroken(t.Name) })
}

func (s *Schema) isBroken(name string) bool {
	return slices.ContainsFunc(s.problems, func(p Problem) bool { return p.Type == name })
}

// Names returns the names of all types, also of those that cannot be used.
func (s *Schema) Names() []string {
	names := make([]string, len(s.types))
	for i, t := range s.types {
		names[i] = t.Name
	}
	return names
}

// Problems returns what is wrong with the schema, in the order of its file.
func (s *Schema) Problems() []Problem { return s.problems }

// Oddities returns what harms nobody who uses the schema and is most likely a
// mistake all the same: keys that nothing reads, in the order of the file.
func (s *Schema) Oddities() []*yamldoc.Error { return s.oddities }

// Declared returns all types, in the order of Types, also those that cannot be
// used: of these, only what no problem is about is as the file has it.
func (s *Schema) Declared() []*Type { return slices.Clone(s.types) }

// File returns the file the schema was read from; it is empty without one.
func (s *Schema) File() string { return s.file }

// InDependencyOrder returns the usable types so that each comes after those it
// depends on, and otherwise in their own order.
func (s *Schema) InDependencyOrder() []*Type {
	usable := s.Types()
	var order []*Type
	var visit func(t *Type)
	visit = func(t *Type) {
		if slices.Contains(order, t) {
			return
		}
		for _, name := range t.Depends {
			if i := slices.IndexFunc(usable, func(u *Type) bool { return u.Name == name }); i >= 0 {
				visit(usable[i])
			}
		}
		order = append(order, t)
	}
	for _, t := range usable { // loops are problems, so none is left here
		visit(t)
	}
	return order
}

// Field returns the type's field of that name.
func (t *Type) Field(name string) (Field, bool) {
	for _, f := range t.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// FieldNames returns the names of the type's fields in their order.
func (t *Type) FieldNames() []string {
	names := make([]string, len(t.Fields))
	for i, f := range t.Fields {
		names[i] = f.Name
	}
	return names
}

// Defaults returns the fields a new object has.
func (t *Type) Defaults() []value.Field {
	fields := make([]value.Field, len(t.Fields))
	for i, f := range t.Fields {
		fields[i] = value.Field{Name: f.Name, Value: f.Default}
	}
	return fields
}

// Selector parses a selector over the type's tags. The error is a
// *selector.Error.
func (t *Type) Selector(text string) (selector.Selector, error) {
	return selector.Parse(text, t.Tags)
}
