package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/conftool/confctl/pkg/store"
)

func limitTests() []test {
	return []test{
		{"limit/most of everything at once", limitMost},
		{"limit/most bytes", limitBytes},
		{"limit/too large", limitBeyond},
	}
}

// limitMost commits the maximum number of writes with the maximum number of guards
// and a once key.
func limitMost(t *testing.T, open func() store.Store) {
	s := open()
	start := revision(t, s)
	txn := store.Txn{Once: "/w/0000", Writes: nWrites(store.MaxWrites), Guards: nGuards(store.MaxGuards)}
	at := commit(t, s, txn).Revision
	snap := read(t, s, "/w/")
	same(t, "number of keys written", store.MaxWrites, len(snap.Entries))
	for _, e := range snap.Entries {
		if e.Modified != at || string(e.Value) != "value of "+e.Key {
			t.Fatalf("key %q: revision %d value %q", e.Key, e.Modified, e.Value)
		}
	}
	seen := batches(t, s, start, at, "/w/")
	if len(seen) != 1 || len(seen[0].Events) != store.MaxWrites {
		t.Fatalf("the watcher saw %d batches", len(seen))
	}

	for i := range txn.Guards { // and every guard fails
		txn.Guards[i] = keyAt(fmt.Sprintf("/w/%04d", i), at-1)
	}
	txn.Once, txn.Writes[0].Key = "/once", "/once"
	_, err := s.Commit(t.Context(), txn)
	var c *store.ConflictError
	if !errors.As(err, &c) || len(c.Failed) != store.MaxGuards {
		t.Fatalf("every guard fails: %v", err)
	}
	same(t, "revision", at, revision(t, s))

	for i := range txn.Writes {
		txn.Writes[i].Delete, txn.Writes[i].Value = true, nil
	}
	commit(t, s, store.Txn{Writes: txn.Writes[1:], Guards: []store.Guard{prefixAt("/w/", at)}})
	same(t, "keys left", []string{"/w/0000"}, keys(read(t, s, "/w/")))
}

func limitBytes(t *testing.T, open func() store.Store) {
	s := open()
	txn := writes(put("/0", ""), put("/1", ""), put("/2", ""))
	for i := range txn.Writes {
		txn.Writes[i].Value = make([]byte, store.MaxBytes/3-2)
		txn.Writes[i].Value[100] = byte(i + 1)
	}
	commit(t, s, txn)
	for i, e := range read(t, s, "/").Entries {
		sameValue(t, e.Key, txn.Writes[i].Value, e.Value)
	}
	txn.Writes[0].Value = append(txn.Writes[0].Value, 0, 0, 0)
	tooLarge(t, s, txn)
}

func limitBeyond(t *testing.T, open func() store.Store) {
	s := open()
	commit(t, s, writes(put("/k", "1")))
	before := read(t, s, "/")
	tooLarge(t, s, store.Txn{Writes: nWrites(store.MaxWrites + 1)})
	tooLarge(t, s, store.Txn{Writes: nWrites(1), Guards: nGuards(store.MaxGuards + 1)})
	tooLarge(t, s, store.Txn{Writes: []store.Write{{Key: "/big", Value: make([]byte, store.MaxBytes)}}})
	unchanged(t, s, before, "/")
}

// tooLarge commits a transaction beyond the limits, also with a cancelled context,
// because the error must come before anything is sent.
func tooLarge(t *testing.T, s store.Store, txn store.Txn) {
	t.Helper()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ctx := range []context.Context{t.Context(), cancelled} {
		_, err := s.Commit(ctx, txn)
		var large *store.TooLargeError
		if !errors.As(err, &large) {
			t.Fatalf("a transaction beyond the limits: %v", err)
		}
		same(t, "number of writes and guards", [2]int{len(txn.Writes), len(txn.Guards)}, [2]int{large.Writes, large.Guards})
	}
}

func nWrites(n int) []store.Write {
	w := make([]store.Write, n)
	for i := range w {
		key := fmt.Sprintf("/w/%04d", i)
		w[i] = put(key, "value of "+key)
	}
	return w
}

// nGuards returns guards that hold while nothing is stored.
func nGuards(n int) []store.Guard {
	g := make([]store.Guard, n)
	for i := range g {
		if g[i] = keyAt(fmt.Sprintf("/absent/%d", i), 0); i%3 == 0 {
			g[i] = prefixAt(fmt.Sprintf("/absent/%d/", i), 0)
		}
	}
	return g
}
