package etcd

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// collector keeps the batches that a watch in the background yields.
type collector struct {
	mu      sync.Mutex
	batches []store.Batch
	ended   error
}

func collect(t *testing.T, s *Store, after store.Revision, prefixes ...string) *collector {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c, done := &collector{}, make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-done
	})
	go func() {
		defer close(done)
		for b, err := range s.Watch(ctx, after, prefixes...) {
			c.mu.Lock()
			if c.ended = err; err == nil {
				c.batches = append(c.batches, b)
			}
			c.mu.Unlock()
		}
	}()
	return c
}

// until waits until ok returns true for the batches so far, and returns them.
func (c *collector) until(t *testing.T, what string, ok func([]store.Batch) bool) []store.Batch {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		c.mu.Lock()
		batches, err := slices.Clone(c.batches), c.ended
		c.mu.Unlock()
		switch {
		case err != nil:
			t.Fatalf("waiting for %s: the watch ended: %v", what, err)
		case ok(batches):
			return batches
		case time.Now().After(end):
			t.Fatalf("no %s in 30 s; the last of %d batches: %v", what, len(batches), batches[max(0, len(batches)-3):])
		}
	}
}

// written waits until the watch has yielded the transaction of a revision.
func (c *collector) written(t *testing.T, at store.Revision) []store.Batch {
	t.Helper()
	return c.until(t, fmt.Sprintf("transaction %d", at), func(batches []store.Batch) bool {
		return slices.ContainsFunc(batches, func(b store.Batch) bool { return b.Revision == at && len(b.Events) > 0 })
	})
}

// reached waits for a sign of life at a revision or a later one.
func (c *collector) reached(t *testing.T, at store.Revision) {
	t.Helper()
	c.until(t, fmt.Sprintf("sign of life at %d", at), func(batches []store.Batch) bool {
		return slices.ContainsFunc(batches, func(b store.Batch) bool { return b.Revision >= at && len(b.Events) == 0 })
	})
}

// ledger holds everything that was written, and the contents of /k/ at each revision.
type ledger struct {
	s       *Store
	history []string
	held    map[string]string
	at      map[store.Revision]map[string]string
}

func newLedger(s *Store) *ledger {
	return &ledger{s: s, held: map[string]string{}, at: map[store.Revision]map[string]string{}}
}

func (l *ledger) commit(t *testing.T, writes ...store.Write) store.Revision {
	t.Helper()
	r, err := l.s.Commit(t.Context(), store.Txn{Writes: writes})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(writes, func(a, b store.Write) int { return cmp.Compare(a.Key, b.Key) })
	for _, w := range writes {
		_, was := l.held[w.Key]
		switch {
		case !store.Under(w.Key, "/k/") || w.Delete && !was:
			continue
		case w.Delete:
			delete(l.held, w.Key)
		default:
			l.held[w.Key] = string(w.Value)
		}
		l.history = append(l.history, line(r.Revision, w.Key, string(w.Value), w.Delete))
	}
	l.at[r.Revision] = maps.Clone(l.held)
	return r.Revision
}

// random commits n transactions of a few keys, some of which are created, changed and
// deleted again, and returns the revision of the last.
func (l *ledger) random(t *testing.T, n int) (last store.Revision) {
	t.Helper()
	for i := range n {
		writes := []store.Write{put("/other", fmt.Sprint(i))}
		for _, k := range rand.Perm(4)[:rand.IntN(3)] {
			key := fmt.Sprint("/k/", k)
			if rand.IntN(2) == 0 {
				writes = append(writes, store.Write{Key: key, Delete: true})
			} else {
				writes = append(writes, put(key, fmt.Sprint(i)))
			}
		}
		l.commit(t, writes...)
	}
	return l.commit(t, put("/k/last", fmt.Sprint(n)))
}

func line(at store.Revision, key, value string, deleted bool) string {
	if deleted {
		return fmt.Sprintf("%d: %s deleted", at, key)
	}
	return fmt.Sprintf("%d: %s = %s", at, key, value)
}

