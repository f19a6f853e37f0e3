package render

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/value"
)

// Record returns a change with all its values before and after.
func Record(r sal.Stored, notes []sal.Note, undone string) []string {
	var lines []string
	add := func(name, s string) {
		if s != "" {
			lines = append(lines, fmt.Sprintf("%-9s %s", name, s))
		}
	}
	kind, held := "change", ""
	if r.Refused() {
		kind = "refused"
	}
	if r.Change.Held > 0 {
		held = text.Count(r.Change.Held, "object")
	}
	add(kind, fmt.Sprintf("%s at revision %d", Plain(r.Event.ID), r.Revision))
	add("time", r.Time.Local().Format(time.RFC3339))
	add("who", fmt.Sprintf("%s (uid %s) on %s", Plain(r.User.Name), Plain(r.User.ID), Plain(r.Host.Name)))
	add("action", Plain(r.Event.Action))
	add("selector", cmp.Or(Plain(r.Change.Selector), "-"))
	add("command", Plain(r.Process.CommandLine))
	add("reason", Plain(r.Event.Reason))
	add("task", Plain(r.Change.Task))
	add("overrode", overrode(r.Record))
	add("undoes", Plain(strings.Join(r.Change.Undoes, ", ")))
	add("undone by", Plain(undone))
	add("held back", held)
	for _, f := range r.Change.Findings {
		add("rule", recordedFinding(f))
	}
	for _, n := range notes {
		add("note", Plain(fmt.Sprintf("%s %s: %s", n.Time.Local().Format(time.RFC3339), n.User.Name, n.Text)))
	}
	for _, o := range r.Change.Objects {
		lines = append(lines, recordedObject(o)...)
	}
	return lines
}

// recordedFinding returns a finding with its rule, and its level if it has one.
func recordedFinding(f sal.Finding) string {
	rule := f.Rule
	if f.Level != "" {
		rule += " (" + f.Level + ")"
	}
	return Plain(fmt.Sprintf("%s: %s %s", rule, f.Subject, f.Msg))
}

// overrode returns which rules were overridden, and how.
func overrode(r sal.Record) string {
	var parts []string
	if r.Change.Gone {
		parts = append(parts, "the host was said to be gone")
	}
	if r.Change.Emergency {
		parts = append(parts, "emergency")
	}
	return Plain(strings.Join(append(parts, r.Change.Overrides...), ", "))
}

func recordedObject(o sal.Object) []string {
	name := Plain(o.Type + " " + o.Path)
	switch {
	case o.Created():
		return []string{fmt.Sprintf("  %s created: %s", name, o.After.Text())}
	case o.Deleted():
		return []string{fmt.Sprintf("  %s deleted: %s", name, storedBefore(o))}
	}
	var lines []string
	for _, f := range o.Fields() {
		lines = append(lines, fmt.Sprintf("  %s: %s: %s => %s", name, Plain(f.Name), stored(f.Before), stored(f.After)))
	}
	if o.Partial {
		lines = append(lines, fmt.Sprintf("  %s: the record lacks large fields that did not change", name))
	}
	return lines
}

// storedBefore returns the stored value before a change: JSON, or a quoted text
// if it was not a JSON object.
func storedBefore(o sal.Object) string {
	if o.Raw != nil {
		return text.Line(fmt.Sprintf("%q, which is no object", o.Raw))
	}
	return o.Before.Text()
}

// stored returns a value as JSON, which distinguishes the text "5" from the
// number 5.
func stored(v value.Value) string {
	if v.IsAbsent() {
		return "(none)"
	}
	return v.Text()
}

// History returns a line for each change of a field or of a whole object.
func History(r sal.Stored, o sal.Object) []string {
	var effects []string
	switch {
	case o.Created():
		effects = []string{Plain(o.Path) + ": created " + o.After.Text()}
	case o.Deleted():
		effects = []string{Plain(o.Path) + ": deleted " + storedBefore(o)}
	default:
		for _, f := range o.Fields() {
			effects = append(effects, FieldChange(o.Path, f))
		}
	}
	why := ""
	if w := Why(r.Record); w != "" {
		why = " - " + w
	}
	for i, effect := range effects {
		effects[i] = fmt.Sprintf("%s  %s  %s%s  %s", r.Time.Local().Format(time.RFC3339), Plain(r.User.Name+"@"+r.Host.Name), text.OneLine(effect), why, Plain(r.Event.ID))
	}
	return effects
}
