package sal

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/local"
)

// noon is the time of the first change of each journal; the others follow at
// intervals of a minute.
func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

// walked marks a list in the order of keys in listing.
const walked = -1

// listing is a store that records the sizes of the lists that were requested and
// how much it returned.
type listing struct {
	store.Store
	sizes []int
	bytes int
}

func (s *listing) List(ctx context.Context, prefix string, page store.Page) (store.Snapshot, error) {
	if page.Order == store.ByKey {
		s.sizes = append(s.sizes, walked)
	} else {
		s.sizes = append(s.sizes, page.Limit)
	}
	snap, err := s.Store.List(ctx, prefix, page)
	for _, e := range snap.Entries {
		s.bytes += len(e.Key) + len(e.Value)
	}
	return snap, err
}

// journal is a log in a local store.
type journal struct {
	*testing.T
	*Log
	lists *listing
}

func newJournal(t *testing.T) journal {
	t.Helper()
	s, err := local.Open(filepath.Join(t.TempDir(), "store"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	lists := &listing{Store: s}
	return journal{t, &Log{Store: lists, Prefix: "/conftool/.confctl/"}, lists}
}

// write commits keys and values as one transaction.
func (j journal) write(pairs ...string) store.Revision {
	j.Helper()
	var txn store.Txn
	for i := 0; i < len(pairs); i += 2 {
		txn.Writes = append(txn.Writes, store.Write{Key: pairs[i], Value: []byte(pairs[i+1])})
	}
	receipt, err := j.Store.Commit(j.Context(), txn)
	if err != nil {
		j.Fatal(err)
	}
	return receipt.Revision
}

// delete deletes a key.
func (j journal) delete(key string) {
	j.Helper()
	if _, err := j.Store.Commit(j.Context(), store.Txn{Writes: []store.Write{{Key: key, Delete: true}}}); err != nil {
		j.Fatal(err)
	}
}

// long returns the full id for a short one, which has up to six digits or four
// letters and may end with the number of a part. Full ids are returned unchanged.
func long(called string) string {
	if IsID(called) {
		return called
	}
	name, part, isPart := strings.Cut(called, "-")
	if isPart {
		part = "-" + part
	}
	if strings.Trim(name, "0123456789") == "" {
		return "20260102T120000." + strings.Repeat("0", 6-len(name)) + name + "Z-00000000" + part
	}
	return "20260102T120000.000000Z-" + hex.EncodeToString([]byte(name + "____")[:4]) + part
}

// calledID returns the short form of an id.
func calledID(id string) string {
	if !IsID(id) || !strings.HasPrefix(id, "20260102T120000.") {
		return id
	}
	micro, random, part := id[16:22], id[24:32], id[32:]
	if random == "00000000" {
		return micro[1:] + part
	}
	name, _ := hex.DecodeString(random)
	return strings.TrimRight(string(name), "_") + part
}

// change returns the record of a change with a short id.
func change(called string, at time.Time) Record {
	run, _, _ := strings.Cut(called, "-")
	if IsID(called) {
		run = called
	}
	return Record{Time: at, Event: Event{ID: long(called)}, Change: ChangeRecord{Run: long(run)}}
}

// add commits records as one transaction.
func (j journal) add(records ...Record) store.Revision {
	j.Helper()
	var pairs []string
	for _, r := range records {
		text, err := r.Encode()
		if err != nil {
			j.Fatal(err)
		}
		pairs = append(pairs, j.Key(r.Event.ID), string(text))
	}
	return j.write(pairs...)
}

// fill commits n records at intervals of a minute, some together in a
// transaction. Their short ids are numbers.
func (j journal) fill(n, together int) {
	j.Helper()
	j.fillOn(0, n, together)
}

// fillOn is fill with a first number.
func (j journal) fillOn(first, n, together int) {
	j.Helper()
	for i := first; i < n; i += together {
		var records []Record
		for k := i; k < min(i+together, n); k++ {
			records = append(records, change(fmt.Sprintf("%05d", k), noon().Add(time.Duration(k)*time.Minute)))
		}
		j.add(records...)
	}
}

func ids(records []Stored) []string {
	all := []string{}
	for _, r := range records {
		all = append(all, calledID(r.Event.ID))
	}
	return all
}

func (j journal) all() []string {
	j.Helper()
	records, err := j.Records(j.Context())
	if err != nil {
		j.Fatal(err)
	}
	return ids(records)
}

// TestNewest: Newest goes by revision, not by id or time, and reads only what it
// needs.
func TestNewest(t *testing.T) {
	j := newJournal(t)
	for i, id := range []string{"c", "a", "d", "b"} {
		j.add(change(id, noon().Add(-time.Duration(i)*time.Hour)))
	}
	for n, want := range map[int][]string{0: {"b", "d", "a", "c"}, -1: {"b", "d", "a", "c"}, 1: {"b"}, 3: {"b", "d", "a"}, 9: {"b", "d", "a", "c"}} {
		j.lists.sizes = nil
		got, err := j.Newest(t.Context(), n)
		if diff := cmp.Diff(want, ids(got)); diff != "" || err != nil {
			t.Errorf("the newest %d: %s, %v", n, diff, err)
		}
		if diff := cmp.Diff([]int{max(n, 0)}, j.lists.sizes); diff != "" {
			t.Errorf("the newest %d, sizes read: %s", n, diff)
		}
	}
}

func TestSearch(t *testing.T) {
	j := newJournal(t)
	const n, early = 2_600, 1_900
	j.fill(early, 100)
	j.fillOn(early, n, 1)                                                                 // each with a revision of its own
	before := func(i int) store.Revision { return store.Revision(early/100 + i - early) } // of the late ones
	at := func(i int) time.Time { return noon().Add(time.Duration(i) * time.Minute) }
	every := func(k int) func(Stored) bool {
		return func(r Stored) bool { return r.Time.Sub(noon())%(time.Duration(k)*time.Minute) == 0 }
	}
	tests := []struct {
		name  string
		query Query
		want  func(i int) bool
		sizes []int
	}{
		{"a few of many matches", Query{Most: 20, Match: every(10)}, func(i int) bool { return i%10 == 0 && i > n-1-200 }, []int{500}},
		{"more than the first page has", Query{Most: 20, Match: every(100)}, func(i int) bool { return i%100 == 0 && i > n-1-2_000 }, []int{500, 0}},
		{"all that match", Query{Match: every(1_000)}, func(i int) bool { return i%1_000 == 0 }, []int{0}},
		{"fewer than wanted", Query{Most: 20, Match: every(1_000)}, func(i int) bool { return i%1_000 == 0 }, []int{500, 0}},
		{"since lately", Query{Since: at(n - 10)}, func(i int) bool { return i >= n-10 }, []int{500}},
		{"since a while ago", Query{Since: at(n - 450)}, func(i int) bool { return i >= n-450 }, []int{500, 0}},
		{"some since", Query{Most: 3, Since: at(n - 10)}, func(i int) bool { return i >= n-3 }, []int{500}},
		{"matches since", Query{Since: at(n - 100), Match: every(10)}, func(i int) bool { return i >= n-100 && i%10 == 0 }, []int{500}},
		{"after a revision", Query{After: before(n - 10)}, func(i int) bool { return i >= n-10 }, []int{500}},
		{"matches after a revision", Query{After: before(n - 600), Match: every(10)}, func(i int) bool { return i >= n-600 && i%10 == 0 }, []int{500, 0}},
		{"after the last", Query{After: before(n)}, func(int) bool { return false }, []int{500}},
		{"since the future", Query{Since: at(n)}, func(int) bool { return false }, []int{500}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := []string{}
			for i := n - 1; i >= 0; i-- {
				if tt.want(i) {
					want = append(want, fmt.Sprintf("%05d", i))
				}
			}
			j.lists.sizes = nil
			got, err := j.Search(t.Context(), tt.query)
			if diff := cmp.Diff(want, ids(got)); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if diff := cmp.Diff(tt.sizes, j.lists.sizes); diff != "" {
				t.Errorf("sizes read (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSearchSinceWithAClockFarOff: a record of a host whose clock says 1970 does
// not end the search.
func TestSearchSinceWithAClockFarOff(t *testing.T) {
	j := newJournal(t)
	j.fill(450, 50)
	for range 60 {
		j.add(change(NewID(noon()), time.Unix(0, 0)))
	}
	got, err := j.Search(t.Context(), Query{Since: noon().Add(-time.Hour)})
	if err != nil || len(got) != 450 {
		t.Errorf("%d records, %v", len(got), err)
	}
}

func TestBrokenRecords(t *testing.T) {
	j := newJournal(t)
	j.fill(3, 1)
	j.write(j.Key(long("bad")), "{")
	j.write(j.Key("worse"), "")
	for what, search := range map[string]func() ([]Stored, error){
		"all":    func() ([]Stored, error) { return j.Records(t.Context()) },
		"newest": func() ([]Stored, error) { return j.Newest(t.Context(), 3) },
		"find":   func() ([]Stored, error) { return j.Find(t.Context(), long("bad")) },
		"nothing found": func() ([]Stored, error) {
			return j.Search(t.Context(), Query{Match: func(Stored) bool { return false }})
		},
	} {
		want := map[string]int{"all": 3, "newest": 3}[what]
		got, err := search()
		if !errors.As(err, new(*BrokenError)) || !strings.Contains(err.Error(), j.Key(long("bad"))+": ") || len(got) != want {
			t.Errorf("%s: %d records, %v", what, len(got), err)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := j.Records(cancelled); !errors.Is(err, context.Canceled) || errors.As(err, new(*BrokenError)) || got != nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestFind(t *testing.T) {
	j := newJournal(t)
	parts := []Record{change("x", noon()), change("x-2", noon()), change("x-10", noon())}
	for _, r := range append(parts, change("y", noon())) {
		j.add(r)
	}
	for id, want := range map[string][]string{long("x"): {"x", "x-2", "x-10"}, long("y"): {"y"}, long("z"): {}, "": {}, "/": {}, long("x") + "/": {}, long("x")[:31]: {}} {
		got, err := j.Find(t.Context(), id)
		if diff := cmp.Diff(want, ids(got)); diff != "" || err != nil {
			t.Errorf("%q: %v %s", id, err, diff)
		}
	}
}

// TestWatch: Watch yields records in the order of commits, and an error for a
// broken one.
func TestWatch(t *testing.T) {
	j := newJournal(t)
	j.fill(2, 1)
	after := j.write("/elsewhere", "x")
	go func() {
		j.add(change("a", noon()))
		j.write(j.Key(long("bad")), "{")
		j.write("/elsewhere", "y")
		j.add(change("b", noon()))
	}()
	if got := j.watched(after, 3); !slices.Equal(got, []string{"a", "broken", "b"}) {
		t.Error(got)
	}
}

func (j journal) watched(after store.Revision, n int) []string {
	j.Helper()
	ctx, cancel := context.WithTimeout(j.Context(), 15*time.Second)
	defer cancel()
	var got []string
	for r, err := range j.Watch(ctx, after) {
		switch {
		case errors.As(err, new(*BrokenError)):
			got = append(got, "broken")
		case err != nil:
			j.Fatal(err)
		default:
			got = append(got, calledID(r.Event.ID))
		}
		if len(got) == n {
			break
		}
	}
	return got
}

// TestWatchGoesOnWhereTheStoreForgot: Watch yields all records although the store
// has compacted the events.
func TestWatchGoesOnWhereTheStoreForgot(t *testing.T) {
	j := newJournal(t)
	j.add(change("bef", noon()))
	after := j.write("/big", "x")
	const missed = 600 // more than one page
	j.fill(missed, 1)
	for range 17 { // more than the store keeps
		j.write("/big", strings.Repeat("x", 1<<20))
	}
	go func() {
		time.Sleep(50 * time.Millisecond)
		j.add(change("live", noon()))
	}()
	got := j.watched(after, missed+1)
	if len(got) != missed+1 || got[0] != "00000" || got[missed-1] != "00599" || got[missed] != "live" || !slices.IsSorted(got) {
		t.Errorf("%d records: %v", len(got), got)
	}
}

// TestWatchOfAnEarlierStore: Watch continues after the store was restored to an
// earlier state.
func TestWatchOfAnEarlierStore(t *testing.T) {
	j := newJournal(t)
	j.fill(2, 1)
	var wait sync.WaitGroup
	seen := make(chan struct{})
	wait.Go(func() { // one at a time, because records from before the new watch are not yielded
		for i := 0; ; i++ {
			select {
			case <-seen:
				return
			case <-time.After(20 * time.Millisecond):
				j.add(change(fmt.Sprintf("l%d", i%1000), noon()))
			}
		}
	})
	if got := j.watched(1_000, 1); len(got) != 1 || !strings.HasPrefix(got[0], "l") {
		t.Error(got)
	}
	close(seen)
	wait.Wait()
}

func TestWatchEndsWithItsContext(t *testing.T) {
	j := newJournal(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for r, err := range j.Watch(ctx, 0) {
		t.Error(r, err)
	}
}

func TestNotes(t *testing.T) {
	j := newJournal(t)
	j.fill(3, 1)
	n := func(minute int, text string) Note {
		return Note{Time: noon().Add(time.Duration(minute) * time.Minute), User: User{Name: "bob", ID: "7"}, Text: text}
	}
	first, second, other := n(5, "a\n<é>"), n(1, "later, with a clock behind"), n(2, "c")
	for _, note := range []struct {
		id string
		Note
	}{{long("00001"), first}, {long("00002"), other}, {long("00001"), second}} {
		if err := j.Annotate(t.Context(), note.id, note.Note); err != nil {
			t.Fatal(err)
		}
	}
	got, err := j.Notes(t.Context())
	if diff := cmp.Diff(map[string][]Note{long("00001"): {first, second}, long("00002"): {other}}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for id, want := range map[string][]Note{long("00001"): {first, second}, long("00000"): nil, "": nil, long("00001")[:31]: nil} {
		if got, err := j.NotesOf(t.Context(), id); !cmp.Equal(got, want) || err != nil {
			t.Errorf("%q: %v, %v", id, got, err)
		}
	}
	for _, id := range []string{long("00009"), "", "/", long("00001") + "/", "../journal/" + long("00001"), long("00001")[:31]} {
		var missing *NoRecordError
		if err := j.Annotate(t.Context(), id, first); !errors.As(err, &missing) || missing.ID != id {
			t.Errorf("note on %q: %v", id, err)
		}
	}
	j.write(j.note(long("00002"))+"x", "{")
	if got, err := j.Notes(t.Context()); !errors.As(err, new(*BrokenError)) || len(got[long("00002")]) != 1 {
		t.Error(got, err)
	}
	if len(j.all()) != 3 {
		t.Error("a note is taken for a record")
	}
}
