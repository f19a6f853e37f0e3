package mirror

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/goleak"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

func openEtcd(t testing.TB, cfg etcd.Config) *etcd.Store {
	t.Helper()
	s, err := etcd.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestLeaderKilled kills the leader during transactions: each is yielded once and
// whole.
func TestLeaderKilled(t *testing.T) {
	t.Parallel()
	server := etcdtest.Cluster(t, 3)
	s := openEtcd(t, etcd.Config{Endpoints: server.URLs(), Timeout: 20 * time.Second, Attempt: time.Second})
	m := run(t, Config{Store: openEtcd(t, etcd.Config{Endpoints: server.URLs(), Timeout: 5 * time.Second, Attempt: time.Second}), Prefixes: []string{"/in/"}})
	reached(t, m, 0)
	var last store.Revision
	for i := range 60 {
		id := fmt.Sprintf("/once/%d", i)
		r, err := s.Commit(t.Context(), store.Txn{Once: id, Writes: []store.Write{put(id, ""), put("/in/a", id), put("/in/b", id), put(fmt.Sprint("/in/c/", i%7), id)}})
		if err != nil {
			t.Fatal(err)
		}
		if last = r.Revision; i == 30 {
			server.Kill(server.Leader(t))
		}
	}
	v := reached(t, m, last)
	holds(t, v, read(t, s, "/in/"))
	batches, err := v.History(0)
	if err != nil || len(batches) != 60 {
		t.Fatalf("told of %d transactions of 60: %v", len(batches), err)
	}
	replay(t, batches, read(t, s, "/in/"))
}

// forgets waits until a server has compacted everything before a revision.
func forgets(t testing.TB, s store.Store, before store.Revision) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for _, err := range s.Watch(t.Context(), before, "/in/") {
			if errors.Is(err, store.ErrCompacted) {
				return
			}
			break
		}
	}
	t.Fatal("it forgets nothing")
}

// TestCompacted follows a store that compacts what the mirror missed, and starts a
// mirror whose backfill is compacted.
func TestCompacted(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, func(cfg *embed.Config) {
		cfg.AutoCompactionMode, cfg.AutoCompactionRetention = "periodic", "1s"
	})
	s := openEtcd(t, etcd.Config{Endpoints: server.URLs()})
	away := &broken{Store: s}
	m := run(t, Config{Store: away, Prefixes: []string{"/in/"}})
	reached(t, m, commit(t, s, put("/in/a", "0"), put("/in/b", "0")))
	away.fail(&store.UnavailableError{Tried: []store.Endpoint{{Address: "here", Err: errEnded}}})
	for i := range 50 {
		commit(t, s, put("/in/a", fmt.Sprint(i)))
	}
	last := commit(t, s, store.Write{Key: "/in/b", Delete: true})
	forgets(t, s, 40)
	away.fail(nil)
	v := reached(t, m, last)
	holds(t, v, read(t, s, "/in/"))
	if m.Status().Reloads != 1 {
		t.Errorf("%+v", m.Status())
	}
	late := run(t, Config{Store: s, Prefixes: []string{"/in/"}})
	v = until(t, late, "history", func(v *View) bool { return !v.Filling() })
	holds(t, v, read(t, s, "/in/"))
	if _, err := v.History(v.Revision); err != nil {
		t.Error(err)
	}
	holds(t, reached(t, late, commit(t, s, put("/in/d", ""))), read(t, s, "/in/"))
	if late.Status().Reloads != 0 {
		t.Errorf("it asks for more than there is, again and again: %+v", late.Status())
	}
}

// counting counts the watches of a store.
type counting struct {
	store.Store
	watches atomic.Int64
}

func (s *counting) Watch(ctx context.Context, after store.Revision, prefixes ...string) iter.Seq2[store.Batch, error] {
	s.watches.Add(1)
	return s.Store.Watch(ctx, after, prefixes...)
}

