package sal

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// settler returns the record of a user who settles a change.
func settler(name string) Record {
	return Record{Time: noon(), Event: Event{Action: "settle"}, User: User{Name: name}, Host: Host{Name: "here"}}
}

// TestVoidIsNoChange: functions that read the journal for changes skip void
// records.
func TestVoidIsNoChange(t *testing.T) {
	j := newJournal(t)
	after := j.write("/elsewhere", "x")
	about := change("b", noon())
	about.Change.Objects = []Object{{Type: "node", Path: "x"}}
	j.add(change("a", noon()))
	j.add(about.Void())
	j.add(change("c", noon()))
	j.add(change("c-2", noon()).Void())
	part := change("c-3", noon())
	part.Change.Run = long("c")
	j.add(part)

	if got := j.all(); !slices.Equal(got, []string{"c-3", "c", "a"}) {
		t.Errorf("the journal has %v", got)
	}
	if newest, err := j.Newest(t.Context(), 2); err != nil || !slices.Equal(ids(newest), []string{"c-3", "c"}) {
		t.Errorf("the newest two are %v, %v", ids(newest), err)
	}
	if found, err := j.Find(t.Context(), long("c")); err != nil || !slices.Equal(ids(found), []string{"c", "c-3"}) {
		t.Errorf("the parts are %v, %v", ids(found), err)
	}
	var void *VoidError
	if found, err := j.Find(t.Context(), long("b")); len(found) > 0 || !errors.As(err, &void) || void.Record.Event.ID != long("b") || void.Record.Change.Objects == nil {
		t.Errorf("found %v, %v", ids(found), err)
	}
	if err := j.Annotate(t.Context(), long("b"), Note{Text: "note"}); !errors.As(err, &void) {
		t.Errorf("annotated: %v", err)
	}
	if got := j.watched(after, 3); !slices.Equal(got, []string{"a", "c", "c-3"}) {
		t.Errorf("watched %v", got)
	}
	if r := about.Void(); r.Refused() || r.Made() {
		t.Errorf("refused %v, made %v", r.Refused(), r.Made())
	}
	records, err := j.readRecords(t.Context(), map[string]string{j.Key(long("c")): "c", j.Key(long("c-2")): "c", j.Key(long("c-3")): "c"})
	if err != nil || len(records["c"]) != 2 {
		t.Errorf("delivered with %v, %v", records, err)
	}
}

// TestSettle: Settle finds a change, or a void record prevents it.
func TestSettle(t *testing.T) {
	j := newJournal(t)
	j.Now = noon
	at := func(ago time.Duration) string { return NewID(noon().Add(-ago)) }
	made, broken, absent, old := at(time.Minute), at(time.Minute), at(time.Minute), at(settleTime+time.Minute)
	j.add(change(made, noon()))
	j.write(j.Key(broken), "{")

	if found, err := j.Settle(t.Context(), made, settler("alice")); err != nil || !slices.Equal(ids(found), []string{made}) {
		t.Errorf("made: %v, %v", ids(found), err)
	}
	if _, err := j.Settle(t.Context(), broken, settler("alice")); !errors.As(err, new(*BrokenError)) {
		t.Errorf("broken: %v", err)
	}
	for _, who := range []string{"alice", "bob"} {
		for _, id := range []string{absent, PartID(absent, 3)} {
			var void *VoidError
			_, err := j.Settle(t.Context(), id, settler(who))
			if !errors.As(err, &void) || err.Error() != "the change "+id+" was not made, and will not be (settled by alice on here at 2026-01-02T12:00:00Z)" {
				t.Errorf("absent, %s: %v", who, err)
			}
		}
	}
	before, err := j.Store.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{old, absent[:len(absent)-1], "20260102", "last", "a/b", "", absent + "0", absent + "-x"} {
		if _, err := j.Settle(t.Context(), id, settler("alice")); !errors.As(err, new(*NoRecordError)) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if after, err := j.Store.Read(t.Context()); err != nil || after.Revision != before.Revision {
		t.Errorf("something was written: %v, %v", after, err)
	}

	receipt, err := j.Store.Commit(t.Context(), store.Txn{Once: j.Key(absent), Writes: []store.Write{{Key: j.Key(absent), Value: []byte("late")}, {Key: "/late"}}})
	if r, broken := ParseRecord(receipt.Stored); err != nil || broken != nil || !r.Change.Void || r.User.Name != "alice" {
		t.Errorf("made later: %q, %v", receipt.Stored, err)
	}
}

// TestPruneKeepsTwoDays: Prune keeps the records of two days, however many there
// are, so that a missing record means that a change was not made, and void
// records stay.
func TestPruneKeepsTwoDays(t *testing.T) {
	const n = 4_500 // a minute apart
	j := newJournal(t)
	j.fill(n, 100)
	j.Now = func() time.Time { return noon().Add(n * time.Minute) }
	j.add(change("void", noon().Add(n*time.Minute)).Void())
	if got := j.prune(1_000, j.Now()); !slices.Equal(got, []int{1_000, n - 2_880 - 1_000}) {
		t.Errorf("pruned %v", got)
	}
	j.Now = func() time.Time { return noon().Add(n*time.Minute + keptTime/2) }
	j.fillOn(n, 2*n, 100)
	j.prune(1_000, time.Time{})
	if _, err := j.Find(t.Context(), long("void")); !errors.As(err, new(*VoidError)) {
		t.Errorf("the void record: %v", err)
	}
	j.Now = func() time.Time { return noon().Add(n*time.Minute + keptTime + time.Minute) }
	j.prune(1_000, time.Time{})
	if found, err := j.Find(t.Context(), long("void")); err != nil || len(found) > 0 {
		t.Errorf("the void record, later: %v, %v", found, err)
	}
}
