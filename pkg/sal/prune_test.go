package sal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// prune calls Prune until there is no more to delete, and returns how many
// records each call deleted.
func (j journal) prune(keep int, before time.Time) []int {
	j.Helper()
	var calls []int
	for more := true; more; {
		var n int
		var err error
		n, more, err = j.Prune(j.Context(), keep, before)
		if err != nil || len(calls) > 10 {
			j.Fatal(calls, err)
		}
		calls = append(calls, n)
	}
	return calls
}

func TestPrune(t *testing.T) {
	const n = 4_500
	at := func(i int) time.Time { return noon().Add(time.Duration(i) * time.Minute) }
	tests := []struct {
		name   string
		keep   int
		before time.Time
		calls  []int
		left   int // number of records left, the newest
	}{
		{"all it may", 0, time.Time{}, []int{1_000, 1_000, 1_000, 500}, 1_000},
		{"a negative number", -5, time.Time{}, []int{1_000, 1_000, 1_000, 500}, 1_000},
		{"all but some", 2_500, time.Time{}, []int{1_000, 1_000}, 2_500},
		{"nothing", n, time.Time{}, []int{0}, n},
		{"more than there are", 2 * n, time.Time{}, []int{0}, n},
		{"by time", 0, at(1_200), []int{1_000, 200}, 3_300},
		{"by time, none so old", 0, noon(), []int{0}, n},
		{"by time, all so old", 0, at(n), []int{1_000, 1_000, 1_000, 500}, 1_000},
		{"by time and number", 4_000, at(1_200), []int{500}, 4_000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := newJournal(t)
			j.fill(n, 100)
			if got := j.prune(tt.keep, tt.before); !slices.Equal(got, tt.calls) {
				t.Errorf("pruned %v, want %v", got, tt.calls)
			}
			left := j.all()
			slices.Sort(left)
			if len(left) != tt.left || left[0] != fmt.Sprintf("%05d", n-tt.left) || left[len(left)-1] != fmt.Sprintf("%05d", n-1) {
				t.Errorf("%d left, from %s to %s", len(left), left[0], left[len(left)-1])
			}
		})
	}
}

// TestPruneReadsSome: Prune does not read the whole journal to find that no
// record is old enough.
func TestPruneReadsSome(t *testing.T) {
	j := newJournal(t)
	for i := 0; i < 4_500; i += 100 {
		var records []Record
		for k := range 100 {
			r := change(fmt.Sprintf("%05d", i+k), noon())
			r.Event.Reason = strings.Repeat("x", 10_000)
			records = append(records, r)
		}
		j.add(records...)
	}
	got, read := j.prune(0, noon()), j.lists.bytes
	if !slices.Equal(got, []int{0}) || read > 3*store.MaxPage/2 {
		t.Errorf("pruned %v, read %d bytes", got, read)
	}
}

// TestPruneLeavesWhatWaits: Prune keeps all parts of a change with a message in
// the outbox, and deletes others.
func TestPruneLeavesWhatWaits(t *testing.T) {
	j := newJournal(t)
	for i := range 1_300 {
		if i%100 == 0 {
			run := fmt.Sprintf("r%d", i/100)
			j.add(change(run, noon()), change(run+"-2", noon()))
		}
	}
	j.write(j.Prefix+"outbox/irc/"+long("r1"), "x", j.Prefix+"outbox/host.example/file/"+long("r2"), "x")
	j.write(j.Key("broken"), "{")
	j.fill(3_000, 100)
	for id := range 20 { // waiting records beyond what one call deletes
		j.write(j.Prefix+"outbox/irc/"+long(fmt.Sprintf("%05d", id)), "x")
	}
	if got := j.prune(0, time.Time{}); !slices.Equal(got, []int{1_000, 1_000, 2}) {
		t.Errorf("pruned %v", got)
	}
	snapshot, err := j.Store.Read(t.Context(), j.Prefix+"journal/")
	if err != nil {
		t.Fatal(err)
	}
	var old []string
	for _, e := range snapshot.Entries {
		if id := calledID(strings.TrimPrefix(e.Key, j.Key(""))); id < "00020" || id > "1" {
			old = append(old, id)
		}
	}
	slices.Sort(old)
	want := []string{"broken", "r1", "r1-2", "r2", "r2-2"}
	if !slices.Equal(old[20:], want) || len(snapshot.Entries) != 1_000+20+len(want) {
		t.Errorf("%d left, of the oldest %v", len(snapshot.Entries), old)
	}
}

// TestPruneBehindWhatWaits: Prune finds records after more waiting ones than one
// call deletes.
func TestPruneBehindWhatWaits(t *testing.T) {
	j := newJournal(t)
	j.fill(3_500, 100)
	var waiting []string
	for i := range 2_400 {
		waiting = append(waiting, j.Prefix+"outbox/irc/"+long(fmt.Sprintf("%05d", i)), "x")
	}
	j.write(waiting...)
	if got := j.prune(0, time.Time{}); !slices.Equal(got, []int{100}) {
		t.Errorf("pruned %v", got)
	}
}

// TestPruneTakesNotesAlong: Prune deletes notes, even more than fit into one
// transaction.
func TestPruneTakesNotesAlong(t *testing.T) {
	j := newJournal(t)
	j.fill(1_500, 100)
	many := func(id string, n int) {
		var pairs []string
		for i := range n {
			pairs = append(pairs, fmt.Sprintf("%s%05d", j.note(id), i), "{}")
		}
		for part := range slices.Chunk(pairs, 2*3_000) {
			j.write(part...)
		}
	}
	many(long("00000"), 4_000)
	many(long("00100"), 10)
	many(long("01499"), 10)
	if got := j.prune(0, time.Time{}); !slices.Equal(got, []int{0, 500}) {
		t.Errorf("pruned %v", got)
	}
	notes, err := j.Notes(t.Context())
	if err != nil || len(notes) != 1 || len(notes[long("01499")]) != 10 {
		t.Errorf("notes on %d changes, %v", len(notes), err)
	}
}

// meanwhile is a store that calls a function before a commit.
type meanwhile struct {
	store.Store
	do func()
}

func (s *meanwhile) Commit(ctx context.Context, txn store.Txn) (store.Receipt, error) {
	if do := s.do; do != nil {
		s.do = nil
		do()
	}
	return s.Store.Commit(ctx, txn)
}

// TestPruneAndAnnotate: no note outlives its record, in either order.
func TestPruneAndAnnotate(t *testing.T) {
	j := newJournal(t)
	j.fill(1_300, 100)
	between := &meanwhile{Store: j.Store}
	slow := &Log{Store: between, Prefix: j.Prefix}
	note := func(l *Log) error { return l.Annotate(t.Context(), long("00000"), Note{Time: noon(), Text: "x"}) }

	between.do = func() {
		if err := note(j.Log); err != nil {
			t.Error(err)
		}
	}
	n, more, err := slow.Prune(t.Context(), 1_200, time.Time{})
	if n != 100 || more || err != nil {
		t.Errorf("pruned %d, %v, %v", n, more, err)
	}
	if notes, err := j.Notes(t.Context()); len(notes) > 0 || err != nil {
		t.Errorf("notes left: %v, %v", notes, err)
	}
	j.add(change("00000", noon())) // in the other order
	j.fill(1_300, 100)
	between.do = func() { j.prune(0, time.Time{}) }
	if err := note(slow); !errors.As(err, new(*NoRecordError)) {
		t.Error(err)
	}
	if notes, err := j.Notes(t.Context()); len(notes) > 0 || err != nil {
		t.Errorf("notes left: %v, %v", notes, err)
	}
}
