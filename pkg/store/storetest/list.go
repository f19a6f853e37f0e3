package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

func listTests() []test {
	return []test{
		{"list/empty store", listEmpty},
		{"list/order and limit", listOrder},
		{"list/prefixes", listPrefixes},
		{"list/written together", listTogether},
		{"list/is up to date on every handle", listUpToDate},
		{"list/snapshot is the caller's own", listOwnMemory},
		{"list/many", listMany},
		{"list/by key", listByKey},
		{"list/page after page", listPages},
		{"list/bounded by bytes", listBytes},
		{"list/cancelled context", listCancelled},
	}
}

func list(t *testing.T, s store.Store, prefix string, page store.Page) store.Snapshot {
	t.Helper()
	snap, err := s.List(t.Context(), prefix, page)
	if err != nil {
		t.Fatalf("list %+v of %q: %v", page, prefix, err)
	}
	return snap
}

func newest(limit int) store.Page { return store.Page{Order: store.NewestFirst, Limit: limit} }

func listEmpty(t *testing.T, open func() store.Store) {
	s := open()
	for _, prefix := range []string{"/", "/a", ""} {
		snap := list(t, s, prefix, newest(0))
		same(t, "list of an empty store", store.Snapshot{Revision: revision(t, s)}, snap)
	}
}

// listOrder writes keys in an order that is neither that of their names nor that of
// their creation, and deletes some.
func listOrder(t *testing.T, open func() store.Store) {
	s := open()
	for _, name := range []string{"c", "a", "e", "b", "d", "a", "e"} {
		commit(t, s, writes(put("/k/"+name, "value of "+name)))
	}
	commit(t, s, writes(del("/k/b")))
	now := commit(t, s, writes(put("/other", "x"))).Revision
	for _, limit := range []int{-1, 0, 1, 2, 3, 4, 5, 1000} {
		for order, want := range map[store.Order][]string{
			store.NewestFirst: {"/k/e", "/k/a", "/k/d", "/k/c"}, store.ByKey: {"/k/a", "/k/c", "/k/d", "/k/e"},
		} {
			n := limit
			if limit <= 0 || limit > len(want) {
				n = len(want)
			}
			snap := list(t, s, "/k/", store.Page{Order: order, Limit: limit})
			same(t, fmt.Sprintf("list of %d in order %v", limit, order), want[:n], keys(snap))
			same(t, "revision", now, snap.Revision)
			same(t, "more", n < len(want), snap.More)
		}
	}
	for _, e := range list(t, s, "/k/", newest(0)).Entries {
		same(t, "entry as it is read", read(t, s, e.Key).Entries[0], e)
	}
}

func listPrefixes(t *testing.T, open func() store.Store) {
	s := open()
	for _, key := range []string{"other", "/b/a", "/a0", "/a/bc", "/a/b/d", "/a/b/c", "/a/b/", "/a/b", "/a/", "/a-b", "/a"} {
		commit(t, s, writes(put(key, "value")))
	}
	for prefix, want := range map[string][]string{
		"/a/b":    {"/a/b"},
		"/a/b/":   {"/a/b/", "/a/b/c", "/a/b/d"},
		"/a/":     {"/a/", "/a/b", "/a/b/", "/a/b/c", "/a/b/d", "/a/bc"},
		"/a":      {"/a"},
		"othe":    nil,
		"/absent": nil,
		"/none/":  nil,
		"":        nil,
	} {
		snap := list(t, s, prefix, newest(0))
		same(t, fmt.Sprintf("keys under %q", prefix), want, keys(snap))
		same(t, "revision", revision(t, s), snap.Revision)
	}
}

// listTogether commits transactions of several keys: the order within one is not
// specified, the order of two is.
func listTogether(t *testing.T, open func() store.Store) {
	s := open()
	for _, names := range []string{"fa", "cbz", "yd"} {
		var txn store.Txn
		for _, name := range names {
			txn.Writes = append(txn.Writes, put("/k/"+string(name), ""))
		}
		commit(t, s, txn)
	}
	for n, want := range map[int]string{2: "dy", 5: "bcdyz", 7: "abcdfyz"} {
		got := keys(list(t, s, "/k/", newest(n)))
		slices.Sort(got)
		same(t, fmt.Sprintf("the %d newest", n), want, strings.ReplaceAll(strings.Join(got, ""), "/k/", ""))
	}
	for n, allowed := range map[int]string{1: "dy", 3: "dycbz", 6: "dycbzfa"} {
		for _, key := range keys(list(t, s, "/k/", newest(n))) {
			if !strings.Contains(allowed, strings.TrimPrefix(key, "/k/")) {
				t.Fatalf("%s is among the %d newest", key, n)
			}
		}
	}
}

func listUpToDate(t *testing.T, open func() store.Store) {
	a, b := open(), open()
	for i := range 10 {
		at := commit(t, a, writes(put(fmt.Sprintf("/k/%d", i%3), fmt.Sprint(i)))).Revision
		snap := list(t, b, "/k/", newest(1))
		same(t, "revision listed elsewhere after a commit", at, snap.Revision)
		same(t, "value listed elsewhere after a commit", fmt.Sprint(i), string(snap.Entries[0].Value))
		a, b = b, a
	}
}

func listOwnMemory(t *testing.T, open func() store.Store) {
	s := open()
	commit(t, s, writes(put("/k/a", "value")))
	commit(t, s, writes(put("/k/b", "value")))
	snap := list(t, s, "/k/", store.Page{Order: store.ByKey})
	clear(append(snap.Entries[0].Value, "more"...))
	same(t, "the next entry", "value", string(snap.Entries[1].Value))
	clear(snap.Entries[0].Value)
	same(t, "the entry, listed again", "value", string(list(t, s, "/k/", store.Page{Order: store.ByKey}).Entries[0].Value))
}