// check compares the batches of a watch with what was written, and each sign of life
// with the contents at its revision.
func (l *ledger) check(t *testing.T, batches []store.Batch) {
	t.Helper()
	var yielded []string
	held := map[string]string{}
	for _, b := range batches {
		for _, e := range b.Events {
			yielded = append(yielded, line(b.Revision, e.Key, string(e.Value), e.Deleted))
			if delete(held, e.Key); !e.Deleted {
				held[e.Key] = string(e.Value)
			}
		}
		if want, known := l.at[b.Revision]; known && len(b.Events) == 0 && !maps.Equal(held, want) {
			t.Errorf("a sign of life of revision %d, where the store held %v, after what makes %v", b.Revision, want, held)
		}
	}
	for i := range max(len(yielded), len(l.history)) {
		if i >= len(yielded) || i >= len(l.history) || yielded[i] != l.history[i] {
			t.Fatalf("told of %d events of %d; the first that differs is number %d: %q, not %q",
				len(yielded), len(l.history), i, slices.Concat(yielded, []string{""})[min(i, len(yielded))], slices.Concat(l.history, []string{""})[min(i, len(l.history))])
		}
	}
}

// overtaken waits until n progress answers have overtaken held events.
func overtaken(t *testing.T, u *etcdtest.Unordered, n int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); u.Overtook() < n; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d answers overtook an event in 30 s", u.Overtook())
		}
	}
}

// TestWatchOvertaken makes a server report its revision repeatedly before the events
// up to it arrive. No transaction may be lost, and no sign of life may have the
// revision of a transaction that was not yielded.
func TestWatchOvertaken(t *testing.T) {
	t.Parallel()
	var u etcdtest.Unordered
	server := etcdtest.Start(t, u.Option())
	l := newLedger(open(t, Config{Endpoints: server.URLs()}))
	c := collect(t, open(t, Config{Endpoints: server.URLs(), Attempt: 20 * time.Second}), 0, "/k/")
	for _, answers := range []int{1, 2, 3} {
		c.written(t, l.random(t, 5))
		u.Hold()
		last := l.random(t, 10)
		overtaken(t, &u, answers)
		u.Release()
		l.check(t, c.written(t, last))
	}
}

// TestWatchOvertakenByTransient creates and deletes a key while events are held: the
// contents of the store do not show that events are missing.
func TestWatchOvertakenByTransient(t *testing.T) {
	t.Parallel()
	var u etcdtest.Unordered
	server := etcdtest.Start(t, u.Option())
	l := newLedger(open(t, Config{Endpoints: server.URLs()}))
	c := collect(t, open(t, Config{Endpoints: server.URLs(), Attempt: 20 * time.Second}), 0, "/k/")
	c.written(t, l.random(t, 1))
	u.Hold()
	l.commit(t, put("/k/transient", ""))
	last := l.commit(t, store.Write{Key: "/k/transient", Delete: true})
	overtaken(t, &u, 4)
	u.Release()
	l.check(t, c.written(t, last))
}

// TestWatchOvertakenAndCut breaks the connection while answers have overtaken events:
// the watch continues after the last event that arrived.
func TestWatchOvertakenAndCut(t *testing.T) {
	t.Parallel()
	var u etcdtest.Unordered
	server := etcdtest.Start(t, u.Option())
	p := etcdtest.NewProxy(t, server.URL())
	l := newLedger(open(t, Config{Endpoints: server.URLs()}))
	c := collect(t, open(t, Config{Endpoints: []string{p.URL()}, Timeout: 20 * time.Second, Attempt: 20 * time.Second}), 0, "/k/")
	for range 2 {
		c.written(t, l.random(t, 5))
		u.Hold()
		l.commit(t, put("/k/transient", ""))
		l.commit(t, store.Write{Key: "/k/transient", Delete: true})
		last := l.random(t, 10)
		overtaken(t, &u, 3)
		p.Cut()
		u.Release()
		l.check(t, c.written(t, last))
	}
}

// TestWatchEventsLost makes a server that still answers lose all further events of a
// stream. The watch notices and continues with another stream.
func TestWatchEventsLost(t *testing.T) {
	t.Parallel()
	var u etcdtest.Unordered
	server := etcdtest.Start(t, u.Option())
	l := newLedger(open(t, Config{Endpoints: server.URLs()}))
	c := collect(t, open(t, Config{Endpoints: server.URLs(), Attempt: 500 * time.Millisecond}), 0, "/k/")
	c.written(t, l.random(t, 5))
	u.Hold()
	last := l.random(t, 5)
	overtaken(t, &u, 1)
	u.Lose()
	l.check(t, c.written(t, last))
}

