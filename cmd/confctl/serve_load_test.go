package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// Where readers read.
const (
	loadTree  = "/conftool/v1"
	loadSmall = loadTree + "/mediawiki-config"
	loadKey   = loadSmall + "/common/WMFMasterDatacenter"
)

// The load of BenchmarkServe.
const (
	loadFor     = 10 * time.Second
	loadWaiters = 1000
	loadSmallPS = 2000 // reads of the small tree a second
	loadFullPS  = 100  // reads of all
	loadChanges = 5    // a second
)

// numbered is an object whose value is a number.
func numbered(n int64) []byte { return fmt.Appendf(nil, `{"val": %d}`, n) }

// answer is what a reader of one key, or of changes, understands of a body.
type answer struct {
	Node struct {
		Key, Value    string
		ModifiedIndex uint64
	}
	ErrorCode int
}

// number is that of the object in an answer.
func (a answer) number() (int64, error) {
	var o struct{ Val int64 }
	err := json.Unmarshal([]byte(a.Node.Value), &o)
	return o.Val, err
}

// reader is an HTTP client with connections of its own, which are kept.
func reader(connections int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}}
}

// ask returns the status and the body of a request.
func ask(ctx context.Context, c *http.Client, address string) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	resp, err := c.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// peak is the most memory that a process has had, in MiB.
func peak(t testing.TB, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("the memory of a process is not known here: %v", err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("no VmHWM of process %d", pid)
	}
	kib, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return float64(kib) / 1024
}

// used is how much processor time a process has had, in seconds.
func used(t testing.TB, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	user, err := strconv.Atoi(fields[11])
	system, bad := strconv.Atoi(fields[12])
	if err := errors.Join(err, bad); err != nil {
		t.Fatal(err)
	}
	return float64(user+system) / 100 // of Linux, whatever the machine
}

// storeAt opens the store as somebody else, who changes it.
func storeAt(t testing.TB, urls ...string) store.Store {
	t.Helper()
	s, err := etcd.Open(etcd.Config{Endpoints: urls, Timeout: 20 * time.Second, Attempt: time.Second})
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

// shipped starts the program as it is shipped, which is smaller than that of the
// tests, and returns the URL of its gateway.
func shipped(b *testing.B, s *site, path string) (pid int, gateway string) {
	b.Helper()
	cmd := s.command("--config", "config.yaml", "serve", "--gateway", "127.0.0.1:0")
	cmd.Path = path
	stderr, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
	})
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if _, at, found := strings.Cut(lines.Text(), "gateway listens on "); found {
			go func() { _, _ = io.Copy(io.Discard, stderr) }() // it must not wait for us
			return cmd.Process.Pid, "http://" + at
		}
	}
	b.Fatal("the gateway does not listen")
	return 0, ""
}

// load is what BenchmarkServe has clients do, and what they saw.
type load struct {
	testing.TB
	gateway string
	waiting *http.Client
	reading *http.Client
	failed  atomic.Int64

	mu          sync.Mutex
	begun       map[int64]time.Time // when a change was sent, by its number
	changes     []float64           // milliseconds from then until a client had it
	small, full []float64           // milliseconds of reads
}

