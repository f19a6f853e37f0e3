package readers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/readers"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// reporting returns a check of a reader of mwconfig that reports the index in a
// file, and a function that writes the file.
func reporting(t *testing.T, s *site, further string) (c readers.Check, write func(store.Revision)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.conf")
	write = func(rev store.Revision) {
		if err := os.WriteFile(file, []byte("index: "+leaf(rev)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s.check(s.declare("mwconfig", `[{kind: file, path: "`+file+`", pattern: "index: ([0-9]+)"`+further+`}]`)), write
}

// TestHighestIndex checks the model in the package documentation. Each case is a
// history of mwconfig: a line for each change, with its age and what it sets (+) and
// deletes (-). If the age is in parentheses, the change has no record.
func TestHighestIndex(t *testing.T) {
	for _, c := range []struct {
		name    string
		changes string
		reports store.Revision
		further string
		level   readers.Level
		words   string
	}{
		{"a deletion is as old as that of the object that is held, not of another",
			"1h +common; 1h +north; 1h +south; 130s -south; 0s -north", 2, "", readers.OK, "has an object of revision 2 that is deleted: 0s late"},
		{"what was made and deleted before the first missing change does not count",
			"1h +common; 1h +north; 153s +south; 50s -south; 40s -north; 0s +common", 1, "", readers.OK, "1 change is missing: 0s late"},
		{"what is created anew is as old as that",
			"1h +common; 1h +north; 50m +north; 30m -north; 0s +north", 1, "", readers.OK, "1 change is missing: 0s late"},
		{"all changes of what is still there count",
			"1h +common; 50m +north; 0s +north", 1, "", readers.Critical, "2 changes are missing: 50m0s late"},
		{"what was deleted past confctl counts no more",
			"1h +common; 50m +north; (40m) -north; 0s +common", 1, "", readers.OK, "1 change is missing: 0s late"},
		{"what was written past confctl is of unknown age",
			"1h +common; (0s) +common", 1, "", readers.Warning, "it is not known since when"},
		{"the highest was deleted past confctl",
			"1h +common; 50m +north; (0s) -north", 2, "", readers.Warning, "revision 2 that is deleted: it is not known since when"},
		{"a file that holds the highest, which is deleted",
			"1h +common; 50m +north; 40m -north", 2, "", readers.Critical, "has an object of revision 2 that is deleted: 40m0s late"},
		{"as long as one of several is held",
			"1h +common; 50m +north +south; 40m -south; 20s -north", 2, "", readers.OK, "20s late"},
		{"and it is not known until when that was",
			"1h +common; 50m +north +south; 40m -south; (20s) -north", 2, "", readers.Warning, "it is not known since when"},
		{"the creation of an object counts, also without a record",
			"1h +common; (50m) +north; 0s +north", 1, "", readers.OK, "2 changes are missing: 0s late"},
		{"what was deleted when the highest was written is not held",
			"1h +common; 1h +north; 50m -north +south; 40m -south", 3, "", readers.Critical, "revision 3 that is deleted: 40m0s late"},
		{"frozen before a restore, at what is something else's revision now",
			"1h +common; 1h other; 50m +common; 0s other", 4, "", readers.Unknown, "does it read others too, or another store? if it tells how far it has read the store, declare it with reports: store"},
		{"one that says how far it has read the store",
			"1h +common; 1h other; 50m +common; 0s other", 4, ", reports: store", readers.OK, "has seen revision 3, the last of mwconfig"},
		{"to which each deletion counts",
			"1h +common; 1h +north; 50m -north; 40m other", 2, ", reports: store", readers.Critical, "1 change is missing: 50m0s late"},
		{"unless it has seen it",
			"1h +common; 1h +north; 50m -north; 40m other", 3, ", reports: store", readers.OK, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			for i, line := range strings.Split(c.changes, "; ") {
				s.happen(fmt.Sprintf("c%d", i+1), line)
			}
			check, write := reporting(t, s, c.further)
			write(c.reports)
			got := s.only(check)
			expect(t, got, c.level, c.words)
			if (got.Note == "") != (c.further != "" || c.level == readers.Unknown) {
				t.Errorf("note %q", got.Note)
			}
		})
	}
}

// happen makes a change in the notation of TestHighestIndex.
func (s *site) happen(id, line string) {
	s.t.Helper()
	words := strings.Fields(line)
	d, err := time.ParseDuration(strings.Trim(words[0], "()"))
	if err != nil {
		s.t.Fatal(err)
	}
	if strings.HasPrefix(words[0], "(") {
		id = ""
	}
	if words[1] == "other" {
		s.put(id, ago(d), "discovery", "api/eqiad", `{"pooled": true}`)
		return
	}
	var stored []string
	for _, w := range words[1:] {
		text := `{"val": 1}`
		if w[0] == '-' {
			text = ""
		}
		stored = append(stored, "common/"+w[1:], text)
	}
	s.put(id, ago(d), "mwconfig", stored...)
}

// The highest index says nothing about a change whose effect is gone.
func TestSinceHighestIndex(t *testing.T) {
	for _, c := range []struct {
		changes string
		reports store.Revision
		asked   int // the position of the change
		level   readers.Level
		words   string
	}{
		{"1h +common; 50m +north; 40m -north; 0s other", 1, 2, readers.Unknown, "what the change is about is deleted"},
		{"1h +common; 50m +north; 40m -north; 10s +common", 1, 2, readers.Unknown, "what the change is about is deleted"},
		{"1h +common; 50m +north; 40m -north; 10s +north", 1, 2, readers.Unknown, "what the change is about is deleted"},
		{"1h +common; 50m +north; 40s +north; 10s +common", 1, 2, readers.Critical, "50m0s late, since change c2"},
		{"1h +common; 50m +north; 40m -north; 10s +north", 1, 4, readers.Warning, "10s late, since change c4"},
		{"1h +common; 50m +north; 40m -north; 10s +common", 4, 3, readers.OK, "has seen revision 4, and the change is 3"},
		{"1h +common; 50m +north; 40m -north; 10s +common", 1, 4, readers.Warning, "10s late, since change c4"},
		{"1h +common; 50m +north; 40m -north", 2, 3, readers.Critical, "40m0s late, since change c3"},
		{"1h +common; 50m +north; 40m -north", 2, 2, readers.OK, "has seen revision 2, and the change is 2"},
	} {
		t.Run(fmt.Sprint(c.changes, " ", c.reports, " ", c.asked), func(t *testing.T) {
			s := newSite(t)
			lines := strings.Split(c.changes, "; ")
			for i, line := range lines {
				s.happen(fmt.Sprintf("c%d", i+1), line)
			}
			check, write := reporting(t, s, "")
			write(c.reports)
			check.Since = []sal.Stored{s.state.Journal[len(lines)-c.asked]}
			expect(t, s.only(check), c.level, c.words)
		})
	}
}

// Objects that a listing of the v2 API hides are never seen by MediaWiki and PyBal.
func TestHiddenObjects(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(2*time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	s.put("b", ago(time.Hour), "mwconfig", "common/_secret", `{"val": 1}`, "_north/A", `{"val": 1}`)
	s.put("c", ago(time.Hour), "node", "_eqiad/text/https/cp1", `{"pooled": "yes"}`, "_eqiad/text/https/_cp2", `{"pooled": "yes"}`)
	expect(t, s.only(s.check(wikiReader(s, wiki(t, leaf(1))))), readers.OK, "has seen revision 1, the last of mwconfig")
	check, write := reporting(t, s, "") // which may read the store by other means
	write(1)
	expect(t, s.only(check), readers.Critical, "the last of mwconfig is 2")
	pool := s.declare("node", fmt.Sprintf(`[{kind: pybal, url: "%s/pools/x"}]`, says(t, "cp1:\tenabled/up/pooled\n")))
	expect(t, s.only(s.check(pool)), readers.OK, "1 host as in the store")
}

// A new change does not hide a difference of unknown age.
func TestUnknownAgeBesideAFreshChange(t *testing.T) {
	s := newSite(t)
	path := "eqiad/text/https/cp1"
	s.put("a", ago(time.Hour), "node", path, `{"weight": 1, "pooled": "yes"}`)
	s.put("b", ago(time.Second), "node", path, `{"weight": 1, "pooled": "no"}`)
	c := s.check(s.declare("node", fmt.Sprintf(`[{kind: pybal, url: "%s/pools/x"}]`, says(t, "cp1:\tenabled/up/pooled\nghost:\tenabled/up/pooled\n"))))
	got := s.only(c)
	if expect(t, got, readers.Warning, "ghost is enabled, not absent: at least 1s late, since change b; of some it is not known since when"); got.LateFrom {
		t.Errorf("%+v", got)
	}
	c.Warning, c.Critical = time.Millisecond, time.Millisecond
	expect(t, s.only(c), readers.Critical)
}
