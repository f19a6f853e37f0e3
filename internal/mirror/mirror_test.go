package mirror

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/local"
)

// run starts a mirror of a store until the test ends.
func run(t testing.TB, cfg Config) *Mirror {
	t.Helper()
	m := New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("run ended with %v", err)
		}
	})
	return m
}

func openLocal(t testing.TB) *local.Store {
	t.Helper()
	s, err := local.Open(filepath.Join(t.TempDir(), "store"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(key, value string) store.Write { return store.Write{Key: key, Value: []byte(value)} }

func commit(t testing.TB, s store.Store, writes ...store.Write) store.Revision {
	t.Helper()
	r, err := s.Commit(t.Context(), store.Txn{Writes: writes})
	if err != nil {
		t.Fatal(err)
	}
	return r.Revision
}

// reached waits until a mirror is at a revision.
func reached(t testing.TB, m *Mirror, at store.Revision) *View {
	t.Helper()
	return until(t, m, fmt.Sprintf("revision %d", at), func(v *View) bool { return v.Revision >= at })
}

// failed waits until a mirror has failed to reach its store.
func failed(t testing.TB, m *Mirror) {
	t.Helper()
	for end := time.Now().Add(time.Minute); m.Status().Err == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not fail")
		}
	}
}

func until(t testing.TB, m *Mirror, what string, ok func(*View) bool) *View {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if v := m.View(); v != nil && ok(v) {
			return v
		}
	}
	t.Fatalf("no %s: %+v, view %+v", what, m.Status(), m.View())
	return nil
}

// holds compares the content of a view with that of a store.
func holds(t testing.TB, v *View, snap store.Snapshot) {
	t.Helper()
	var got []store.Entry
	for e := range v.Under("") {
		got = append(got, *e)
	}
	if !slices.EqualFunc(got, snap.Entries, func(a, b store.Entry) bool { return a.Key == b.Key && same(a, b) }) {
		t.Fatalf("the mirror holds %d entries at %d, the store %d at %d:\n%v\n%v", len(got), v.Revision, len(snap.Entries), snap.Revision, got, snap.Entries)
	}
	if v.Len() != len(got) {
		t.Fatalf("Len is %d, of %d entries", v.Len(), len(got))
	}
}

func read(t testing.TB, s store.Store, prefixes ...string) store.Snapshot {
	t.Helper()
	snap, err := s.Read(t.Context(), prefixes...)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// TestTree compares trees with a map, over transactions that create, change, delete
// and create again. Older trees do not change.
func TestTree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		alphabet := rapid.SampledFrom([]string{"a", "b", "/", "-", "0", "a/b", "z"})
		key := rapid.Custom(func(t *rapid.T) string {
			return "/" + strings.Join(rapid.SliceOfN(alphabet, 0, 4).Draw(t, "key"), "")
		})
		now := map[string]store.Entry{}
		tr := newTree(nil)
		type past struct {
			tree tree
			want map[string]store.Entry
		}
		var olds []past
		for rev := store.Revision(1); rev < 12; rev++ {
			keys := rapid.SliceOfNDistinct(key, 0, 300, rapid.ID).Draw(t, "keys")
			slices.Sort(keys)
			gone := rapid.Bool().Draw(t, "mostly deleted")
			var events []store.Event
			befores := map[string]*store.Entry{}
			for _, k := range keys {
				was, there := now[k]
				if there {
					befores[k] = &was
				}
				if there && (gone || len(k)%3 == 0) {
					delete(now, k)
					events = append(events, store.Event{Entry: store.Entry{Key: k, Modified: rev}, Deleted: true})
					continue
				}
				e := store.Entry{Key: k, Created: rev, Modified: rev, Value: fmt.Append(nil, rev)}
				if there {
					e.Created = was.Created
				}
				now[k] = e
				events = append(events, store.Event{Entry: e})
			}
			olds = append(olds, past{tr, maps.Clone(now)})
			next, told := tr.apply(events)
			olds[len(olds)-1].tree = next
			tr = next
			for _, e := range told {
				want := befores[e.Key]
				if (want == nil) != (e.Before == nil) || want != nil && !same(*want, *e.Before) {
					t.Fatalf("before %v was %v, told %v", e.Event, want, e.Before)
				}
			}
		}
		for _, o := range olds {
			checkTree(t, o.tree, o.want)
		}
	})
}