// listMany lists more keys than one transaction writes.
func listMany(t *testing.T, open func() store.Store) {
	s := open()
	var last store.Revision
	for i := range 5 {
		var txn store.Txn
		for j := range 1000 {
			txn.Writes = append(txn.Writes, put(fmt.Sprintf("/k/%04d", j*5+(i*3)%5), fmt.Sprint(i)))
		}
		last = commit(t, s, txn).Revision
	}
	all := list(t, s, "/k/", newest(0))
	if n := len(all.Entries); n == 0 || n > 5000 || all.More != (n < 5000) {
		t.Fatalf("%d entries, and more: %v", n, all.More)
	}
	if !slices.IsSortedFunc(all.Entries, func(a, b store.Entry) int { return cmp.Compare(b.Modified, a.Modified) }) {
		t.Fatal("they are not in order")
	}
	for _, e := range list(t, s, "/k/", newest(1000)).Entries {
		if e.Modified != last || string(e.Value) != "4" {
			t.Fatalf("%s of revision %d, not %d, is among the newest", e.Key, e.Modified, last)
		}
	}
}

// listByKey limits lists by keys that exist, that do not, and that are outside the
// prefix.
func listByKey(t *testing.T, open func() store.Store) {
	s := open()
	for _, key := range []string{"/a", "/k/a", "/k/b/c", "/k/b", "/k/d", "/l"} {
		commit(t, s, writes(put(key, "")))
	}
	for _, c := range []struct{ prefix, from, until, want string }{
		{"/k/", "", "", "/k/a /k/b /k/b/c /k/d"},
		{"/k/", "/k/b", "", "/k/b /k/b/c /k/d"},
		{"/k/", "/k/b\x00", "", "/k/b/c /k/d"},
		{"/k/", "", "/k/b/c", "/k/a /k/b"},
		{"/k/", "/k/aa", "/k/bb", "/k/b /k/b/c"},
		{"/k/", "/a", "/z", "/k/a /k/b /k/b/c /k/d"},
		{"/k/", "/k/z", "", ""},
		{"/k/", "", "/k/", ""},
		{"/k/", "/k/d", "/k/b", ""},
		{"/k/b", "/k/a", "/k/c", "/k/b"},
		{"/k/b", "/k/b\x00", "", ""},
	} {
		for _, order := range []store.Order{store.ByKey, store.NewestFirst} {
			got := list(t, s, c.prefix, store.Page{Order: order, From: c.from, Until: c.until})
			what := fmt.Sprintf("%q from %q until %q in order %v", c.prefix, c.from, c.until, order)
			same(t, what, strings.Fields(c.want), slices.Sorted(slices.Values(keys(got))))
			same(t, what, revision(t, s), got.Revision)
		}
	}
}

// listPages walks over more entries than fit into one page, with large and small
// values.
func listPages(t *testing.T, open func() store.Store) {
	s := open()
	var want []string
	for i := range 40 {
		w := []store.Write{{Key: fmt.Sprintf("/k/%03d", i), Value: bytes.Repeat([]byte{byte(i)}, 1<<20)}}
		for j := range 100 {
			w = append(w, put(fmt.Sprintf("/k/%03d/%02d", i, j), "value"))
		}
		commit(t, s, writes(w...))
		want = append(want, keysOf(w)...)
	}
	var got []string
	for e, err := range store.Walk(t.Context(), s, "/k/", "", "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Key)
		if n := len(e.Value); n != 5 && (n != 1<<20 || e.Value[n-1] != byte(len(got)/101)) {
			t.Fatalf("the value of %s has %d bytes", e.Key, n)
		}
	}
	same(t, "keys", want, got)
}

func keysOf(writes []store.Write) []string {
	var keys []string
	for _, w := range writes {
		keys = append(keys, w.Key)
	}
	return keys
}

// listBytes lists values that are together many times larger than an answer may be:
// the first of them are returned, whatever the limit is.
func listBytes(t *testing.T, open func() store.Store) {
	s := open()
	const n = 60
	for i := range n {
		commit(t, s, writes(store.Write{Key: fmt.Sprintf("/k/%03d", i), Value: make([]byte, store.MaxBytes-10)}))
	}
	for _, limit := range []int{0, 2, n, 1000} {
		for _, order := range []store.Order{store.NewestFirst, store.ByKey} {
			snap := list(t, s, "/k/", store.Page{Order: order, Limit: limit})
			size := 0
			for i, e := range snap.Entries {
				size += len(e.Key) + len(e.Value)
				place := i
				if order == store.NewestFirst {
					place = n - 1 - i
				}
				same(t, "key", fmt.Sprintf("/k/%03d", place), e.Key)
			}
			if len(snap.Entries) == 0 || limit == 2 && len(snap.Entries) != 2 || size > store.MaxPage || !snap.More {
				t.Errorf("limit %d, order %v: %d entries of %d bytes, more: %v", limit, order, len(snap.Entries), size, snap.More)
			}
		}
	}
}

func listCancelled(t *testing.T, open func() store.Store) {
	s := open()
	commit(t, s, writes(put("/k", "1")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.List(ctx, "/k", newest(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("list with a cancelled context: %v", err)
	}
	ctx, cancel = context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := s.List(ctx, "/k", newest(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("list after its deadline: %v", err)
	}
}
