// Package value is a value as it is stored: JSON text in the form the
// command-line contract prints.
//
// That form is Python's json.dumps: ", " and ": " between parts, all but the
// printable characters of ASCII as \uXXXX, numbers as they were typed, keys in
// the order they came in. Keeping the text rather than a tree of Go values means that what
// nobody changed is passed on byte for byte, that equality is comparison, and
// that reading ten thousand objects decodes none of them.
package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Value is a JSON value. The zero Value is absent: it is no JSON value, not
// even null. Two values are equal (==) if they print the same.
type Value struct {
	text string
}

// Kind is what sort of JSON value a Value is.
type Kind int

// The kinds of JSON values.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	List
	Map
)

// String names the kind as an error message would.
func (k Kind) String() string {
	return [...]string{"nothing", "null", "a boolean", "a number", "a string", "a list", "a map"}[k]
}

// Field is one key of a map, with its value.
type Field struct {
	Name  string
	Value Value
}

// Index returns the place of a field, -1 if it is not there.
func Index(fields []Field, name string) int {
	for i := range fields {
		if fields[i].Name == name {
			return i
		}
	}
	return -1
}

// Get returns the value of a field, which is absent if it is not there.
func Get(fields []Field, name string) Value {
	if i := Index(fields, name); i >= 0 {
		return fields[i].Value
	}
	return Value{}
}

// The values that need no making.
var (
	NullValue = Value{"null"} //nolint:gochecknoglobals // an immutable value
	EmptyList = Value{"[]"}   //nolint:gochecknoglobals // an immutable value
	EmptyMap  = Value{"{}"}   //nolint:gochecknoglobals // an immutable value
)

// Parse reads JSON text. It refuses what could not be written back without
// loss: bytes that are not UTF-8, and halves of surrogate pairs. Of a key that
// is there twice the last value counts, at the place of the first, as in Python.
// It also refuses what is beyond MaxBytes or MaxDepth, so that the time it takes
// is bounded whatever the text is.
func Parse(text []byte) (Value, error) { return parse(text, limits{MaxBytes, MaxDepth}) }

func parse(text []byte, most limits) (Value, error) {
	normal, err := normalize(text, most)
	if err != nil {
		return Value{}, err
	}
	v := Value{string(normal)}
	if repeatsKey(v.text) {
		v = withoutRepeats(v.text)
	}
	return v, nil
}

// ParseTyped is Parse for what a person has typed. It also refuses what is most
// likely a mistake and means different things to different readers: a key that
// is there twice, and a number beyond the range of a float64.
func ParseTyped(text []byte) (Value, error) {
	v, err := Parse(text)
	if err != nil {
		return Value{}, err
	}
	normal, err := normalize(text, limits{MaxBytes, MaxDepth})
	if err == nil && repeatsKey(string(normal)) {
		return Value{}, errors.New("a key is there twice")
	}
	var decoded any
	if json.Unmarshal(text, &decoded) != nil {
		return Value{}, errors.New("a number is too large")
	}
	return v, nil
}

// OfString returns the JSON string for s. Bytes of s that are not UTF-8 become
// U+FFFD.
func OfString(s string) Value {
	return Value{string(AppendString(make([]byte, 0, len(s)+2), s))}
}

// OfBool returns true or false.
func OfBool(b bool) Value { return Value{strconv.FormatBool(b)} }

// OfInt returns a number.
func OfInt(n int64) Value { return Value{strconv.FormatInt(n, 10)} }

// OfList returns a list. No element may be absent.
func OfList(elements ...Value) Value {
	var b strings.Builder
	b.WriteByte('[')
	for i, e := range elements {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(e.text)
	}
	b.WriteByte(']')
	return Value{b.String()}
}

// OfMap returns a map with its fields in the given order. No value may be
// absent, and no name there twice.
func OfMap(fields ...Field) Value {
	return Value{string(AppendMap(nil, fields))}
}

// AppendMap appends the text of a map to b.
func AppendMap(b []byte, fields []Field) []byte {
	b = append(b, '{')
	for i, f := range fields {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = AppendString(b, f.Name)
		b = append(b, ": "...)
		b = append(b, f.Value.text...)
	}
	return append(b, '}')
}

