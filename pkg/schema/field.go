package schema

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	txt "github.com/conftool/confctl/internal/text" // text is a function here
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Kind is what a field may hold.
type Kind string

// The kinds of fields, as a schema file names them. Enum stands there with its
// words: enum:yes|no.
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

// Field is one value that all objects of a type have.
type Field struct {
	Name        string
	Kind        Kind
	Words       []string // those an Enum may be
	NotNegative bool     // for an Int
	Default     value.Value
	Pos         yamldoc.Pos
	DefaultPos  yamldoc.Pos // zero if built in
}

// Type returns the kind as a schema file writes it.
func (f Field) Type() string {
	if f.Kind == Enum {
		return "enum:" + strings.Join(f.Words, "|")
	}
	return string(f.Kind)
}

// Allowed says in a few words what the field may hold.
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

// Check returns an error that says what is expected if the field cannot hold v.
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

// Parse reads a value as it is typed on a command line. It returns what the
// text may mean, the likeliest first: more than one value only where a JSON
// schema has the last word.
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

// only returns the one thing a text can mean, if the field can hold it.
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

// parseList splits at commas, unless the text is JSON.
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

// parseAny follows one rule that keeps a site from being read-only by the
// string "false": a bare true, false or null is never a string. Nor is JSON that
// cannot be stored as it is.
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

// FromYAML reads a value from a file or an edited buffer, where the field's
// type decides what a plain word is: `no` is the word for an enum and the
// boolean for a bool. The error has the position.
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
	case f.Kind == Int && n.IsScalar() && !n.IsNull(): // quoted digits are digits, 1_000 and 0x10 are not
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
	const most = 100
	return txt.Cut(s, most)
}
