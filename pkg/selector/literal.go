package selector

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Literal returns a pattern that matches text and nothing else, in the form in
// which it is typed in a selector. If text contains U+FFFD or bytes that are not
// valid UTF-8, the pattern also matches other such bytes in their place.
func Literal(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch edge := i == 0 || i+utf8.RuneLen(r) >= len(text); {
		case r == ',':
			b.WriteString(`\,`)
		case r == utf8.RuneError:
			b.WriteString(`\x{FFFD}`)
		case edge && unicode.IsSpace(r):
			b.WriteString(hex(r)) // Parse ignores blanks around a pattern
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return b.String()
}

func hex(r rune) string { return `\x{` + strings.ToUpper(strconv.FormatInt(int64(r), 16)) + `}` }

// One returns the text of the selector that chooses one object, in the form in
// which it is typed. The values are those of the tags, in the same order.
func One(tags, values []string, name string) string {
	var parts []string
	for i, tag := range tags {
		parts = append(parts, tag+"="+Literal(values[i]))
	}
	return strings.Join(append(parts, Name+"="+Literal(name)), ",")
}
