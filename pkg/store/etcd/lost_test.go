package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// proxy forwards to a server, and can drop its answers or break its connections.
type proxy struct {
	net.Listener
	target string

	mu    sync.Mutex
	keeps bool // answers are dropped
	stuck int  // answers on the first so many connections are dropped
	conns []net.Conn
}

func newProxy(t *testing.T, url string) *proxy {
	t.Helper()
	p := &proxy{Listener: listen(t), target: strings.TrimPrefix(url, "http://")}
	go func() {
		for {
			from, err := p.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", p.target)
			if err != nil {
				_ = from.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, from, to)
			n := len(p.conns)
			p.mu.Unlock()
			go p.copy(to, from, func() bool { return false })
			go p.copy(from, to, func() bool { return p.keeping(n) })
		}
	}()
	t.Cleanup(p.cut)
	return p
}

func (p *proxy) copy(to io.WriteCloser, from io.Reader, drop func() bool) {
	defer func() { _ = to.Close() }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if drop() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) keeping(n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keeps || n <= p.stuck
}

// freeze drops the answers on all existing connections.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stuck = len(p.conns)
}

func (p *proxy) keep(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keeps = on
}

// cut breaks all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

func (p *proxy) url() string { return "http://" + p.Addr().String() }

// TestAnswerLost drops the answer to a commit that the server performed.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	p := newProxy(t, server.URL())
	direct := open(t, Config{Endpoints: server.URLs()})
	cfg := Config{Endpoints: []string{p.url(), server.URL()}, Timeout: patience, Attempt: 2 * time.Second} // enough for a busy server
	once := func(id string) store.Txn {
		return store.Txn{Once: "/journal/" + id, Writes: []store.Write{put("/journal/"+id, id), put("/k", id)}}
	}
	warm := func(s *Store) {
		t.Helper()
		p.keep(false)
		if _, err := s.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.keep(true)
	}

	s := open(t, cfg)
	warm(s)
	receipt, err := s.Commit(t.Context(), once("1"))
	if err != nil {
		t.Fatalf("with a second endpoint: %v", err)
	}
	snap, err := direct.Read(t.Context(), "/k")
	if err != nil || len(snap.Entries) != 1 || snap.Entries[0].Created != receipt.Revision || snap.Revision != receipt.Revision {
		t.Errorf("performed not just once: %v, receipt %v, %v", snap, receipt, err)
	}

	s = open(t, cfg)
	warm(s)
	if _, err := s.Read(t.Context(), "/k"); err != nil {
		t.Errorf("read with a second endpoint: %v", err)
	}

	cfg.Timeout = 4 * time.Second
	s = open(t, cfg)
	warm(s)
	var unknown *store.UnknownError
	_, err = s.Commit(t.Context(), store.Txn{Writes: []store.Write{put("/k", "not twice")}})
	if !errors.As(err, &unknown) || unknown.Once != "" {
		t.Errorf("without a once key: %v", err)
	}

	cfg.Endpoints = cfg.Endpoints[:1]
	s = open(t, cfg)
	warm(s)
	begun := time.Now()
	_, err = s.Commit(t.Context(), once("2"))
	took(t, begun, cfg.Timeout+atOnce)
	if !errors.As(err, &unknown) || unknown.Once != "/journal/2" || errors.As(err, new(*store.UnavailableError)) {
		t.Errorf("with no other endpoint: %T %v", err, err)
	}
	wantText(t, err, "the store did not say whether the change was made: store unavailable: "+p.url()+": no answer within 4s")
	p.keep(false)
	p.cut()
	if receipt, err = s.Commit(t.Context(), once("2")); err != nil || string(receipt.Stored) != "2" {
		t.Errorf("repeated: %v, %v", receipt, err)
	}
}

// TestSentOnce makes a server perform a commit without a once key and answer with an
// error: neither this package nor the library sends it again.
func TestSentOnce(t *testing.T) {
	t.Parallel()
	for _, code := range []codes.Code{codes.Canceled, codes.DeadlineExceeded, codes.Unavailable, codes.Internal} {
		server := etcdtest.Start(t, func(cfg *embed.Config) {
			cfg.GRPCAdditionalServerOptions = append(cfg.GRPCAdditionalServerOptions, grpc.ChainUnaryInterceptor(
				func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
					if _, err := next(ctx, req); err != nil {
						return nil, err
					}
					return nil, status.Error(code, "it is said")
				}))
		})
		s := open(t, Config{Endpoints: server.URLs()})
		_, err := s.Commit(t.Context(), store.Txn{Writes: []store.Write{put("/k", "")}})
		if !errors.As(err, new(*store.UnknownError)) {
			t.Errorf("%v: %T %v", code, err, err)
		}
		if got := server.Calls(); got["/etcdserverpb.KV/Txn"] != 1 {
			t.Errorf("%v: the server was sent %v", code, got)
		}
	}
}

