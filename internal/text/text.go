// Package text makes text from other sources fit to be shown: values, keys and
// names from a store, journal records, file names, answers of servers. It is the
// only place that decides which characters may be shown.
//
// Characters that a terminal acts on, that change the order of text, or that are
// invisible are replaced by an escape that shows which character it is:
//
//	\n \r \t      line ends and tabs
//	\uXXXX        a character, as in JSON; \UXXXXXXXX above U+FFFF
//	\xXX          a byte that is not UTF-8
//
// These characters are escaped: control characters (C0, DEL and C1), line and
// paragraph separators, and all of Unicode's format and ignorable characters, such
// as the bidirectional controls, zero-width spaces and joiners, the soft hyphen,
// the byte order mark, tags, fillers of Hangul, variation selectors, and
// noncharacters. All others are left unchanged.
//
// Emoji need some of these. U+200D is left between two emoji, and U+FE0E or U+FE0F
// after an emoji and within a keycap. Elsewhere they would make two names look
// the same, so they are escaped there, also within words of Persian or Indic
// scripts. The flags that are made of tags, such as Scotland's, are escaped, too.
//
// A backslash is not escaped, so the result does not show whether the text had the
// character or its escape. A format that must be exact uses quotes of its own.
package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sanitize returns s with all characters that may not be shown escaped, except
// newlines and tabs.
func Sanitize(s string) string { return escape(s, true, escaped) }

// Line returns s as a single line: it escapes newlines and tabs, too.
func Line(s string) string { return escape(s, false, escaped) }

// OneLine returns a message of several lines as a single line, as Line does, with
// "; " between the lines.
func OneLine(msg string) string {
	return Line(strings.ReplaceAll(strings.TrimRight(msg, "\n"), "\n", "; "))
}

// Lines returns the lines of a text; nil for an empty text.
func Lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimRight(s, "\n"), "\n")
}

// Count returns a number with a noun, such as "1 object" or "2 objects".
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Spaced returns s as a single line with spaces instead of control characters and
// line ends. It is for prose, such as a message of a server over several lines.
func Spaced(s string) string { return escape(s, false, spaced) }

// Words returns the words of s as a single line, with one space between them.
func Words(s string) string { return strings.Join(strings.Fields(Spaced(s)), " ") }

// IsLine reports whether s can be shown unchanged on one line: Line(s) == s.
func IsLine(s string) bool { return firstHidden(s, 0, false) == len(s) }

// IsClean reports whether s can be shown unchanged: Sanitize(s) == s.
func IsClean(s string) bool { return firstHidden(s, 0, true) == len(s) }

// JSON escapes the characters of JSON text that may not be shown. The result has
// the same value, except that bytes that are not UTF-8 become U+FFFD, as decoders
// read them.
func JSON(s string) string { return escape(s, true, escapedJSON) }

// Cut cuts s to limit characters and replaces the last one by an ellipsis if s is
// longer. It does not escape anything.
func Cut(s string, limit int) string {
	n := 0
	for i := range s {
		if n++; n == limit {
			return withEllipsis(s, i, len(s) > i+runeLen(s[i:]))
		}
	}
	return s
}

// CutBytes is like Cut, but the limit is in bytes. It must be at least 3, the
// size of an ellipsis.
func CutBytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := max(limit-len(ellipsis), 0)
	for back := 0; back < utf8.UTFMax-1 && end > 0 && !utf8.RuneStart(s[end]); back++ {
		end--
	}
	return withEllipsis(s, end, true)
}

// Excerpt returns the beginning of s as a single line of at most limit
// characters. Its running time does not depend on the length of s.
func Excerpt(s string, limit int) string {
	return Cut(Line(prefix(s, limit+1)), limit)
}

// prefix returns the first limit characters of s.
func prefix(s string, limit int) string {
	n := 0
	for i := range s {
		if n == limit {
			return s[:i]
		}
		n++
	}
	return s
}

const ellipsis = "…"

