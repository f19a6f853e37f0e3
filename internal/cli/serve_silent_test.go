package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/gateway"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// TestServeSilent has the store say nothing, with its connections open. The gateway
// answers from memory all the while, says how old that is, and has what is new
// within five seconds of when the store can be had again: on a connection that goes
// on, or on another.
func TestServeSilent(t *testing.T) {
	t.Parallel()
	together(t, map[string]func(*testing.T){
		"frozen": frozenNetwork, "cut": cutNetwork, "stopped": stoppedProcess, "member": silentMember, "parted": partedMember,
	})
}

// together runs tests at the same time, however many: most of it they wait.
func together(t *testing.T, tests map[string]func(*testing.T)) {
	var all sync.WaitGroup
	for name, test := range tests {
		all.Go(func() { t.Run(name, test) })
	}
	all.Wait()
}

func frozenNetwork(t *testing.T) {
	rounds, away := faultRounds(t)
	server := etcdtest.Start(t)
	p := etcdtest.NewProxy(t, server.URL())
	f := newFaults(t, server.URLs(), p.URL())
	for range min(rounds, 5) {
		p.Freeze()
		f.old()
		time.Sleep(away)
		p.Thaw()
		f.goesOn(fmt.Sprintf("the network was frozen for more than %v", away))
		away = 300 * time.Millisecond
	}
	f.answered()
	f.end()
}

// cutNetwork has connections end, or die without a word: those that were made while
// nothing got through, too.
func cutNetwork(t *testing.T) {
	rounds, _ := faultRounds(t)
	server := etcdtest.Start(t)
	p := etcdtest.NewProxy(t, server.URL())
	f := newFaults(t, server.URLs(), p.URL())
	for i := range rounds {
		p.Freeze()
		time.Sleep(300 * time.Millisecond)
		p.Cut()
		p.Thaw()
		f.goesOn("the network was frozen and cut")
		p.Freeze()
		time.Sleep(time.Duration(i) * 700 * time.Millisecond)
		p.Forget()
		p.Thaw()
		f.goesOn("the network was frozen and the connections forgotten")
	}
	f.answered()
	f.end()
}

// stoppedProcess stops the process of an etcd, whose connections the kernel holds.
func stoppedProcess(t *testing.T) {
	rounds, away := faultRounds(t)
	url, process := installedEtcd(t)
	f := newFaults(t, []string{url}, url)
	for range min(rounds, 5) {
		if err := process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(away)
		if err := process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		f.goesOn("etcd was stopped")
		away = 300 * time.Millisecond
	}
	f.answered()
	f.end()
}

// silentMember freezes the way to the member that the gateway watches.
func silentMember(t *testing.T) {
	rounds, _ := faultRounds(t)
	f := newMembers(t)
	for i := range min(rounds, 6) {
		i = f.watches(i)
		f.proxies[i].Freeze()
		f.goesOn(fmt.Sprintf("member %d was frozen", i))
		f.proxies[i].Thaw()
	}
	f.answered()
	f.end()
}

// partedMember cuts the member that the gateway watches off from the others: it
// answers, and knows of nothing new.
func partedMember(t *testing.T) {
	rounds, _ := faultRounds(t)
	f := newMembers(t)
	for i := range min(rounds, 6) {
		i = f.watches(i)
		f.Part(i)
		f.goesOn(fmt.Sprintf("member %d was parted from the others", i))
		f.Join(i)
	}
	f.answered()
	f.end()
}

// members are faults with a cluster of three, each behind a proxy.
type members struct {
	*faults
	*etcdtest.Server
	proxies []*etcdtest.Proxy
}

func newMembers(t *testing.T) *members {
	t.Helper()
	m := &members{Server: etcdtest.Cluster(t, 3)}
	var urls []string
	for _, u := range m.URLs() {
		p := etcdtest.NewProxy(t, u)
		m.proxies, urls = append(m.proxies, p), append(urls, p.URL())
	}
	m.faults = newFaults(t, m.URLs(), urls...)
	return m
}

// watches has the gateway watch one member, counted from the one that leads: it is
// the only one that can be reached for a while.
func (m *members) watches(i int) int {
	m.Helper()
	i = (i + m.Leader(m.TB)) % len(m.proxies)
	for j, p := range m.proxies {
		if j != i {
			p.Freeze()
			p.Cut()
		}
	}
	m.goesOn(fmt.Sprintf("all members but %d were out of reach", i))
	for _, p := range m.proxies {
		p.Thaw()
	}
	return i
}

// old waits until answers say how old they are. Meanwhile they come as fast as ever,
// and in the end, if there is time for that, the gateway is no longer ready.
func (f *faults) old() {
	f.Helper()
	f.answered()
	age := 0
	for end := time.Now().Add(within(8 * time.Second)); age == 0; time.Sleep(100 * time.Millisecond) {
		resp, err := http.Get(f.gateway.gateway + "/v2/keys" + loadKey) //nolint:noctx // a test server's
		if err != nil {
			f.Fatal(err)
		}
		_ = resp.Body.Close() // only the head is looked at
		if age, _ = strconv.Atoi(resp.Header.Get(gateway.AgeHeader)); age == 0 && time.Now().After(end) {
			f.Fatal("answers do not say how old they are")
		}
	}
	if age < 5 {
		f.Errorf("answers are said to be %d s old", age)
	}
	if os.Getenv(faultsVariable) != "" {
		for end := time.Now().Add(within(8 * time.Second)); ; time.Sleep(100 * time.Millisecond) {
			status, body := get(f.TB, f.gateway.metrics+"/readyz")
			if status == http.StatusServiceUnavailable && strings.Contains(body, "the store has been silent for 1") {
				break
			}
			if time.Now().After(end) {
				f.Fatalf("with a silent store it is ready: %d, %s", status, body)
			}
		}
	}
	took := f.answered()
	slices.Sort(took)
	if len(took) < 100 || took[len(took)/2] > within(50*time.Millisecond) {
		f.Fatalf("from memory there were %d answers: %v", len(took), took)
	}
	f.Logf("%d answers from memory: half of them in %v, all in %v", len(took), took[len(took)/2], took[len(took)-1])
}

