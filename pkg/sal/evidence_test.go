package sal

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// TestTrace: Trace follows the changes of an object from the stored revision, by
// the revision that each record names.
func TestTrace(t *testing.T) {
	set := func(since store.Revision) Object {
		return Object{Type: "t", Path: "x", Before: value.OfMap(), After: value.OfMap(), Since: since}
	}
	created := Object{Type: "t", Path: "x", After: value.OfMap()}
	deleted := func(path string, since store.Revision) Object {
		return Object{Type: "t", Path: path, Before: value.OfMap(), Since: since}
	}
	at := func(revision, fence store.Revision, o Object) Stored {
		r := Stored{change("r", noon()), revision}
		r.Change.Objects = []Object{o}
		r.Change.Fences = map[string]store.Revision{"t": fence}
		return r
	}
	refused := at(7, 0, set(3))
	refused.Event.Outcome = Failure
	x := func(revision store.Revision) *object.Object {
		return &object.Object{Type: &schema.Type{Name: "t"}, Name: "x", Revision: revision}
	}
	for _, c := range []struct {
		name    string
		now     *object.Object
		fence   store.Revision
		records []Stored
		want    []store.Revision
		gap     bool
	}{
		{"the last", x(5), 0, []Stored{at(5, 0, set(1))}, []store.Revision{5}, false},
		{"a later one that names it", x(7), 0, []Stored{at(5, 0, set(1)), at(7, 0, set(5))}, []store.Revision{5, 7}, false},
		{"a later one that names another", x(7), 0, []Stored{at(3, 0, set(1)), at(5, 0, set(3)), at(7, 0, set(3))}, []store.Revision{3, 7}, false},
		{"a later one that names none", x(7), 0, []Stored{at(5, 0, set(1)), at(7, 0, set(0))}, []store.Revision{7}, true},
		{"one that names a later one", x(7), 0, []Stored{at(7, 0, set(7))}, []store.Revision{7}, true},
		{"written since", x(8), 0, []Stored{at(5, 0, set(1))}, nil, true},
		{"refused", x(7), 0, []Stored{refused}, nil, true},
		{"of another object", x(5), 0, []Stored{at(5, 0, deleted("y", 1))}, nil, true},
		{"created", x(5), 0, []Stored{at(5, 0, created)}, []store.Revision{5}, false},
		{"deleted", nil, 5, []Stored{at(5, 0, deleted("x", 1))}, []store.Revision{5}, false},
		{"deleted before another", nil, 7, []Stored{at(5, 0, deleted("x", 1)), at(7, 5, deleted("y", 2))}, []store.Revision{5}, false},
		{"never deleted", nil, 0, []Stored{at(5, 0, deleted("x", 1))}, nil, false},
		{"deleted, and a record is missing", nil, 7, []Stored{at(5, 0, deleted("x", 1))}, nil, true},
		{"set, deleted and created", x(9), 7, []Stored{at(3, 0, set(1)), at(5, 0, deleted("x", 3)), at(7, 5, deleted("y", 2)), at(9, 7, created)}, []store.Revision{3, 5, 9}, false},
	} {
		slices.Reverse(c.records)
		got := NewEvidence(c.records).Trace(ObjectID{"t", "x"}, c.now, c.fence, 2)
		if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(got.Changes))); diff != "" || (got.Gap != "") != c.gap {
			t.Errorf("%s: %s, %q", c.name, diff, got.Gap)
		}
	}
}