// BenchmarkServe has the program, as it is shipped, serve 1,600 nodes to 1,000
// clients that wait for every change and to those that read, while there are
// changes. A read takes from when it was due until its last byte was there, and a
// change from before its commit until a client had it. Clients, gateway and etcd
// share the processors: on a busy machine the figures are those of the clients
// too. Clients keep their connections.
func BenchmarkServe(b *testing.B) {
	s, server, path := bigSite(b, 1600)
	s.file("data/mwconfig/m.yaml", "common: [WMFMasterDatacenter, One, Two]\nnorth: [ReadOnly]\nsouth: [ReadOnly]\n")
	ran(b, s, path, "--config", "config.yaml", "sync", "--directory", "data")
	other := storeAt(b, server.URL())
	pid, gateway := shipped(b, s, path)
	until(b, gateway+"/v2/keys"+loadSmall, http.StatusOK, "common")
	server.Calls() // from here on
	var l *load
	sent := 0
	for b.Loop() {
		l = &load{
			TB: b, gateway: gateway, waiting: reader(loadWaiters), reading: reader(200),
			begun: make(map[int64]time.Time),
		}
		sent += l.run(b.Context(), other)
	}
	calls := server.Calls()
	watches := etcdWatches(b, server.URL())
	if watches != "1" || calls["/etcdserverpb.KV/Range"] > 0 || calls["/etcdserverpb.KV/Txn"] != sent {
		b.Errorf("etcd has %s watches, and beside %d changes was sent %v", watches, sent, calls)
	}
	if n := l.failed.Load(); n > 0 {
		b.Errorf("%d requests failed", n)
	}
	b.ReportMetric(quantile(l.small, 0.5), "read-p50-ms")
	b.ReportMetric(quantile(l.small, 0.99), "read-p99-ms")
	b.ReportMetric(quantile(l.full, 0.5), "full-p50-ms")
	b.ReportMetric(quantile(l.full, 0.99), "full-p99-ms")
	b.ReportMetric(quantile(l.changes, 0.5), "change-p50-ms")
	b.ReportMetric(quantile(l.changes, 0.99), "change-p99-ms")
	b.ReportMetric(float64(len(l.small))/loadFor.Seconds(), "reads/s")
	b.ReportMetric(float64(len(l.full))/loadFor.Seconds(), "full/s")
	b.ReportMetric(float64(len(l.changes))/loadFor.Seconds(), "told/s")
	b.ReportMetric(peak(b, pid), "peak-MiB")
	b.ReportMetric(used(b, pid)/b.Elapsed().Seconds(), "gateway-processors")
}

// etcdWatches is how many watches there are now, as etcd itself counts.
func etcdWatches(t testing.TB, url string) string {
	t.Helper()
	_, metrics := get(t, url+"/metrics")
	m := regexp.MustCompile(`(?m)^etcd_debugging_mvcc_watcher_total (\S+)$`).FindStringSubmatch(metrics)
	if m == nil {
		t.Fatal("etcd does not say how many watches there are")
	}
	return m[1]
}

func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return -1
	}
	slices.Sort(values)
	return values[int(q*float64(len(values)-1))]
}

// run lets all clients loose, and returns how many changes there were.
func (l *load) run(ctx context.Context, s store.Store) int {
	waiting, stop := context.WithCancel(ctx)
	var waiters, readers sync.WaitGroup
	for range loadWaiters {
		waiters.Go(func() { l.wait(waiting) })
	}
	time.Sleep(time.Second) // until all wait
	end := time.Now().Add(loadFor)
	for i := range 100 {
		readers.Go(func() { l.read(ctx, loadSmall, &l.small, i, 100, loadSmallPS, end) })
	}
	for i := range 20 {
		readers.Go(func() { l.read(ctx, loadTree, &l.full, i, 20, loadFullPS, end) })
	}
	n := int64(0)
	for time.Now().Before(end) {
		n++
		l.mu.Lock()
		l.begun[n] = time.Now()
		l.mu.Unlock()
		if _, err := s.Commit(ctx, store.Txn{Writes: []store.Write{{Key: loadKey, Value: numbered(n)}}}); err != nil {
			l.Errorf("change %d: %v", n, err)
		}
		time.Sleep(time.Second / loadChanges)
	}
	readers.Wait()
	time.Sleep(time.Second) // until the last change is with all
	stop()
	waiters.Wait()
	return int(n)
}

// wait waits for changes, each time from the one after the last.
func (l *load) wait(ctx context.Context) {
	next := uint64(0)
	for ctx.Err() == nil {
		address := fmt.Sprintf("%s/v2/keys%s?recursive=true&wait=true&waitIndex=%d", l.gateway, loadSmall, next)
		status, body, err := ask(ctx, l.waiting, address)
		now := time.Now()
		if ctx.Err() != nil {
			return
		}
		var a answer
		if err == nil {
			err = json.Unmarshal(body, &a)
		}
		n, bad := a.number()
		if err != nil || bad != nil || status != http.StatusOK {
			l.failed.Add(1)
			continue
		}
		next = a.Node.ModifiedIndex + 1
		l.mu.Lock()
		l.changes = append(l.changes, milliseconds(now.Sub(l.begun[n])))
		l.mu.Unlock()
	}
}

