package etcd

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// follow watches a prefix in the background.
func follow(t *testing.T, s *Store, prefixes ...string) (<-chan store.Batch, <-chan error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	batches, end := make(chan store.Batch), make(chan error, 1)
	go func() {
		defer close(batches)
		for b, err := range s.Watch(ctx, 0, prefixes...) {
			if err != nil {
				end <- err
				return
			}
			select {
			case batches <- b:
			case <-ctx.Done():
			}
		}
		end <- nil
	}()
	return batches, end
}

// TestWatchLeaderKilled watches while the leader is killed: every transaction arrives
// once, whole and in order.
func TestWatchLeaderKilled(t *testing.T) {
	t.Parallel()
	server := etcdtest.Cluster(t, 3)
	leader := server.Leader(t)
	urls := server.URLs()
	urls[0], urls[leader] = urls[leader], urls[0] // so that the watch is at the leader
	batches, end := follow(t, open(t, Config{Endpoints: urls, Timeout: 20 * time.Second}), "/a/", "/b/")
	s := open(t, Config{Endpoints: server.URLs(), Timeout: 20 * time.Second, Attempt: time.Second, Debug: func(string, ...any) {}})
	const total = 100
	committed := make(chan struct{})
	go func() {
		defer close(committed)
		for i := range total {
			id := fmt.Sprintf("/once/%d", i)
			_, err := s.Commit(t.Context(), store.Txn{Once: id, Writes: []store.Write{
				put("/a/k", fmt.Sprint(i)), put(id, ""), put("/b/k", fmt.Sprint(i)), put("/aa", ""),
			}})
			if err != nil {
				t.Errorf("commit %d: %v", i, err)
				return
			}
			if i == total/2 {
				server.Kill(leader)
			}
		}
	}()
	for n := 0; n < total; {
		select {
		case b, ok := <-batches:
			if !ok {
				t.Fatalf("after %d transactions: %v", n, <-end)
			}
			if len(b.Events) == 0 {
				continue
			}
			want := fmt.Sprint(n)
			if len(b.Events) != 2 || string(b.Events[0].Value) != want || string(b.Events[1].Value) != want {
				t.Fatalf("transaction %d: %v", n, b)
			}
			n++
		case <-time.After(time.Minute):
			t.Fatalf("nothing after %d transactions", n)
		}
	}
	<-committed
}

// TestWatchSilent freezes the server for a short and for a long time.
func TestWatchSilent(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	p := newProxy(t, server.URL())
	cfg := Config{Endpoints: []string{p.url()}, Timeout: 2 * time.Second, Attempt: 200 * time.Millisecond}
	batches, end := follow(t, open(t, cfg), "/k")
	<-batches
	p.keep(true)
	time.Sleep(1500 * time.Millisecond) // longer than the watch waits on a silent connection
	p.keep(false)
	s := open(t, Config{Endpoints: server.URLs()})
	r, err := s.Commit(t.Context(), store.Txn{Writes: []store.Write{put("/k", "after")}})
	if err != nil {
		t.Fatal(err)
	}
	for b := range batches {
		if len(b.Events) > 0 && b.Revision == r.Revision {
			break
		}
	}
	p.keep(true)
	begun := time.Now()
	for range batches {
		continue
	}
	took(t, begun, progressInterval+cfg.Attempt+progressInterval+cfg.Timeout+atOnce)
	wantText(t, <-end, "store unavailable: "+p.url()+": no answer within 2s")
}

// TestWatchForgotten makes two connections drop all data: that of a watch, and the
// next one. The watch must not wait the timeout of a request for either.
func TestWatchForgotten(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	p := etcdtest.NewProxy(t, server.URL())
	cfg := Config{Endpoints: []string{p.URL()}, Timeout: patience, Attempt: 500 * time.Millisecond}
	batches, end := follow(t, open(t, cfg), "/k")
	<-batches
	p.Freeze()
	for end := time.Now().Add(time.Minute); p.Taken() < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it makes no other connection")
		}
	}
	p.Forget()
	p.Thaw()
	begun := time.Now()
	s := open(t, Config{Endpoints: server.URLs()})
	r, err := s.Commit(t.Context(), store.Txn{Writes: []store.Write{put("/k", "after")}})
	if err != nil {
		t.Fatal(err)
	}
	for b := range batches {
		if b.Revision == r.Revision {
			took(t, begun, cfg.Attempt+progressInterval+atOnce)
			return
		}
	}
	t.Fatal(<-end)
}

