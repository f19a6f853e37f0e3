package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// server is a confctl serve that runs until the test ends.
type server struct {
	testing.TB
	*exec.Cmd
	gateway, metrics string // URLs; empty for a part that is off
	said             chan string
}

// serve starts the service, and waits until it listens.
func (s *site) serve(parts int, args ...string) *server {
	s.Helper()
	v := &server{TB: s.TB, Cmd: s.command(append([]string{"serve"}, args...)...), said: make(chan string, 1000)}
	stderr, err := v.StderrPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := v.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		_ = v.Process.Kill()
		_, _ = v.Process.Wait()
	})
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			v.said <- lines.Text()
		}
		close(v.said)
	}()
	listens := regexp.MustCompile(`(gateway|metrics) listens on (\S+)`)
	for range parts {
		m := listens.FindStringSubmatch(v.says("listens on"))
		url := "http://" + m[2]
		if m[1] == "gateway" {
			v.gateway = url
		} else {
			v.metrics = url
		}
	}
	return v
}

// says waits until the service says something.
func (v *server) says(text string) string {
	v.Helper()
	for late := time.After(10 * time.Second); ; {
		select {
		case line, open := <-v.said:
			if strings.Contains(line, text) {
				return line
			}
			if !open {
				v.Fatalf("it ended, and did not say %q", text)
			}
		case <-late:
			v.Fatalf("it does not say %q", text)
		}
	}
}

