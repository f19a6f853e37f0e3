// Package selector implements the language that chooses objects: tag=regex,...
// over the tags of an object type and the object's name.
package selector

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/nearest"
)

// Name is the key for an object's name in a selector. It is used like a tag.
const Name = "name"

// Selector chooses objects of one type. The zero Selector chooses all objects.
type Selector struct {
	text  string
	tags  []string // of the type, without Name
	terms []term   // one for each tag
	name  term
}

// term is the condition on one tag, or on the name. The zero term matches
// everything.
type term struct {
	given   bool
	pattern string         // the regular expression as it is written; empty if re is nil
	any     bool           // the term matches everything
	re      *regexp.Regexp // nil if the term matches text alone
	text    string         // the only match, if plain is true or re is nil
	plain   bool           // text is the only match, and can be a part of a key
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

// Error reports a selector that is not valid.
type Error struct {
	Selector string
	Msg      string
	Hint     string // what to type instead; may be empty
}

func (e *Error) Error() string { return fmt.Sprintf("selector %q: %s", e.Selector, e.Msg) }

// Parse reads a selector for a type with the given tags. Each regex has the syntax
// of RE2 and must match the whole value of its tag; a tag without a regex may have
// any value. A comma inside (), [] or {}, or after a backslash, is a part of the
// regex. All errors are *Error.
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

// Exactly returns the selector for objects whose tags have exactly the given
// values, which may contain any characters. The key Name in values stands for the
// object's name. Values of other keys than the tags and Name are ignored.
func Exactly(tags []string, values map[string]string) Selector {
	s := Selector{tags: tags, terms: make([]term, len(tags))}
	var parts []string
	for i, tag := range s.keys() {
		if v, ok := values[tag]; ok {
			*s.term(i) = term{given: true, text: v, plain: canBeValue(v)}
			parts = append(parts, tag+"="+v)
		}
	}
	s.text = strings.Join(parts, ",")
	return s
}

// WithName returns a copy of the selector with another pattern for the name. The
// error is an *Error.
func (s Selector) WithName(pattern string) (Selector, error) {
	changed := s // shares the terms of the tags, which add does not change here
	changed.name = term{}
	err := changed.add(Name + "=" + pattern)
	return changed, err
}

// words returns the allowed keys of a selector: the tags, and Name.
func (s *Selector) keys() []string { return append(slices.Clone(s.tags), Name) }

// term returns the term of the key with the given index in keys.
func (s *Selector) term(index int) *term {
	if index < len(s.terms) {
		return &s.terms[index]
	}
	return &s.name
}

func (s *Selector) add(part string) error {
	tag, pattern, found := strings.Cut(part, "=")
	tag, pattern = strings.TrimSpace(tag), strings.TrimSpace(pattern)
	all := s.keys()
	index := slices.Index(all, tag)
	switch {
	case strings.TrimSpace(part) == "":
		return s.errorf("take the extra comma out; a selector is one word, without blanks or in quotes", "nothing between two commas, or a comma at the end")
	case !found && slices.Contains(all, tag):
		return s.errorf(fmt.Sprintf("write %s=VALUE", tag), "no = after %q", tag)
	case !found:
		return s.errorf(fmt.Sprintf("write %s=%s to mean the object's name", Name, tag), "no = in %q", tag)
	case index < 0:
		return s.errorf("known here: "+strings.Join(all, ", "), "no tag %q%s", tag, nearest.Suggest(tag, all))
	case s.term(index).given:
		return s.errorf(fmt.Sprintf("to match either of two, write %s=(a|b)", tag), "tag %q is there twice", tag)
	}
	re, err := compile(pattern)
	if err != nil {
		return s.badRegex(tag, pattern, err)
	}
	text, plain := literal(re)
	plain = plain && re.MatchString(text) // a$b matches nothing
	*s.term(index) = term{given: true, pattern: pattern, any: pattern == ".*", re: re, text: text, plain: plain}
	return nil
}

// compile compiles a pattern, anchored at both ends. It checks the pattern by
// itself first, since a)|(b becomes valid when it is anchored, and would match any
// text that begins with a.
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

var namedClass = regexp.MustCompile(`^\[:\^?\w*:\]`) // such as [:alpha:], in a character class

// split splits text at the commas that are outside brackets and not escaped. A
// brace without its counterpart is plain text, as in a regex.
func split(text string) []string {
	var parts []string
	var open []byte // the opening brackets that enclose i
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

// classOpening returns the prefix of rest, the text after a [, that cannot end the
// character class: []a] and [^]a] contain a bracket.
func classOpening(rest string) string {
	for _, opening := range []string{"^]", "]", "^"} {
		if strings.HasPrefix(rest, opening) {
			return opening
		}
	}
	return ""
}

// Match reports whether the selector chooses the object with these values of its
// tags and this name. The values must be in the order of the tags that Parse was
// given; if there are fewer, Match returns false.
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

// Literals returns the longest sequence of values that all matches have in common
// at the beginning of their keys: the values of the first tags, in order, and,
// after those of all tags, the name. It ends before the first tag whose pattern
// is not plain text.
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

// String returns the text of the selector, as Parse was given it.
func (s Selector) String() string { return s.text }

func example(tags []string) string {
	if len(tags) == 0 {
		return Name + "=REGEX"
	}
	return tags[0] + "=REGEX," + Name + "=REGEX"
}
