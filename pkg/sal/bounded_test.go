package sal

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// TestReadersAreBounded: to name who took an object out, at most one page is
// read, and a few pages are kept in memory, however large the records are. The
// error reports what was left out.
func TestReadersAreBounded(t *testing.T) {
	j := newJournal(t)
	const n = 80
	large := value.OfMap(value.Field{Name: "x", Value: value.OfString(strings.Repeat("x", 500_000))})
	for i := range n {
		r := change(PartID("big", i+1), noon())
		r.User.Name = "alice"
		r.Change.Objects = []Object{{Type: "node", Path: "dc/c/s/other", Before: large, After: large}}
		j.add(r)
	}
	o := object.New(nodeType(t), []string{"dc", "c", "s"}, "host")
	o.Revision = 1_000
	all := func(Object) bool { return true }
	none := func(Object) bool { return false }
	for _, c := range []struct {
		name     string
		read     func() (records int, err error)
		records  int  // at most; all of them if it is n
		cut      bool // a *CutError is returned
		maxAlloc int  // bytes allocated at most; 0 for no limit
	}{
		{"Takers", func() (int, error) { f, err := j.Takers(t.Context(), []object.Object{o}, all); return len(f), err }, 0, true, 8 * store.MaxPage},
		{"LastChanges", func() (int, error) { f, err := j.LastChanges(t.Context(), []object.Object{o}, all); return len(f), err }, 0, true, 8 * store.MaxPage},
		{"Newest", func() (int, error) { f, err := j.Newest(t.Context(), 2_000); return len(f), err }, 16, true, 8 * store.MaxPage},
		{"LastOf", func() (int, error) {
			last, err := j.LastOf(t.Context(), "alice", noon())
			if last.Change == nil {
				return 0, err
			}
			return n, err
		}, n, false, 8 * store.MaxPage},
		{"Search", func() (int, error) { f, err := j.Records(t.Context()); return len(f), err }, 67, true, 0},
		{"Search without objects", func() (int, error) { f, err := j.Search(t.Context(), Query{Objects: none}); return len(f), err }, n, false, 0},
		{"Find", func() (int, error) { f, err := j.Find(t.Context(), long("big")); return len(f), err }, 67, true, 0},
	} {
		j.lists.bytes = 0
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		records, err := c.read()
		runtime.ReadMemStats(&after)
		var cut *CutError
		if errors.As(err, &cut) != c.cut || err != nil && !c.cut || records > c.records || (records == 0) != (c.records == 0) {
			t.Errorf("%s: %d records, %v", c.name, records, err)
		}
		if c.records == n && records != n {
			t.Errorf("%s: %d records of %d", c.name, records, n)
		}
		if took := after.TotalAlloc - before.TotalAlloc; c.maxAlloc > 0 && (took > uint64(c.maxAlloc) || j.lists.bytes > store.MaxPage) {
			t.Errorf("%s: %d bytes read, %d allocated", c.name, j.lists.bytes, took)
		}
	}
	left := n
	for r, err := range j.Stream(t.Context(), Query{}) {
		if err != nil || part(r.Record) != left {
			t.Fatalf("part %d instead of %d, %v", part(r.Record), left, err)
		}
		left--
	}
	if left != 0 {
		t.Errorf("the oldest %d are not streamed", left)
	}
}