// Text returns the JSON text; it is empty for the absent value.
func (v Value) Text() string { return v.text }

// IsAbsent reports whether v is no value at all.
func (v Value) IsAbsent() bool { return v.text == "" }

// Kind returns what sort of value v is.
func (v Value) Kind() Kind {
	if v.text == "" {
		return Absent
	}
	switch v.text[0] {
	case 'n':
		return Null
	case 't', 'f':
		return Bool
	case '"':
		return String
	case '[':
		return List
	case '{':
		return Map
	}
	return Number
}

// Str returns the string that v is, and whether it is one.
func (v Value) Str() (string, bool) {
	if v.Kind() != String {
		return "", false
	}
	inner := v.text[1 : len(v.text)-1]
	if !strings.Contains(inner, `\`) {
		return inner, true
	}
	var s string
	if json.Unmarshal([]byte(v.text), &s) != nil {
		return "", false // not reached: the text was valid when v was made
	}
	return s, true
}

// True reports whether v is the boolean true.
func (v Value) True() bool { return v.text == "true" }

// Int returns the integer that v is, and whether it is one that fits.
func (v Value) Int() (int64, bool) {
	n, err := strconv.ParseInt(v.text, 10, 64)
	return n, err == nil
}

// Elements returns the elements of a list, nil for any other kind.
func (v Value) Elements() []Value {
	if v.Kind() != List {
		return nil
	}
	var all []Value
	if n := v.Len(); n > 0 {
		all = make([]Value, 0, n)
	}
	for rest := v.text[1:]; rest[0] != ']'; {
		n := skipValue(rest)
		all = append(all, Value{rest[:n]})
		rest = strings.TrimPrefix(rest[n:], ", ")
	}
	return all
}

// Fields returns the fields of a map in their order, nil for any other kind.
func (v Value) Fields() []Field {
	if v.Kind() != Map {
		return nil
	}
	var all []Field
	if n := v.Len(); n > 0 {
		all = make([]Field, 0, n)
	}
	for rest := v.text[1:]; rest[0] != '}'; {
		n := skipValue(rest)
		key, _ := Value{rest[:n]}.Str()
		rest = rest[n+len(": "):]
		n = skipValue(rest)
		all = append(all, Field{key, Value{rest[:n]}})
		rest = strings.TrimPrefix(rest[n:], ", ")
	}
	return all
}

// Len returns how many elements a list has, or fields a map; it is 0 for any
// other kind.
func (v Value) Len() int {
	if k := v.Kind(); k != List && k != Map || len(v.text) == len("{}") {
		return 0
	}
	depth, n := 0, 1
	for i := 0; i < len(v.text); i++ {
		switch v.text[i] {
		case '"':
			i += stringLen(v.text[i:]) - 1
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case ',':
			if depth == 1 {
				n++
			}
		}
	}
	return n
}

// Decode returns v as encoding/json decodes it into an any, with numbers as
// json.Number. The absent value decodes to nil.
func (v Value) Decode() any {
	if v.IsAbsent() {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(v.text))
	d.UseNumber()
	var decoded any
	if d.Decode(&decoded) != nil {
		return nil // not reached: the text was valid when v was made
	}
	return decoded
}

// MarshalJSON returns the text; the absent value marshals to null.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.IsAbsent() {
		return []byte("null"), nil
	}
	return []byte(v.text), nil
}

// UnmarshalJSON is Parse.
func (v *Value) UnmarshalJSON(text []byte) error {
	parsed, err := Parse(text)
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}

// What json.Valid lets pass, and its decoder would change without a word: bytes
// that are no text, and \ud800 to \udfff standing alone, which have no UTF-8
// form.
var (
	errNotUTF8   = errors.New("a string that is not UTF-8")
	errSurrogate = errors.New("half of a surrogate pair in a string")
)

// normalize returns text in the contract's form: text itself if it is in that
// form already.
func normalize(text []byte, most limits) ([]byte, error) {
	if err := most.check(text); err != nil {
		return nil, err
	}
	if !json.Valid(text) {
		return nil, syntaxError(text)
	}
	if isNormal(text) {
		return text, nil
	}
	b, err := rewrite(text)
	if err == nil {
		err = most.checkSize(len(b))
	}
	return b, err
}

// rewrite returns valid JSON in the contract's form.
func rewrite(text []byte) ([]byte, error) {
	b := make([]byte, 0, len(text)+len(text)/8)
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case ' ', '\t', '\n', '\r':
			i++
		case ',', ':':
			b = append(b, c, ' ')
			i++
		case '"':
			n := stringLen(text[i:])
			var err error
			if b, err = appendQuoted(b, text[i:i+n]); err != nil {
				return nil, err
			}
			i += n
		default:
			b = append(b, c)
			i++
		}
	}
	return b, nil
}

// isNormal reports whether valid JSON is in the contract's form already. It may
// say no to text that is (one with escapes): normalize then finds the same.
func isNormal(text []byte) bool {
	inString := false
	for i, c := range text {
		switch {
		case inString:
			if c == '\\' || c > '~' {
				return false
			}
			inString = c != '"'
		case c == '"':
			inString = true
		case c == ' ':
			if i == 0 || (text[i-1] != ',' && text[i-1] != ':') {
				return false
			}
		case c == ',' || c == ':':
			if text[i+1] != ' ' { // valid JSON does not end here
				return false
			}
		case c <= ' ':
			return false
		}
	}
	return true
}

// stringLen returns the length of the JSON string that text begins with.
func stringLen[T string | []byte](text T) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// skipValue returns the length of the value that text, in the contract's form,
// begins with.
func skipValue(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += stringLen(text[i:]) - 1
		case '[', '{':
			depth++
			continue
		case ']', '}':
			depth--
			if depth < 0 {
				return i
			}
		case ',', ':':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(text)
}

// appendQuoted appends a string of valid JSON in the contract's form.
func appendQuoted(b, quoted []byte) ([]byte, error) {
	if isNormal(quoted) {
		return append(b, quoted...), nil
	}
	s, err := unquote(quoted)
	return AppendString(b, s), err
}

// unquote returns the string that valid JSON stands for, if it stands for one.
func unquote(quoted []byte) (string, error) {
	if !utf8.Valid(quoted) {
		return "", errNotUTF8
	}
	if hasHalfPair(quoted) {
		return "", errSurrogate
	}
	var s string
	err := json.Unmarshal(quoted, &s)
	return s, err
}

func hasHalfPair(quoted []byte) bool {
	for i := 0; i < len(quoted); i++ {
		if quoted[i] != '\\' {
			continue
		}
		i++ // what the backslash escapes
		unit := escapedUnit(quoted[i:])
		if !utf16.IsSurrogate(unit) {
			continue
		}
		if quoted[i+5] != '\\' || utf16.DecodeRune(unit, escapedUnit(quoted[i+6:])) == utf8.RuneError {
			return true
		}
		i += len(`uXXXX\uXXX`)
	}
	return false
}

// escapedUnit returns the UTF-16 unit of uXXXX, -1 for any other escape.
func escapedUnit(escape []byte) rune {
	if escape[0] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(escape[1:5]), 16, 16)
	if err != nil {
		return -1 // not reached: the text is valid JSON
	}
	return rune(unit)
}

func syntaxError(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return errors.New("empty")
	}
	var discard any
	err := json.Unmarshal(text, &discard)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%s at byte %d", strings.TrimPrefix(syntax.Error(), "json: "), syntax.Offset)
	}
	return fmt.Errorf("not JSON: %w", err)
}

const hexDigits = "0123456789abcdef"

// AppendString appends the text of the JSON string for s: all but the printable
// characters of ASCII escaped.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	plain := plainLen(s)
	b, s = append(b, s[:plain]...), s[plain:]
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ' && r <= '~':
			b = append(b, byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\b':
			b = append(b, `\b`...)
		case r == '\f':
			b = append(b, `\f`...)
		case r > 0xFFFF:
			r -= 0x10000
			b = appendEscape(b, 0xD800|r>>10)
			b = appendEscape(b, 0xDC00|r&0x3FF)
		default:
			b = appendEscape(b, r)
		}
	}
	return append(b, '"')
}

// plainLen returns how much of s, from its start, needs no escapes.
func plainLen(s string) int {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return i
		}
	}
	return len(s)
}

func appendEscape(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