func checkTree(t *rapid.T, tr tree, want map[string]store.Entry) {
	keys := slices.Sorted(maps.Keys(want))
	check := func(what string, got iter.Seq[*store.Entry], in func(string) bool) {
		i := 0
		for e := range got {
			for i < len(keys) && !in(keys[i]) {
				i++
			}
			if i == len(keys) || e.Key != keys[i] || !same(*e, want[e.Key]) {
				t.Fatalf("%s: got %v, want %q", what, e, keys)
			}
			i++
		}
		for ; i < len(keys); i++ {
			if in(keys[i]) {
				t.Fatalf("%s: %s is missing", what, keys[i])
			}
		}
	}
	check("all", tr.all(), func(string) bool { return true })
	for _, prefix := range []string{"/", "/a/", "/a", "/a/b/", "/z", "/b-/", "/zzz/"} {
		check(prefix, tr.under(prefix), func(k string) bool { return store.Under(k, prefix) })
	}
	if tr.len() != len(want) {
		t.Fatalf("length %d, want %d", tr.len(), len(want))
	}
}

// TestFollows compares the view with the store after each of many transactions, and
// all batches with the committed transactions.
func TestFollows(t *testing.T) {
	t.Parallel()
	s := openLocal(t)
	commit(t, s, put("/in/a", "0"), put("/out", "0"))
	commit(t, s, put("/in/a", "1"), put("/in/b", "1"))
	m := run(t, Config{Store: s, Prefixes: []string{"/in/"}})
	first := until(t, m, "history", func(v *View) bool { return !v.Filling() })
	rng := rand.New(rand.NewPCG(1, 2))
	have := map[string]bool{"/in/a": true, "/in/b": true}
	for range 200 {
		var writes []store.Write
		for _, i := range rng.Perm(40)[:1+rng.IntN(20)] {
			key := fmt.Sprintf("/in/%d/%d", i%3, i)
			del := have[key] && rng.IntN(2) == 0
			have[key] = !del
			writes = append(writes, store.Write{Key: key, Delete: del, Value: fmt.Append(nil, rng.IntN(3))})
		}
		holds(t, reached(t, m, commit(t, s, writes...)), read(t, s, "/in/"))
	}
	last := m.View()
	batches, err := last.History(0)
	if err != nil || batches[0].Revision != 1 || len(batches) != 202 {
		t.Fatalf("%d batches, %v", len(batches), err)
	}
	replay(t, batches, read(t, s, "/in/"))
	if since, all := last.Since(first.Version()); !all || len(since) != 200 || last.Version()-first.Version() != 200 {
		t.Fatalf("%d batches since the first view, %v", len(since), all)
	}
	if b := batches[1]; len(b.Events) != 2 || string(b.Events[0].Before.Value) != "0" || b.Events[1].Before != nil || b.Events[1].Unknown {
		t.Fatalf("from before the first view: %+v", b)
	}
}

// replay checks that the batches lead to the content of the store.
func replay(t *testing.T, batches []*Batch, want store.Snapshot) {
	t.Helper()
	at := map[string]store.Entry{}
	rev := store.Revision(0)
	for _, b := range batches {
		if b.Revision <= rev {
			t.Fatalf("revision %d after %d", b.Revision, rev)
		}
		rev = b.Revision
		for _, e := range b.Events {
			was, there := at[e.Key]
			if there != (e.Before != nil) || there && !same(was, *e.Before) {
				t.Fatalf("at %d: %s was %v, told %v", rev, e.Key, was, e.Before)
			}
			at[e.Key] = e.Entry
			if e.Deleted {
				delete(at, e.Key)
			}
		}
	}
	if len(at) != len(want.Entries) {
		t.Fatalf("told of %d keys, there are %d", len(at), len(want.Entries))
	}
	for _, e := range want.Entries {
		if !same(at[e.Key], e) {
			t.Fatalf("told %v, there is %v", at[e.Key], e)
		}
	}
}