// get returns the status and the body that a URL answers with.
func get(t testing.TB, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url) //nolint:noctx // a test server's
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// until waits until a URL answers with a status and a text.
func until(t testing.TB, url string, status int, text string) {
	t.Helper()
	var got int
	var body string
	for range 100 {
		if got, body = get(t, url); got == status && strings.Contains(body, text) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s answers %d, %s", url, got, body)
}

// TestServe: what readers of the v2 API see follows every change at once, and the
// service ends in good order.
func TestServe(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	s.file("confctl.yaml", "serve:\n  gateway: {listen: '127.0.0.1:0', allow: [/conftool/v1/pools]}\n  metrics: {listen: '127.0.0.1:0'}\n  deliver: true\n")
	v := s.serve(2)
	until(t, v.metrics+"/readyz", 200, "ok")
	if status, body := get(t, v.gateway+"/v2/keys/conftool/v1/pools/north/web/http?recursive=true"); status != 200 || strings.Count(body, `"modifiedIndex"`) != 4 {
		t.Errorf("%d, %s", status, body)
	}
	if status, _ := get(t, v.gateway+"/v2/keys/conftool/v1/discovery?recursive=true"); status != 403 {
		t.Errorf("what is not allowed answers %d", status)
	}
	waiting := make(chan string, 1)
	go func() {
		resp, err := http.Get(v.gateway + "/v2/keys/conftool/v1/pools?recursive=true&wait=true") //nolint:noctx // it ends with the service
		if err != nil {
			waiting <- err.Error()
			return
		}
		defer resp.Body.Close() //nolint:errcheck // it was read
		body, _ := io.ReadAll(resp.Body)
		waiting <- string(body)
	}()
	until(t, v.metrics+"/metrics", 200, "confctl_gateway_waiting 1")
	s.ok("select", "name=web9.example", "set/weight=77")
	var event struct {
		Action string
		Node   struct{ Key, Value string }
	}
	if err := json.Unmarshal([]byte(<-waiting), &event); err != nil || event.Node.Key != "/conftool/v1/pools/south/web/http/web9.example" || !strings.Contains(event.Node.Value, `"weight": 77`) {
		t.Errorf("%v, %+v", err, event)
	}
	if err := v.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := v.Wait(); err != nil {
		t.Errorf("asked to end: %v", err)
	}
}

// TestServeWithoutTheStore: before the store was ever there it is a 500 and never a
// 404; afterwards answers go on without it, and say how old they are.
func TestServeWithoutTheStore(t *testing.T) {
	at := etcdtest.Start(t)
	s := etcdSite(t, at.URL())
	s.ok("--quiet", "sync", "--directory", "data")
	v := s.serve(2, "--gateway", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
	key := v.gateway + "/v2/keys/conftool/v1/pools/south/web/http/web9.example"
	until(t, key, 200, "inactive")
	at.Kill(0)
	until(t, v.metrics+"/healthz", 200, "ok")
	if status, body := get(t, key); status != 200 || !strings.Contains(body, "inactive") {
		t.Errorf("without the store: %d, %s", status, body)
	}

	away := newSite(t, "driver_options: {etcd_config_file: etcdrc}\n")
	away.file("etcdrc", "host: 127.0.0.1\nport: 9\n")
	v = away.serve(2, "--gateway", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
	begun := time.Now()
	if status, body := get(t, v.gateway+"/v2/keys/conftool/v1/pools?recursive=true"); status != 500 || !strings.Contains(body, `"errorCode":300`) || time.Since(begun) > time.Second {
		t.Errorf("before the store was there: %d after %v, %s", status, time.Since(begun), body)
	}
	until(t, v.metrics+"/readyz", 503, "the store could not be read yet")
}

// TestServeTLS: the certificate is read again when it has changed, and one that
// cannot be used does not replace the one that can.
func TestServeTLS(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	ca := etcdtest.NewAuthority(t)
	install := func(host string) {
		t.Helper()
		cert, key := ca.Issue(t, host, time.Now().Add(time.Hour))
		for from, to := range map[string]string{cert: "gw.pem", key: "gw.key"} {
			text, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			s.file(to, string(text))
		}
	}
	names := func(address string) string {
		t.Helper()
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // nothing was written
		leaf := c.ConnectionState().PeerCertificates[0]
		return strings.Join(leaf.DNSNames, " ")
	}
	install("one.example")
	v := s.serve(1, "--gateway", "127.0.0.1:0", "--cert", "gw.pem", "--key", "gw.key")
	address := strings.TrimPrefix(v.gateway, "http://")
	if got := names(address); got != "one.example" {
		t.Errorf("the certificate is of %q", got)
	}
	time.Sleep(1100 * time.Millisecond) // it is looked at once a second
	s.file("gw.pem", "nothing\n")
	names(address)
	v.says("going on with the one from before")
	install("two.example")
	later := time.Now().Add(2 * time.Second)
	for _, file := range []string{"gw.pem", "gw.key"} {
		if err := os.Chtimes(filepath.Join(s.dir, file), later, later); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(1100 * time.Millisecond)
	if got := names(address); got != "two.example" {
		t.Errorf("after it was replaced, the certificate is of %q", got)
	}
}

// TestServeTellsSystemd what it waits for.
func TestServeTellsSystemd(t *testing.T) {
	s := newSite(t, localConfig)
	socket := filepath.Join(t.TempDir(), "n")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test is over
	s.env = append(s.env, "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=200000")
	v := s.serve(1, "--gateway", "127.0.0.1:0")
	told := func() string {
		t.Helper()
		text := make([]byte, 100)
		if err := l.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := l.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(text[:n])
	}
	if got := told() + told(); got != "READY=1WATCHDOG=1" {
		t.Errorf("told %q", got)
	}
	if err := v.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	got := told()
	for got == "WATCHDOG=1" {
		got = told()
	}
	if got != "STOPPING=1" {
		t.Errorf("at the end told %q", got)
	}
}

// TestBounded: beyond its bound a listener takes no connection, and takes them
// again when others have gone.
func TestBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	b := &bounded{Listener: l, most: 2}
	defer b.Close() //nolint:errcheck // the test is over
	accepted := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := b.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", l.Addr().String()) //nolint:noctx // a test's
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	dial()
	dial()
	first := <-accepted
	<-accepted
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("a third connection was taken")
	}
	_, _ = first.Close(), first.Close() // twice, and counted once
	dial()
	select {
	case <-accepted:
	case <-time.After(5 * time.Second):
		t.Error("no connection is taken after one has gone")
	}
}
