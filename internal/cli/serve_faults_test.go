package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// faultsVariable says how many rounds of faults there are. If it is set, the first
// has etcd away for a minute.
const faultsVariable = "CONFCTL_FAULTS"

func faultRounds(t *testing.T) (rounds int, away time.Duration) {
	t.Helper()
	text := os.Getenv(faultsVariable)
	if text == "" {
		return 1, 300 * time.Millisecond
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is a number of rounds, not %q", faultsVariable, text)
	}
	return n, time.Minute
}

// faults are clients of one gateway, and what befalls it.
type faults struct {
	*site
	gateway *server
	address string // of the gateway, also of one that is started again
	store   store.Store
	written atomic.Int64 // the number that was committed last
	writer  sync.WaitGroup
	stop    context.CancelFunc // of the writer
	clients []*faultClient
	done    sync.WaitGroup

	mu      sync.Mutex
	refused int             // how often the gateway had nothing to answer with
	took    []time.Duration // of each read that was answered
}

// faultClient is a client that reads one key again and again, or waits for its
// changes. What it sees only ever gets newer.
type faultClient struct {
	*faults
	*http.Client
	seen atomic.Int64
}

// TestServeFaults has clients read and wait for one key, which counts upwards,
// while etcd and the gateway die and come back. None is told that the key is not
// there, nor sees a number after a higher one, and in the end all have the last.
func TestServeFaults(t *testing.T) {
	t.Parallel()
	t.Run("one", func(t *testing.T) {
		t.Parallel()
		rounds, away := faultRounds(t)
		m := newRestarted(t)
		f := newFaults(t, []string{m.URL()}, m.URL())
		for range rounds {
			m.Kill(0)
			time.Sleep(away)
			m.start(t)
			f.goesOn(fmt.Sprintf("etcd was away for %v", away))
			f.forgets(m)
			f.goesOn("the changes were forgotten")
			f.answered()
			f.restart()
			f.goesOn("the gateway was started again")
			f.forgive()
			away = 300 * time.Millisecond
		}
		f.end()
	})
	t.Run("leader", func(t *testing.T) {
		t.Parallel()
		rounds, _ := faultRounds(t)
		for range min(rounds, 5) {
			c := etcdtest.Cluster(t, 3)
			f := newFaults(t, c.URLs(), c.URLs()...)
			c.Kill(c.Leader(t))
			f.goesOn("the leader was killed")
			f.answered()
			f.end()
		}
	})
}

// restarted is an etcd that comes back at the same address, with its data.
type restarted struct {
	*etcdtest.Server
	dir     string
	address string
}

func newRestarted(t testing.TB) *restarted {
	t.Helper()
	m := &restarted{dir: t.TempDir(), address: free(t)}
	m.start(t)
	return m
}

// free returns an address that nobody listens on, nor will: where all of
// 127.0.0.0/8 is this host, it is at one of the test's own.
func free(t testing.TB) string {
	t.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = fmt.Sprintf("127.77.%d.%d", os.Getpid()>>8&255, os.Getpid()&127+1)
	}
	l, err := net.Listen("tcp", host+":0") //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func (m *restarted) start(t testing.TB) {
	t.Helper()
	m.Server = etcdtest.Start(t, func(cfg *embed.Config) {
		cfg.Dir = m.dir
		cfg.ListenClientUrls = []url.URL{{Scheme: "http", Host: m.address}}
		cfg.AdvertiseClientUrls = cfg.ListenClientUrls
	})
}

// endpoints has a site use a store at several URLs, in this order.
func (s *site) endpoints(urls ...string) {
	s.Helper()
	rc := "host:\n"
	for _, u := range urls {
		host, port, _ := strings.Cut(strings.TrimPrefix(u, "http://"), ":")
		rc += fmt.Sprintf("  - [%s, %s]\n", host, port)
	}
	s.file("etcdrc", rc)
}