func TestBackfill(t *testing.T) {
	t.Parallel()
	s := openLocal(t)
	for i := range 100 {
		commit(t, s, put("/k", fmt.Sprint(i)), put(fmt.Sprint("/k/", i), ""))
	}
	for _, c := range []struct {
		backfill int
		floor    store.Revision
	}{{0, 0}, {30, 70}, {1000, 0}, {-1, 100}} {
		m := run(t, Config{Store: s, Prefixes: []string{"/"}, Backfill: c.backfill})
		v := until(t, m, "history", func(v *View) bool { return !v.Filling() })
		var forgotten *ForgottenError
		_, err := v.History(c.floor - 1)
		if !errors.As(err, &forgotten) || forgotten.Oldest != c.floor {
			t.Errorf("backfill %d: history after %d: %v", c.backfill, c.floor-1, err)
		}
		batches, err := v.History(c.floor)
		if err != nil || len(batches) != int(100-c.floor) {
			t.Errorf("backfill %d: %d batches, %v", c.backfill, len(batches), err)
		}
		if c.backfill == 30 && (!batches[0].Events[0].Unknown || batches[0].Events[1].Unknown || batches[1].Events[0].Before == nil) {
			t.Errorf("before the first: %+v", batches[0])
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	s := openLocal(t)
	m := run(t, Config{Store: s, Prefixes: []string{"/"}, Batches: 10, Bytes: 3000})
	first := until(t, m, "history", func(v *View) bool { return !v.Filling() })
	for i := range 30 {
		commit(t, s, put("/k", fmt.Sprint(i)))
	}
	v := reached(t, m, 30)
	if got := len(v.Retained()); got != 10 {
		t.Errorf("%d batches are kept", got)
	}
	if _, err := v.History(20); err != nil {
		t.Error(err)
	}
	if _, err := v.History(19); !errors.As(err, new(*ForgottenError)) {
		t.Error(err)
	}
	if _, all := v.Since(first.Version()); all {
		t.Error("what is forgotten is not missed")
	}
	v = reached(t, m, commit(t, s, put("/k", strings.Repeat("x", 10000))))
	if got := v.Retained(); len(got) != 1 || got[0].Revision != 31 {
		t.Errorf("%d batches are kept with a large one", len(got))
	}
}

// values creates values, and counts those in memory.
type values struct{ live atomic.Int64 }

const valueSize = 10 << 10

func (v *values) make() []byte {
	b := make([]byte, valueSize)
	v.live.Add(1)
	runtime.AddCleanup(&b[0], func(int) { v.live.Add(-1) }, 0)
	return b
}

// atMost waits until at most n values are in memory.
func (v *values) atMost(t *testing.T, n int64) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); v.live.Load() > n; runtime.GC() {
		if time.Now().After(end) {
			t.Fatalf("%d values are in memory, of %d that may be", v.live.Load(), n)
		}
	}
}

// TestForgottenIsFreed checks that the values in memory of a key that changes
// repeatedly exceed those that are counted by at most a quarter.
func TestForgottenIsFreed(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	var v values
	h := history{first: firstSequence, indexed: firstSequence}
	for i := range 400 {
		e := store.Entry{Key: "/in/a", Modified: store.Revision(i), Value: v.make()}
		h = h.add(&Batch{Revision: e.Modified, Events: []Event{{Event: store.Event{Entry: e}}}}, 4096, most)
		if i%10 == 0 {
			v.atMost(t, most/valueSize*5/4+1)
		}
	}
	runtime.KeepAlive(h)
}

// TestBackfillIsBounded checks that the history before the first view stays within
// its memory limit while it is read, and that what does not fit is dropped.
func TestBackfillIsBounded(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	s := &endless{end: 1000}
	m := run(t, Config{Store: s, Prefixes: []string{"/in/"}, Bytes: most, Backfill: 1000})
	v := until(t, m, "history", func(v *View) bool { return !v.Filling() })
	oldest := v.Retained()[0].Revision
	if got, err := v.History(oldest - 1); err != nil || len(got) != int(s.end-oldest)+1 || len(got) < most/valueSize/3 {
		t.Errorf("%d batches: %v", len(got), err)
	}
	if _, err := v.History(oldest - 2); !errors.As(err, new(*ForgottenError)) {
		t.Errorf("what is dropped is not forgotten: %v", err)
	}
	if s.most > 4*most/valueSize { // some are not collected yet
		t.Errorf("%d values were in memory at once", s.most)
	}
	s.atMost(t, most/valueSize*5/4+10)
	runtime.KeepAlive(m)
}

