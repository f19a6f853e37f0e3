package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Changes returns what a plan changes: one object after the other or, if there
// are more than MaxObjects, a line for each type and tags.
func Changes(changes []object.Change, color bool) []string {
	if len(changes) > MaxObjects {
		return changeGroups(changes, color)
	}
	d := diff{color: color}
	for _, c := range changes {
		switch {
		case c.Before == nil:
			d.add(green, "+ "+c.After.String()+" "+fieldsText(c.After.Fields))
		case c.After == nil:
			d.add(red, "- "+c.Before.String()+" "+fieldsText(c.Before.Fields))
		default:
			for _, f := range c.Fields() {
				d.field(c.Object().Path(), f)
			}
		}
	}
	return d.lines
}

// diff collects coloured lines.
type diff struct {
	lines []string
	color bool
}

func (d *diff) add(code, line string) {
	d.lines = append(d.lines, paint(text.OneLine(line), code, d.color))
}

// field adds the change of one field, on one line or, for a long value, line by
// line.
func (d *diff) field(path string, f object.FieldChange) {
	const long = 200
	if line := FieldChange(path, f); len(line) <= long {
		d.add(yellow, "~ "+line)
		return
	}
	d.add(yellow, fmt.Sprintf("~ %s: %s changed:", path, Plain(f.Name)))
	for _, l := range text.Lines(udiff.Unified("before", "after", block(f.Before), block(f.After))) {
		switch {
		case strings.HasPrefix(l, "---"), strings.HasPrefix(l, "+++"):
		case strings.HasPrefix(l, "+"):
			d.add(green, "    "+l)
		case strings.HasPrefix(l, "-"):
			d.add(red, "    "+l)
		default:
			d.add(dim, "    "+l)
		}
	}
}

// block returns a value as YAML.
func block(v value.Value) string {
	if v.IsAbsent() {
		return ""
	}
	lines, err := yamldoc.Encode(yamldoc.OfValue(v))
	if err != nil {
		return v.Text() + "\n"
	}
	return string(lines)
}

// fieldsText returns the fields of an object as JSON, cut to MaxWidth.
func fieldsText(fields []value.Field) string { return Short(value.OfMap(fields...).Text()) }

// FieldChange returns the change of one field in the format of the Python tool.
func FieldChange(path string, f object.FieldChange) string {
	before, after := printed(f.Before), printed(f.After)
	if before == after && !f.Before.IsAbsent() { // such as the text "300" and the number 300
		before, after = f.Before.Text(), f.After.Text()
	}
	return fmt.Sprintf("%s: %s changed %s => %s", Plain(path), Plain(f.Name), before, after)
}

// printed returns a value in the format of Python.
func printed(v value.Value) string {
	if s, isText := v.Str(); isText {
		return Plain(s)
	}
	return text.Line(v.Python())
}

// Done returns a line for each field that was changed and for each object that
// was created or deleted.
func Done(objects []sal.Object) []string {
	var lines []string
	for _, o := range objects {
		switch {
		case o.Created():
			lines = append(lines, text.OneLine(fmt.Sprintf("Created %s %s.", o.Type, o.Path)))
		case o.Deleted():
			lines = append(lines, text.OneLine(fmt.Sprintf("Deleted %s %s.", o.Type, o.Path)))
		default:
			for _, f := range o.Fields() {
				lines = append(lines, text.OneLine(FieldChange(o.Path, f)))
			}
		}
	}
	return lines
}

// Effect describes in one line what a change did to an object.
func Effect(o sal.Object) string {
	switch {
	case o.Created():
		return Plain(o.Path) + ": created"
	case o.Deleted():
		return Plain(o.Path) + ": deleted"
	}
	var parts []string
	for _, f := range o.Fields() {
		parts = append(parts, FieldChange(o.Path, f))
	}
	return strings.Join(parts, ", ")
}

// Conflicts returns the changes that somebody else made to objects, and the
// changes that were planned.
func Conflicts(conflicts []change.Conflict) []string {
	var lines []string
	for _, c := range conflicts {
		path := Plain(c.Mine.Object().Path())
		if c.Theirs == nil {
			lines = append(lines, "  theirs: "+path+": deleted")
		} else {
			for _, f := range c.Other().Fields() {
				lines = append(lines, "  theirs: "+FieldChange(path, f))
			}
		}
		for _, f := range c.Mine.Fields() {
			lines = append(lines, "  yours:  "+FieldChange(path, f))
		}
	}
	return lines
}

// Revert describes what undoing the last change of an object would do. If last is
// the record of that change, it also names its author.
func Revert(c object.Change, last sal.Stored, now time.Time) string {
	line := Plain(c.Object().String())
	switch sign(c) {
	case "+":
		line += " would be created again"
	case "-":
		line += " would be removed"
	}
	if c.Before != nil && c.After != nil {
		for _, f := range c.Fields() {
			line += fmt.Sprintf("; %s would change %s => %s", Plain(f.Name), Short(orDash(f.Before)), Short(orDash(f.After)))
		}
	}
	return line + lastChange(c, last, now)
}

// orDash returns a value as a cell, or a dash if it is absent.
func orDash(v value.Value) string {
	if v.IsAbsent() {
		return "-"
	}
	return Cell(v)
}

// lastChange describes when, by whom and why an object was last changed; empty if
// r is not the record of that change.
func lastChange(c object.Change, r sal.Stored, now time.Time) string {
	verb := "changed"
	switch {
	case r.Event.ID == "", c.Before != nil && r.Revision != c.Before.Revision:
		return ""
	case c.Before == nil:
		verb = "deleted"
	case c.Before.Created == c.Before.Revision:
		verb = "created"
	}
	line := fmt.Sprintf("; %s %s by %s", verb, Ago(r.Time, now), Plain(r.User.Name))
	if why := Task(r.Record); why != "" {
		line += ": " + Plain(why)
	}
	return line
}
