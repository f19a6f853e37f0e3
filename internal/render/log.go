package render

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// LogLine returns a record as a line of its own, not aligned with others.
func LogLine(r sal.Stored) string { return strings.Join(LogCells(r, ""), "  ") }

// LogCells returns the cells of a record in a list of records. Undone is the id
// of the change that undid it, or empty. The last cell is the record's id.
func LogCells(r sal.Stored, undone string) []string {
	return []string{
		r.Time.Local().Format(time.RFC3339), Short(r.User.Name + "@" + r.Host.Name), Short(r.Event.Action), Selector(r),
		outcome(r.Record, undone), whyCell(r.Record), Plain(r.Event.ID),
	}
}

// RecordJSON returns a record as one line of JSON, with hidden characters
// escaped.
func RecordJSON(r sal.Stored, notes []sal.Note, undone string) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(struct {
		sal.Record
		Revision store.Revision `json:"revision"`
		Notes    []sal.Note     `json:"notes,omitempty"`
		UndoneBy string         `json:"undone_by,omitempty"`
	}{r.Record, r.Revision, notes, undone})
	return strings.TrimSuffix(text.JSON(b.String()), "\n"), err
}

// Change describes a change in one line: its id, age, action, selector and
// reason.
func Change(r sal.Stored, now time.Time) string {
	line := fmt.Sprintf("%s, of %s: %s", Plain(r.Event.ID), Ago(r.Time, now), Short(r.Event.Action))
	for _, more := range []string{Selector(r), Why(r.Record)} {
		if more != "" && more != "-" {
			line += " " + more
		}
	}
	return line
}

// Selector returns the selector of a change, or a dash if it has none.
func Selector(r sal.Stored) string {
	if r.Change.Selector == "" {
		return "-"
	}
	return Short(r.Change.Selector)
}

// outcome describes how many objects were changed, which rules were overridden,
// and whether the change was undone.
func outcome(r sal.Record, undone string) string {
	if r.Refused() {
		return "refused by " + refusedBy(r)
	}
	parts := []string{text.Count(len(r.Change.Objects), "object")}
	if r.Change.Gone {
		parts = append(parts, "gone")
	}
	if r.Change.Emergency {
		parts = append(parts, "emergency")
	}
	if len(r.Change.Overrides) > 0 {
		parts = append(parts, "overrode "+strings.Join(r.Change.Overrides, " and "))
	}
	if r.Change.Held > 0 {
		parts = append(parts, fmt.Sprintf("%d held back", r.Change.Held))
	}
	if undone != "" {
		parts = append(parts, "undone")
	}
	return Plain(strings.Join(parts, ", "))
}

// refusedBy returns the names of the rules that refused a change. Records of
// earlier versions have no levels; all their findings are refusals.
func refusedBy(r sal.Record) string {
	var names []string
	for _, f := range r.Change.Findings {
		if (f.Level == "" || f.Level == "refused") && !slices.Contains(names, f.Rule) {
			names = append(names, f.Rule)
		}
	}
	return Plain(strings.Join(names, ", "))
}

// whyCell returns the reason of a change and its task, in at most MaxWidth
// characters. It cuts the reason rather than the task.
func whyCell(r sal.Record) string {
	all := Why(r)
	if utf8.RuneCountInString(all) <= MaxWidth || r.Change.Task == "" || r.Event.Reason == "" {
		return Short(all)
	}
	task := " (" + text.Cut(Plain(r.Change.Task), MaxWidth/2) + ")"
	return text.Cut(Plain(r.Event.Reason), MaxWidth-utf8.RuneCountInString(task)) + task
}