// guardian runs a program, says what its process is, and kills it when its own
// standard input ends: with the test, however that ends.
const guardian = `"$@" & echo $!; read -r _; kill -9 $!; wait`

// installedEtcd runs the etcd that is installed, until the test ends.
func installedEtcd(t *testing.T) (url string, process *os.Process) {
	t.Helper()
	program, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("needs an etcd to stop (Debian: etcd-server); none is installed")
	}
	url, peer := "http://"+free(t), "http://"+free(t)
	cmd := exec.Command("sh", "-c", guardian, "sh", program,
		"--name=one", "--data-dir="+filepath.Join(t.TempDir(), "data"), "--listen-client-urls="+url, "--advertise-client-urls="+url,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=one="+peer)
	cmd.Env = []string{"ETCD_UNSUPPORTED_ARCH=" + runtime.GOARCH, "PATH=" + os.Getenv("PATH")}
	life, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = life.Close()
		_ = cmd.Wait() // the guardian says that it has killed it
	})
	said := bufio.NewReader(out)
	line, err := said.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if process, err = os.FindProcess(pid); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if status, _, err := ask(t.Context(), reader(1), url+"/health"); err == nil && status == http.StatusOK {
			return url, process
		}
		if time.Now().After(end) {
			t.Fatal("etcd does not get ready")
		}
	}
}

// TestServeBeforeTheStore starts a gateway while the store is away, or silent: every
// request is answered with 500 at once, until the store comes.
func TestServeBeforeTheStore(t *testing.T) {
	t.Parallel()
	together(t, map[string]func(*testing.T){
		"away": func(t *testing.T) {
			m := newRestarted(t)
			s := seeded(t, m.URL())
			m.Kill(0)
			beforeTheStore(t, s, func() { m.start(t) })
		},
		"frozen": func(t *testing.T) {
			p := etcdtest.NewProxy(t, etcdtest.Start(t).URL())
			s := seeded(t, p.URL())
			p.Freeze()
			beforeTheStore(t, s, p.Thaw)
		},
	})
}

// seeded is a site whose objects are in a store.
func seeded(t *testing.T, url string) *site {
	t.Helper()
	s := etcdSite(t, url)
	s.file("data/mwconfig/m.yaml", "common: [WMFMasterDatacenter]\n")
	s.ok("--quiet", "sync", "--directory", "data")
	return s
}

func beforeTheStore(t *testing.T, s *site, comes func()) {
	t.Helper()
	v := s.serve(2, "--gateway", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
	var all sync.WaitGroup
	for _, r := range [][]string{
		{http.MethodGet, loadKey}, {http.MethodHead, loadKey}, {http.MethodGet, loadTree + "?recursive=true"},
		{http.MethodGet, loadKey + "?quorum=true"}, {http.MethodGet, "/nothing/here"}, {http.MethodHead, ""},
		{http.MethodGet, loadKey + "?wait=true"}, {http.MethodGet, loadTree + "?wait=true&recursive=true&waitIndex=1"},
		{http.MethodGet, loadTree + "?wait=true&recursive=true&waitIndex=1", "PyBal/1.15"},
	} {
		all.Go(func() { v.hasNothing(t, r) })
	}
	all.Wait()
	until(t, v.metrics+"/readyz", http.StatusServiceUnavailable, "the store")
	comes()
	begun := time.Now()
	for {
		status, body := requested(t, reader(1), v.gateway, []string{http.MethodGet, loadKey})
		took := time.Since(begun).Round(time.Millisecond)
		if status == http.StatusOK {
			t.Logf("right after %v", took)
			break
		}
		if status != http.StatusInternalServerError || took > within(5*time.Second) {
			t.Fatalf("%v after the store has come: %d, %s", took, status, body)
		}
	}
	until(t, v.metrics+"/readyz", http.StatusOK, "ok")
}

// hasNothing makes a request some times: it is always answered with 500, and the
// fastest answer says how long the gateway takes for it.
func (v *server) hasNothing(t *testing.T, r []string) {
	t.Helper()
	c := reader(1)
	defer c.CloseIdleConnections()
	fastest := time.Hour
	for range 4 {
		begun := time.Now()
		status, body := requested(t, c, v.gateway, r)
		fastest = min(fastest, time.Since(begun))
		if status != http.StatusInternalServerError || r[0] == http.MethodGet && !strings.Contains(body, `"errorCode":300`) {
			t.Errorf("before the store was there, %q is answered with %d, %s", r, status, body)
		}
	}
	if fastest > within(500*time.Millisecond) {
		t.Errorf("before the store was there, %q is answered after %v", r, fastest)
	}
}

// requested makes a request: a method, a key and perhaps who asks. The status is 0 if
// there was no answer.
func requested(t *testing.T, c *http.Client, base string, r []string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r[0], base+"/v2/keys"+r[1], http.NoBody)
	if err != nil {
		return 0, err.Error()
	}
	if len(r) > 2 {
		req.Header.Set("User-Agent", r[2])
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}
