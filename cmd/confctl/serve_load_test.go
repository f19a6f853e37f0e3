package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd"
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
