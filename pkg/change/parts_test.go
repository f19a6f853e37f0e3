package change_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// noted declares a type whose objects may be large.
func noted() *schema.Type {
	return &schema.Type{Name: "note", Path: "notes", Fields: []schema.Field{{Name: "text", Kind: schema.Text, Default: value.OfString("")}}}
}

// writing returns the intent to create notes of the given size in bytes.
func writing(typ *schema.Type, sizes ...int) change.Intent {
	return change.Intent{
		Read: []catalog.Query{{Type: typ}}, Action: "sync", Selector: "x", Split: true,
		Plan: func(snapshot object.Snapshot) (object.Plan, error) {
			var plan object.Plan
			there := snapshot.ByKey()
			for i, size := range sizes {
				o := object.New(typ, nil, fmt.Sprintf("n%d", i))
				o = o.WithFields([]value.Field{{Name: "text", Value: value.OfString(strings.Repeat("x", size))}})
				if there[o.Key()] == nil {
					plan.Changes = append(plan.Changes, object.Change{After: &o})
				}
			}
			return plan, nil
		},
	}
}

// TestPartsLeaveRoomForTheRecord tests that a part and its journal record,
// which repeats the values, fit into one commit.
func TestPartsLeaveRoomForTheRecord(t *testing.T) {
	const eighth = store.MaxBytes / 8
	for parts, sizes := range map[int][]int{1: {100, 100}, 2: {eighth, eighth, eighth, eighth}, 3: {3 * eighth, 3 * eighth, 3 * eighth}} {
		s := newSite(t, 0)
		done, err := s.apply(writing(noted(), sizes...))
		if n := len(s.stored("/conftool/.confctl/journal/")); err != nil || len(done.Objects) != len(sizes) || n != parts {
			t.Errorf("%v, %d objects in %d parts, want %d in %d", err, len(done.Objects), n, len(sizes), parts)
		}
	}
}

// TestLargestChange tests that a change of one object fits into a commit if the
// object and its changed fields, before and after, do; and that CheckSize
// predicts it.
func TestLargestChange(t *testing.T) {
	s := newSite(t, 0)
	s.node = noted()
	for _, c := range []struct {
		text, other int // bytes of the field that changes, and of another field
		fits        bool
	}{
		{290_000, 0, true}, {510_000, 0, false}, {10, 500_000, true}, {100_000, 400_000, true}, {300_000, 200_000, true}, {400_000, 100_000, false},
	} {
		other := value.Field{Name: "other", Value: value.OfString(strings.Repeat("z", c.other))}
		with := func(letter string) object.Object {
			text := value.Field{Name: "text", Value: value.OfString(strings.Repeat(letter, c.text))}
			return object.New(s.node, nil, "n0").WithFields([]value.Field{text, other})
		}
		before, after := with("x"), with("y")
		s.put("/conftool/v1/notes/n0", string(before.AppendStored(nil)))
		intent := s.set("name=n0", "text="+strings.Repeat("y", c.text))
		intent.Split, intent.Action = true, "edit" // the record has the action, too
		_, err := s.apply(intent)
		large := func(err error) bool { return errors.As(err, new(*store.TooLargeError)) }
		if c.fits && err != nil || !c.fits && !large(err) {
			t.Errorf("%d and %d bytes: %v", c.text, c.other, err)
		}
		if err := change.CheckSize(s.applier.Catalog, object.Change{Before: &before, After: &after}); large(err) == c.fits {
			t.Errorf("%d and %d bytes, beforehand: %v", c.text, c.other, err)
		}
	}
}

// TestPartsLeaveRoomForWrites tests that the writes of the record and the
// announcements count in a part's commit.
func TestPartsLeaveRoomForWrites(t *testing.T) {
	s := newSite(t, 0)
	var told []string
	s.applier.Progress = func(done, left int) { told = append(told, fmt.Sprintf("%d done, %d left", done, left)) }
	if _, err := s.apply(writing(noted(), make([]int, store.MaxWrites-19)...)); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("[%d done, 1 left %d done, 0 left]", store.MaxWrites-20, store.MaxWrites-19); fmt.Sprint(told) != want {
		t.Errorf("%v, want %s", told, want)
	}
	told = nil
	if _, err := s.apply(writing(noted(), make([]int, store.MaxWrites-10)...)); err != nil || told != nil {
		t.Errorf("%v; in one part, but told %v", err, told)
	}
}
