// Package value implements JSON values, kept as text in the form that the store
// holds and that the command-line contract prints.
//
// That form is the output of Python's json.dumps: ", " and ": " as separators,
// all characters but printable ASCII escaped, numbers as they were typed, and
// keys in their order in the text that was read. Since a Value keeps the text
// rather than a tree of Go values, an unchanged value is written byte for byte,
// two values are compared with ==, and ten thousand objects are read without
// decoding any of them.
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

// Value is a JSON value. The zero Value is absent: it is not a JSON value, not
// even null. Two values are equal (==) if they have the same text.
type Value struct {
	text string
}

// Kind is the kind of a JSON value.
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

// String returns the kind as an error message names it, such as "a list".
func (k Kind) String() string {
	return [...]string{"nothing", "null", "a boolean", "a number", "a string", "a list", "a map"}[k]
}

// Field is one key of a map, with its value.
type Field struct {
	Name  string
	Value Value
}

// Index returns the index of the first field with the name, or -1 if there is no
// such field.
func Index(fields []Field, name string) int {
	for i := range fields {
		if fields[i].Name == name {
			return i
		}
	}
	return -1
}

// Get returns the value of the first field with the name. The value is absent if
// there is no such field.
func Get(fields []Field, name string) Value {
	if i := Index(fields, name); i >= 0 {
		return fields[i].Value
	}
	return Value{}
}

// Constant values.
var (
	NullValue = Value{"null"} //nolint:gochecknoglobals // an immutable value
	EmptyList = Value{"[]"}   //nolint:gochecknoglobals // an immutable value
	EmptyMap  = Value{"{}"}   //nolint:gochecknoglobals // an immutable value
)

// Parse reads JSON text. It returns an error for text that could not be written
// back without loss: bytes that are not UTF-8, and halves of surrogate pairs. If
// a map repeats a key, the value has the key once, at its first position, with
// its last value, as in Python. Parse also returns an error for text that exceeds
// MaxBytes or MaxDepth, so that its time is bounded for any text.
func Parse(text []byte) (Value, error) { return parse(text, limits{MaxBytes, MaxDepth}) }

func parse(text []byte, lim limits) (Value, error) {
	normal, err := normalize(text, lim)
	if err != nil {
		return Value{}, err
	}
	v := Value{string(normal)}
	if repeatsKey(v.text) {
		v = withoutRepeats(v.text)
	}
	return v, nil
}

// ParseTyped is like Parse, for text that a person has typed. It also returns an
// error for text that is probably a mistake and that JSON parsers read
// differently: a repeated key, and a number beyond the range of a float64.
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

// OfString returns a JSON string with the text s. Bytes of s that are not valid
// UTF-8 become U+FFFD.
func OfString(s string) Value {
	return Value{string(AppendString(make([]byte, 0, len(s)+2), s))}
}

// OfBool returns the JSON value true or false.
func OfBool(b bool) Value { return Value{strconv.FormatBool(b)} }

// OfInt returns a JSON number.
func OfInt(n int64) Value { return Value{strconv.FormatInt(n, 10)} }

// OfList returns a list of the elements, none of which may be absent.
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

// OfMap returns a map with the fields in the given order. No value may be absent,
// and no two fields may have the same name.
func OfMap(fields ...Field) Value {
	return Value{string(AppendMap(nil, fields))}
}

// AppendMap appends the JSON text of a map with the fields to b, and returns the
// extended buffer. The conditions of OfMap apply to the fields.
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

// Text returns the JSON text of v. It is empty for the absent value.
func (v Value) Text() string { return v.text }

// IsAbsent reports whether v is the absent value.
func (v Value) IsAbsent() bool { return v.text == "" }

// Kind returns the kind of v.
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

// Str returns the decoded text of v, and whether v is a string.
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

// Int returns v as an integer, and whether v is an integer that fits into an
// int64.
func (v Value) Int() (int64, bool) {
	n, err := strconv.ParseInt(v.text, 10, 64)
	return n, err == nil
}

// Elements returns the elements of a list. It returns nil for any other kind.
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

// Fields returns the fields of a map in their order. It returns nil for any other
// kind.
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

// Len returns the number of elements of a list, or of fields of a map. It returns
// 0 for any other kind.
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

// MarshalJSON returns the text of v, or null for the absent value. The error is
// always nil.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.IsAbsent() {
		return []byte("null"), nil
	}
	return []byte(v.text), nil
}

// UnmarshalJSON sets v to the result of Parse. If Parse returns an error, v is
// unchanged.
func (v *Value) UnmarshalJSON(text []byte) error {
	parsed, err := Parse(text)
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}

// Errors for text that json.Valid accepts and that encoding/json would change
// silently: bytes that are not UTF-8, and an unpaired surrogate (\ud800 to
// \udfff), which UTF-8 cannot represent.
var (
	errNotUTF8   = errors.New("a string that is not UTF-8")
	errSurrogate = errors.New("half of a surrogate pair in a string")
)

// normalize returns text in the contract's form. It returns text itself if that
// is in the form already.
func normalize(text []byte, lim limits) ([]byte, error) {
	if err := lim.check(text); err != nil {
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
		err = lim.checkSize(len(b))
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

// isNormal reports whether valid JSON is in the contract's form already. It
// returns false for any text with escapes, also if that is in the form; rewriting
// such a text does not change it.
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

// stringLen returns the length of the JSON string at the beginning of text, with
// its quotes.
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

// skipValue returns the length of the value at the beginning of text, which is in
// the contract's form.
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

// appendQuoted appends a valid JSON string to b, in the contract's form.
func appendQuoted(b, quoted []byte) ([]byte, error) {
	if isNormal(quoted) {
		return append(b, quoted...), nil
	}
	s, err := unquote(quoted)
	return AppendString(b, s), err
}

// unquote decodes a valid JSON string. It returns errNotUTF8 or errSurrogate for
// a string that it cannot decode without loss.
func unquote(quoted []byte) (string, error) {
	if !utf8.Valid(quoted) {
		return "", errNotUTF8
	}
	if hasLoneSurrogate(quoted) {
		return "", errSurrogate
	}
	var s string
	err := json.Unmarshal(quoted, &s)
	return s, err
}

func hasLoneSurrogate(quoted []byte) bool {
	for i := 0; i < len(quoted); i++ {
		if quoted[i] != '\\' {
			continue
		}
		i++ // now at the character after the backslash
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

// escapedUnit returns the UTF-16 code unit of the escape uXXXX, or -1 for any
// other escape. The backslash is not a part of escape.
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

// AppendString appends the JSON string for s to b, with all characters but
// printable ASCII escaped, and returns the extended buffer. Bytes of s that are
// not valid UTF-8 become U+FFFD.
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

// plainLen returns the length of the longest prefix of s that needs no escapes.
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