// endless is a store with one key, which every transaction writes.
type endless struct {
	store.Store
	values
	end  store.Revision
	most int64 // the number of values in memory after a collection
}

func (s *endless) entry(at store.Revision) store.Entry {
	return store.Entry{Key: "/in/a", Created: 1, Modified: at, Value: s.make()}
}

func (s *endless) Read(context.Context, ...string) (store.Snapshot, error) {
	return store.Snapshot{Revision: s.end, Entries: []store.Entry{s.entry(s.end)}}, nil
}

func (s *endless) Watch(ctx context.Context, after store.Revision, _ ...string) iter.Seq2[store.Batch, error] {
	return func(yield func(store.Batch, error) bool) {
		for at := after + 1; at <= s.end; at++ {
			if at%100 == 0 {
				runtime.GC()
				time.Sleep(time.Millisecond)
				s.most = max(s.most, s.live.Load())
			}
			if !yield(store.Batch{Revision: at, Events: []store.Event{{Entry: s.entry(at)}}}, nil) {
				return
			}
		}
		<-ctx.Done()
	}
}

// broken is a real store that fails on request.
type broken struct {
	store.Store
	mu    sync.Mutex
	err   error // the error of all requests
	after store.Revision
	watch func() // ends the open watch
}

func (b *broken) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	if b.watch != nil {
		b.watch()
	}
}

func (b *broken) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *broken) Read(ctx context.Context, prefixes ...string) (store.Snapshot, error) {
	if err := b.failure(); err != nil && !errors.Is(err, store.ErrCompacted) {
		return store.Snapshot{}, err
	}
	return b.Store.Read(ctx, prefixes...)
}

func (b *broken) Watch(ctx context.Context, after store.Revision, prefixes ...string) iter.Seq2[store.Batch, error] {
	return func(yield func(store.Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		b.mu.Lock()
		b.watch, b.after = cancel, after
		b.mu.Unlock()
		if b.failure() == nil {
			for batch, err := range b.Store.Watch(ctx, after, prefixes...) {
				if b.failure() != nil || !yield(batch, err) {
					break
				}
			}
		}
		if err := b.failure(); err != nil {
			if errors.Is(err, store.ErrCompacted) {
				b.mu.Lock()
				b.err = nil // fails once
				b.mu.Unlock()
			}
			yield(store.Batch{}, err)
		}
	}
}

// TestFailures makes the store fail in each way, and then recover.
func TestFailures(t *testing.T) {
	t.Parallel()
	unavailable := &store.UnavailableError{Tried: []store.Endpoint{{Address: "here", Err: errors.New("down")}}}
	s := &broken{Store: openLocal(t), err: unavailable}
	var mu sync.Mutex
	var reports []string
	m := run(t, Config{Store: s, Prefixes: []string{"/in/"}, Report: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, fmt.Sprint(err))
	}})
	failed(t, m)
	if st := m.Status(); st.Loaded || st.Err == nil || !st.Heard.IsZero() || m.View() != nil {
		t.Errorf("before the first read: %+v", st)
	}
	s.fail(nil)
	v := reached(t, m, 0)
	<-m.Loaded()
	at := reached(t, m, commit(t, s, put("/in/a", "1"), put("/in/b", "1"), put("/in/e", "same")))

	s.fail(unavailable)
	commit(t, s, put("/in/a", "2"))
	gone := commit(t, s, store.Write{Key: "/in/b", Delete: true})
	failed(t, m)
	if v := m.View(); v.Revision > at.Revision || m.Status().Err == nil || m.Status().Since.IsZero() {
		t.Errorf("while it is down: %+v", m.Status())
	}
	s.fail(nil)
	v2 := reached(t, m, gone)
	holds(t, v2, read(t, s, "/in/"))
	if batches, err := v2.History(at.Revision); err != nil || len(batches) != 2 || s.after != at.Revision || m.Status().Reloads != 0 {
		t.Errorf("it did not resume: %d batches, %v, watch after %d, %+v", len(batches), err, s.after, m.Status())
	}

	s.fail(unavailable)
	until(t, m, "failure", func(*View) bool { return m.Status().Err != nil })
	commit(t, s, put("/in/a", "3"), put("/in/c", "3"), put("/in/e", "same"))
	now := commit(t, s, put("/in/c", "4"))
	s.fail(store.ErrCompacted)
	until(t, m, "reload", func(v *View) bool { return v.Revision >= now })
	v3 := reached(t, m, commit(t, s, put("/in/d", "5")))
	holds(t, v3, read(t, s, "/in/"))
	batches, all := v3.Since(v2.Version())
	if !all || len(batches) != 2 || !batches[0].Reload || len(batches[0].Events) != 3 || batches[1].Reload {
		t.Errorf("a reload is one batch: %v", batches)
	}
	if _, err := v3.History(now - 1); !errors.As(err, new(*ForgottenError)) {
		t.Errorf("history over the gap: %v", err)
	}
	if after, err := v3.History(now); err != nil || len(after) != 1 {
		t.Errorf("history after the gap: %v, %v", after, err)
	}
	if _, all := v3.Since(v.Version()); !all {
		t.Error("batches are missing")
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{unavailable.Error(), "<nil>", unavailable.Error(), "<nil>", unavailable.Error(), "<nil>"}; !slices.Equal(reports, want) {
		t.Errorf("reported %q", reports)
	}
}

