package object

import (
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// Ambiguity is a value that a plan stores as a string although it may be meant
// as a boolean or null that the schema also allows. For example, the string
// "off" has turned on what it was meant to turn off.
type Ambiguity struct {
	Object Object
	Field  string
	Text   value.Value
	Others []value.Value // the other possible values, which the schema allows
	// Quoted reports that the operator gave the value as a quoted string.
	Quoted bool
}

// String returns a message with all possible values.
func (a Ambiguity) String() string {
	return fmt.Sprintf("%s: %s can be the text %s or %s", a.Object, a.Field, a.Text.Text(), a.Other())
}

// Other returns the possible values other than the string, joined by "or".
func (a Ambiguity) Other() string {
	readings := make([]string, len(a.Others))
	for i, v := range a.Others {
		if readings[i] = v.Text(); v.Kind() == value.Bool {
			readings[i] = "the boolean " + readings[i]
		}
	}
	return strings.Join(readings, " or ")
}

// meanings returns the booleans and null that a string may be meant as.
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

// isMisspelled reports whether a word has the same letters as the right one in
// another order, or one letter more or less.
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

// isBooleanWord reports whether a string would be a boolean or null without
// quotes.
func isBooleanWord(text string) bool {
	return slices.Contains([]string{"true", "false", "null"}, strings.ToLower(strings.TrimSpace(text)))
}

// ambiguity returns the other values that a field of a change may be meant as.
// ok is false if there are none, or if the field has this value already.
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

// ambiguities returns the ambiguities of the fields that the assignments set.
func ambiguities(c Change, assignments []Assignment) ([]Ambiguity, error) {
	var all []Ambiguity
	for _, assignment := range assignments {
		a, ok, err := ambiguity(c, assignment.Field, assignment.Quoted)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, a)
		}
	}
	return all, nil
}

// checkUnambiguous returns an *InvalidError if one of the bare fields, those
// given without quotes in YAML, is ambiguous.
func checkUnambiguous(c Change, bare []string) error {
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