// read reads a tree as one of several readers that together do so some times a
// second, each read when it is due or at once if that is past.
func (l *load) read(ctx context.Context, tree string, took *[]float64, number, of, perSecond int, end time.Time) {
	every := time.Second * time.Duration(of) / time.Duration(perSecond)
	var mine []float64
	for due := time.Now().Add(every * time.Duration(number) / time.Duration(of)); due.Before(end); due = due.Add(every) {
		time.Sleep(time.Until(due))
		status, _, err := ask(ctx, l.reading, l.gateway+"/v2/keys"+tree+"?recursive=true")
		if err != nil || status != http.StatusOK {
			l.failed.Add(1)
			continue
		}
		mine = append(mine, milliseconds(time.Since(due)))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	*took = append(*took, mine...)
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

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
	t.Run("one", func(t *testing.T) {
		t.Parallel()
		rounds, away := faultRounds(t)
		m := newRestarted(t)
		f := newFaults(t, []string{m.URL()}, "host: "+m.host+"\nport: "+m.port+"\n")
		for range rounds {
			m.Kill(0)
			time.Sleep(away)
			m.start(t)
			f.goesOn()
			f.forgets(m)
			f.goesOn()
			f.restart()
			f.goesOn()
			away = 300 * time.Millisecond
		}
		f.end()
	})
	t.Run("leader", func(t *testing.T) {
		t.Parallel()
		rounds, _ := faultRounds(t)
		for range min(rounds, 5) {
			c := etcdtest.Cluster(t, 3)
			rc := "host:\n"
			for _, u := range c.URLs() {
				host, port, _ := strings.Cut(strings.TrimPrefix(u, "http://"), ":")
				rc += fmt.Sprintf("  - [%s, %s]\n", host, port)
			}
			f := newFaults(t, c.URLs(), rc)
			c.Kill(c.Leader(t))
			f.goesOn()
			f.end()
		}
	})
}

// restarted is an etcd that comes back at the same address, with its data.
type restarted struct {
	*etcdtest.Server
	dir        string
	host, port string
}

func newRestarted(t testing.TB) *restarted {
	t.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = fmt.Sprintf("127.77.%d.%d", os.Getpid()>>8&255, os.Getpid()&127+1) // where nobody takes the port meanwhile
	}
	l, err := net.Listen("tcp", host+":0") //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err = errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	m := &restarted{dir: t.TempDir(), host: host, port: port}
	m.start(t)
	return m
}

func (m *restarted) start(t testing.TB) {
	t.Helper()
	m.Server = etcdtest.Start(t, func(cfg *embed.Config) {
		cfg.Dir = m.dir
		cfg.ListenClientUrls = []url.URL{{Scheme: "http", Host: m.host + ":" + m.port}}
		cfg.AdvertiseClientUrls = cfg.ListenClientUrls
		cfg.EnableGRPCGateway = true // compaction is asked for over HTTP
	})
}

// compact has etcd forget what was before a revision.
func (m *restarted) compact(t testing.TB, before store.Revision) {
	t.Helper()
	body := fmt.Sprintf(`{"revision": "%d", "physical": true}`, before)
	resp, err := http.Post(m.URL()+"/v3/kv/compaction", "application/json", strings.NewReader(body)) //nolint:noctx // a test server's
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is read
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("compaction is answered with %s", resp.Status)
	}
}

