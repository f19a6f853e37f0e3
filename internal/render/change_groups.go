package render

import (
	"fmt"
	"strings"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/object"
)

// ChangeGroups returns a line for each group of changed objects with the same
// type and tags.
func ChangeGroups(changes []object.Change) []string { return changeGroups(changes, false) }

func changeGroups(changes []object.Change, color bool) []string {
	d := diff{color: color}
	for _, g := range GroupBy(changes, func(c object.Change) string { return sign(c) + " " + typeAndTags(c.Object()) }) {
		line := fmt.Sprintf("%s: %d", g.Name, len(g.Items))
		if effects := effects(g.Items); effects != "" {
			line += ": " + effects
		}
		d.add(map[byte]string{'+': green, '-': red, '~': yellow}[g.Name[0]], line)
	}
	return d.lines
}

// sign returns the sign of a change as in a diff: + for a created object, - for a
// removed one, ~ for a changed one.
func sign(c object.Change) string {
	switch {
	case c.Before == nil:
		return "+"
	case c.After == nil:
		return "-"
	}
	return "~"
}

// effects describes the changes of fields, with the number of objects of each;
// empty if the objects are created or removed.
func effects(changes []object.Change) string {
	const maxEffects = 3
	if sign(changes[0]) != "~" {
		return ""
	}
	groups := GroupBy(changes, effect)
	var parts []string
	for _, g := range groups[:min(len(groups), maxEffects)] {
		part := g.Name
		if len(groups) > 1 {
			part = fmt.Sprintf("%s (%d)", part, len(g.Items))
		}
		parts = append(parts, part)
	}
	if n := len(groups) - maxEffects; n > 0 {
		parts = append(parts, fmt.Sprintf("and %d other changes", n))
	}
	return strings.Join(parts, "; ")
}

// effect describes the changed fields of an object, without its name.
func effect(c object.Change) string {
	var parts []string
	for _, f := range c.Fields() {
		parts = append(parts, Short(strings.TrimPrefix(FieldChange("", f), ": ")))
	}
	return strings.Join(parts, ", ")
}

// eachOrGroups returns a line for each object or, if there are more than
// MaxObjects, for each type and tags.
func eachOrGroups(objects []object.Object, each func(object.Object) string) []string {
	var lines []string
	if len(objects) <= MaxObjects {
		for _, o := range objects {
			lines = append(lines, text.OneLine(each(o)))
		}
		return lines
	}
	for _, g := range GroupBy(objects, func(o object.Object) string { return typeAndTags(&o) }) {
		lines = append(lines, text.OneLine(fmt.Sprintf("%s: %d", g.Name, len(g.Items))))
	}
	return lines
}
