package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/conftool/confctl/pkg/store"
)

// modelTime limits the search for a difference between driver and model.
const modelTime = 2500 * time.Millisecond

func modelTests() []test {
	return []test{{"model", modelRandom}}
}

// modelRandom commits random transactions on two handles, and compares everything
// visible with a model of the contract. Each run has its own subtree.
func modelRandom(t *testing.T, open func() store.Store) {
	handles := []store.Store{open(), open()}
	begin, run, failed := time.Now(), 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if time.Since(begin) > modelTime && !failed { // after a failure, rapid needs more runs to shrink it
			return
		}
		defer func() { failed = failed || rt.Failed() }()
		run++
		m := &model{rapid: rt, root: fmt.Sprintf("/run/%d", run), entries: map[string]store.Entry{}}
		m.start = m.read(handles[0], m.root+"/").Revision
		m.now, m.revisions = m.start, []store.Revision{0, m.start}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			m.step(rapid.SampledFrom(handles).Draw(rt, "handle"))
			m.compare(rapid.SampledFrom(handles).Draw(rt, "reader"))
			m.list(rapid.SampledFrom(handles).Draw(rt, "lister"))
		}
		m.watch(rapid.SampledFrom(handles).Draw(rt, "watcher"))
	})
	t.Logf("%d runs", run)
}

// model is the state of the subtree of one run according to the contract.
type model struct {
	rapid      *rapid.T
	root       string
	start, now store.Revision
	entries    map[string]store.Entry
	revisions  []store.Revision // 0, start and those of the transactions
	history    []store.Batch
}

// keys generates keys of the subtree.
func (m *model) keys() *rapid.Generator[string] {
	return rapid.SampledFrom(m.rooted("/a", "/a/", "/a/b", "/a/b/c", "/a/bc", "/b"))
}

// prefixes generates prefixes to read and to watch.
func (m *model) prefixes(minLen, maxLen int) []string {
	one := rapid.SampledFrom(m.rooted("/", "/a/", "/a/b/", "/a/b", "/a", "/none/", "/once/"))
	return rapid.SliceOfN(one, minLen, maxLen).Draw(m.rapid, "prefixes")
}

func (m *model) rooted(keys ...string) []string {
	for i := range keys {
		keys[i] = m.root + keys[i]
	}
	return keys
}

// step commits one random transaction and compares its outcome.
func (m *model) step(s store.Store) {
	txn := m.draw()
	earlier, repeated := m.entries[txn.Once]
	failed := m.failed(txn.Guards)
	receipt, err := s.Commit(context.Background(), txn)
	switch {
	case txn.Once != "" && repeated:
		m.same("receipt of a repetition", store.Receipt{Revision: earlier.Created, Stored: earlier.Value}, receipt, err)
	case len(failed) > 0:
		sameConflict(m.rapid, err, failed)
	case len(txn.Writes) == 0:
		m.same("receipt of a transaction without writes", store.Receipt{}, receipt, err)
	default:
		m.apply(txn, receipt, err)
	}
}

func (m *model) draw() store.Txn {
	var txn store.Txn
	for _, key := range rapid.SliceOfNDistinct(m.keys(), 0, 4, rapid.ID[string]).Draw(m.rapid, "writes") {
		w := store.Write{Key: key, Delete: rapid.IntRange(0, 2).Draw(m.rapid, "delete") == 0}
		if !w.Delete {
			w.Value = rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(m.rapid, "value")
		}
		txn.Writes = append(txn.Writes, w)
	}
	if rapid.Bool().Draw(m.rapid, "once") {
		txn.Once = fmt.Sprintf("%s/once/%d", m.root, rapid.IntRange(0, 3).Draw(m.rapid, "once key"))
		txn.Writes = append(txn.Writes, put(txn.Once, fmt.Sprint(len(m.history))))
	}
	for range rapid.IntRange(0, 3).Draw(m.rapid, "guards") {
		txn.Guards = append(txn.Guards, m.guard())
	}
	return txn
}

// guard draws a guard that usually holds.
func (m *model) guard() store.Guard {
	g := store.Guard{Key: m.keys().Draw(m.rapid, "guarded key")}
	g.Revision = m.entries[g.Key].Modified
	if rapid.Bool().Draw(m.rapid, "prefix guard") {
		g = prefixAt(rapid.SampledFrom(m.rooted("/", "/a/", "/a/b/", "/none/")).Draw(m.rapid, "guarded prefix"), m.now)
	}
	if rapid.IntRange(0, 3).Draw(m.rapid, "stale") == 0 {
		g.Revision = rapid.SampledFrom(m.revisions).Draw(m.rapid, "guarded revision")
	}
	return g
}

func (m *model) failed(guards []store.Guard) []store.FailedGuard {
	var failed []store.FailedGuard
	for _, g := range guards {
		if g.Prefix {
			for _, e := range m.under(g.Key) {
				if e.Modified > g.Revision {
					failed = append(failed, store.FailedGuard{Guard: g})
					break
				}
			}
		} else if e, ok := m.entries[g.Key]; e.Modified != g.Revision {
			f := store.FailedGuard{Guard: g}
			if ok {
				f.Found = &e
			}
			failed = append(failed, f)
		}
	}
	return failed
}