// withEllipsis cuts s at a byte and appends an ellipsis if cut is true. It also
// removes what would join the last emoji to the next character.
func withEllipsis(s string, end int, cut bool) string {
	if !cut {
		return s
	}
	return strings.TrimRight(s[:end], "\u200D\uFE0E\uFE0F") + ellipsis
}

func runeLen(s string) int {
	_, size := utf8.DecodeRuneInString(s)
	return size
}

// escape returns s with each hidden character replaced by form. If lines is true,
// newlines and tabs are kept.
func escape(s string, lines bool, form func(s string, r rune) string) string {
	next := firstHidden(s, 0, lines)
	if next == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/4)
	for done := 0; ; next = firstHidden(s, done, lines) {
		b.WriteString(s[done:next])
		if next == len(s) {
			return b.String()
		}
		r, size := utf8.DecodeRuneInString(s[next:])
		done = next + size
		b.WriteString(form(s[next:done], r))
	}
}

// escaped returns the escape of a character, or of a byte that is not UTF-8.
func escaped(s string, r rune) string {
	switch {
	case r == utf8.RuneError:
		return fmt.Sprintf(`\x%02x`, s[0])
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r > 0xFFFF:
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// spaced returns a space for a control character or a line or paragraph separator,
// and the escape of any other character.
func spaced(s string, r rune) string {
	if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) {
		return " "
	}
	return escaped(s, r)
}

// escapedJSON returns the escape of a character in JSON: a surrogate pair above
// U+FFFF.
func escapedJSON(_ string, r rune) string {
	if r > 0xFFFF {
		r -= 0x10000
		return fmt.Sprintf(`\u%04x\u%04x`, 0xD800|r>>10, 0xDC00|r&0x3FF)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// firstHidden returns the index in s, from start on, of the first character that
// may not be shown, or len(s). If lines is true, newlines and tabs may be shown.
func firstHidden(s string, start int, lines bool) int {
	for i := start; i < len(s); {
		c := s[i]
		if c >= ' ' && c <= '~' || lines && (c == '\n' || c == '\t') {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || isHidden(r) && !isPartOfEmoji(s, i, r) {
			return i
		}
		i += size
	}
	return len(s)
}

// isHidden reports whether a character may not be shown when it is alone.
func isHidden(r rune) bool {
	switch {
	case r < 0xA0:
		return r < ' ' || r > '~'
	case r < 0xAD: // the first of the characters below
		return false
	case unicode.Is(unicode.Prepended_Concatenation_Mark, r): // visible format characters of Arabic
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Variation_Selector,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point)
}

const (
	joiner = '\u200D'
	keycap = '\u20E3'
)

// isPartOfEmoji reports whether r, which is at index at of s, is a joiner or a
// variation selector of an emoji.
func isPartOfEmoji(s string, at int, r rune) bool {
	before, size := utf8.DecodeLastRuneInString(s[:at])
	after, _ := utf8.DecodeRuneInString(s[at+runeLen(s[at:]):])
	switch {
	case r == joiner && isSelector(before):
		before, _ = utf8.DecodeLastRuneInString(s[:at-size])
		return isPictograph(before) && isPictograph(after)
	case r == joiner:
		return isPictograph(before) && isPictograph(after)
	case isSelector(r):
		return isPictograph(before) || after == keycap && strings.ContainsRune("0123456789#*", before)
	}
	return false
}

// isSelector reports whether r is a variation selector that selects the text or
// emoji form.
func isSelector(r rune) bool { return r == '\uFE0E' || r == '\uFE0F' }

// isPictograph reports whether r may be an emoji: a symbol, or any character in
// the emoji blocks, including unassigned ones.
func isPictograph(r rune) bool {
	switch {
	case r == utf8.RuneError:
		return false
	case r >= 0x1F000 && r <= 0x1FAFF, r >= 0x2190 && r <= 0x21FF, r >= 0x25FB && r <= 0x25FE:
		return true
	}
	return strings.ContainsRune("‼⁉〰", r) || unicode.Is(unicode.So, r)
}
