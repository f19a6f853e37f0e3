// Package schema implements the schema, which declares the types of objects: their
// tags, their fields and the values that these allow.
//
// A schema is read from a YAML file. Mistakes are reported with file and line, by type:
// if one type has a mistake, an operator can still use the others.
package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/files"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Node is the name of the built-in type: a service on a host.
const Node = "node"

// Schema is a set of object types.
type Schema struct {
	file     string
	from     *files.Files // reads the schema file, and the files for ReadBeside
	types    []*Type
	problems []Problem
	oddities []*yamldoc.Error
}

// Type is an object type. It must not be changed after it is loaded.
type Type struct {
	Name     string
	Path     string       // the part of a key between namespace and version, and the tags, such as "pools"
	Tags     []string     // the parts of a key above the object's name, in order
	Fields   []Field      // in the order in which they are stored
	Depends  []string     // types whose objects must be created first
	FreeForm bool         // objects may have other fields, too
	Rules    []*Rule      // JSON schemas for some or all objects
	RulesDir string       // the directory of the JSON schemas; empty without Rules
	Safety   yamldoc.Node // the safety rules; may be empty
	Readers  yamldoc.Node // the programs that read the objects; may be empty
	Pos      yamldoc.Pos  // the position in the schema file; zero if the type is built in
}

// Problem is a mistake because of which a type cannot be used. Its Err names file and
// line.
type Problem struct {
	Type string // the type's name; empty if the problem is not about a single type
	Err  *yamldoc.Error
	// Unclear is true if a part of the type is missing or cannot be read, so that the
	// intended type is not known. It is false if the whole type is known, and a part
	// of it is not allowed.
	Unclear bool
}

// The rules of the errors in a schema and in a JSON schema: the kind of mistake that a
// yamldoc.Error reports. An oddity is a probable mistake that is not an error.
const (
	RuleShape        = "schema-shape"          // not the expected map, list or word, or too many of them
	RuleName         = "schema-name"           // the name of a type, a tag or a field is not allowed
	RuleMissingKey   = "schema-missing-key"    // a required key is missing
	RuleUnknownKey   = "schema-unknown-key"    // a key is unknown: an oddity
	RuleUnquoted     = "schema-unquoted"       // YAML 1.1 may not read a default as a string: an oddity
	RuleType         = "schema-type"           // a field has an unknown type
	RuleDefault      = "schema-default"        // the field's type does not allow the default
	RulePath         = "schema-path"           // a path is not valid, or overlaps with another type's
	RuleDepends      = "schema-depends"        // a type depends on an unknown type
	RuleLoop         = "schema-loop"           // types depend on each other in a loop
	RuleSelector     = "schema-selector"       // a selector is not valid for the type's tags
	RuleJSONInvalid  = "json-schema-invalid"   // a file is not a valid JSON schema
	RuleJSONMissing  = "json-schema-missing"   // a file is missing or cannot be read
	RuleJSONPattern  = "json-schema-pattern"   // RE2 does not support a regular expression
	RuleJSONFormat   = "json-schema-format"    // a format is not asserted: an oddity
	RuleJSONTooLarge = "json-schema-too-large" // a JSON schema is too large, or too slow
	RuleRegex        = "regex-two-meanings"    // RE2 and Python read a regular expression differently: an oddity
	RuleRegexASCII   = "regex-ascii"           // the same, only for characters outside ASCII: an oddity
)

// UnknownTypeError reports a type that the schema does not have.
type UnknownTypeError struct {
	Name  string
	Known []string
	File  string // the schema file; empty for a schema without a file
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

// Unwrap returns the errors of the problems.
func (e *InvalidError) Unwrap() []error {
	all := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		all[i] = p.Err
	}
	return all
}

// BuiltIn returns the schema that is used without a schema file. Its only type is node,
// with the path poolsPath.
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

// Type returns the type with the name. The error is an *UnknownTypeError, or an
// *InvalidError with the problems of the type.
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

// Types returns the types without problems, in the order of the file. The built-in type
// is first if the file does not redefine it.
func (s *Schema) Types() []*Type {
	return slices.DeleteFunc(slices.Clone(s.types), func(t *Type) bool { return s.isBroken(t.Name) })
}

func (s *Schema) isBroken(name string) bool {
	return slices.ContainsFunc(s.problems, func(p Problem) bool { return p.Type == name })
}

// Names returns the names of all types, including those with problems.
func (s *Schema) Names() []string {
	names := make([]string, len(s.types))
	for i, t := range s.types {
		names[i] = t.Name
	}
	return names
}

// Problems returns the problems of the schema, in the order of their lines.
func (s *Schema) Problems() []Problem { return s.problems }

// Oddities returns probable mistakes with which the schema can be used, such as unknown
// keys, type by type in the order of the file.
func (s *Schema) Oddities() []*yamldoc.Error { return s.oddities }

// Declared returns all types, including those with problems, in the order of Types. In a
// type with problems, the parts that a problem is about may differ from the file.
func (s *Schema) Declared() []*Type { return slices.Clone(s.types) }

// File returns the schema file. It is empty for a schema without a file.
func (s *Schema) File() string { return s.file }

// InDependencyOrder returns the types without problems, each after those on which it
// depends, and otherwise in the order of Types.
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
	for _, t := range usable { // types in a loop have problems, so usable has no loops
		visit(t)
	}
	return order
}

// Field returns the type's field with the name, and whether there is one.
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

// Defaults returns the fields of a new object.
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