// apply applies a transaction to the model, and compares its receipt.
func (m *model) apply(txn store.Txn, receipt store.Receipt, err error) {
	batch := store.Batch{Revision: receipt.Revision}
	var stored []byte
	for _, w := range txn.Writes {
		old, exists := m.entries[w.Key]
		switch {
		case w.Delete && exists:
			delete(m.entries, w.Key)
			batch.Events = append(batch.Events, deleted(w.Key, receipt.Revision))
		case !w.Delete:
			e := store.Entry{Key: w.Key, Value: w.Value, Created: receipt.Revision, Modified: receipt.Revision}
			if exists {
				e.Created = old.Created
			}
			m.entries[w.Key] = e
			batch.Events = append(batch.Events, store.Event{Entry: e})
			if w.Key == txn.Once {
				stored = w.Value
			}
		}
	}
	m.same("what was stored", stored, receipt.Stored, err)
	if len(batch.Events) == 0 {
		return
	}
	if receipt.Revision <= m.now {
		m.rapid.Fatalf("transaction of revision %d after revision %d", receipt.Revision, m.now)
	}
	slices.SortFunc(batch.Events, func(a, b store.Event) int { return strings.Compare(a.Key, b.Key) })
	m.now, m.history, m.revisions = receipt.Revision, append(m.history, batch), append(m.revisions, receipt.Revision)
}

func (m *model) under(prefixes ...string) []store.Entry {
	var found []store.Entry
	for _, key := range slices.Sorted(maps.Keys(m.entries)) {
		if slices.ContainsFunc(prefixes, func(p string) bool { return store.Under(key, p) }) {
			found = append(found, m.entries[key])
		}
	}
	return found
}

func (m *model) read(s store.Store, prefixes ...string) store.Snapshot {
	snap, err := s.Read(context.Background(), prefixes...)
	if err != nil {
		m.rapid.Fatalf("read %q: %v", prefixes, err)
	}
	return snap
}

// compare reads random prefixes and compares the snapshot.
func (m *model) compare(s store.Store) {
	prefixes := m.prefixes(1, 3)
	want := store.Snapshot{Revision: m.now, Entries: m.under(prefixes...)}
	m.same(fmt.Sprintf("read of %q", prefixes), want, m.read(s, prefixes...), nil)
}

// list lists a random page of a random prefix, and compares what the contract
// specifies: the number of entries, each entry, and their order.
func (m *model) list(s store.Store) {
	prefix := m.prefixes(1, 1)[0]
	bound := rapid.SampledFrom(append(m.rooted("/", "/a", "/a/b", "/a/b/", "/c"), "", ""))
	page := store.Page{
		Order: rapid.SampledFrom([]store.Order{store.NewestFirst, store.ByKey}).Draw(m.rapid, "order"),
		Limit: rapid.IntRange(-1, 5).Draw(m.rapid, "limit"), From: bound.Draw(m.rapid, "from"), Until: bound.Draw(m.rapid, "until"),
	}
	got, err := s.List(context.Background(), prefix, page)
	want := slices.DeleteFunc(m.under(prefix), func(e store.Entry) bool {
		return e.Key < page.From || page.Until != "" && e.Key >= page.Until
	})
	if page.Order == store.NewestFirst {
		slices.SortStableFunc(want, func(a, b store.Entry) int { return int(b.Modified - a.Modified) })
	}
	n := len(want)
	if page.Limit > 0 {
		n = min(n, page.Limit)
	}
	what := fmt.Sprintf("list %+v of %q", page, prefix)
	m.same(what, m.now, got.Revision, err)
	m.same(what, n < len(want), got.More, nil)
	m.same(what, n, len(got.Entries), nil)
	seen := map[string]bool{}
	for i, e := range got.Entries {
		m.same(what, want[i].Modified, e.Modified, nil)
		m.same(what, m.entries[e.Key], e, nil)
		if seen[e.Key] || !store.Under(e.Key, prefix) || page.Order == store.ByKey && e.Key != want[i].Key {
			m.rapid.Fatalf("%s: got %s", what, e.Key)
		}
		seen[e.Key] = true
	}
}

// watch writes an end mark, watches random prefixes from a random revision up to it,
// and compares the history.
func (m *model) watch(s store.Store) {
	end := put(m.root+"/end", "")
	receipt, err := s.Commit(context.Background(), writes(end))
	m.apply(writes(end), receipt, err)
	after := rapid.SampledFrom(m.revisions[1:]).Draw(m.rapid, "watch after")
	prefixes := append(m.prefixes(0, 2), end.Key)
	var want, got []store.Batch
	for _, b := range m.history {
		b.Events = slices.DeleteFunc(slices.Clone(b.Events), func(e store.Event) bool {
			return !slices.ContainsFunc(prefixes, func(p string) bool { return store.Under(e.Key, p) })
		})
		if b.Revision > after && len(b.Events) > 0 {
			want = append(want, b)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for b, err := range s.Watch(ctx, after, prefixes...) {
		if err != nil {
			m.rapid.Fatalf("watch %q after %d: %v", prefixes, after, err)
		}
		if len(b.Events) > 0 {
			got = append(got, b)
		}
		if b.Revision >= m.now {
			break
		}
	}
	m.same(fmt.Sprintf("watch of %q after %d", prefixes, after), want, got, nil)
}

func (m *model) same(what string, want, got any, err error) {
	m.rapid.Helper()
	if err != nil {
		m.rapid.Fatalf("%s: %v", what, err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		m.rapid.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}
