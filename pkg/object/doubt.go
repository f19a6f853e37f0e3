package object

import (
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// doubts returns warnings about values that are valid but probably mistakes: a
// string where a boolean was probably meant, an undeclared new field that may
// be a misspelled one, a value that does not have the format of its field, and
// a network written in an unusual way. It does not repeat what applied before
// the change.
func doubts(c Change) []string {
	var warnings []string
	t := c.After.Type
	var was []schema.Violation
	if c.Before != nil {
		was = t.Doubts(c.Before.Tags, c.Before.Name, c.Before.Fields)
	}
	earlier := setOf(was)
	for _, v := range t.Doubts(c.After.Tags, c.After.Name, c.After.Fields) {
		if !earlier[v] {
			warnings = append(warnings, fmt.Sprintf("%s: %s; stored as typed", c.After, v))
		}
	}
	for _, changed := range c.Fields() {
		f, declared := t.Field(changed.Name)
		if !declared && changed.Before.IsAbsent() {
			warnings = append(warnings, fmt.Sprintf("%s gets a field that type %s does not declare: %s%s",
				c.After, t.Name, changed.Name, nearest.Suggest(changed.Name, t.FieldNames())))
		}
		if (!declared || f.Kind == schema.Any) && isDoubtful(changed.After) {
			warnings = append(warnings, fmt.Sprintf("%s: %s becomes the text %s; booleans, numbers and null are typed without quotes, lists and maps as JSON",
				c.After, changed.Name, changed.After.Text()))
		}
	}
	return warnings
}

// isDoubtful reports whether a value is a string that looks like a value of
// another kind.
func isDoubtful(v value.Value) bool {
	text, isText := v.Str()
	if !isText {
		return false
	}
	text = strings.ToLower(strings.TrimSpace(text))
	literals := []string{"true", "false", "null"}
	if slices.Contains([]string{"", "yes", "no", "on", "off", "y", "n", "0", "1", "none"}, text) || slices.Contains(literals, text) {
		return true
	}
	_, near := nearest.To(text, literals)
	return near || strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{")
}
