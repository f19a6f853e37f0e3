package selector

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Literal returns a pattern that matches a text and nothing else, for a selector
// that is to be typed. Bytes that are no UTF-8 are all alike to a pattern.
func Literal(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch edge := i == 0 || i+utf8.RuneLen(r) >= len(text); {
		case r == ',':
			b.WriteString(`\,`)
		case r == utf8.RuneError:
			b.WriteString(`\x{FFFD}`)
		case edge && unicode.IsSpace(r):
			b.WriteString(hex(r)) // blanks around a pattern are ignored
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return b.String()
}

func hex(r rune) string { return `\x{` + strings.ToUpper(strconv.FormatInt(int64(r), 16)) + `}` }

// One returns the selector, to be typed, that chooses one object.
func One(tags, values []string, name string) string {
	var parts []string
	for i, tag := range tags {
		parts = append(parts, tag+"="+Literal(values[i]))
	}
	return strings.Join(append(parts, Name+"="+Literal(name)), ",")
}
