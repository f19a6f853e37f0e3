package cli

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/pkg/sal"
)

// TestInEffect: what is undone, and what undoes it, is in nobody's way.
func TestInEffect(t *testing.T) {
	record := func(id string, undoes ...string) sal.Stored {
		return sal.Stored{Record: sal.Record{Event: sal.Event{ID: id}, Change: sal.ChangeRecord{Run: id, Undoes: undoes}}}
	}
	refused := record("r")
	refused.Event.Outcome = sal.Failure
	for _, c := range []struct {
		name    string
		records []sal.Stored // the oldest first
		want    []string     // the newest first
	}{
		{"all", []sal.Stored{record("a"), record("b")}, []string{"b", "a"}},
		{"a change and its undo", []sal.Stored{record("a"), record("b", "a"), record("c")}, []string{"c"}},
		{"an undo that was undone", []sal.Stored{record("a"), record("b", "a"), record("c", "b")}, []string{"a"}},
		{"an undo of something earlier", []sal.Stored{record("a", "earlier")}, []string{"a"}},
		{"what was refused", []sal.Stored{record("a"), refused}, []string{"a"}},
	} {
		slices.Reverse(c.records)
		got := runsOf(inEffect(c.records))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}
