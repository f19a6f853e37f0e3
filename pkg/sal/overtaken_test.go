package sal

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// TestInEffect: what is undone, and what undoes it, is in nobody's way.
func TestInEffect(t *testing.T) {
	record := func(id string, undoes ...string) Stored {
		return Stored{Record: Record{Event: Event{ID: id}, Change: ChangeRecord{Run: id, Undoes: undoes}}}
	}
	refused := record("r")
	refused.Event.Outcome = Failure
	for _, c := range []struct {
		name    string
		records []Stored // the oldest first
		want    []string // the newest first
	}{
		{"all", []Stored{record("a"), record("b")}, []string{"b", "a"}},
		{"a change and its undo", []Stored{record("a"), record("b", "a"), record("c")}, []string{"c"}},
		{"an undo that was undone", []Stored{record("a"), record("b", "a"), record("c", "b")}, []string{"a"}},
		{"an undo of something earlier", []Stored{record("a", "earlier")}, []string{"a"}},
		{"what was refused", []Stored{record("a"), refused}, []string{"a"}},
	} {
		slices.Reverse(c.records)
		got := Runs(InEffect(c.records))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// weighed is a record that gives some of the hosts 0 to 9 another weight.
func weighed(at int, hosts ...int) Stored {
	id := NewID(time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC).Add(time.Duration(at) * time.Second))
	r := Stored{Record: Record{Event: Event{ID: id}, Change: ChangeRecord{Run: id}}, Revision: store.Revision(at)}
	weight := func(n int) value.Value { return value.OfMap(value.Field{Name: "weight", Value: value.OfInt(int64(n))}) }
	for _, h := range hosts {
		r.Change.Objects = append(r.Change.Objects, Object{Type: "node", Path: fmt.Sprintf("dc/c/s/host%d", h), Before: weight(at), After: weight(at + 1)})
	}
	return r
}

// TestFieldsChangedLooksAtEachLaterChangeOnce: how much work it is to know what overtakes the
// changes to be undone grows with how many later ones there are, and not with their
// number times that of the others.
func TestFieldsChangedLooksAtEachLaterChangeOnce(t *testing.T) {
	const undone, later = 300, 3_000
	var records []Stored
	for i := range undone {
		records = append(records, weighed(i, 0, i%5))
	}
	what, overtaken := NewFieldsChanged(records), 0
	for i := range later {
		for _, o := range weighed(undone+i, i%10, 7).Change.Objects {
			if what.ChangedAgain(o, store.Revision(undone+i)) {
				overtaken++
			}
		}
	}
	if overtaken != later/2 { // those of the hosts 0 to 4
		t.Errorf("%d changes overtake, want %d", overtaken, later/2)
	}
	if what.compared > 2*later {
		t.Errorf("%d fields compared for %d later changes of two objects", what.compared, later)
	}
	// what was changed before is not overtaken by it
	if what.ChangedAgain(weighed(0, 0).Change.Objects[0], 0) {
		t.Error("an earlier change overtakes a later one")
	}
}
