package selector

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CanMatch reports whether an object could match. It looks at plain text alone: it
// returns false if a tag or the name would have to be empty, or to hold a character
// that neither may hold, such as a blank or a slash. A pattern that cannot match for
// any other reason is not found out.
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

// isForbidden reports whether no tag value and no name may hold a character.
func isForbidden(r rune) bool {
	return r == '/' || r == utf8.RuneError || !unicode.IsPrint(r) || unicode.IsSpace(r)
}

// literal returns the one text a pattern matches, if there is just one.
func literal(re *regexp.Regexp) (string, bool) {
	text, whole := requiredText(re)
	// A RuneError matches any byte that is not valid UTF-8.
	return text, whole && isWord(text) && !strings.ContainsRune(text, utf8.RuneError)
}

// requiredText returns the plain text that each match of a pattern holds, and
// whether that is all it holds.
func requiredText(re *regexp.Regexp) (text string, whole bool) {
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return "", false // not reached: it was compiled
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

// isWord reports whether a tag or name could be s. If not it is not worth
// reading a key for: no object has it.
func isWord(s string) bool { return s != "" && !strings.Contains(s, "/") }

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
