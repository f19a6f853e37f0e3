package render

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/conftool/confctl/pkg/sal"
)

// FuzzLogCells: any text fits the width of a list and contains nothing that acts
// on a terminal, and the id at the end is complete.
func FuzzLogCells(f *testing.F) {
	texts := []string{"", "x", strings.Repeat("x", 79), strings.Repeat("long ", 40), strings.Repeat("ü", 100), "\x1b[2J\n\r\t\x00", strings.Repeat("a\n", 90), "\xff\u202e"}
	random := rand.New(rand.NewPCG(1, 1))
	for i := range 100 * len(texts) {
		some := func() string { return texts[random.IntN(len(texts))] }
		f.Add(texts[i%len(texts)], some(), some(), some(), some(), some())
	}
	f.Fuzz(func(t *testing.T, action, reason, selector, task, user, host string) {
		r := sal.Stored{}
		r.Event.ID = "20260102T030405.678900Z-0a1b2c3d"
		r.Event.Action, r.Event.Reason = action, reason
		r.Change.Selector, r.Change.Task = selector, task
		r.User.Name, r.Host.Name = user, host
		cells := LogCells(r, "")
		for _, c := range cells {
			if utf8.RuneCountInString(c) > 80 || strings.ContainsFunc(c, unicode.IsControl) {
				t.Fatalf("cell %q", c)
			}
		}
		if cells[len(cells)-1] != r.Event.ID {
			t.Fatalf("the last of %q", cells)
		}
	})
}

// TestLogWhyKeepsTheTask: a long reason is cut, and the task is kept.
func TestLogWhyKeepsTheTask(t *testing.T) {
	for _, c := range []struct{ reason, task, want string }{
		{"", "", ""},
		{"disk", "", "disk"},
		{"", "T1", "T1"},
		{"disk", "T1", "disk (T1)"},
		{strings.Repeat("x", 80), "", strings.Repeat("x", 80)},
		{strings.Repeat("x", 81), "", strings.Repeat("x", 79) + "…"},
		{strings.Repeat("x", 75), "T1", strings.Repeat("x", 75) + " (T1)"},
		{strings.Repeat("x", 76), "T1", strings.Repeat("x", 74) + "… (T1)"},
		{strings.Repeat("x", 76), strings.Repeat("T", 90), strings.Repeat("x", 36) + "… (" + strings.Repeat("T", 39) + "…)"},
	} {
		r := sal.Record{Event: sal.Event{Reason: c.reason}, Change: sal.ChangeRecord{Task: c.task}}
		if got := whyCell(r); got != c.want {
			t.Errorf("%d letters, task %q: %q, want %q", len(c.reason), c.task, got, c.want)
		}
	}
}

// TestLogOutcomes checks the descriptions of outcomes.
func TestLogOutcomes(t *testing.T) {
	two := []sal.Object{{}, {}}
	for _, c := range []struct {
		change sal.ChangeRecord
		undone string
		want   string
	}{
		{sal.ChangeRecord{Objects: two[:1]}, "", "1 object"},
		{sal.ChangeRecord{Objects: two, Gone: true}, "", "2 objects, gone"},
		{sal.ChangeRecord{Objects: two, Emergency: true, Overrides: []string{"a", "b"}}, "", "2 objects, emergency, overrode a and b"},
		{sal.ChangeRecord{Objects: two, Held: 3}, "x", "2 objects, 3 held back, undone"},
		{sal.ChangeRecord{Objects: two, Overrides: []string{"a"}}, "x", "2 objects, overrode a, undone"},
	} {
		if got := outcome(sal.Record{Change: c.change}, c.undone); got != c.want {
			t.Errorf("%+v: %q, want %q", c.change, got, c.want)
		}
	}
	refused := sal.Record{Event: sal.Event{Outcome: sal.Failure}}
	for levels, want := range map[[3]string]string{
		{}:                                   "refused by a, b", // a record of earlier versions
		{"warned", "refused", "warned"}:      "refused by b",
		{"refused", "refused", "overridden"}: "refused by a, b",
	} {
		refused.Change.Findings = nil
		for i, level := range levels {
			refused.Change.Findings = append(refused.Change.Findings, sal.Finding{Rule: fmt.Sprintf("%c", "aba"[i]), Level: level})
		}
		if got := outcome(refused, ""); got != want {
			t.Errorf("%q: %q, want %q", levels, got, want)
		}
	}
}