// newFaults starts a gateway, its clients, and one that changes the key.
func newFaults(t *testing.T, urls []string, etcdrc string) *faults {
	t.Helper()
	f := &faults{site: etcdSite(t, urls[0]), store: storeAt(t, urls...)}
	f.file("etcdrc", etcdrc)
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
			time.Sleep(3 * time.Millisecond)
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
	m.compact(f.TB, snapshot.Revision)
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
// within five seconds.
func (f *faults) goesOn() {
	f.Helper()
	from := f.written.Load()
	f.await(fmt.Sprintf("a number above %d", from), func() bool { return f.lowest() > from })
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

// await gives clients five seconds for something.
func (f *faults) await(what string, is func() bool) {
	f.Helper()
	for end := time.Now().Add(5 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			var seen []int64
			for _, c := range f.clients {
				seen = append(seen, c.seen.Load())
			}
			f.Fatalf("after 5 s not all have %s: %v (even ones read, odd ones wait)", what, seen)
		}
	}
}

// poll reads the key again and again.
func (c *faultClient) poll(ctx context.Context) {
	for ctx.Err() == nil {
		c.hear(ctx, "")
		time.Sleep(5 * time.Millisecond)
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
	case status == http.StatusInternalServerError || a.ErrorCode == 401 && wait != "":
	case status != http.StatusOK || err != nil:
		c.Errorf("%q is answered with %d, %s", wait, status, body)
	case n < c.seen.Load():
		c.Errorf("%q is answered with %d after %d", wait, n, c.seen.Load())
	default:
		c.seen.Store(n)
	}
	return a, status
}

// hostile is a gateway, and somebody who means it no good.
type hostile struct {
	*server
	address string
}

// TestServeHostile has the gateway be asked for what nobody should, and be held
// up. Every other client is answered all the same, and memory stays bounded.
func TestServeHostile(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("--quiet", "sync", "--directory", "data")
	v := s.serve(1, "--gateway", "127.0.0.1:0")
	h := &hostile{server: v, address: strings.TrimPrefix(v.gateway, "http://")}
	until(t, v.gateway+"/v2/keys"+loadSmall, http.StatusOK, "common")
	before := peak(t, v.Process.Pid)
	t.Run("requests", h.requests)
	t.Run("held", h.held)
	t.Run("full", func(t *testing.T) {
		if os.Getenv(faultsVariable) == "" {
			t.Skipf("thousands of connections want a machine of their own: make soak, or %s=1", faultsVariable)
		}
		h.full(t)
	})
	after := peak(t, v.Process.Pid)
	t.Logf("peak memory %.0f MiB before and %.0f MiB after", before, after)
	if after-before > 200 && !underRace() {
		t.Errorf("peak memory went from %.0f to %.0f MiB", before, after)
	}
}

// answers checks that others are answered, and soon.
func (h *hostile) answers(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	c := reader(1)
	defer c.CloseIdleConnections()
	if status, body, err := ask(ctx, c, h.gateway+"/v2/keys"+loadKey); err != nil || status != http.StatusOK {
		t.Errorf("others are answered with %d, %s, %v", status, body, err)
	}
}

// dial opens a connection that is left until the test ends.
func (h *hostile) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", h.address, 5*time.Second) //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// send writes to a connection. That the other side has had enough is its right.
func send(c net.Conn, text string) { _, _ = io.WriteString(c, text) }

func (h *hostile) requests(t *testing.T) {
	in := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n" }
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"dots":          {in("/v2/keys/../../etc/passwd"), 400},
		"dots encoded":  {in("/v2/keys/conftool/v1/%2e%2e/%2e%2e/x"), 400},
		"empty part":    {in("/v2/keys//conftool//v1"), 400},
		"backslashes":   {in(`/v2/keys/conftool/v1\..\..\x`), 404},
		"long":          {in("/v2/keys/conftool/v1/" + strings.Repeat("x", 5000)), 414},
		"longer":        {in("/v2/keys/" + strings.Repeat("x", 1<<20)), 431},
		"deep":          {in("/v2/keys/conftool/v1" + strings.Repeat("/x", 2000)), 404},
		"nul":           {in("/v2/keys/conftool/v1/%00"), 400},
		"newline":       {in("/v2/keys/conftool/v1/%0d%0aX:%20y"), 400},
		"no UTF-8":      {in("/v2/keys/conftool/v1/%ff%fe"), 400},
		"bad escape":    {in("/v2/keys/%zz"), 400},
		"index":         {in("/v2/keys/conftool/v1?wait=true&waitIndex=-1"), 400},
		"large index":   {in("/v2/keys/conftool/v1?wait=true&waitIndex=99999999999999999999999"), 400},
		"write":         {"PUT /v2/keys/conftool/v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nvalue=x", 403},
		"delete":        {"DELETE /v2/keys/conftool/v1?recursive=true HTTP/1.1\r\nHost: h\r\n\r\n", 403},
		"no method":     {"\x16\x03\x01\x02\x00 / HTTP/1.1\r\n\r\n", 400},
		"no host":       {"GET /v2/keys HTTP/1.1\r\n\r\n", 400},
		"large header":  {"GET /v2/keys HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", 431},
		"many headers":  {"GET /v2/keys HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", 20000) + "\r\n", 431},
		"two lengths":   {"GET /v2/keys HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		"chunks":        {"POST /v2/keys HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 403},
		"proxy request": {"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n", 404},
	} {
		t.Run(name, func(t *testing.T) {
			conn := h.dial(t)
			if err := conn.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
				t.Fatal(err)
			}
			go send(conn, c.request)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			defer resp.Body.Close() //nolint:errcheck // only the status is looked at
			if resp.StatusCode != c.status {
				t.Errorf("answered with %s, want %d", resp.Status, c.status)
			}
		})
	}
	h.answers(t)
}

