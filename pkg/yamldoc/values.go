package yamldoc

import (
	"bytes"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/value"
)

// Value returns the node's value by the core schema of YAML: true and false without
// quotes are booleans, but yes and no are strings. Map keys become strings. The error
// is an *Error, such as for a number that JSON cannot represent, or for binary data.
func (n Node) Value() (value.Value, error) {
	switch {
	case n.IsEmpty():
		return value.NullValue, nil
	case n.IsMap():
		return n.mapValue()
	case n.IsList():
		return n.listValue()
	}
	return n.scalarValue()
}

func (n Node) mapValue() (value.Value, error) {
	pairs, err := n.Pairs("this")
	if err != nil {
		return value.Value{}, err
	}
	fields := make([]value.Field, len(pairs))
	for i, p := range pairs {
		v, err := p.Value.Value()
		if err != nil {
			return value.Value{}, err
		}
		fields[i] = value.Field{Name: p.Name, Value: v}
	}
	return value.OfMap(fields...), nil
}

func (n Node) listValue() (value.Value, error) {
	items, err := n.Items("this")
	if err != nil {
		return value.Value{}, err
	}
	elements := make([]value.Value, len(items))
	for i, item := range items {
		if elements[i], err = item.Value(); err != nil {
			return value.Value{}, err
		}
	}
	return value.OfList(elements...), nil
}

func (n Node) scalarValue() (value.Value, error) {
	text := n.Text()
	switch tag := n.target().ShortTag(); tag {
	case "!!bool":
		if !strings.EqualFold(text, "true") && !strings.EqualFold(text, "false") {
			return value.Value{}, n.Errorf("%s is neither true nor false", text)
		}
		return value.OfBool(strings.EqualFold(text, "true")), nil
	case "!!int", "!!float":
		return n.number(text)
	case "!!str", "!!timestamp", "!!merge": // << is a merge key only as a key
		return value.OfString(text), nil
	default:
		return value.Value{}, n.Errorf("%s is no type that can be stored", tag)
	}
}

// number returns the value of a number. It keeps the digits as typed if they are
// valid JSON. Like PyYAML, it returns a string for digits after a 0 that are not
// octal, such as 08.
func (n Node) number(text string) (value.Value, error) {
	if v, ok := jsonNumber(text); ok {
		return v, nil
	}
	plain := strings.ReplaceAll(text, "_", "")
	if i, ok := new(big.Int).SetString(plain, 0); ok {
		return value.Parse([]byte(i.String()))
	}
	if n.target().Style&yaml.TaggedStyle == 0 && !strings.ContainsAny(plain, ".eE") {
		return value.OfString(text), nil
	}
	if v, ok := jsonNumber(decimal(plain)); ok && strings.ContainsAny(plain, "0123456789") {
		return v, nil
	}
	return value.Value{}, n.Errorf("%s is no number that can be stored", text)
}

func jsonNumber(text string) (value.Value, bool) {
	v, err := value.Parse([]byte(text))
	return v, err == nil && v.Kind() == value.Number
}

// decimal rewrites a number in the syntax of JSON: without a plus sign and leading
// zeros, and with a digit on both sides of the decimal point.
func decimal(text string) string {
	digits, negative := strings.CutPrefix(text, "-")
	digits = strings.TrimLeft(strings.TrimPrefix(digits, "+"), "0")
	if !startsWithDigit(digits) {
		digits = "0" + digits
	}
	whole, fraction, pointed := strings.Cut(digits, ".")
	if pointed && !startsWithDigit(fraction) {
		digits = whole + ".0" + fraction
	}
	if negative {
		return "-" + digits
	}
	return digits
}

func startsWithDigit(s string) bool { return s != "" && '0' <= s[0] && s[0] <= '9' }

// OfValue returns a YAML node with the value. A string that a YAML parser could read
// as another type is in single quotes, as PyYAML writes it. The absent value becomes
// null.
func OfValue(v value.Value) *yaml.Node {
	switch v.Kind() {
	case value.Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range v.Fields() {
			n.Content = append(n.Content, OfValue(value.OfString(f.Name)), OfValue(f.Value))
		}
		return flowIfEmpty(n)
	case value.List:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, e := range v.Elements() {
			n.Content = append(n.Content, OfValue(e))
		}
		return flowIfEmpty(n)
	case value.String:
		s, _ := v.Str()
		return stringNode(s)
	case value.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: v.Text()}
	case value.Number:
		return numberNode(v.Text())
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
}

func flowIfEmpty(n *yaml.Node) *yaml.Node {
	if len(n.Content) == 0 {
		n.Style = yaml.FlowStyle
	}
	return n
}

// numberNode returns a scalar without quotes. It tags a number that YAML would read
// as a string, such as 1e999.
func numberNode(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	if tag := n.ShortTag(); tag != "!!int" && tag != "!!float" {
		n.Tag = "!!float"
	}
	return n
}

func stringNode(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	switch {
	case fitsBlock(s):
		n.Style = yaml.LiteralStyle
	case !isPlain(s):
		n.Style = yaml.DoubleQuotedStyle
	case ambiguous(s):
		n.Style = yaml.SingleQuotedStyle
	}
	return n
}

// fitsBlock reports whether s has several lines and can be written as a literal block
// in which all of its characters are visible.
func fitsBlock(s string) bool {
	lines := strings.Split(s, "\n")
	for _, line := range lines {
		if !isPlain(line) || strings.HasSuffix(line, " ") {
			return false
		}
	}
	return len(lines) > 1 && lines[0] != "" && lines[0][0] != ' '
}

// isPlain reports whether s is a single line of printable characters.
func isPlain(s string) bool {
	return text.IsLine(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// yaml11 matches text without quotes that PyYAML, a YAML 1.1 parser, reads as a
// number, a date or an operator.
var yaml11 = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`=|<<`,
	`[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+`,
	`[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?`,
	`[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?`, // sexagesimal: 12:30:45 is 45045
	`[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?.*`,
}, "|") + `)$`)

// plainName matches text that is always a string unless it is one of the words in
// ambiguous. Most text matches, which saves parsing it.
var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*$`)

// ambiguous reports whether a YAML parser, of version 1.1 or 1.2, could read s
// without quotes as anything but the string s.
func ambiguous(s string) bool {
	switch strings.ToLower(s) {
	case "yes", "no", "on", "off", "y", "n", "true", "false", "null", "~", "":
		return true
	}
	switch {
	case plainName.MatchString(s):
		return false
	case yaml11.MatchString(s):
		return true
	}
	plain, second, err := decode([]byte(s))
	if err != nil || plain == nil || second != nil {
		return true
	}
	return plain.Kind != yaml.ScalarNode || plain.ShortTag() != "!!str" || plain.Value != s
}

// Encode returns the text of a node, indented by two spaces. It escapes characters
// that package text does not show. In a node that OfValue returns, they are always in
// double quotes, where YAML has the same escapes.
func Encode(n *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(n); err != nil {
		return nil, fmt.Errorf("writing YAML: %w", err)
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("writing YAML: %w", err)
	}
	return []byte(text.Sanitize(b.String())), nil
}