// TestPutBack replaces the store by an older state.
func TestPutBack(t *testing.T) {
	t.Parallel()
	older := openLocal(t)
	commit(t, older, put("/in/a", "old"), put("/in/b", "old"))
	newer := openLocal(t)
	for i := range 20 {
		commit(t, newer, put("/in/a", fmt.Sprint(i)), put("/in/c", "c"))
	}
	s := &swapped{Store: newer}
	m := run(t, Config{Store: s, Prefixes: []string{"/in/"}})
	v := reached(t, m, 20)
	s.swap(older)
	v2 := until(t, m, "older store", func(v *View) bool { return v.Revision < 20 })
	holds(t, v2, read(t, older, "/in/"))
	if batches, all := v2.Since(v.Version()); !all || len(batches) != 1 || len(batches[0].Events) != 3 || !batches[0].Reload {
		t.Errorf("the difference: %v", batches)
	}
	holds(t, reached(t, m, commit(t, older, put("/in/z", ""))), read(t, older, "/in/"))
}

// TestPutBackAndPast replaces the store by an older state that was written to until
// it passed the mirror's revision: nothing of the previous store stays. A store that
// is the same is not read again.
func TestPutBackAndPast(t *testing.T) {
	t.Parallel()
	newer, older := openLocal(t), openLocal(t)
	commit(t, newer, put("/in/a", "new"), put("/in/b", "same"), put("/in/gone", ""))
	for i := range 20 {
		commit(t, older, put("/in/a", fmt.Sprint(i)), put("/in/b", "same"))
	}
	s := &swapped{Store: newer}
	var different atomic.Int64
	m := run(t, Config{Store: s, Prefixes: []string{"/in/"}, Backfill: -1, Reloaded: func(n int) { different.Add(int64(n)) }})
	v := reached(t, m, 1)
	s.swap(newer)
	reached(t, m, commit(t, newer, put("/in/c", "")))
	if n := m.Status().Reloads; n > 0 {
		t.Errorf("the same store was taken anew %d times", n)
	}
	s.swap(older)
	until(t, m, "the other store", func(*View) bool { return m.Status().Reloads == 1 })
	v2 := reached(t, m, 20)
	holds(t, v2, read(t, older, "/in/"))
	batches, all := v2.Since(v.Version())
	if !all || len(batches) != 2 || !batches[1].Reload { // the previous change, and no view that mixes the stores
		t.Errorf("the difference: %v", batches)
	}
	if n := different.Load(); n != 4 { // a, b, c and gone
		t.Errorf("told of %d keys that are different", n)
	}
	if _, err := v2.History(3); !errors.As(err, new(*ForgottenError)) {
		t.Errorf("history of the other store: %v", err)
	}
	holds(t, reached(t, m, commit(t, older, put("/in/z", ""))), read(t, older, "/in/"))
}

// begun is a store that reports when a watch has yielded its first batch.
type begun struct {
	store.Store
	once  sync.Once
	batch chan struct{} // closed at the first batch
}

func (s *begun) Watch(ctx context.Context, after store.Revision, prefixes ...string) iter.Seq2[store.Batch, error] {
	return func(yield func(store.Batch, error) bool) {
		for b, err := range s.Store.Watch(ctx, after, prefixes...) {
			s.once.Do(func() { close(s.batch) })
			if !yield(b, err) {
				return
			}
		}
	}
}

