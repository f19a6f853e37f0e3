package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/conftool/confctl/pkg/store"
)

func commitTests() []test {
	return []test{
		{"commit/whole", commitWhole},
		{"commit/deleting an absent key", commitAbsent},
		{"commit/without writes", commitNothing},
		{"commit/once", commitOnce},
		{"commit/once with a guard that fails", commitOnceConflict},
		{"commit/a void key keeps its transaction from ever being made", commitVoid},
		{"commit/malformed", commitMalformed},
		{"commit/cancelled context", commitCancelled},
	}
}

func commitWhole(t *testing.T, open func() store.Store) {
	s := open()
	first := commit(t, s, writes(put("/a", "1"), put("/b", "1"), put("/c", "1"))).Revision
	r := commit(t, s, writes(put("/c", "2"), del("/b"), put("/d", "2")))
	same(t, "stored without a once key", []byte(nil), r.Stored)
	same(t, "the store", store.Snapshot{Revision: r.Revision, Entries: []store.Entry{
		{Key: "/a", Value: []byte("1"), Created: first, Modified: first},
		{Key: "/c", Value: []byte("2"), Created: first, Modified: r.Revision},
		{Key: "/d", Value: []byte("2"), Created: r.Revision, Modified: r.Revision},
	}}, read(t, s, "/"))
}

func commitAbsent(t *testing.T, open func() store.Store) {
	s := open()
	commit(t, s, writes(del("/absent")))
	if snap := read(t, s, "/"); len(snap.Entries) != 0 {
		t.Fatalf("deleting an absent key left %q", keys(snap))
	}
	start := revision(t, s)
	at := commit(t, s, writes(del("/absent"), put("/k", "1"))).Revision
	same(t, "keys", []string{"/k"}, keys(read(t, s, "/")))
	same(t, "what a watcher sees", []store.Batch{{Revision: at, Events: []store.Event{written("/k", "1", at, at)}}},
		batches(t, s, start, at, "/"))
	gone := commit(t, s, writes(del("/k"))).Revision
	commit(t, s, writes(del("/k")))
	end := commit(t, s, writes(put("/end", ""))).Revision
	same(t, "what a watcher sees of deleting twice", []store.Batch{
		{Revision: gone, Events: []store.Event{deleted("/k", gone)}},
		{Revision: end, Events: []store.Event{written("/end", "", end, end)}},
	}, batches(t, s, at, end, "/"))
}

func commitNothing(t *testing.T, open func() store.Store) {
	s := open()
	at := commit(t, s, writes(put("/a/k", "1"))).Revision
	before := read(t, s, "/")
	same(t, "receipt of an empty transaction", store.Receipt{}, commit(t, s, store.Txn{}))
	same(t, "receipt of guards that hold", store.Receipt{},
		commit(t, s, store.Txn{Guards: []store.Guard{keyAt("/a/k", at), keyAt("/b", 0), prefixAt("/a/", at)}}))
	conflict(t, s, store.Txn{Guards: []store.Guard{keyAt("/a/k", at), keyAt("/b", at)}},
		store.FailedGuard{Guard: keyAt("/b", at)})
	unchanged(t, s, before, "/")
}

func commitOnce(t *testing.T, open func() store.Store) {
	a, b := open(), open()
	start := revision(t, a)
	first := store.Txn{
		Once:   "/journal/1",
		Guards: []store.Guard{keyAt("/k", 0), prefixAt("/k/", start)},
		Writes: []store.Write{put("/k", "1"), put("/journal/1", "the record"), put("/k/sub", "1")},
	}
	receipt := commit(t, a, first)
	same(t, "what was stored", "the record", string(receipt.Stored))
	before := read(t, b, "/")
	same(t, "keys", []string{"/journal/1", "/k", "/k/sub"}, keys(before))

	same(t, "the receipt of a repetition whose guards fail by now", receipt, commit(t, b, first))
	unchanged(t, b, before, "/")
	other := store.Txn{Once: "/journal/1", Writes: []store.Write{put("/journal/1", "another record"), put("/other", "x"), del("/k")}}
	same(t, "the receipt of a repetition planned anew", receipt, commit(t, a, other))
	unchanged(t, a, before, "/")

	later := commit(t, b, writes(put("/k", "2")))
	before = read(t, a, "/")
	same(t, "the receipt of a late repetition", receipt, commit(t, a, first))
	unchanged(t, b, before, "/")
	second := commit(t, a, store.Txn{Once: "/journal/2", Writes: []store.Write{put("/journal/2", "")}})
	if second.Revision <= later.Revision {
		t.Fatalf("another once key: revision %d after %d", second.Revision, later.Revision)
	}
	commit(t, a, writes(del("/journal/1")))
	again := commit(t, b, other)
	same(t, "once more after its key was deleted", "another record", string(again.Stored))
	same(t, "the other write", again.Revision, find(t, read(t, a, "/"), "/other").Modified)
}

