package sal

import (
	"testing"
	"time"
)

// TestLastOf: LastOf returns the last change of a person by revision, and the
// refusal after it.
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
		j := newJournal(t)
		j.addHistory(c.lines...)
		got, err := j.LastOf(t.Context(), "", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		id := func(r *Stored) string {
			if r == nil {
				return ""
			}
			return calledID(r.Event.ID)
		}
		if id(got.Change) != c.change || id(got.Refused) != c.refused {
			t.Errorf("%s: %q, %q, want %q, %q", c.name, id(got.Change), id(got.Refused), c.change, c.refused)
		}
	}
}

// TestLastOfReadsSome: LastOf reads only back to what it finds, or to records
// that are surely too old, however many there are of others.
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
	}{"alice": {noon(), 2, true}, "bob": {noon(), 2, false}, "carol": {noon().Add(1000 * time.Hour), 1, false}} {
		j.lists.sizes = nil
		last, err := j.LastOf(t.Context(), user, want.since)
		if err != nil || (last.Change != nil) != want.found || len(j.lists.sizes) != want.sizes {
			t.Errorf("%s: %+v, %v, read %v", user, last, err, j.lists.sizes)
		}
	}
}

// TestSearchLooksAtEachRecordOnce: the second page and the walk contain records
// of the first page again.
func TestSearchLooksAtEachRecordOnce(t *testing.T) {
	j := newJournal(t)
	const n = 600
	j.fill(n, 100)
	seen := map[string]int{}
	found, err := j.Search(t.Context(), Query{Since: noon(), Match: func(r Stored) bool { seen[r.Event.ID]++; return true }})
	if err != nil || len(found) != n || len(seen) != n {
		t.Fatalf("%d found, %d seen, %v", len(found), len(seen), err)
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s is looked at %d times", id, times)
		}
	}
}
