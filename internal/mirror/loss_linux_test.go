package mirror

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// lossVariable is the number of rounds in which packets are lost; insideVariable is
// set for the process with its own network.
const (
	lossVariable   = "CONFCTL_LOSS"
	insideVariable = "CONFCTL_LOSS_INSIDE"
)

// TestPacketLoss drops packets of real TCP connections between a mirror and its
// server while everything changes repeatedly. When packets pass again, the mirror
// holds what the store holds, every transaction was yielded once and in order, and
// no view claimed a revision whose values it did not have.
//
// It runs in its own network namespace, with the installed etcd of any version or,
// without one, the etcd that tests are built with.
func TestPacketLoss(t *testing.T) {
	text := os.Getenv(lossVariable)
	if text == "" {
		t.Skipf("packets are lost only with make soak, or %s=ROUNDS", lossVariable)
	}
	rounds, err := strconv.Atoi(text)
	if err != nil || rounds < 1 {
		t.Fatalf("%s is a number of rounds, not %q", lossVariable, text)
	}
	if os.Getenv(insideVariable) == "" {
		inNamespace(t)
		return
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Skipf("no loopback: %v: %s", err, out)
	}
	lose(t)()
	newLossy(t).run(t, rounds)
}

// inNamespace runs this test again in a network namespace.
func inNamespace(t *testing.T) {
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed (Debian: iproute2, nftables)", tool)
		}
	}
	inner := exec.Command(os.Args[0], "-test.run=^TestPacketLoss$", "-test.v", "-test.timeout=30m")
	inner.Env = append(os.Environ(), insideVariable+"=1")
	inner.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	var out strings.Builder
	inner.Stdout, inner.Stderr = &out, &out
	if err := inner.Start(); err != nil {
		t.Skipf("no network namespace: %v", err)
	}
	err := inner.Wait()
	t.Log(out.String())
	switch {
	case err != nil:
		t.Error(err)
	case strings.Contains(out.String(), "--- SKIP"):
		t.Skip("no packet filter in a network namespace")
	}
}

