package sal

import (
	"fmt"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/value"
)

// TestLastOf: what a person did last, by revision, and what was refused after it.
func TestLastOf(t *testing.T) {
	for _, c := range []struct {
		name            string
		lines           []string
		change, refused string
	}{
		{"nothing", nil, "", ""},
		{"the newest", []string{"a", "b"}, "b", ""},
		{"after a refusal", []string{"a", "b!"}, "a", "b"},
		{"after two refusals", []string{"a", "b!", "c!"}, "a", "c"},
		{"a refusal before", []string{"a!", "b"}, "b", ""},
		{"only refusals", []string{"a!"}, "", "a"},
		{"what is undone", []string{"a", "b", "c undoes b"}, "a", ""},
		{"a refusal before what is undone", []string{"a", "b!", "c", "d undoes c"}, "a", "b"},
		{"an undo that was refused", []string{"a", "b! undoes a"}, "a", ""},
		{"an undo that was undone", []string{"a", "b undoes a", "c undoes b"}, "a", ""},
	} {
		got := lastOf(history(c.lines...), "")
		id := func(r *Stored) string {
			if r == nil {
				return ""
			}
			return r.Event.ID
		}
		if id(got.Change) != c.change || id(got.Refused) != c.refused {
			t.Errorf("%s: %q, %q, want %q, %q", c.name, id(got.Change), id(got.Refused), c.change, c.refused)
		}
	}
}

// TestLastOfReadsSome: no further back than to what it finds, or than to records
// that are surely too old; of others there may be any number.
func TestLastOfReadsSome(t *testing.T) {
	j := newJournal(t)
	j.fill(2_000, 100)
	mine := change("mine", noon())
	mine.User.Name = "alice"
	j.add(mine)
	j.fillOn(2_000, 2_700, 100)
	for user, want := range map[string]struct {
		since time.Time
		sizes int
		found bool
	}{"alice": {time.Time{}, 2, true}, "bob": {time.Time{}, 2, false}, "carol": {noon().Add(1000 * time.Hour), 1, false}} {
		j.lists.sizes = nil
		last, err := j.LastOf(t.Context(), user, want.since)
		if err != nil || (last.Change != nil) != want.found || len(j.lists.sizes) != want.sizes {
			t.Errorf("%s: %+v, %v, read %v", user, last, err, j.lists.sizes)
		}
	}
}

// TestPagesParseEachRecordOnce: the next page begins with the newest again, but what
// was parsed for the page before is not parsed again.
func TestPagesParseEachRecordOnce(t *testing.T) {
	j := newJournal(t)
	const n = 30
	for i := range n {
		r := change(fmt.Sprintf("%05d", i), noon())
		r.Change.Objects = []Object{{Type: "node", Path: "a", After: value.OfMap()}}
		j.add(r)
	}
	parsed := map[*Object]bool{}
	pages := 0
	err := j.pages(t.Context(), []int{5, 10, 20, all}, func(page []Stored) bool {
		for i := range page {
			parsed[&page[i].Change.Objects[0]] = true
		}
		pages++
		return false
	})
	if err != nil || pages != 4 || len(parsed) != n {
		t.Errorf("%d pages, %d records parsed, %v", pages, len(parsed), err)
	}
}
