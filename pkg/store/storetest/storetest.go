// Package storetest is the contract of package store as tests. Every driver runs
// them, so that all drivers behave in the same way.
//
//	func TestContract(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) func() store.Store {
//			path := filepath.Join(t.TempDir(), "store")
//			return func() store.Store { ... open path ... }
//		})
//	}
package storetest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/conftool/confctl/pkg/store"
)

// patience is the maximum time to wait for anything that should happen immediately.
const patience = 15 * time.Second

// Run runs the contract. It calls fresh once for each of its subtests, with that
// subtest's t. Fresh makes an empty store that nothing else writes to while the
// subtest runs, and returns a function that opens another handle on the same store,
// as another process would. Revisions need not begin at any particular number.
//
// The suite closes the handles it opened, before any cleanup that fresh itself
// registered with t. Open is called only from the goroutine of the subtest; it
// reports its own failures by t.Fatal.
func Run(t *testing.T, fresh func(t *testing.T) (open func() store.Store)) {
	for _, test := range slices.Concat(readTests(), listTests(), commitTests(), guardTests(), limitTests(), raceTests(), watchTests(), modelTests()) {
		t.Run(test.name, func(t *testing.T) {
			open := fresh(t)
			test.run(t, func() store.Store {
				s := open()
				t.Cleanup(func() {
					if err := s.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				})
				return s
			})
		})
	}
}

type test struct {
	name string
	run  func(t *testing.T, open func() store.Store)
}

func put(key, value string) store.Write { return store.Write{Key: key, Value: []byte(value)} }

func del(key string) store.Write { return store.Write{Key: key, Delete: true} }

func writes(w ...store.Write) store.Txn { return store.Txn{Writes: w} }

func keyAt(key string, r store.Revision) store.Guard { return store.Guard{Key: key, Revision: r} }

func prefixAt(prefix string, r store.Revision) store.Guard {
	return store.Guard{Key: prefix, Prefix: true, Revision: r}
}

// commit performs a transaction that must succeed.
func commit(t *testing.T, s store.Store, txn store.Txn) store.Receipt {
	t.Helper()
	r, err := s.Commit(t.Context(), txn)
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	return r
}

// read returns a snapshot, and checks what holds for every snapshot.
func read(t *testing.T, s store.Store, prefixes ...string) store.Snapshot {
	t.Helper()
	snap, err := s.Read(t.Context(), prefixes...)
	if err != nil {
		t.Fatalf("read %q: %v", prefixes, err)
	}
	for i, e := range snap.Entries {
		if i > 0 && snap.Entries[i-1].Key >= e.Key {
			t.Fatalf("read %q: key %q comes after %q", prefixes, e.Key, snap.Entries[i-1].Key)
		}
		if e.Created <= 0 || e.Created > e.Modified || e.Modified > snap.Revision {
			t.Fatalf("read %q at revision %d: key %q created at %d, modified at %d", prefixes, snap.Revision, e.Key, e.Created, e.Modified)
		}
	}
	return snap
}

func revision(t *testing.T, s store.Store) store.Revision {
	t.Helper()
	return read(t, s).Revision
}

func keys(snap store.Snapshot) []string {
	var names []string
	for _, e := range snap.Entries {
		names = append(names, e.Key)
	}
	return names
}

// same fails the test if two values differ; nil and empty are equal.
func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// unchanged fails the test unless reading prefixes returns the same snapshot as
// before.
func unchanged(t *testing.T, s store.Store, before store.Snapshot, prefixes ...string) {
	t.Helper()
	same(t, "the store after a transaction that was not to be performed", before, read(t, s, prefixes...))
}

// conflict commits a transaction, and fails the test unless exactly the wanted guards
// fail.
func conflict(t *testing.T, s store.Store, txn store.Txn, want ...store.FailedGuard) {
	t.Helper()
	_, err := s.Commit(t.Context(), txn)
	sameConflict(t, err, want)
}

// sameConflict compares the failed guards in any order.
func sameConflict(t interface {
	Helper()
	Fatalf(string, ...any)
}, err error, want []store.FailedGuard) {
	t.Helper()
	var c *store.ConflictError
	if !errors.As(err, &c) {
		t.Fatalf("commit with guards that fail: got error %v, want a conflict", err)
	}
	order := cmpopts.SortSlices(func(a, b store.FailedGuard) bool { return guardLess(a.Guard, b.Guard) })
	if diff := cmp.Diff(want, c.Failed, order, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("failed guards (-want +got):\n%s", diff)
	}
}

func guardLess(a, b store.Guard) bool {
	if a.Key != b.Key {
		return a.Key < b.Key
	}
	if a.Prefix != b.Prefix {
		return b.Prefix
	}
	return a.Revision < b.Revision
}

// batches watches until nothing up to a revision is missing, and returns the batches
// with events. It checks what holds for every batch.
func batches(t *testing.T, s store.Store, after, until store.Revision, prefixes ...string) []store.Batch {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var seen []store.Batch
	last := after
	for b, err := range s.Watch(ctx, after, prefixes...) {
		if err != nil {
			t.Fatalf("watch after %d: %v", after, err)
		}
		checkBatch(t, last, b, prefixes)
		last = b.Revision
		if b.Resumed {
			t.Fatalf("watch after %d: revision %d is said to have been resumed at", after, last)
		}
		if len(b.Events) > 0 {
			seen = append(seen, b)
		}
		if last >= until {
			return seen
		}
	}
	t.Fatalf("watch after %d: reached revision %d, not %d, within %v", after, last, until, patience)
	return nil
}

// checkBatch checks one batch that follows revision last.
func checkBatch(t *testing.T, last store.Revision, b store.Batch, prefixes []string) {
	t.Helper()
	if b.Revision < last || len(b.Events) > 0 && b.Revision == last {
		t.Fatalf("watch: %d events of revision %d after revision %d", len(b.Events), b.Revision, last)
	}
	for i, e := range b.Events {
		switch {
		case i > 0 && b.Events[i-1].Key >= e.Key:
			t.Fatalf("watch: key %q comes after %q", e.Key, b.Events[i-1].Key)
		case !slices.ContainsFunc(prefixes, func(p string) bool { return store.Under(e.Key, p) }):
			t.Fatalf("watch %q: got key %q", prefixes, e.Key)
		case e.Modified != b.Revision:
			t.Fatalf("watch: key %q of revision %d in the batch of revision %d", e.Key, e.Modified, b.Revision)
		case e.Deleted && (e.Created != 0 || len(e.Value) > 0):
			t.Fatalf("watch: key %q was deleted, but has created %d and value %q", e.Key, e.Created, e.Value)
		}
	}
}

func written(key, value string, created, modified store.Revision) store.Event {
	return store.Event{Entry: store.Entry{Key: key, Value: []byte(value), Created: created, Modified: modified}}
}

func deleted(key string, modified store.Revision) store.Event {
	return store.Event{Entry: store.Entry{Key: key, Modified: modified}, Deleted: true}
}

func find(t *testing.T, snap store.Snapshot, key string) store.Entry {
	t.Helper()
	for _, e := range snap.Entries {
		if e.Key == key {
			return e
		}
	}
	t.Fatalf("key %q is not in the snapshot", key)
	return store.Entry{}
}

func sameValue(t *testing.T, what string, want, got []byte) {
	t.Helper()
	if !bytes.Equal(want, got) {
		t.Fatalf("%s: got %d bytes, want %d others", what, len(got), len(want))
	}
}
