package cli

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
	"os"
	"os/exec"
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

// wire is one connection to a gateway, which is kept, and costs little: what
// net/http's client takes for a request is as much as what the gateway does.
type wire struct {
	address string
	mu      sync.Mutex
	conn    net.Conn
	answers *bufio.Reader
	ended   bool
}

// ask returns the status and the body of a read of a key.
func (w *wire) ask(key string) (int, []byte, error) {
	if err := w.open(); err != nil {
		return 0, nil, err
	}
	if _, err := fmt.Fprintf(w.conn, "GET /v2/keys%s HTTP/1.1\r\nHost: %s\r\n\r\n", key, w.address); err != nil {
		return 0, nil, err
	}
	resp, err := http.ReadResponse(w.answers, nil)
	if err != nil {
		return 0, nil, err
	}
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, errors.Join(err, resp.Body.Close())
}

func (w *wire) open() (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return net.ErrClosed
	}
	if w.conn == nil {
		w.conn, err = net.Dial("tcp", w.address) //nolint:noctx // cut ends it
		w.answers = bufio.NewReader(w.conn)
	}
	return err
}

// cut ends the connection, and what is being asked.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended = true; w.conn != nil {
		_ = w.conn.Close() // nothing is lost
	}
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
	address string // of the gateway
	failed  atomic.Int64

	mu          sync.Mutex
	small, full []float64 // milliseconds of reads
	waited      waited
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
			TB: b, address: strings.TrimPrefix(gateway, "http://"),
		}
		sent += l.run(other)
	}
	calls := server.Calls()
	watches := etcdWatches(b, server.URL())
	if watches != "1" || calls["/etcdserverpb.KV/Range"] > 0 || calls["/etcdserverpb.KV/Txn"] != sent {
		b.Errorf("etcd has %s watches, and beside %d changes was sent %v", watches, sent, calls)
	}
	if reads, waits := l.failed.Load(), l.waited.Failed; reads > 0 || waits > 0 {
		b.Errorf("%d reads and %d waits failed", reads, waits)
	}
	b.ReportMetric(quantile(l.small, 0.5), "read-p50-ms")
	b.ReportMetric(quantile(l.small, 0.99), "read-p99-ms")
	b.ReportMetric(quantile(l.full, 0.5), "full-p50-ms")
	b.ReportMetric(quantile(l.full, 0.99), "full-p99-ms")
	b.ReportMetric(quantile(l.waited.Changes, 0.5), "change-p50-ms")
	b.ReportMetric(quantile(l.waited.Changes, 0.99), "change-p99-ms")
	b.ReportMetric(float64(len(l.small))/loadFor.Seconds(), "reads/s")
	b.ReportMetric(float64(len(l.full))/loadFor.Seconds(), "full/s")
	b.ReportMetric(float64(len(l.waited.Changes))/loadFor.Seconds(), "told/s")
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
func (l *load) run(s store.Store) int {
	stop := l.wait()
	time.Sleep(time.Second) // until all wait
	end := time.Now().Add(loadFor)
	var readers sync.WaitGroup
	for i := range 100 {
		readers.Go(func() { l.read(loadSmall, &l.small, i, 100, loadSmallPS, end) })
	}
	for i := range 20 {
		readers.Go(func() { l.read(loadTree, &l.full, i, 20, loadFullPS, end) })
	}
	sent := 0
	for ; time.Now().Before(end); sent++ {
		value := numbered(time.Now().UnixMicro())
		if _, err := s.Commit(l.Context(), store.Txn{Writes: []store.Write{{Key: loadKey, Value: value}}}); err != nil {
			l.Errorf("change %d: %v", sent, err)
		}
		time.Sleep(time.Second / loadChanges)
	}
	readers.Wait()
	time.Sleep(time.Second) // until the last change is with all
	stop()
	return sent
}

// wait starts clients that wait, in a process of their own: a read should not have
// to wait behind them where it is made. What they were told is there after stop.
func (l *load) wait() (stop func()) {
	self, err := os.Executable()
	if err != nil {
		l.Fatal(err)
	}
	cmd := exec.CommandContext(l.Context(), self, l.address)
	cmd.Args[0], cmd.Stderr = waitersName, os.Stderr
	cmd.Path = self
	until, err := cmd.StdinPipe()
	if err != nil {
		l.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stdout = &said
	if err := cmd.Start(); err != nil {
		l.Fatal(err)
	}
	return func() {
		err := errors.Join(until.Close(), cmd.Wait())
		if err == nil {
			err = json.Unmarshal(said.Bytes(), &l.waited)
		}
		if err != nil {
			l.Fatal(err)
		}
	}
}

// waitersName is what this test binary is called by to be the clients that wait.
const waitersName = "confctl-waiters"

// waited is what clients saw that waited for changes.
type waited struct {
	Failed  int
	Changes []float64 // milliseconds from before a commit until a client had it
	mu      sync.Mutex
}

// waiters has clients wait at an address until nobody writes to standard input any
// more, and prints what they were told, in JSON.
func waiters() {
	ctx, stop := context.WithCancel(context.Background())
	var all waited
	var clients sync.WaitGroup
	for range loadWaiters {
		clients.Go(func() { all.wait(ctx, os.Args[1]) })
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	stop()
	clients.Wait()
	if err = errors.Join(err, json.NewEncoder(os.Stdout).Encode(&all)); err != nil {
		fmt.Fprintln(os.Stderr, waitersName+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// wait waits for changes, each time from the one after the last.
func (all *waited) wait(ctx context.Context, address string) {
	w := wire{address: address}
	defer w.cut()
	defer context.AfterFunc(ctx, w.cut)()
	next := uint64(0)
	for ctx.Err() == nil {
		status, body, err := w.ask(fmt.Sprintf("%s?recursive=true&wait=true&waitIndex=%d", loadSmall, next))
		now := time.Now()
		if ctx.Err() != nil {
			return
		}
		var a answer
		if err == nil {
			err = json.Unmarshal(body, &a)
		}
		sent, bad := a.number()
		next = a.Node.ModifiedIndex + 1
		all.mu.Lock()
		if err != nil || bad != nil || status != http.StatusOK {
			all.Failed++
		} else {
			all.Changes = append(all.Changes, milliseconds(now.Sub(time.UnixMicro(sent))))
		}
		all.mu.Unlock()
	}
}

// read reads a tree as one of several readers that together do so some times a
// second, each read when it is due or at once if that is past.
func (l *load) read(tree string, took *[]float64, number, of, perSecond int, end time.Time) {
	every := time.Second * time.Duration(of) / time.Duration(perSecond)
	w := wire{address: l.address}
	defer w.cut()
	var mine []float64
	for due := time.Now().Add(every * time.Duration(number) / time.Duration(of)); due.Before(end); due = due.Add(every) {
		time.Sleep(time.Until(due))
		status, _, err := w.ask(tree + "?recursive=true")
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
