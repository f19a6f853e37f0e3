package selector

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CanMatch reports whether an object could match the selector. It considers only
// the plain text in each pattern: it returns false if a tag or the name would have
// to be empty, or to contain a character that neither may contain, such as a blank
// or a slash. It returns true for a pattern that cannot match for any other reason.
func (s Selector) CanMatch() bool {
	return !slices.ContainsFunc(append(slices.Clone(s.terms), s.name), term.isImpossible)
}

func (t term) isImpossible() bool {
	switch {
	case !t.given || t.any:
		return false
	case t.re == nil:
		return t.text == "" || strings.ContainsFunc(t.text, isForbidden)
	}
	text, whole := requiredText(t.re)
	return whole && text == "" || strings.ContainsFunc(text, isForbidden)
}

// isForbidden reports whether r is not allowed in tag values and names.
func isForbidden(r rune) bool {
	return r == '/' || r == utf8.RuneError || !unicode.IsPrint(r) || unicode.IsSpace(r)
}

// literal returns the only text that a pattern matches, and whether there is such
// a text.
func literal(re *regexp.Regexp) (string, bool) {
	text, whole := requiredText(re)
	// A RuneError in a pattern matches any byte that is not valid UTF-8.
	return text, whole && canBeValue(text) && !strings.ContainsRune(text, utf8.RuneError)
}

// requiredText returns the plain text that is a part of every match of a pattern,
// and whether it is the whole match.
func requiredText(re *regexp.Regexp) (text string, whole bool) {
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return "", false // not reached: the pattern has been compiled
	}
	var all strings.Builder
	whole = true
	for _, part := range flatten(parsed.Simplify()) {
		switch part.Op {
		case syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpEmptyMatch:
		case syntax.OpLiteral:
			whole = whole && part.Flags&syntax.FoldCase == 0
			all.WriteString(string(part.Rune))
		default:
			whole = false
		}
	}
	return all.String(), whole
}

// canBeValue reports whether s could be a tag value or a name, which are parts of
// a key. No key is read for another s, since no object has it.
func canBeValue(s string) bool { return s != "" && !strings.Contains(s, "/") }

func flatten(re *syntax.Regexp) []*syntax.Regexp {
	if re.Op != syntax.OpConcat && re.Op != syntax.OpCapture {
		return []*syntax.Regexp{re}
	}
	var parts []*syntax.Regexp
	for _, sub := range re.Sub {
		parts = append(parts, flatten(sub)...)
	}
	return parts
}