// held has clients open connections and leave them, send headers without an end,
// and not read what they asked for.
func (h *hostile) held(t *testing.T) {
	var dripping []net.Conn
	for range 300 {
		h.dial(t)
		c := h.dial(t)
		send(c, "GET /v2/keys HTTP/1.1\r\nHost: h\r\nX: ")
		dripping = append(dripping, c)
	}
	many := strings.Repeat("GET /v2/keys/conftool/v1?recursive=true HTTP/1.1\r\nHost: h\r\n\r\n", 1000)
	for range 100 {
		c := h.dial(t)
		go send(c, many)
	}
	begun := time.Now()
	for range 8 {
		for _, c := range dripping {
			send(c, "x")
		}
		h.answers(t)
		time.Sleep(20 * time.Millisecond)
	}
	if os.Getenv(faultsVariable) == "" {
		return
	}
	for time.Since(begun) < 8*time.Second {
		for _, c := range dripping {
			send(c, "x")
		}
		time.Sleep(200 * time.Millisecond)
	}
	for i, c := range dripping {
		if !closed(c, time.Second) {
			t.Fatalf("headers that do not end are waited for, connection %d", i)
		}
	}
}

// closed reports whether the other side closes a connection in time.
func closed(c net.Conn, within time.Duration) bool {
	if c.SetReadDeadline(time.Now().Add(within)) != nil {
		return true
	}
	_, err := io.Copy(io.Discard, c)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// full opens more connections than there is room for.
func (h *hostile) full(t *testing.T) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < mostConnections+1000 {
		t.Skipf("needs %d open files for a process, the limit is %d", mostConnections+1000, files.Cur)
	}
	time.Sleep(100 * time.Millisecond) // those of before are closed
	request := "GET /v2/keys" + loadKey + "?wait=true HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 8<<10) + "\r\n\r\n"
	all := make([]net.Conn, mostConnections+200)
	for i := range all {
		all[i] = h.dial(t)
		send(all[i], request)
	}
	refused := 0
	for _, c := range all[mostConnections-200:] {
		one := make([]byte, 1)
		if err := c.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(one); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			refused++
		} else if !bytes.Equal(one, []byte("H")) {
			t.Fatalf("a connection is neither refused nor answered: %v, %q", err, one)
		}
	}
	if refused < 200 || refused > 300 {
		t.Errorf("of %d connections %d were refused", len(all), refused)
	}
	t.Logf("with %d connections the peak is %.0f MiB", mostConnections, peak(t, h.Process.Pid))
	for _, c := range all {
		_ = c.Close()
	}
	time.Sleep(200 * time.Millisecond)
	h.answers(t)
}
