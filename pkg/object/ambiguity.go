package object

import (
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// Ambiguity is a word that becomes text where the schema would also take the
// boolean, or null, that it may stand for: the text "off" has turned on what it
// was to turn off.
type Ambiguity struct {
	Object Object
	Field  string
	Text   value.Value
	Others []value.Value // what else it may mean, and the schema takes
	// Quoted says that the text was given in quotes, as a text.
	Quoted bool
}

// String names all readings.
func (a Ambiguity) String() string {
	return fmt.Sprintf("%s: %s can be the text %s or %s", a.Object, a.Field, a.Text.Text(), a.Other())
}

// Other names the readings besides the text.
func (a Ambiguity) Other() string {
	words := make([]string, len(a.Others))
	for i, v := range a.Others {
		if words[i] = v.Text(); v.Kind() == value.Bool {
			words[i] = "the boolean " + words[i]
		}
	}
	return strings.Join(words, " or ")
}

// meanings returns what a text may stand for besides itself.
func meanings(text string) []value.Value {
	no, yes := value.OfBool(false), value.OfBool(true)
	word := strings.ToLower(strings.Trim(text, " \t\r\n\"'`.,;:!"))
	switch word {
	case "off", "no", "n", "f", "0", "00", "0.0", "disable", "disabled":
		return []value.Value{no}
	case "on", "yes", "y", "t", "1", "01", "1.0", "enable", "enabled":
		return []value.Value{yes}
	case "", "none", "nil", "undefined", "~", "-":
		return []value.Value{no, value.NullValue}
	}
	for _, v := range []value.Value{no, yes, value.NullValue} {
		if word == v.Text() || isMisspelled(word, v.Text()) {
			return []value.Value{v}
		}
	}
	return nil
}

// isMisspelled reports whether one word is another with its letters in another
// order, or with a letter too many or too few.
func isMisspelled(word, right string) bool {
	short, long := word, right
	if len(short) > len(long) {
		short, long = long, short
	}
	if len(long)-len(short) == 1 {
		for i := range long {
			if long[:i]+long[i+1:] == short {
				return true
			}
		}
		return false
	}
	letters := func(s string) string { return string(slices.Sorted(slices.Values([]byte(s)))) }
	return letters(word) == letters(right)
}

// isBooleanWord reports whether a text is one that would be a boolean or null
// without its quotes.
func isBooleanWord(text string) bool {
	return slices.Contains([]string{"true", "false", "null"}, strings.ToLower(strings.TrimSpace(text)))
}

// ambiguity returns how else a field of a change may be meant; ok is false if
// there is no doubt: the field has the text already, or the schema takes nothing
// else that it may stand for.
func ambiguity(c Change, field string, quoted bool) (_ Ambiguity, ok bool, err error) {
	text := c.After.Get(field)
	word, isText := text.Str()
	f, declared := c.After.Type.Field(field)
	if !isText || c.Before != nil && c.Before.Get(field) == text || declared && f.Kind != schema.Any || quoted && !isBooleanWord(word) {
		return Ambiguity{}, false, nil
	}
	a := Ambiguity{Object: *c.After, Field: field, Text: text, Quoted: quoted}
	for _, other := range meanings(word) {
		fields := slices.Clone(c.After.Fields)
		fields[value.Index(fields, field)].Value = other
		found, err := c.After.Type.Validate(c.After.Tags, c.After.Name, fields)
		if err != nil {
			return Ambiguity{}, false, err
		}
		if !slices.ContainsFunc(found, func(v schema.Violation) bool { return v.Field == field }) {
			a.Others = append(a.Others, other)
		}
	}
	return a, len(a.Others) > 0, nil
}

// ambiguities returns those of the assignments of a change.
func ambiguities(c Change, assignments []Assignment) ([]Ambiguity, error) {
	var all []Ambiguity
	for _, as := range assignments {
		a, ok, err := ambiguity(c, as.Field, as.Quoted)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, a)
		}
	}
	return all, nil
}

// unambiguous refuses a change in whose fields, given without quotes in YAML,
// words may be meant otherwise.
func unambiguous(c Change, bare []string) error {
	for _, field := range bare {
		a, ok, err := ambiguity(c, field, false)
		if err != nil {
			return err
		}
		if ok {
			return &InvalidError{
				Object: c.After.String(),
				Reason: fmt.Sprintf("%s can be the text %s or %s; write %s, or %s in quotes", field, a.Text.Text(), a.Other(), a.Others[0].Text(), a.Text.Text()),
			}
		}
	}
	return nil
}
