package storetest

import (
	"testing"

	"github.com/conftool/confctl/pkg/store"
)

func guardTests() []test {
	return []test{
		{"guard/key", guardKey},
		{"guard/prefix", guardPrefix},
		{"guard/names exactly those that failed", guardNames},
	}
}

// guardKey checks each kind of guard on a key with each history of the key.
func guardKey(t *testing.T, open func() store.Store) {
	s := open()
	old := commit(t, s, writes(put("/before", ""))).Revision
	created := commit(t, s, writes(put("/created", "1"), put("/modified", "1"), put("/deleted", "1"), put("/recreated", "1"))).Revision
	modified := commit(t, s, writes(put("/modified", "2"), del("/deleted"), del("/recreated"))).Revision
	recreated := commit(t, s, writes(put("/recreated", "3"))).Revision
	now := map[string]store.Revision{"/created": created, "/modified": modified, "/recreated": recreated, "/deleted": 0, "/never": 0}
	before := read(t, s, "/")
	for key, at := range now {
		for _, r := range []store.Revision{0, old, created, modified, recreated, recreated + 1000} {
			txn := store.Txn{Guards: []store.Guard{keyAt(key, r)}, Writes: []store.Write{put("/written", key)}}
			if r == at {
				txn.Writes = nil
				commit(t, s, txn)
				continue
			}
			var found *store.Entry
			if at != 0 {
				e := find(t, before, key)
				found = &e
			}
			conflict(t, s, txn, store.FailedGuard{Guard: keyAt(key, r), Found: found})
			unchanged(t, s, before, "/")
		}
	}
	var all []store.Guard
	for key, at := range now {
		all = append(all, keyAt(key, at))
	}
	commit(t, s, store.Txn{Guards: all, Writes: []store.Write{put("/written", "at last"), put("/never", "")}})
	same(t, "written at last", "at last", string(find(t, read(t, s, "/"), "/written").Value))
}

func guardPrefix(t *testing.T, open func() store.Store) {
	s := open()
	start := revision(t, s)
	first := commit(t, s, writes(put("/g/a", "1"), put("/g/b", "1"), put("/g/c", "1"))).Revision
	step := func(what string, w ...store.Write) {
		t.Helper()
		at := revision(t, s)
		held := store.Txn{Guards: []store.Guard{prefixAt("/g/", at)}}
		commit(t, s, held)
		after := commit(t, s, writes(w...)).Revision
		before := read(t, s, "/")
		held.Writes = []store.Write{put("/g/a", "lost"), put("/elsewhere", "lost")}
		conflict(t, s, held, store.FailedGuard{Guard: prefixAt("/g/", at)})
		unchanged(t, s, before, "/")
		commit(t, s, store.Txn{Guards: []store.Guard{prefixAt("/g/", after), prefixAt("/g/", after+1000)}})
		if t.Failed() {
			t.Fatal(what)
		}
	}
	conflict(t, s, store.Txn{Guards: []store.Guard{prefixAt("/g/", start)}}, store.FailedGuard{Guard: prefixAt("/g/", start)})
	conflict(t, s, store.Txn{Guards: []store.Guard{prefixAt("/", 0)}}, store.FailedGuard{Guard: prefixAt("/", 0)})
	commit(t, s, store.Txn{Guards: []store.Guard{prefixAt("/g/", first), prefixAt("/empty/", 0)}})
	step("a key was modified", put("/g/b", "2"))
	step("a key was created", put("/g/deep/er", "1"))
	step("the first key of the range", put("/g/", "1"))
	step("the last key of the range", put("/g/\xff\xff", "1"))
	step("a key was deleted and another modified", del("/g/a"), put("/g/b", "3"))
	step("a key was created again", put("/g/a", "again"))

	at := revision(t, s)
	commit(t, s, writes(del("/g/a"))) // a prefix guard does not notice a deletion
	commit(t, s, writes(put("/g", ""), put("/g0", ""), put("/gg/a", ""), put("/h/g/a", "")))
	commit(t, s, store.Txn{Guards: []store.Guard{prefixAt("/g/", at)}, Writes: []store.Write{put("/g/b", "4"), put("/g/new", "4")}})
	same(t, "the guarded write", "4", string(find(t, read(t, s, "/g/"), "/g/new").Value))
}

func guardNames(t *testing.T, open func() store.Store) {
	s := open()
	first := commit(t, s, writes(put("/a/1", "1"), put("/a/2", "1"), put("/b/1", "1"))).Revision
	second := commit(t, s, writes(put("/a/1", "2"), put("/c/1", "2"))).Revision
	before := read(t, s, "/")
	found := func(key string) *store.Entry { e := find(t, before, key); return &e }
	txn := store.Txn{
		Once: "/journal/1",
		Guards: []store.Guard{
			prefixAt("/a/", first), keyAt("/a/2", first), keyAt("/a/1", first), prefixAt("/b/", first),
			keyAt("/gone", first), keyAt("/absent", 0), prefixAt("/c/", first), prefixAt("/none/", 0), keyAt("/b/1", second), keyAt("/b/1", first),
		},
		Writes: []store.Write{put("/journal/1", ""), put("/a/2", "3"), del("/b/1"), put("/new", "3")},
	}
	conflict(t, s, txn,
		store.FailedGuard{Guard: prefixAt("/a/", first)},
		store.FailedGuard{Guard: keyAt("/a/1", first), Found: found("/a/1")},
		store.FailedGuard{Guard: keyAt("/gone", first)},
		store.FailedGuard{Guard: prefixAt("/c/", first)},
		store.FailedGuard{Guard: keyAt("/b/1", second), Found: found("/b/1")})
	unchanged(t, s, before, "/")
}
