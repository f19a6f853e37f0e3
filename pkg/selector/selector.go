// Package selector is the language that says which objects are meant:
// tag=regex,... over an object type's tags and its name.
package selector

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/nearest"
)

// Name is the selector's word for an object's name, beside the tags.
const Name = "name"

// Selector chooses objects of one type. The zero Selector matches all.
type Selector struct {
	text  string
	tags  []string // of the type, without Name
	terms []term   // one for each tag
	name  term
}

// term is what is asked of one tag, or of the name. The zero term asks nothing.
type term struct {
	given   bool
	pattern string         // as it is written; empty if it is no regular expression
	any     bool           // everything matches
	re      *regexp.Regexp // nil: text is all that matches
	text    string         // what every match is, if plain
	plain   bool
}

func (t term) match(value string) bool {
	switch {
	case !t.given || t.any:
		return true
	case t.plain || t.re == nil:
		return value == t.text
	}
	return t.re.MatchString(value)
}

// Error says what is wrong with a selector, and what would be right.
type Error struct {
	Selector string
	Msg      string
	Hint     string // what to type instead; may be empty
}

func (e *Error) Error() string { return fmt.Sprintf("selector %q: %s", e.Selector, e.Msg) }

// Parse reads a selector for a type with the given tags. Each regex is RE2 and
// must match the whole of its tag; a tag that is left out matches all. A comma
// inside (), [] or {} belongs to the regex. All errors are *Error.
func Parse(text string, tags []string) (Selector, error) {
	s := Selector{text: text, tags: tags, terms: make([]term, len(tags))}
	if strings.TrimSpace(text) == "" {
		return Selector{}, s.errorf("say which objects, such as "+example(tags), "is empty")
	}
	for _, part := range split(text) {
		if err := s.add(part); err != nil {
			return Selector{}, err
		}
	}
	return s, nil
}

// Exactly returns the selector for one literal value of each given tag and
// name, which may hold any characters.
func Exactly(tags []string, values map[string]string) Selector {
	s := Selector{tags: tags, terms: make([]term, len(tags))}
	var parts []string
	for i, tag := range s.words() {
		if v, ok := values[tag]; ok {
			*s.term(i) = term{given: true, text: v, plain: isWord(v)}
			parts = append(parts, tag+"="+v)
		}
	}
	s.text = strings.Join(parts, ",")
	return s
}

// WithName returns the selector with a pattern for the name in place of its
// own. The error is an *Error.
func (s Selector) WithName(pattern string) (Selector, error) {
	with := s // the terms are shared: only the name's is another
	with.name = term{}
	err := with.add(Name + "=" + pattern)
	return with, err
}

// words returns what may stand before a =.
func (s *Selector) words() []string { return append(slices.Clone(s.tags), Name) }

// term returns the term for the word at a place of words.
func (s *Selector) term(at int) *term {
	if at < len(s.terms) {
		return &s.terms[at]
	}
	return &s.name
}

func (s *Selector) add(part string) error {
	tag, pattern, found := strings.Cut(part, "=")
	tag, pattern = strings.TrimSpace(tag), strings.TrimSpace(pattern)
	all := s.words()
	at := slices.Index(all, tag)
	switch {
	case strings.TrimSpace(part) == "":
		return s.errorf("take the extra comma out; a selector is one word, without blanks or in quotes", "nothing between two commas, or a comma at the end")
	case !found && slices.Contains(all, tag):
		return s.errorf(fmt.Sprintf("write %s=VALUE", tag), "no = after %q", tag)
	case !found:
		return s.errorf(fmt.Sprintf("write %s=%s to mean the object's name", Name, tag), "no = in %q", tag)
	case at < 0:
		return s.errorf("known here: "+strings.Join(all, ", "), "no tag %q%s", tag, nearest.Suggest(tag, all))
	case s.term(at).given:
		return s.errorf(fmt.Sprintf("to match either of two, write %s=(a|b)", tag), "tag %q is there twice", tag)
	}
	re, err := compile(pattern)
	if err != nil {
		return s.badRegex(tag, pattern, err)
	}
	text, plain := literal(re)
	plain = plain && re.MatchString(text) // a$b matches nothing at all
	*s.term(at) = term{given: true, pattern: pattern, any: pattern == ".*", re: re, text: text, plain: plain}
	return nil
}