// TestPutBackUnnoticed replaces the file of the store by another one that was
// written to until it passed the mirror's revision. The watch is not interrupted.
func TestPutBackUnnoticed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func(name string) *local.Store {
		s, err := local.Open(filepath.Join(dir, name), local.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s, other := open("store"), open("other")
	commit(t, s, put("/in/a", "new"), put("/in/gone", ""))
	for i := range 20 {
		commit(t, other, put("/in/a", fmt.Sprint(i)))
	}
	watched := &begun{Store: s, batch: make(chan struct{})}
	m := run(t, Config{Store: watched, Prefixes: []string{"/in/"}, Backfill: -1})
	v := reached(t, m, 1)
	<-watched.batch // otherwise the watch may begin in the other file
	if err := os.Rename(filepath.Join(dir, "other"), filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	v2 := reached(t, m, 20)
	holds(t, v2, read(t, s, "/in/"))
	if batches, all := v2.Since(v.Version()); !all || len(batches) != 1 || !batches[0].Reload || m.Status().Reloads != 1 {
		t.Errorf("the difference: %v, %+v", batches, m.Status())
	}
	holds(t, reached(t, m, commit(t, s, put("/in/z", ""))), read(t, s, "/in/"))
}

// TestPutBackIsForgotten drops the batches of the previous store from the history:
// that does not affect from which revision on changes are known.
func TestPutBackIsForgotten(t *testing.T) {
	t.Parallel()
	older, newer := openLocal(t), openLocal(t)
	at := commit(t, older, put("/in/a", "old"))
	for i := range 20 {
		commit(t, newer, put("/in/a", fmt.Sprint(i)))
	}
	s := &swapped{Store: newer}
	m := run(t, Config{Store: s, Prefixes: []string{"/in/"}, Batches: 5})
	reached(t, m, 20)
	s.swap(older)
	until(t, m, "older store", func(v *View) bool { return v.Revision < 20 })
	for range 3 {
		v := reached(t, m, commit(t, older, put("/in/a", "")))
		batches, err := v.History(at)
		if err != nil || len(batches) != int(v.Revision-at) {
			t.Errorf("%d batches of %d: %v", len(batches), v.Revision-at, err)
		}
	}
}

// resuming is a store whose watch is lost and resumed before each batch.
type resuming struct{ store.Store }

func (s resuming) Watch(ctx context.Context, after store.Revision, prefixes ...string) iter.Seq2[store.Batch, error] {
	return func(yield func(store.Batch, error) bool) {
		for b, err := range s.Store.Watch(ctx, after, prefixes...) {
			if b.Resumed = true; !yield(b, err) {
				return
			}
		}
	}
}

// TestResumedAgainAndAgain resumes a watch before the previous resumption is
// decided: nothing is lost.
func TestResumedAgainAndAgain(t *testing.T) {
	t.Parallel()
	s := openLocal(t)
	for i := range 100 {
		commit(t, s, put("/in/a", fmt.Sprint(i)))
	}
	m := run(t, Config{Store: resuming{s}, Prefixes: []string{"/in/"}})
	reached(t, m, 100)
	for i := range 100 {
		commit(t, s, put("/in/a", fmt.Sprint(i)), put(fmt.Sprint("/in/", i), ""))
	}
	v := reached(t, m, 200)
	holds(t, v, read(t, s, "/in/"))
	batches, err := v.History(0)
	if err != nil || len(batches) != 200 || m.Status().Reloads != 0 {
		t.Fatalf("%d batches, %v, %+v", len(batches), err, m.Status())
	}
	replay(t, batches, read(t, s, "/in/"))
}

// TestResumedAfterMuch makes more changes while the watch is interrupted than the
// history keeps: they are not held back for the proof either.
func TestResumedAfterMuch(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{Batches: 10}, {Bytes: 3000}} {
		s := &swapped{Store: openLocal(t)}
		c.Store, c.Prefixes = s, []string{"/in/"}
		m := run(t, c)
		reached(t, m, commit(t, s.now(), put("/in/a", "")))
		away := make(chan struct{})
		s.away(away)
		for i := range 100 {
			commit(t, s.now(), put("/in/a", fmt.Sprint(i)))
		}
		close(away)
		holds(t, reached(t, m, 101), read(t, s, "/in/"))
		if n := m.Status().Reloads; n != 1 {
			t.Errorf("all was taken anew %d times", n)
		}
		holds(t, reached(t, m, commit(t, s.now(), put("/in/b", ""))), read(t, s, "/in/"))
	}
}

// TestDenied makes the store refuse the mirror for a moment, as while permissions
// are changed.
func TestDenied(t *testing.T) {
	t.Parallel()
	s := &broken{Store: openLocal(t)}
	m := run(t, Config{Store: s, Prefixes: []string{"/in/"}})
	reached(t, m, commit(t, s, put("/in/a", "")))
	s.fail(&store.DeniedError{Err: errEnded})
	at := commit(t, s, put("/in/b", ""))
	failed(t, m)
	s.fail(nil)
	reached(t, m, at)
}

// swapped is one store and then another.
type swapped struct {
	store.Store
	mu     sync.Mutex
	cancel context.CancelFunc
	back   <-chan struct{} // no watch begins before this is closed
}

// away ends the watch, and makes the next one wait.
func (s *swapped) away(until <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.back = until
	s.cancel()
}

func (s *swapped) swap(to store.Store) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Store = to
	s.cancel()
}

