package schema

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Kind is the type of a field's values.
type Kind string

// The kinds of fields, as they are written in a schema file. Enum is written with its
// values: enum:yes|no.
const (
	Text  Kind = "string"
	Int   Kind = "int"
	Bool  Kind = "bool"
	List  Kind = "list"
	Dict  Kind = "dict"
	Enum  Kind = "enum"
	CIDRs Kind = "cidr_list"
	Any   Kind = "any"
)

// Field declares a value that every object of a type has.
type Field struct {
	Name        string
	Kind        Kind
	Words       []string // the values of an Enum
	NotNegative bool     // an Int must not be below 0
	Default     value.Value
	Pos         yamldoc.Pos // zero if the field is built in
	DefaultPos  yamldoc.Pos // zero if the field is built in
}

// Type returns the kind as it is written in a schema file, with the values of an Enum.
func (f Field) Type() string {
	if f.Kind == Enum {
		return "enum:" + strings.Join(f.Words, "|")
	}
	return string(f.Kind)
}

// Allowed returns a short description of the allowed values, for a message.
func (f Field) Allowed() string {
	switch f.Kind {
	case Text:
		return "text"
	case Int:
		if f.NotNegative {
			return "a whole number, 0 or more, in plain digits"
		}
		return "a whole number in plain digits"
	case Bool:
		return "true or false"
	case List:
		return "a list: a,b,c or JSON"
	case Dict:
		return `a map, in JSON: {"key": "value"}`
	case Enum:
		return "one of " + strings.Join(f.Words, ", ")
	case CIDRs:
		return "a list of networks: 192.0.2.0/24,2001:db8::/32"
	case Any:
		return "any JSON, or text"
	}
	return string(f.Kind)
}

// Check returns an error if v is not allowed in the field. The message describes the
// allowed values.
func (f Field) Check(v value.Value) error {
	switch f.Kind {
	case Text:
		return f.expect(v, v.Kind() == value.String)
	case Int:
		n, isInt := v.Int()
		return f.expect(v, isInt && (n >= 0 || !f.NotNegative))
	case Bool:
		return f.expect(v, v.Kind() == value.Bool)
	case List:
		return f.expect(v, v.Kind() == value.List)
	case Dict:
		return f.expect(v, v.Kind() == value.Map)
	case Enum:
		s, isString := v.Str()
		return f.expect(v, isString && slices.Contains(f.Words, s))
	case CIDRs:
		return f.checkNetworks(v)
	case Any:
	}
	return nil
}

func (f Field) expect(v value.Value, ok bool) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%s cannot be %s; it takes %s", f.Name, abbreviate(v.Text()), f.Allowed())
}

func (f Field) checkNetworks(v value.Value) error {
	if v.Kind() != value.List {
		return f.expect(v, false)
	}
	for _, e := range v.Elements() {
		s, isString := e.Str()
		if !isString {
			return f.expect(e, false)
		}
		if _, ok := parseNetwork(s); !ok {
			return fmt.Errorf("%s: %q is no network such as 192.0.2.0/24 or 2001:db8::/32", f.Name, s)
		}
	}
	return nil
}

var digits = regexp.MustCompile(`^-?[0-9]+$`)

// Parse reads a value as it is typed on a command line. It returns the possible
// meanings of the text, the most likely first. There is more than one only for a
// field of kind Any, where a JSON schema decides between them.
func (f Field) Parse(text string) ([]value.Value, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%s cannot be %q, which is not valid UTF-8", f.Name, abbreviate(text))
	}
	switch f.Kind {
	case Text, Enum:
		return f.only(value.OfString(text))
	case Int:
		return f.parseInt(text)
	case Bool:
		switch strings.ToLower(text) {
		case "true", "false":
			return []value.Value{value.OfBool(strings.EqualFold(text, "true"))}, nil
		}
		return f.only(value.OfString(text))
	case List, CIDRs:
		return f.parseList(text)
	case Dict:
		v, err := value.ParseTyped([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("%s takes %s: %w", f.Name, f.Allowed(), err)
		}
		return f.only(v)
	case Any:
	}
	return f.parseAny(text)
}