// compile anchors a pattern at both ends. The pattern has to be one by itself:
// anchoring a)|(b would make it match what begins with a.
func compile(pattern string) (*regexp.Regexp, error) {
	if _, err := syntax.Parse(pattern, syntax.Perl); err != nil {
		return nil, err
	}
	return regexp.Compile("^(?:" + pattern + ")$")
}

var (
	lookAround    = regexp.MustCompile(`^\(\?<?[=!]`)
	backReference = regexp.MustCompile(`^(\\[1-9]|\(\?P$)`)
)

func (s *Selector) badRegex(tag, pattern string, err error) error {
	e, ok := err.(*syntax.Error) //nolint:errorlint // regexp and syntax return it bare
	if !ok {
		return s.errorf("", "%s: %q is no regular expression", tag, pattern)
	}
	hint := ""
	switch {
	case lookAround.MatchString(e.Expr):
		hint = "look-around is not known here (RE2 syntax)"
	case backReference.MatchString(e.Expr):
		hint = "back-references are not known here (RE2 syntax)"
	case e.Code == syntax.ErrInvalidEscape:
		hint = `a backslash is written \\`
	}
	return s.errorf(hint, "%s: bad regular expression: %s: %q", tag, e.Code, e.Expr)
}

func (s *Selector) errorf(hint, format string, args ...any) error {
	return &Error{Selector: s.text, Msg: fmt.Sprintf(format, args...), Hint: hint}
}

var namedClass = regexp.MustCompile(`^\[:\^?\w*:\]`) // [:alpha:], in a class

// split cuts at commas that are outside brackets and not escaped. A brace that
// is not closed, or closes nothing, is a letter, as it is to the regex.
func split(text string) []string {
	var parts []string
	var open []byte // the brackets around i
	start, class := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case class && namedClass.MatchString(text[i:]):
			i += strings.IndexByte(text[i:], ']')
		case class:
			class = c != ']'
		case c == '[':
			class = true
			i += len(classOpening(text[i+1:]))
		case c == '(', c == '{' && strings.Contains(text[i:], "}"):
			open = append(open, c)
		case c == ')':
			open = open[:max(bytes.LastIndexByte(open, '('), 0)]
		case c == '}':
			open = bytes.TrimSuffix(open, []byte("{"))
		case c == ',' && len(open) == 0:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

// classOpening returns what may follow a [ and is not yet the class's end:
// []a] and [^]a] hold a bracket.
func classOpening(rest string) string {
	for _, opening := range []string{"^]", "]", "^"} {
		if strings.HasPrefix(rest, opening) {
			return opening
		}
	}
	return ""
}

// Match reports whether the selector chooses an object. The tags are in the
// order that was given to Parse.
func (s Selector) Match(tags []string, name string) bool {
	if len(tags) < len(s.terms) {
		return false
	}
	for i, value := range tags[:len(s.terms)] {
		if !s.terms[i].match(value) {
			return false
		}
	}
	return s.name.match(name)
}

// Literals returns the leading values that every match has: those of the first
// tags, and after all tags the name, as long as each is given as plain text.
func (s Selector) Literals() []string {
	var values []string
	for _, t := range append(slices.Clone(s.terms), s.name) {
		if !t.plain {
			break
		}
		values = append(values, t.text)
	}
	return values
}

// String returns the selector as it was typed.
func (s Selector) String() string { return s.text }

func example(tags []string) string {
	if len(tags) == 0 {
		return Name + "=REGEX"
	}
	return tags[0] + "=REGEX," + Name + "=REGEX"
}