// newFaults starts a gateway, its clients, and one that changes the key: at URLs
// of its own, whatever befalls those of the gateway.
func newFaults(t *testing.T, writes []string, reads ...string) *faults {
	t.Helper()
	f := &faults{site: etcdSite(t, reads[0]), store: storeAt(t, writes...)}
	f.endpoints(reads...)
	f.file("data/mwconfig/m.yaml", "common: [WMFMasterDatacenter]\n")
	f.ok("--quiet", "sync", "--directory", "data")
	f.commit(t.Context(), 1)
	f.gateway = f.listens("127.0.0.1:0")
	f.address = strings.TrimPrefix(f.gateway.gateway, "http://")
	until(t, f.gateway.gateway+"/v2/keys"+loadKey, http.StatusOK, "val")
	clients, stop := context.WithCancel(t.Context())
	for i := range 20 {
		c := &faultClient{faults: f, Client: reader(1)}
		f.clients = append(f.clients, c)
		if i%2 == 0 {
			f.done.Go(func() { c.poll(clients) })
		} else {
			f.done.Go(func() { c.follow(clients) })
		}
	}
	t.Cleanup(func() {
		stop()
		f.done.Wait()
	})
	f.writes()
	return f
}

// writes has the key count upwards until stop.
func (f *faults) writes() {
	ctx, stop := context.WithCancel(f.Context())
	f.stop = stop
	f.Cleanup(func() {
		stop()
		f.writer.Wait()
	})
	f.writer.Go(func() {
		for n := f.written.Load() + 1; ctx.Err() == nil; n++ {
			f.commit(ctx, n)
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// commit writes a number, once, however often it takes to be sure of it.
func (f *faults) commit(ctx context.Context, n int64) {
	once := fmt.Sprintf("/load/%d", n)
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := f.store.Commit(attempt, store.Txn{Once: once, Writes: []store.Write{
			{Key: once, Value: []byte{}}, {Key: loadKey, Value: numbered(n)},
		}})
		cancel()
		if err == nil {
			f.written.Store(n)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// listens starts a gateway.
func (f *faults) listens(at string) *server {
	f.Helper()
	v := f.serve(2, "--gateway", at, "--metrics", "127.0.0.1:0")
	go func() {
		for range v.said {
			continue // it must not wait for us
		}
	}()
	return v
}

// restart kills the gateway, and starts it at the same address.
func (f *faults) restart() {
	f.Helper()
	if err := f.gateway.Process.Kill(); err != nil {
		f.Fatal(err)
	}
	if _, err := f.gateway.Process.Wait(); err != nil {
		f.Fatal(err)
	}
	f.gateway = f.listens(f.address)
}

// forgets has the gateway stand still while etcd is started again, changes, and
// forgets what it changed.
func (f *faults) forgets(m *restarted) {
	f.Helper()
	m.Kill(0)
	f.signal(syscall.SIGSTOP)
	m.start(f.TB)
	from := f.written.Load()
	f.await("changes", func() bool { return f.written.Load() > from+10 })
	snapshot, err := f.store.Read(f.Context(), loadKey)
	if err != nil {
		f.Fatal(err)
	}
	m.Compact(f.TB, int64(snapshot.Revision))
	f.signal(syscall.SIGCONT)
	until(f.TB, f.gateway.metrics+"/metrics", http.StatusOK, "confctl_store_reloads_total 1\n")
}

func (f *faults) signal(s os.Signal) {
	f.Helper()
	if err := f.gateway.Process.Signal(s); err != nil {
		f.Fatal(err)
	}
}

// goesOn waits until all clients have a change from after now, which is to be
// within five seconds of the end of what has happened.
func (f *faults) goesOn(what string) {
	f.Helper()
	begun, from := time.Now(), f.written.Load()
	f.await(fmt.Sprintf("a number above %d after %s", from, what), func() bool { return f.lowest() > from })
	f.Logf("%s: all are right after %v", what, time.Since(begun).Round(time.Millisecond))
}

// answered fails if the gateway had nothing to answer with since the last time,
// and returns how long reads took.
func (f *faults) answered() []time.Duration {
	f.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refused > 0 {
		f.Errorf("%d times the answer was 500, with a state in memory", f.refused)
	}
	took := f.took
	f.refused, f.took = 0, nil
	return took
}

// end stops the changes, and waits until all clients have the last.
func (f *faults) end() {
	f.Helper()
	f.stop()
	f.writer.Wait()
	snapshot, err := f.store.Read(f.Context(), loadKey)
	if err != nil {
		f.Fatal(err)
	}
	var a answer
	a.Node.Value = string(snapshot.Entries[0].Value)
	last, err := a.number()
	if err != nil {
		f.Fatal(err)
	}
	f.await(fmt.Sprintf("%d, the last number", last), func() bool { return f.lowest() == last })
}

// lowest is the lowest number that a client was last told.
func (f *faults) lowest() int64 {
	lowest := f.clients[0].seen.Load()
	for _, c := range f.clients {
		lowest = min(lowest, c.seen.Load())
	}
	return lowest
}

// within is a time that the gateway promises, where faults are asked for; else all
// that a busy machine may take.
func within(promised time.Duration) time.Duration {
	if os.Getenv(faultsVariable) != "" {
		return promised
	}
	return promised + 25*time.Second
}

// await gives clients five seconds for something.
func (f *faults) await(what string, is func() bool) {
	f.Helper()
	for end := time.Now().Add(within(5 * time.Second)); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			var seen []int64
			for _, c := range f.clients {
				seen = append(seen, c.seen.Load())
			}
			f.Fatalf("not all have %s: %v (even ones read, odd ones wait)", what, seen)
		}
	}
}

// poll reads the key again and again.
func (c *faultClient) poll(ctx context.Context) {
	for ctx.Err() == nil {
		c.hear(ctx, "")
		time.Sleep(10 * time.Millisecond)
	}
}

// follow reads the key, and then waits for each change of it. Where it is told
// that changes are forgotten, or is not answered well, it does as readers do.
func (c *faultClient) follow(ctx context.Context) {
	for next := uint64(0); ctx.Err() == nil; {
		wait := ""
		if next > 0 {
			wait = fmt.Sprintf("?wait=true&waitIndex=%d", next)
		}
		switch a, status := c.hear(ctx, wait); {
		case status == http.StatusOK:
			next = a.Node.ModifiedIndex + 1
		case a.ErrorCode == 401:
			next = 0
		default: // asked again as it was
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// hear asks for the key, and checks what it is told. The status is 0 if there was
// no answer.
func (c *faultClient) hear(ctx context.Context, wait string) (answer, int) {
	begun := time.Now()
	status, body, err := ask(ctx, c.Client, "http://"+c.address+"/v2/keys"+loadKey+wait)
	var a answer
	if err != nil || ctx.Err() != nil || len(body) == 0 {
		return a, 0 // the gateway has gone, or ended what waited
	}
	if err := json.Unmarshal(body, &a); err != nil {
		c.Errorf("%q is answered with %d, %q: %v", wait, status, body, err)
		return a, 0
	}
	switch n, err := a.number(); {
	case status == http.StatusInternalServerError:
		c.note(func() { c.refused++ })
	case a.ErrorCode == 401 && wait != "":
	case status != http.StatusOK || err != nil:
		c.Errorf("%q is answered with %d, %s", wait, status, body)
	case n < c.seen.Load():
		c.Errorf("%q is answered with %d after %d", wait, n, c.seen.Load())
	default:
		c.seen.Store(n)
		if wait == "" {
			c.note(func() { c.took = append(c.took, time.Since(begun)) })
		}
	}
	return a, status
}

// forgive takes it that a gateway that was only just started had nothing yet.
func (f *faults) forgive() { f.note(func() { f.refused = 0 }) }

func (f *faults) note(what func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	what()
}