// TestWatchUnorderedSigns writes only outside the prefix: signs of life must reach
// that revision. A compaction up to it must not end the watch.
func TestWatchUnorderedSigns(t *testing.T) {
	t.Parallel()
	var u etcdtest.Unordered
	server := etcdtest.Start(t, u.Option())
	p := etcdtest.NewProxy(t, server.URL())
	l := newLedger(open(t, Config{Endpoints: server.URLs()}))
	start := l.commit(t, put("/k/a", "1"), put("/k/b", "1"))
	begun := l.commit(t, store.Write{Key: "/k/b", Delete: true})
	c := collect(t, open(t, Config{Endpoints: []string{p.URL()}, Timeout: 20 * time.Second}), start, "/k/")
	c.written(t, begun)
	for range 2 {
		c.reached(t, l.commit(t, put("/other", "")))
	}
	outside := l.commit(t, put("/other", ""))
	c.reached(t, outside)
	server.Compact(t, int64(outside))
	p.Cut()
	c.until(t, "resumption", func(batches []store.Batch) bool {
		return slices.ContainsFunc(batches, func(b store.Batch) bool { return b.Resumed })
	})
	c.written(t, l.commit(t, put("/k/a", "2")))
	c.reached(t, l.commit(t, put("/other", "")))
}

// TestWatchAsksOnce makes a server hold everything back until the watch gives up:
// there must never be more than one progress request without an answer.
func TestWatchAsksOnce(t *testing.T) {
	t.Parallel()
	var u etcdtest.Unordered
	server := etcdtest.Start(t, u.Option())
	l := newLedger(open(t, Config{Endpoints: server.URLs()}))
	p := etcdtest.NewProxy(t, server.URL())
	c := collect(t, open(t, Config{Endpoints: []string{p.URL()}, Timeout: 20 * time.Second, Attempt: 2 * time.Second}), 0, "/k/")
	c.written(t, l.random(t, 1))
	u.Mute()
	last := l.random(t, 5)
	taken := p.Taken()
	for end := time.Now().Add(time.Minute); p.Taken() == taken; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the watch makes no other connection")
		}
	}
	u.Release()
	l.check(t, c.written(t, last))
	if n := u.Outstanding(); n != 1 {
		t.Errorf("%d progress requests at a time", n)
	}
}

// TestContractUnordered runs the contract on a server whose progress answers may
// overtake events.
func TestContractUnordered(t *testing.T) {
	t.Parallel()
	var u etcdtest.Unordered
	server := etcdtest.Start(t, u.Option())
	runContract(t, server)
}

// TestWatchCost watches an idle prefix while another is written: an ordered server
// gets progress requests and, once its version is known, no others.
func TestWatchCost(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	l := newLedger(open(t, Config{Endpoints: server.URLs()}))
	begun := l.commit(t, put("/k/a", "1"))
	c := collect(t, open(t, Config{Endpoints: server.URLs()}), begun, "/k/")
	c.reached(t, begun)
	for end := time.Now().Add(time.Minute); ; {
		server.Calls()
		for range 2 {
			c.reached(t, l.commit(t, put("/other", "")))
		}
		calls := server.Calls()
		if calls["/etcdserverpb.KV/Range"]+calls["/etcdserverpb.Maintenance/Status"] == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("an idle watch goes on to make requests of other kinds: %v", calls)
		}
	}
}

func TestOrdered(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"3.3.27": false, "3.4.0": false, "3.4.23": false, "3.4.24": false, "3.4.25": true, "3.4.37": true,
		"3.5.0": false, "3.5.7": false, "3.5.8": true, "3.5.21": true, "3.6.0-alpha.0": false, "3.6.0": true, "3.7.3": true,
		"4.0.0": true, "2.3.8": false, "3.5.8-rc.1": false, "3.5": false, "": false, "unknown": false,
	} {
		if got := ordered(version); got != want {
			t.Errorf("ordered(%q) = %v", version, got)
		}
	}
}