// TestWatchEnds kills the server.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	cfg := Config{Endpoints: server.URLs(), Timeout: time.Second}
	batches, end := follow(t, open(t, cfg), "/k")
	<-batches
	begun := time.Now()
	server.Kill(0)
	for range batches {
		continue
	}
	took(t, begun, cfg.Timeout+2*atOnce)
	wantText(t, <-end, "store unavailable: "+server.URL()+": connection refused")
}

// TestWatchCompacted starts watches before, at and after the oldest revision that the
// server remembers.
func TestWatchCompacted(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	s := open(t, Config{Endpoints: server.URLs()})
	var at []store.Revision
	for i := range 4 {
		r, err := s.Commit(t.Context(), store.Txn{Writes: []store.Write{put("/k", fmt.Sprint(i))}})
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, r.Revision)
	}
	if _, err := client(t, server).Compact(t.Context(), int64(at[2])); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for after, want := range map[store.Revision]store.Revision{0: 0, at[0]: 0, at[1]: 0, at[2]: at[3], at[3]: at[3]} {
		seen := false
		for b, err := range s.Watch(ctx, after, "/k") {
			seen = true
			var forgotten *store.CompactedError
			if want == 0 && (!errors.As(err, &forgotten) || forgotten.Oldest != at[2] || !errors.Is(err, store.ErrCompacted)) ||
				want != 0 && (err != nil || b.Revision != want || b.Resumed) {
				t.Errorf("watch after %d of %v: revision %d, error %v", after, at, b.Revision, err)
			}
			break
		}
		if !seen {
			t.Errorf("watch after %d of %v brings nothing", after, at)
		}
	}
}

// TestWatchCompactedAtOnce starts a watch before the oldest revision that the server
// remembers: one connection suffices for the error, and later requests use the same
// endpoint.
func TestWatchCompactedAtOnce(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	p := etcdtest.NewProxy(t, server.URL())
	s := open(t, Config{Endpoints: []string{p.URL(), server.URL()}})
	var last store.Revision
	for range 4 {
		r, err := s.Commit(t.Context(), store.Txn{Writes: []store.Write{put("/k", "")}})
		if err != nil {
			t.Fatal(err)
		}
		last = r.Revision
	}
	server.Compact(t, int64(last))
	first, taken := s.order()[0], p.Taken()
	for _, after := range []store.Revision{2, last - 1} {
		for _, err := range s.Watch(t.Context(), after, "/k") {
			if !errors.Is(err, store.ErrCompacted) {
				t.Errorf("after %d: %v", after, err)
			}
		}
	}
	if got := s.order()[0]; got != first {
		t.Errorf("an endpoint that is well does not come first any more, but %s", got)
	}
	if n := p.Taken() - taken; n != 2 {
		t.Errorf("%d connections for 2 watches", n)
	}
}

// TestNoLeak checks that no goroutines are left of watches that ended in any way, nor
// of a closed store.
func TestNoLeak(t *testing.T) {
	server := etcdtest.Start(t)
	dead, silent := refusing(t), mute(t)
	before := goleak.IgnoreCurrent()
	s, err := Open(Config{Endpoints: []string{dead, silent, server.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), store.Txn{Writes: []store.Write{put("/k", "")}}); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Watch(t.Context(), 0, "/k") {
		if err != nil {
			t.Error(err)
		}
		break
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for _, err := range s.Watch(ctx, 0, "/k") {
		if err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	server.Kill(0)
	goleak.VerifyNone(t, before)
}

// TestWatchOfEndedSession closes a store while a watch of it is opened: the library
// ends the watch without an answer, which must be an error.
func TestWatchOfEndedSession(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Endpoints: etcdtest.Start(t).URLs(), Timeout: 20 * time.Second, Attempt: 20 * time.Second})
	u, err := s.session(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	u.end()
	w := &watch{store: s, span: cover([]string{"/a/"})[0]}
	if _, err := w.create(t.Context(), u); !errors.Is(err, errEndedEarly) {
		t.Errorf("got %v", err)
	}
}
