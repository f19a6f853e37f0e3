package storetest

import (
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
		{"list/cancelled context", listCancelled},
	}
}

func list(t *testing.T, s store.Store, prefix string, order store.Order, limit int) store.Snapshot {
	t.Helper()
	snap, err := s.List(t.Context(), prefix, order, limit)
	if err != nil {
		t.Fatalf("list of %d in %q: %v", limit, prefix, err)
	}
	return snap
}

func listEmpty(t *testing.T, open func() store.Store) {
	s := open()
	for _, prefix := range []string{"/", "/a", ""} {
		snap := list(t, s, prefix, store.NewestFirst, 0)
		same(t, "list of an empty store", store.Snapshot{Revision: revision(t, s)}, snap)
	}
}

// listOrder writes keys in an order that is neither that of their names nor
// that of their creation, and deletes some.
func listOrder(t *testing.T, open func() store.Store) {
	s := open()
	for _, name := range []string{"c", "a", "e", "b", "d", "a", "e"} {
		commit(t, s, writes(put("/k/"+name, "value of "+name)))
	}
	commit(t, s, writes(del("/k/b")))
	now := commit(t, s, writes(put("/other", "x"))).Revision
	oldest := []string{"/k/c", "/k/d", "/k/a", "/k/e"}
	newest := slices.Clone(oldest)
	slices.Reverse(newest)
	for _, limit := range []int{-1, 0, 1, 2, 3, 4, 5, 1000} {
		n := limit
		if limit <= 0 || limit > len(oldest) {
			n = len(oldest)
		}
		for _, c := range []struct {
			order store.Order
			want  []string
		}{{store.OldestFirst, oldest[:n]}, {store.NewestFirst, newest[:n]}} {
			snap := list(t, s, "/k/", c.order, limit)
			same(t, fmt.Sprintf("list of %d, oldest first %v", limit, c.order), c.want, keys(snap))
			same(t, "revision", now, snap.Revision)
		}
	}
	for _, e := range list(t, s, "/k/", store.NewestFirst, 0).Entries {
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
		snap := list(t, s, prefix, store.NewestFirst, 0)
		same(t, fmt.Sprintf("keys under %q", prefix), want, keys(snap))
		same(t, "revision", revision(t, s), snap.Revision)
	}
}

// listTogether has transactions of several keys: the order within one is open,
// that between two is not.
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
		got := keys(list(t, s, "/k/", store.NewestFirst, n))
		slices.Sort(got)
		same(t, fmt.Sprintf("the %d newest", n), want, strings.ReplaceAll(strings.Join(got, ""), "/k/", ""))
	}
	for n, allowed := range map[int]string{1: "dy", 3: "dycbz", 6: "dycbzfa"} {
		for _, key := range keys(list(t, s, "/k/", store.NewestFirst, n)) {
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
		snap := list(t, b, "/k/", store.NewestFirst, 1)
		same(t, "revision listed elsewhere after a commit", at, snap.Revision)
		same(t, "value listed elsewhere after a commit", fmt.Sprint(i), string(snap.Entries[0].Value))
		a, b = b, a
	}
}

func listOwnMemory(t *testing.T, open func() store.Store) {
	s := open()
	commit(t, s, writes(put("/k/a", "value")))
	commit(t, s, writes(put("/k/b", "value")))
	snap := list(t, s, "/k/", store.OldestFirst, 0)
	clear(append(snap.Entries[0].Value, "more"...))
	same(t, "the next entry", "value", string(snap.Entries[1].Value))
	clear(snap.Entries[0].Value)
	same(t, "the entry, listed again", "value", string(list(t, s, "/k/", store.OldestFirst, 1).Entries[0].Value))
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
	all := list(t, s, "/k/", store.NewestFirst, 0)
	same(t, "number of keys", 5000, len(all.Entries))
	if !slices.IsSortedFunc(all.Entries, func(a, b store.Entry) int { return cmp.Compare(b.Modified, a.Modified) }) {
		t.Fatal("they are not in order")
	}
	for _, e := range list(t, s, "/k/", store.NewestFirst, 1000).Entries {
		if e.Modified != last || string(e.Value) != "4" {
			t.Fatalf("%s of revision %d, not %d, is among the newest", e.Key, e.Modified, last)
		}
	}
}

func listCancelled(t *testing.T, open func() store.Store) {
	s := open()
	commit(t, s, writes(put("/k", "1")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.List(ctx, "/k", store.NewestFirst, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("list with a cancelled context: %v", err)
	}
	ctx, cancel = context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := s.List(ctx, "/k", store.NewestFirst, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("list after its deadline: %v", err)
	}
}
