// Package text makes text that somebody else wrote fit to be shown: values, keys
// and names out of a store, records of the journal, file names, answers of
// servers. It is the only place that decides which characters may be shown.
//
// Characters that a terminal acts on, that change the order of what is shown, or
// that cannot be seen are replaced by an escape, so that a reader sees that they
// are there and which they are:
//
//	\n \r \t      line ends and tabs
//	\uXXXX        a character, as in JSON; \UXXXXXXXX above U+FFFF
//	\xXX          a byte that is not UTF-8
//
// These characters are escaped: control characters (C0, DEL and C1), line and
// paragraph separators, and all of Unicode's format and ignorable characters, such
// as the bidirectional controls, zero-width spaces and joiners, the soft hyphen,
// the byte order mark, tags, fillers of Hangul, variation selectors, and
// noncharacters. Everything else is left as it is.
//
// Emoji need some of these. U+200D is left between two emoji, and U+FE0E or U+FE0F
// after an emoji and within a keycap. Elsewhere they would make two names look
// the same, so they are escaped there, also within words of Persian or Indic
// scripts. The flags that are made of tags, such as Scotland's, are escaped, too.
//
// A backslash is not escaped. A text that spells an escape is not told apart from
// one that had the character; what has to be exact is quoted by its own format.
package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sanitize returns s with newlines and tabs left as they are, and everything else
// that may not be shown escaped.
func Sanitize(s string) string { return escape(s, true, escaped) }

// Line returns s as a single line: as Sanitize does, with newlines and tabs
// escaped, too.
func Line(s string) string { return escape(s, false, escaped) }

// OneLine returns a message of several lines as a single line, as Line does, with
// "; " between the lines.
func OneLine(msg string) string {
	return Line(strings.ReplaceAll(strings.TrimRight(msg, "\n"), "\n", "; "))
}

// Lines returns the lines of a text; none of an empty one.
func Lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimRight(s, "\n"), "\n")
}

// Count returns a number of things in words: 1 object, 2 objects.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Spaced returns s as a single line, in which control characters and line ends are
// spaces: for a line of prose, such as a message of a server over several lines.
func Spaced(s string) string { return escape(s, false, spaced) }

// Words returns the words of s as a single line, with one space between them.
func Words(s string) string { return strings.Join(strings.Fields(Spaced(s)), " ") }

// IsLine reports whether s can be shown on a line as it is: Line(s) == s.
func IsLine(s string) bool { return firstHidden(s, 0, false) == len(s) }

// IsClean reports whether s can be shown as it is: Sanitize(s) == s.
func IsClean(s string) bool { return firstHidden(s, 0, true) == len(s) }

// JSON returns JSON text in which the characters that may not be shown are
// escaped. It stands for the same value. What is not UTF-8 becomes U+FFFD, as
// decoders read it.
func JSON(s string) string { return escape(s, true, escapedJSON) }

// Cut returns s cut to a number of characters, the last of which is then an
// ellipsis. It cleans nothing.
func Cut(s string, most int) string {
	n := 0
	for i := range s {
		if n++; n == most {
			return withEllipsis(s, i, len(s) > i+runeLen(s[i:]))
		}
	}
	return s
}

// CutBytes is Cut for a number of bytes, at least the three of an ellipsis.
func CutBytes(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := max(most-len(ellipsis), 0)
	for back := 0; back < utf8.UTFMax-1 && end > 0 && !utf8.RuneStart(s[end]); back++ {
		end--
	}
	return withEllipsis(s, end, true)
}

// Excerpt returns the beginning of s as a single line of at most so many
// characters. It takes no longer for a long text than for a short one.
func Excerpt(s string, most int) string {
	return Cut(Line(prefix(s, most+1)), most)
}

// prefix returns the first characters of s.
func prefix(s string, most int) string {
	n := 0
	for i := range s {
		if n == most {
			return s[:i]
		}
		n++
	}
	return s
}

const ellipsis = "…"

// withEllipsis cuts s at a byte, if it is to be cut. What joins an emoji to the
// next character has none to join it to.
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

// escape returns s with what may not be shown escaped.
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

// escaped is the escape of one character, or of a byte that is none.
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

// spaced is a space for what ends a line or is no character, and the escape of
// everything else.
func spaced(s string, r rune) string {
	if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) {
		return " "
	}
	return escaped(s, r)
}

// escapedJSON is the escape of one character in JSON, which has pairs of
// surrogates for those above U+FFFF.
func escapedJSON(_ string, r rune) string {
	if r > 0xFFFF {
		r -= 0x10000
		return fmt.Sprintf(`\u%04x\u%04x`, 0xD800|r>>10, 0xDC00|r&0x3FF)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// firstHidden returns where the first character of s is, from a place on, that may
// not be shown, or the length of s. With lines, newlines and tabs may be.
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

// isHidden reports whether a character, taken alone, may not be shown.
func isHidden(r rune) bool {
	switch {
	case r < 0xA0:
		return r < ' ' || r > '~'
	case r < 0xAD: // the first of those below
		return false
	case unicode.Is(unicode.Prepended_Concatenation_Mark, r): // format characters of Arabic that are seen
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Variation_Selector,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point)
}

const (
	joiner = '\u200D'
	keycap = '\u20E3'
)

// isPartOfEmoji reports whether r, at a place in s, is a joiner or a variation
// selector that belongs to an emoji.
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

// isSelector reports whether r chooses between an emoji and its text form.
func isSelector(r rune) bool { return r == '\uFE0E' || r == '\uFE0F' }

// isPictograph reports whether r may be an emoji. Symbols are, and what stands in
// the blocks of emoji, also what is not assigned yet.
func isPictograph(r rune) bool {
	switch {
	case r == utf8.RuneError:
		return false
	case r >= 0x1F000 && r <= 0x1FAFF, r >= 0x2190 && r <= 0x21FF, r >= 0x25FB && r <= 0x25FE:
		return true
	}
	return strings.ContainsRune("‼⁉〰", r) || unicode.Is(unicode.So, r)
}
