package value

import (
	"fmt"
	"strings"
	"unicode"
)

// Python returns v as Python prints it in a message: a string without quotes, any
// other value as repr prints it (True, None, ['a'], {'k': 1}). The absent value
// is None.
func (v Value) Python() string {
	if s, ok := v.Str(); ok {
		return s
	}
	var b strings.Builder
	v.writeRepr(&b)
	return b.String()
}

func (v Value) writeRepr(b *strings.Builder) {
	switch v.Kind() {
	case Absent, Null:
		b.WriteString("None")
	case Bool:
		if v.True() {
			b.WriteString("True")
		} else {
			b.WriteString("False")
		}
	case Number:
		b.WriteString(v.text)
	case String:
		s, _ := v.Str()
		writeStringRepr(b, s)
	case List:
		b.WriteByte('[')
		for i, e := range v.Elements() {
			separate(b, i)
			e.writeRepr(b)
		}
		b.WriteByte(']')
	case Map:
		b.WriteByte('{')
		for i, f := range v.Fields() {
			separate(b, i)
			writeStringRepr(b, f.Name)
			b.WriteString(": ")
			f.Value.writeRepr(b)
		}
		b.WriteByte('}')
	}
}

func separate(b *strings.Builder, i int) {
	if i > 0 {
		b.WriteString(", ")
	}
}

// writeStringRepr writes s as repr does. Like Python, it uses single quotes unless
// s contains a single quote and no double quote.
func writeStringRepr(b *strings.Builder, s string) {
	quote := '\''
	if strings.ContainsRune(s, '\'') && !strings.ContainsRune(s, '"') {
		quote = '"'
	}
	b.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			fmt.Fprintf(b, `\U%08x`, r)
		}
	}
	b.WriteRune(quote)
}