// TestConnectionLost breaks connections between requests, which must not fail.
func TestConnectionLost(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	p := newProxy(t, server.URL())
	s := open(t, Config{Endpoints: []string{p.url()}})
	for range 10 {
		begun := time.Now()
		if _, err := s.Read(t.Context(), "/k"); err != nil {
			t.Fatal(err)
		}
		took(t, begun, atOnce)
		p.cut()
	}
}

// TestConnectionFrozen makes a connection drop all data, as a firewall does that has
// forgotten it: the next attempt makes another connection.
func TestConnectionFrozen(t *testing.T) {
	t.Parallel()
	p := newProxy(t, etcdtest.Start(t).URL())
	s := open(t, Config{Endpoints: []string{p.url()}, Attempt: 300 * time.Millisecond})
	for i := range 3 {
		id := fmt.Sprint(i)
		r, err := s.Commit(t.Context(), store.Txn{Once: "/" + id, Writes: []store.Write{put("/"+id, id)}})
		if err != nil || string(r.Stored) != id {
			t.Fatal(r, err)
		}
		p.freeze()
	}
}

// TestLeaderKilled commits while the leader is killed. Each commit happens exactly
// once and whole.
func TestLeaderKilled(t *testing.T) {
	t.Parallel()
	server := etcdtest.Cluster(t, 3)
	const writers, each = 4, 60
	var wg sync.WaitGroup
	for w := range writers {
		s := open(t, Config{Endpoints: server.URLs(), Timeout: 30 * time.Second, Attempt: 500 * time.Millisecond, Debug: func(string, ...any) {}})
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", w, i)
				if err := increment(t.Context(), s, id); err != nil {
					t.Errorf("%s: %v", id, err)
					return
				}
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	leader := server.Leader(t)
	server.Kill(leader)
	wg.Wait()
	if t.Failed() {
		return
	}
	s := open(t, Config{Endpoints: server.URLs()})
	snap, err := s.Read(t.Context(), "/journal/", "/counter/")
	if err != nil {
		t.Fatal(err)
	}
	counters, records := snap.Entries[:2], snap.Entries[2:]
	records = slices.DeleteFunc(records, func(e store.Entry) bool { return string(e.Value) == "void" })
	if len(records) != writers*each {
		t.Errorf("%d records, want %d", len(records), writers*each)
	}
	for _, c := range counters {
		if string(c.Value) != fmt.Sprint(writers*each) || c.Modified != counters[0].Modified {
			t.Errorf("%s is %s at revision %d, want %d in one transaction", c.Key, c.Value, c.Modified, writers*each)
		}
	}
}

// increment adds one to two counters under one once key, and retries until there is
// no conflict.
func increment(ctx context.Context, s *Store, id string) error {
	for {
		snap, err := s.Read(ctx, "/counter/")
		if err != nil {
			return err
		}
		n, at := 0, store.Revision(0)
		if len(snap.Entries) > 0 {
			if _, err := fmt.Sscan(string(snap.Entries[0].Value), &n); err != nil {
				return err
			}
			at = snap.Entries[0].Modified
		}
		next := fmt.Sprint(n + 1)
		_, err = s.Commit(ctx, store.Txn{
			Once:   "/journal/" + id,
			Void:   []byte("void"),
			Guards: []store.Guard{{Key: "/counter/a", Revision: at}},
			Writes: []store.Write{put("/journal/"+id, next), put("/counter/a", next), put("/counter/b", next)},
		})
		var conflict *store.ConflictError
		if !errors.As(err, &conflict) {
			return err
		}
		if conflict.Spent {
			id += "+"
		}
	}
}

// TestNoQuorum makes requests to the last member of three.
func TestNoQuorum(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second * slowness
	server := etcdtest.Cluster(t, 3)
	s := open(t, Config{Endpoints: server.URLs(), Timeout: timeout, Attempt: timeout / 4})
	if _, err := s.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Kill(2)
	server.Kill(1)
	urls := server.URLs()
	want := "store unavailable: " + urls[0] + ": no leader; " + urls[1] + ": connection refused; " + urls[2] + ": connection refused"
	var err error
	for range 4 { // until the last member has noticed
		begun := time.Now()
		_, err = s.Read(t.Context(), "/k")
		took(t, begun, timeout+atOnce)
		if err == nil || err.Error() == want {
			break
		}
	}
	wantText(t, err, want)
}