func (s *swapped) now() store.Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Store
}

func (s *swapped) Read(ctx context.Context, prefixes ...string) (store.Snapshot, error) {
	return s.now().Read(ctx, prefixes...)
}

func (s *swapped) Watch(ctx context.Context, after store.Revision, prefixes ...string) iter.Seq2[store.Batch, error] {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	s.cancel = cancel
	back := s.back
	s.mu.Unlock()
	if back != nil {
		<-back
	}
	return s.now().Watch(ctx, after, prefixes...)
}

// TestWaiters checks that many waiters see one change exactly once.
func TestWaiters(t *testing.T) {
	t.Parallel()
	s := openLocal(t)
	m := run(t, Config{Store: s, Prefixes: []string{"/"}, Backfill: -1})
	v := reached(t, m, 0)
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			var heard []store.Revision
			for v := v; len(heard) < 5; {
				<-v.Changed()
				next := m.View()
				batches, all := next.Since(v.Version())
				for _, b := range batches {
					if len(b.Under("/a/")) == 1 {
						heard = append(heard, b.Revision)
					}
				}
				if !all {
					t.Error("forgotten")
				}
				v = next
			}
			if !slices.Equal(heard, []store.Revision{1, 2, 3, 4, 5}) {
				t.Errorf("heard of %v", heard)
			}
		})
	}
	for i := range 5 {
		commit(t, s, put("/a/k", fmt.Sprint(i)), put("/b", ""))
	}
	wg.Wait()
}

func entries(n int) []store.Entry {
	out := make([]store.Entry, n)
	for i := range out {
		out[i] = store.Entry{
			Key:   fmt.Sprintf("/conftool/v1/pools/dc%d/cluster%02d/service/host%05d.example.org", i*2/n, i*40/n%20, i),
			Value: []byte(`{"weight": 10, "pooled": "yes"}`), Created: 1, Modified: 1,
		}
	}
	return out
}

func BenchmarkOneChange(b *testing.B) {
	all := entries(10000)
	t := newTree(all)
	h := history{first: firstSequence, indexed: firstSequence}
	for i := 0; b.Loop(); i++ {
		e := all[i*7919%len(all)]
		e.Modified = store.Revision(i)
		next, events := t.apply([]store.Event{{Entry: e}})
		t, h = next, h.add(&Batch{Revision: e.Modified, Events: events}, defaultBatches, defaultBytes)
	}
}

func BenchmarkLargeChange(b *testing.B) {
	all := entries(10000)
	t := newTree(all)
	var events []store.Event
	for i := range store.MaxWrites {
		events = append(events, store.Event{Entry: all[i*2]})
	}
	for b.Loop() {
		t, _ = t.apply(events)
	}
}

func BenchmarkUnder(b *testing.B) {
	t := newTree(entries(10000))
	n := 0
	for b.Loop() {
		n = 0
		for range t.under("/conftool/v1/pools/dc1/cluster07/") {
			n++
		}
	}
	b.ReportMetric(float64(n), "entries")
}