// TestBackfillCompacted starts a mirror when the store has only a part of the
// history: the second attempt gets it.
func TestBackfillCompacted(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	s := &counting{Store: openEtcd(t, etcd.Config{Endpoints: server.URLs()})}
	var at []store.Revision
	for i := range 40 {
		at = append(at, commit(t, s, put("/in/a", fmt.Sprint(i))))
	}
	server.Compact(t, int64(at[29]))
	m := run(t, Config{Store: s, Prefixes: []string{"/in/"}})
	v := until(t, m, "history", func(v *View) bool { return !v.Filling() })
	if batches, err := v.History(at[29]); err != nil || len(batches) != 10 {
		t.Errorf("%d batches: %v", len(batches), err)
	}
	if n := s.watches.Load(); n != 2 {
		t.Errorf("it took %d watches", n)
	}
}

// TestRestoredUnnoticed replaces the server by one at the same address with an
// earlier state and enough changes to pass its revision, so quickly that the watch
// resumes by itself.
func TestRestoredUnnoticed(t *testing.T) {
	t.Parallel()
	dir, backup, address := t.TempDir(), t.TempDir(), etcdtest.Address(t)
	server := etcdtest.Start(t, etcdtest.At(t, dir, address))
	s := openEtcd(t, etcd.Config{Endpoints: []string{"http://" + address}, Timeout: 20 * time.Second})
	commit(t, s, put("/in/a", "0"), put("/in/b", "0"))
	server.Kill(0)
	if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	server = etcdtest.Start(t, etcdtest.At(t, dir, address))
	m := run(t, Config{Store: s, Prefixes: []string{"/in/"}})
	reached(t, m, commit(t, s, put("/in/ghost", ""), store.Write{Key: "/in/b", Delete: true}))
	v := reached(t, m, commit(t, s, put("/in/a", "1")))
	server.Kill(0)
	server = etcdtest.Start(t, etcdtest.At(t, backup, "127.0.0.1:0"))
	other := openEtcd(t, etcd.Config{Endpoints: []string{server.URL()}})
	var last store.Revision
	for i := range 5 {
		last = commit(t, other, put("/in/c", fmt.Sprint(i)))
	}
	server.Kill(0)
	etcdtest.Start(t, etcdtest.At(t, backup, address))
	v2 := reached(t, m, last)
	holds(t, v2, read(t, s, "/in/"))
	if batches, all := v2.Since(v.Version()); !all || len(batches) != 1 || !batches[0].Reload || m.Status().Err != nil {
		t.Errorf("the difference: %v, %+v", batches, m.Status())
	}
	holds(t, reached(t, m, commit(t, s, put("/in/c", "end"))), read(t, s, "/in/"))
}

// TestEtcdGone replaces the server by one with the same data.
func TestEtcdGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keep := func(cfg *embed.Config) { cfg.Dir = dir }
	server := etcdtest.Start(t, keep)
	s := &swapped{Store: openEtcd(t, etcd.Config{Endpoints: server.URLs(), Timeout: 500 * time.Millisecond, Attempt: 200 * time.Millisecond})}
	m := run(t, Config{Store: s, Prefixes: []string{"/in/"}})
	reached(t, m, commit(t, s.now(), put("/in/a", "0")))
	server.Kill(0)
	for end := time.Now().Add(time.Minute); m.Status().Err == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is not noticed that the server has gone")
		}
	}
	if v := m.View(); string(v.Get("/in/a").Value) != "0" {
		t.Error("what was there has gone too")
	}
	again := etcdtest.Start(t, keep)
	other := openEtcd(t, etcd.Config{Endpoints: again.URLs()})
	at := commit(t, other, put("/in/a", "1"))
	s.swap(other)
	holds(t, reached(t, m, at), read(t, other, "/in/"))
	if m.Status().Err != nil || m.Status().Reloads != 0 {
		t.Errorf("%+v", m.Status())
	}
}

// TestNothingIsLeft counts goroutines. It does not run in parallel with other tests.
func TestNothingIsLeft(t *testing.T) {
	s := openLocal(t)
	ignore := goleak.IgnoreCurrent()
	t.Run("run", func(t *testing.T) {
		m := run(t, Config{Store: s, Prefixes: []string{"/"}})
		v := until(t, m, "history", func(v *View) bool { return !v.Filling() })
		var wg sync.WaitGroup
		wg.Go(func() { <-v.Changed() })
		commit(t, s, put("/k", ""))
		wg.Wait()
	})
	goleak.VerifyNone(t, ignore)
}