// lose drops packets by nft rules until heal is called.
func lose(t *testing.T, rules ...string) (heal func()) {
	t.Helper()
	text := "table inet loss {\n chain in {\n type filter hook input priority 0;\n " + strings.Join(rules, "\n ") + "\n }\n}\n"
	nft := exec.Command("nft", "-f", "-")
	nft.Stdin = strings.NewReader(text)
	if out, err := nft.CombinedOutput(); err != nil {
		t.Skipf("no packet filter: %v: %s", err, out)
	}
	return func() {
		if out, err := exec.Command("nft", "delete", "table", "inet", "loss").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

// The ports of the server. Packets of the mirror's port are lost.
const (
	peerURL   = "http://127.0.0.1:2377"
	writerURL = "http://127.0.0.1:2378"
	lossyURL  = "http://127.0.0.1:2379"
	toServer  = "tcp dport 2379"
	toMirror  = "tcp sport 2379"
)

// lossy is a store, and its observers over a network that loses packets.
type lossy struct {
	server    *os.Process // nil if it runs in this process
	writer    *etcd.Store
	mirror    *Mirror
	followers sync.WaitGroup

	mu      sync.Mutex
	written []string                  // all transactions
	told    []string                  // the transactions that the watch yielded
	values  map[store.Revision]string // the value of every key under /in/, by revision
	wrong   string                    // the first view that claimed a revision without its values
}

func newLossy(t *testing.T) *lossy {
	l := &lossy{values: make(map[store.Revision]string)}
	l.start(t)
	l.writer = openEtcd(t, etcd.Config{Endpoints: []string{writerURL}, Timeout: 20 * time.Second})
	follower := openEtcd(t, etcd.Config{Endpoints: []string{lossyURL}, Timeout: 5 * time.Second, Debug: func(format string, args ...any) {
		if strings.Contains(format, "lost") {
			t.Logf(format, args...)
		}
	}})
	l.change(t, "first")
	l.mirror = run(t, Config{Store: follower, Prefixes: []string{"/in/"}})
	reached(t, l.mirror, 0)
	t.Cleanup(l.followers.Wait)
	l.followers.Go(func() { l.watch(t, follower) })
	l.followers.Go(func() { l.views(t) })
	return l
}

// start runs the installed etcd or, without one, an etcd in this process.
func (l *lossy) start(t *testing.T) {
	t.Helper()
	path, err := exec.LookPath("etcd")
	if err != nil {
		t.Log("etcd is not installed: the server is the one that tests are built with")
		etcdtest.Start(t, func(cfg *embed.Config) {
			cfg.ListenClientUrls = nil
			for _, text := range []string{writerURL, lossyURL} {
				u, _ := url.Parse(text)
				cfg.ListenClientUrls = append(cfg.ListenClientUrls, *u)
			}
		})
		return
	}
	version, _ := exec.Command(path, "--version").Output()
	t.Logf("the server is %s, %s", path, strings.SplitN(string(version), "\n", 2)[0])
	server := exec.Command(path, "--data-dir", t.TempDir(), "--listen-peer-urls", peerURL, "--initial-advertise-peer-urls", peerURL,
		"--initial-cluster", "default="+peerURL, "--listen-client-urls", writerURL+","+lossyURL, "--advertise-client-urls", writerURL)
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	l.server = server.Process
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	s := openEtcd(t, etcd.Config{Endpoints: []string{writerURL}, Timeout: 2 * time.Second})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := s.Read(t.Context()); err == nil {
			return
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// objects is the number of keys that a change writes, the size of one production
// site.
const objects = 1590

// change sets every object to a value in one transaction, and creates or deletes one
// more key.
func (l *lossy) change(t *testing.T, value string) {
	t.Helper()
	text := value + strings.Repeat(" ", 40)
	writes := make([]store.Write, objects)
	for i := range writes {
		writes[i] = put(fmt.Sprintf("/in/%04d", i), text)
	}
	l.commit(t, text, writes)
	l.commit(t, text, []store.Write{put("/out/record", value)})
	l.commit(t, text, []store.Write{put("/in/x", text)})
	l.commit(t, text, []store.Write{{Key: "/in/x", Delete: true}, put("/out/record", value)})
}

func (l *lossy) commit(t *testing.T, value string, writes []store.Write) {
	t.Helper()
	at := commit(t, l.writer, writes...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.values[at] = value
	if n := len(slices.DeleteFunc(slices.Clone(writes), func(w store.Write) bool { return !strings.HasPrefix(w.Key, "/in/") })); n > 0 {
		l.written = append(l.written, fmt.Sprintf("%d: %d events", at, n))
	}
}

// watch records what a watch from the beginning yields, and resumes it when it ends.
func (l *lossy) watch(t *testing.T, s store.Store) {
	var after store.Revision
	for t.Context().Err() == nil {
		for b, err := range s.Watch(t.Context(), after, "/in/") {
			if err != nil {
				break
			}
			if after = max(after, b.Revision); len(b.Events) > 0 {
				l.mu.Lock()
				l.told = append(l.told, fmt.Sprintf("%d: %d events", b.Revision, len(b.Events)))
				l.mu.Unlock()
			}
		}
	}
}

// views compares each view of the mirror that it sees with the content of the store
// at the revision of the view.
func (l *lossy) views(t *testing.T) {
	for v := (*View)(nil); t.Context().Err() == nil; time.Sleep(time.Millisecond) {
		if next := l.mirror.View(); next != v {
			v = next
			l.claims(v)
		}
	}
}

func (l *lossy) claims(v *View) {
	l.mu.Lock()
	want, known := l.values[v.Revision]
	l.mu.Unlock()
	if !known {
		return // not recorded yet by the writer, or nothing was written
	}
	for e := range v.Under("/in/") {
		if string(e.Value) != want {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.wrong == "" {
				l.wrong = fmt.Sprintf("at revision %d %s is %.20q, not %.20q", v.Revision, e.Key, e.Value, want)
			}
			return
		}
	}
}

func (l *lossy) run(t *testing.T, rounds int) {
	faults := []func() (heal func()){
		func() func() { return lose(t, toServer+" drop", toMirror+" drop") },
		func() func() { return lose(t, toMirror+" drop") },
		func() func() { return lose(t, toServer+" drop") },
		func() func() {
			return lose(t, toServer+" numgen random mod 10 < 6 drop", toMirror+" numgen random mod 10 < 6 drop")
		},
	}
	if l.server != nil {
		faults = append(faults, func() func() { return l.stopped(t) })
	}
	durations := []time.Duration{1300 * time.Millisecond, 2200 * time.Millisecond, 1100 * time.Millisecond, 700 * time.Millisecond} // of the fault
	bad, slowest := 0, time.Duration(0)
	for round := range rounds {
		lasts := time.After(durations[round/len(faults)%len(durations)])
		heal := faults[round%len(faults)]()
		for i := range 8 {
			l.change(t, fmt.Sprintf("%d.%d", round, i))
		}
		<-lasts
		heal()
		begun := time.Now()
		if what := l.settles(t); what != "" {
			t.Errorf("round %d: %s", round, what)
			bad++
			continue
		}
		slowest = max(slowest, time.Since(begun))
	}
	t.Logf("%d of %d rounds wrong; the slowest of the others was in step after %v", bad, rounds, slowest.Round(time.Millisecond))
}

// stopped drops packets for long enough that the watch must resume, and stops the
// server for a moment during that.
func (l *lossy) stopped(t *testing.T) (heal func()) {
	pass := lose(t, toMirror+" drop")
	return func() {
		pass()
		for range 5 {
			time.Sleep(40 * time.Millisecond)
			_ = l.server.Signal(syscall.SIGSTOP)
			time.Sleep(400 * time.Millisecond)
			_ = l.server.Signal(syscall.SIGCONT)
		}
	}
}

// settles waits until the mirror and the watch agree with the store, and returns a
// description of what does not.
func (l *lossy) settles(t *testing.T) (what string) {
	snap := read(t, l.writer, "/in/")
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if what = l.differs(snap); what == "" {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if what == "" {
		what = l.wrong
	}
	l.told, l.written, l.wrong = nil, nil, ""
	return what
}

func (l *lossy) differs(snap store.Snapshot) string {
	if n := len(difference(l.mirror.View().tree, snap)); n > 0 {
		return fmt.Sprintf("%d of %d entries of the mirror are wrong, at %d of %d", n, len(snap.Entries), l.mirror.View().Revision, snap.Revision)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.told, l.written) {
		return fmt.Sprintf("told of %d transactions of %d", len(l.told), len(l.written))
	}
	return ""
}