func commitOnceConflict(t *testing.T, open func() store.Store) {
	s := open()
	at := commit(t, s, writes(put("/k", "1"))).Revision
	before := read(t, s, "/")
	txn := store.Txn{
		Once:   "/journal/1",
		Guards: []store.Guard{keyAt("/k", 0)},
		Writes: []store.Write{put("/k", "2"), put("/journal/1", "record")},
	}
	found := before.Entries[0]
	conflict(t, s, txn, store.FailedGuard{Guard: keyAt("/k", 0), Found: &found})
	unchanged(t, s, before, "/")
	txn.Guards = []store.Guard{keyAt("/k", at)}
	if r := commit(t, s, txn); r.Revision <= at {
		t.Fatalf("a transaction that had failed, planned anew with the same once key: revision %d after %d", r.Revision, at)
	}
}

// commitVoid writes a void value to a once key: the transaction must not be made,
// even though its guards hold.
func commitVoid(t *testing.T, open func() store.Store) {
	a, b := open(), open()
	txn := store.Txn{
		Once: "/journal/1", Void: []byte("void"),
		Guards: []store.Guard{keyAt("/k", 0)},
		Writes: []store.Write{put("/k", "1"), put("/journal/1", "record")},
	}
	settle := store.Txn{Once: txn.Once, Writes: []store.Write{put(txn.Once, "void")}}
	receipt := commit(t, b, settle)
	same(t, "what was stored", "void", string(receipt.Stored))
	before := read(t, a, "/")
	same(t, "keys", []string{"/journal/1"}, keys(before))
	same(t, "the receipt of the transaction", receipt, commit(t, a, txn))
	same(t, "the receipt of settling it again", receipt, commit(t, a, settle))
	unchanged(t, b, before, "/")

	txn.Once, settle.Once = "/journal/2", "/journal/2"
	txn.Writes[1], settle.Writes[0] = put(txn.Once, "record"), put(txn.Once, "void")
	receipt = commit(t, a, txn)
	before = read(t, a, "/")
	same(t, "the receipt of settling what was made", receipt, commit(t, b, settle))
	unchanged(t, b, before, "/")
}

func commitMalformed(t *testing.T, open func() store.Store) {
	s := open()
	commit(t, s, writes(put("/k", "1")))
	before := read(t, s, "/")
	for name, txn := range map[string]store.Txn{
		"an empty key":                    writes(put("/a", "1"), put("", "1")),
		"an empty key guarded":            {Guards: []store.Guard{keyAt("", 0)}, Writes: []store.Write{put("/a", "1")}},
		"a key twice":                     writes(put("/a", "1"), put("/k", "2"), put("/k", "3")),
		"a key put and deleted":           writes(put("/k", "2"), del("/k")),
		"a void value without a once key": {Void: []byte("void"), Writes: []store.Write{put("/a", "1")}},
		"a once key that is not written":  {Once: "/journal/1", Writes: []store.Write{put("/a", "1")}},
		"a prefix without a slash":        {Guards: []store.Guard{prefixAt("/k", 0)}, Writes: []store.Write{put("/a", "1")}},
	} {
		_, err := s.Commit(t.Context(), txn)
		var (
			unavailable *store.UnavailableError
			unknown     *store.UnknownError
			conflicted  *store.ConflictError
		)
		if err == nil || errors.As(err, &unavailable) || errors.As(err, &unknown) || errors.As(err, &conflicted) {
			t.Errorf("%s: got %T %v, want a plain error", name, err, err)
		}
		unchanged(t, s, before, "/")
	}
}

func commitCancelled(t *testing.T, open func() store.Store) {
	s := open()
	commit(t, s, writes(put("/k", "1")))
	before := read(t, s, "/")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Commit(ctx, store.Txn{Once: "/k2", Writes: []store.Write{put("/k", "2"), put("/k2", "2")}})
	var unknown *store.UnknownError
	if !errors.Is(err, context.Canceled) || errors.As(err, &unknown) {
		t.Errorf("commit with a cancelled context: got %T %v, want the context's error and certainty", err, err)
	}
	unchanged(t, s, before, "/")
}
