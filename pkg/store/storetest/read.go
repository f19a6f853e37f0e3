package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

func readTests() []test {
	return []test{
		{"read/empty store", readEmpty},
		{"read/prefixes", readPrefixes},
		{"read/revisions", readRevisions},
		{"read/is up to date on every handle", readUpToDate},
		{"read/any bytes", readAnyBytes},
		{"read/snapshot is the caller's own", readOwnMemory},
		{"read/cancelled context", readCancelled},
	}
}

func readEmpty(t *testing.T, open func() store.Store) {
	s := open()
	snap := read(t, s, "/", "/a", "/a/b/")
	if len(snap.Entries) != 0 || snap.Revision < 0 {
		t.Fatalf("read of an empty store: %d entries at revision %d", len(snap.Entries), snap.Revision)
	}
	same(t, "revision of an empty store, by no prefix and by some", snap.Revision, revision(t, s))
}

func readPrefixes(t *testing.T, open func() store.Store) {
	s := open()
	all := []string{"/a", "/a-b", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/b/d", "/a/bc", "/a/bc/d", "/a0", "/b/a", "other"}
	var txn store.Txn
	for i := range all {
		txn.Writes = append(txn.Writes, put(all[len(all)-1-i], "value of "+all[len(all)-1-i]))
	}
	at := commit(t, s, txn).Revision
	for _, c := range []struct{ prefixes, want []string }{
		{nil, nil},
		{[]string{"/a/b"}, []string{"/a/b"}},
		{[]string{"/a/b/"}, []string{"/a/b/", "/a/b/c", "/a/b/d"}},
		{[]string{"/a/"}, []string{"/a/", "/a/b", "/a/b/", "/a/b/c", "/a/b/d", "/a/bc", "/a/bc/d"}},
		{[]string{"/a"}, []string{"/a"}},
		{[]string{"/"}, all[:len(all)-1]},
		{[]string{"other"}, []string{"other"}},
		{[]string{"othe"}, nil},
		{[]string{"/absent", "/absent/"}, nil},
		{[]string{"/b/a", "/a"}, []string{"/a", "/b/a"}},
		{[]string{"/a/b/", "/a/", "/a/b/c", "/a/b/"}, []string{"/a/", "/a/b", "/a/b/", "/a/b/c", "/a/b/d", "/a/bc", "/a/bc/d"}},
		{[]string{"/a/b", "/a/b/", "/a/b"}, []string{"/a/b", "/a/b/", "/a/b/c", "/a/b/d"}},
		{[]string{"/a/bc/", "/a-b", "/a/b/c", "/a/b/"}, []string{"/a-b", "/a/b/", "/a/b/c", "/a/b/d", "/a/bc/d"}},
	} {
		snap := read(t, s, c.prefixes...)
		same(t, fmt.Sprintf("keys under %q", c.prefixes), c.want, keys(snap))
		same(t, "revision", at, snap.Revision)
		for _, e := range snap.Entries {
			same(t, "value of "+e.Key, "value of "+e.Key, string(e.Value))
		}
	}
}

func readRevisions(t *testing.T, open func() store.Store) {
	s := open()
	before := revision(t, s)
	created := commit(t, s, writes(put("/k", "1"))).Revision
	if created <= before {
		t.Fatalf("the first transaction has revision %d, before it was %d", created, before)
	}
	check := func(what string, at store.Revision, want ...store.Entry) {
		t.Helper()
		same(t, what, store.Snapshot{Revision: at, Entries: want}, read(t, s, "/k"))
	}
	check("created", created, store.Entry{Key: "/k", Value: []byte("1"), Created: created, Modified: created})
	modified := commit(t, s, writes(put("/k", "2"))).Revision
	check("modified", modified, store.Entry{Key: "/k", Value: []byte("2"), Created: created, Modified: modified})
	equal := commit(t, s, writes(put("/k", "2"))).Revision
	check("the same value again", equal, store.Entry{Key: "/k", Value: []byte("2"), Created: created, Modified: equal})
	other := commit(t, s, writes(put("/other", ""))).Revision
	check("another key written", other, store.Entry{Key: "/k", Value: []byte("2"), Created: created, Modified: equal})
	gone := commit(t, s, writes(del("/k"))).Revision
	check("deleted", gone)
	again := commit(t, s, writes(put("/k", "3"))).Revision
	check("created again", again, store.Entry{Key: "/k", Value: []byte("3"), Created: again, Modified: again})
	if modified <= created || equal <= modified || other <= equal || gone <= other || again <= gone {
		t.Fatalf("revisions do not grow: %d %d %d %d %d %d", created, modified, equal, other, gone, again)
	}
}

func readUpToDate(t *testing.T, open func() store.Store) {
	a, b := open(), open()
	for i := range 10 {
		at := commit(t, a, writes(put("/k", fmt.Sprint(i)))).Revision
		snap := read(t, b, "/k")
		same(t, "revision read elsewhere after a commit", at, snap.Revision)
		same(t, "value read elsewhere after a commit", fmt.Sprint(i), string(snap.Entries[0].Value))
		a, b = b, a
	}
}

func readAnyBytes(t *testing.T, open func() store.Store) {
	s := open()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<20/16)
	names := []string{
		"/odd/\x00", "/odd/\x00\x00", "/odd/\n", "/odd/ ", "/odd/%2F", "/odd/..", "/odd//", "/odd/\\", "/odd/é", "/odd/\xc3", "/odd/\xff", "/odd/\xff\xff/x",
	}
	txn := store.Txn{Writes: []store.Write{{Key: "/value/every", Value: every}, {Key: "/value/empty", Value: []byte{}}, {Key: "/value/nil"}}}
	for _, name := range names {
		txn.Writes = append(txn.Writes, put(name, name))
	}
	at := commit(t, s, txn).Revision
	commit(t, s, store.Txn{Writes: []store.Write{{Key: "/value/big", Value: big}}})

	snap := read(t, s, "/value/", "/odd/")
	if want := len(names) + 4; len(snap.Entries) != want {
		t.Fatalf("%d entries, want %d: %q", len(snap.Entries), want, keys(snap))
	}
	sameValue(t, "value of every byte", every, find(t, snap, "/value/every").Value)
	sameValue(t, "value of 1 MiB", big, find(t, snap, "/value/big").Value)
	sameValue(t, "empty value", nil, find(t, snap, "/value/empty").Value)
	sameValue(t, "nil value", nil, find(t, snap, "/value/nil").Value)
	for _, name := range names {
		want := store.Entry{Key: name, Value: []byte(name), Created: at, Modified: at}
		same(t, "an odd key", want, find(t, snap, name))
		if name != "/odd//" { // this one is a prefix
			same(t, "an odd key alone", []store.Entry{want}, read(t, s, name).Entries)
		}
	}
	same(t, "an odd prefix", []string{"/odd/\xff\xff/x"}, keys(read(t, s, "/odd/\xff\xff/")))
	seen := batches(t, s, at-1, snap.Revision, "/value/")
	sameValue(t, "watched value of every byte", every, seen[0].Events[1].Value)
	sameValue(t, "watched value of 1 MiB", big, seen[1].Events[0].Value)
}

// readOwnMemory modifies the arguments of Commit and the results of Read: neither may
// affect the store.
func readOwnMemory(t *testing.T, open func() store.Store) {
	s := open()
	value := []byte("value")
	commit(t, s, store.Txn{Writes: []store.Write{{Key: "/a", Value: value}, {Key: "/b", Value: value}}})
	clear(value)
	snap := read(t, s, "/a", "/b")
	clear(append(snap.Entries[0].Value, "more"...))
	same(t, "the next entry", "value", string(snap.Entries[1].Value))
	clear(snap.Entries[0].Value)
	same(t, "the entry, read again", "value", string(read(t, s, "/a").Entries[0].Value))
}

func readCancelled(t *testing.T, open func() store.Store) {
	s := open()
	commit(t, s, writes(put("/k", "1")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Read(ctx, "/k"); !errors.Is(err, context.Canceled) {
		t.Errorf("read with a cancelled context: %v", err)
	}
	ctx, cancel = context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := s.Read(ctx, "/k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("read after its deadline: %v", err)
	}
}