// only returns v as the only meaning of a text. It returns an error if v is not
// allowed in the field.
func (f Field) only(v value.Value) ([]value.Value, error) {
	if err := f.Check(v); err != nil {
		return nil, err
	}
	return []value.Value{v}, nil
}

func (f Field) parseInt(text string) ([]value.Value, error) {
	if !digits.MatchString(text) {
		return nil, f.expect(value.OfString(text), false)
	}
	sign, number := "", text
	if strings.HasPrefix(text, "-") {
		sign, number = "-", text[1:]
	}
	if number = strings.TrimLeft(number, "0"); number == "" {
		sign, number = "", "0"
	}
	v, err := value.Parse([]byte(sign + number))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	if _, fits := v.Int(); !fits {
		return nil, fmt.Errorf("%s cannot be %s; that is beyond 64 bits", f.Name, abbreviate(text))
	}
	return f.only(v)
}

// parseList reads a JSON list, or splits a text at its commas.
func (f Field) parseList(text string) ([]value.Value, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") {
		return nil, fmt.Errorf("%s is a list, not a map; in JSON: [%s]", f.Name, abbreviate(text))
	}
	if strings.HasPrefix(text, "[") {
		v, err := value.ParseTyped([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("%s begins with [ but is no JSON list: %w", f.Name, err)
		}
		return f.only(v)
	}
	if text == "" {
		return []value.Value{value.EmptyList}, nil
	}
	var elements []value.Value
	for _, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			return nil, fmt.Errorf("%s has an empty element in %q; take the extra comma out", f.Name, text)
		}
		elements = append(elements, value.OfString(part))
	}
	return f.only(value.OfList(elements...))
}

// parseAny never reads a bare true, false or null as a string, since the string
// "false" would make a site read-only. JSON that cannot be stored unchanged is an
// error, not a string.
func (f Field) parseAny(text string) ([]value.Value, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true":
		return []value.Value{value.OfBool(true)}, nil
	case "false":
		return []value.Value{value.OfBool(false)}, nil
	case "null":
		return []value.Value{value.NullValue}, nil
	}
	asString := value.OfString(text)
	v, err := value.ParseTyped([]byte(text))
	switch {
	case err == nil:
		return []value.Value{v, asString}, nil
	case json.Valid([]byte(text)):
		return nil, fmt.Errorf("%s cannot be %s: %w", f.Name, abbreviate(text), err)
	}
	return []value.Value{asString}, nil
}

// FromYAML reads a value from a file or an edited buffer. The kind of the field
// decides the type of a scalar without quotes: `no` is a string in an Enum and a
// boolean in a Bool. The error is a *yamldoc.Error with the position.
func (f Field) FromYAML(n yamldoc.Node) (value.Value, error) {
	v, err := f.fromYAML(n)
	if err != nil {
		return value.Value{}, err
	}
	if err := f.Check(v); err != nil {
		return value.Value{}, n.Errorf("%v", err)
	}
	return v, nil
}

func (f Field) fromYAML(n yamldoc.Node) (value.Value, error) {
	plain := n.IsScalar() && !n.IsNull() && !n.IsQuoted()
	switch {
	case f.Kind == Int && n.IsScalar() && !n.IsNull(): // digits may be quoted; 1_000 and 0x10 are not allowed
		v, err := f.parseInt(n.Text())
		if err != nil {
			return value.Value{}, n.Errorf("%v", err)
		}
		return v[0], nil
	case (f.Kind == Text || f.Kind == Enum) && plain:
		return value.OfString(n.Text()), nil
	case f.Kind == Bool && plain:
		switch strings.ToLower(n.Text()) {
		case "yes", "on":
			return value.OfBool(true), nil
		case "no", "off":
			return value.OfBool(false), nil
		}
	}
	return n.Value()
}

func abbreviate(s string) string {
	const maxText = 100
	return text.Cut(s, maxText)
}
