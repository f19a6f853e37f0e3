package cli

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
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
	return s.started(s.command(append([]string{"serve"}, args...)...), parts)
}

// started starts the service as a command, and waits until it listens.
func (s *site) started(cmd *exec.Cmd, parts int) *server {
	s.Helper()
	v := &server{TB: s.TB, Cmd: cmd, said: make(chan string, 1000)}
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
	t.Parallel()
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
	if status, body := get(t, v.gateway+"/v2/keys/conftool/v1/pools?recursive=true"); status != 500 || !strings.Contains(body, `"errorCode":300`) || time.Since(begun) > within(time.Second) {
		t.Errorf("before the store was there: %d after %v, %s", status, time.Since(begun), body)
	}
	until(t, v.metrics+"/readyz", 503, "the store could not be read yet")
}

// TestServeRefuses what makes no service: with the option, or the place in
// confctl.yaml, that is to be changed, and before it listens anywhere.
func TestServeRefuses(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	taken, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // the test is over
	at := taken.Addr().String()
	_, port, _ := strings.Cut(at, ":")
	s.file("broken.pem", "nothing\n")
	gateway := func(more string) string { return "serve:\n  gateway:\n    listen: 127.0.0.1:0\n" + more }
	for _, c := range []struct {
		file string
		args string
		code int
		says string
	}{
		{"", "", exitUsage, "nothing to serve: no part is switched on\n  confctl serve --gateway 127.0.0.1:4001"},
		{"", "--deliver", exitUsage, "no sink is configured\n  sinks are listed under sal: in confctl.yaml"},
		{"serve:\n  deliver: maybe\n", "", exitInvalid, `confctl.yaml:2:12: deliver cannot be "maybe"; it takes true or false`},
		{"serve:\n  gatway: {}\n", "", exitInvalid, `confctl.yaml:2:3: serve has no "gatway" (did you mean gateway?); it takes gateway, metrics, deliver`},
		{"serve:\n  gateway: {lisen: x}\n", "", exitInvalid, `confctl.yaml:2:13: gateway has no "lisen" (did you mean listen?); it takes listen, cert, key, allow`},
		{"serve:\n  gateway: 127.0.0.1:4001\n", "", exitInvalid, `confctl.yaml:2:12: gateway must be a map, not "127.0.0.1:4001"`},
		{"serve:\n  gateway:\n  deliver: true\n", "", exitInvalid, "confctl.yaml:2:3: gateway has no listen, an address like 127.0.0.1:4001"},
		{"serve:\n  gateway: {allow: [/conftool/v1]}\n", "", exitInvalid, "confctl.yaml:2:3: gateway has no listen, an address like 127.0.0.1:4001"},
		{"serve:\n  metrics: {}\n", "", exitInvalid, "confctl.yaml:2:3: metrics has no listen, an address like 127.0.0.1:9567"},
		{"serve:\n  metrics: {}\n", "--metrics " + at, exitUsage, "metrics cannot listen on " + at},
		{"serve:\n  gateway: {listen: 4001}\n", "", exitInvalid, `confctl.yaml:2:21: "4001" is not an address to listen on; give one like 127.0.0.1:4001 for this host only, or ":4001" for everybody`},
		{"", "--gateway ::1:70", exitUsage, `--gateway: "::1:70" is not an address to listen on; give one like 127.0.0.1:4001`},
		{"", "--gateway localhost:70000", exitUsage, `--gateway: "localhost:70000" is not an address to listen on`},
		{"", "--metrics http://localhost:70", exitUsage, `--metrics: "http://localhost:70" is not an address to listen on; give one like 127.0.0.1:9567`},
		{"", "--gateway :4001 --metrics 127.0.0.1:4001", exitUsage, "--metrics: metrics cannot listen on 127.0.0.1:4001: the gateway listens on :4001\n  give it another port"},
		{"", "--gateway 127.0.0.1:0 --metrics " + at, exitUsage, "metrics cannot listen on " + at + ": address already in use\n  something listens there already, maybe another confctl serve; what it is: ss -ltnp 'sport = :" + port + "'\n  to have this one listen elsewhere: --metrics 127.0.0.1:PORT\n"},
		{"serve:\n  metrics:\n    listen: " + at + "\n", "", exitUsage, "to have this one listen elsewhere: 127.0.0.1:PORT at confctl.yaml:3:13\n"},
		{"", "--gateway 192.0.2.1:4001", exitUsage, "gateway cannot listen on 192.0.2.1:4001: cannot assign requested address\n  192.0.2.1 is not an address of this host; those it has: ip -brief address\n  to have it listen on this host alone: --gateway 127.0.0.1:4001\n"},
		{gateway("    cert: gw.pem\n"), "", exitInvalid, "confctl.yaml:4:11: cert needs the private key too, key; give both, or neither to speak plain HTTP"},
		{gateway("    key: gw.key\n"), "", exitInvalid, "confctl.yaml:4:10: key needs the certificate too, cert"},
		{gateway("    cert: gw.pem\n    key: gw.key\n"), "", exitInvalid, "confctl.yaml:4:11: certificate " + s.dir + "/gw.pem with key " + s.dir + "/gw.key: open gw.pem: no such file or directory; a relative path begins where serve is started, wherever confctl.yaml is"},
		{gateway(""), "--cert broken.pem --key broken.pem", exitUsage, "--cert: certificate " + s.dir + "/broken.pem with key " + s.dir + "/broken.pem: tls: "},
		{gateway(""), "--key x", exitUsage, "--key: key needs the certificate too, cert"},
		{"", "--metrics 127.0.0.1:0 --cert x --key y", exitUsage, "--cert: a certificate is for the gateway, which is not switched on\n  add --gateway ADDRESS"},
		{"", "--metrics 127.0.0.1:0 --allow-prefix /x", exitUsage, "--allow-prefix: keys to allow are for the gateway, which is not switched on"},
		{gateway("    allow:\n      - /conftool/v1/pools\n      - /conftool/v1x\n"), "", exitInvalid, "confctl.yaml:6:9: allowed prefix \"/conftool/v1x\" is not below /conftool/v1/, and nothing else is served"},
		{gateway("    allow: []\n"), "", exitInvalid, "confctl.yaml:4:5: an empty key allows nothing; leave it out to serve everything"},
		{gateway("    allow: [/conftool/v1/pools, null]\n"), "", exitInvalid, "confctl.yaml:4:33: an empty key allows nothing"},
		{gateway("    allow:\n"), "", exitInvalid, "confctl.yaml:4:5: an empty key allows nothing"},
		{"", "--gateway 127.0.0.1:0 --allow-prefix=", exitUsage, "--allow-prefix: an empty key allows nothing\n  leave it out"},
		{gateway("    allow: /conftool/v1/pools\n"), "", exitInvalid, `confctl.yaml:4:12: allow must be a list, not "/conftool/v1/pools"`},
	} {
		s.file("confctl.yaml", c.file)
		stdout, stderr, code := s.run(append([]string{"serve"}, strings.Fields(c.args)...)...)
		stderr = strings.ReplaceAll(stderr, s.dir+"/confctl.yaml", "confctl.yaml")
		if code != c.code || !strings.Contains(stderr, "confctl: "+c.says) && !strings.Contains(stderr, "\n  "+c.says) || strings.Contains(stderr, "listens on 127") || stdout != "" {
			t.Errorf("%q and %q end with %d:\n%s\nwant %d: %s", c.file, c.args, code, stderr, c.code, c.says)
		}
	}
	s.file("confctl.yaml", gateway("    cert: gw.pem\n    allow: [/x]\n"))
	s.ok("select", "name=.*", "get") // what is wrong with serve keeps nobody from anything else
}

// TestServeNamesWhatIsMissing: what is allowed and not there may be misspelt.
func TestServeNamesWhatIsMissing(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	v := s.serve(1, "--gateway", "127.0.0.1:0", "--allow-prefix", "/conftool/v1/pools,/conftool/v1/polls")
	if said := v.says("is it spelt right"); !strings.Contains(said, "nothing is at or below /conftool/v1/polls, which --allow-prefix allows") {
		t.Errorf("said %q", said)
	}
}

// TestServeHangsUp: it ends with its terminal, but not with one that nohup has it
// outlive.
func TestServeHangsUp(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	hangUp := func(v *server) {
		t.Helper()
		if err := v.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	v := s.serve(1, "--gateway", "127.0.0.1:0")
	hangUp(v)
	if err := v.Wait(); err != nil {
		t.Errorf("hung up: %v", err)
	}
	signal.Ignore(syscall.SIGHUP) // of this process, and so of those it starts
	v = s.serve(1, "--gateway", "127.0.0.1:0")
	signal.Reset(syscall.SIGHUP)
	hangUp(v)
	time.Sleep(100 * time.Millisecond) // for a signal that it should not heed
	if status, body := get(t, v.gateway+"/v2/keys/conftool/v1"); status != http.StatusOK {
		t.Errorf("%d, %s", status, body)
	}
}

// TestServeEndsAtOnce when nobody is being answered, whatever connections there are.
func TestServeEndsAtOnce(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	cert, key := etcdtest.NewAuthority(t).Issue(t, "one.example", time.Now().Add(time.Hour))
	v := s.serve(2, "--gateway", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--cert", cert, "--key", key)
	for _, url := range []string{v.gateway, v.metrics} {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")) //nolint:noctx // a test's
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // nothing was written
	}
	c, err := tls.Dial("tcp", strings.TrimPrefix(v.gateway, "http://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // nothing was written
	until(t, v.metrics+"/healthz", 200, "ok")
	begun := time.Now()
	if err := v.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := v.Wait(); err != nil {
		t.Errorf("asked to end: %v", err)
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("it took %v to end", took)
	}
}

// TestServeDelivers alone: it waits for its store, and for its sinks.
func TestServeDelivers(t *testing.T) {
	t.Parallel()
	at := etcdtest.Start(t)
	s := etcdSite(t, at.URL())
	bot := newBot(t)
	bot.close()
	s.file("config.yaml", "driver_options: {etcd_config_file: etcdrc}\n"+bot.config())
	s.ok("sync", "--directory", "data")
	s.forgetFailures(storeAt(t, at.URL()))

	down := s.serve(0, "--deliver")
	down.says("delivering announcements to tcpircbot")
	down.says("warning: not delivered: tcpircbot " + bot.listener.Addr().String() + ": connection refused")
	if err := errors.Join(down.Process.Signal(syscall.SIGTERM), down.Wait()); err != nil {
		t.Errorf("asked to end: %v", err)
	}

	s.forgetFailures(storeAt(t, at.URL()))
	back, err := listen(bot.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer back.close()
	way := newRoad(t, strings.TrimPrefix(at.URL(), "http://"))
	host, port, _ := strings.Cut(way.address, ":")
	s.file("etcdrc", "host: "+host+"\nport: "+port+"\n")
	v := s.serve(0, "--deliver")
	v.says("warning: not delivered: store unavailable: http://" + way.address)
	way.open()
	select {
	case said := <-back.messages:
		if !strings.Contains(said, "conftool action : sync") {
			t.Errorf("the bot was told %q", said)
		}
	case <-time.After(20 * time.Second):
		t.Error("the store is back, and nothing is delivered")
	}
}

// forgetFailures has what waits in the outbox be as if who left it had been killed,
// long ago.
func (s *site) forgetFailures(st store.Store) {
	s.Helper()
	outbox, err := st.Read(s.Context(), "/conftool/.confctl/outbox/")
	if err != nil || len(outbox.Entries) == 0 {
		s.Fatalf("%v: the outbox has %v", err, outbox.Entries)
	}
	for _, e := range outbox.Entries {
		var message map[string]any
		if err := json.Unmarshal(e.Value, &message); err != nil {
			s.Fatal(err)
		}
		for _, name := range []string{"holder", "until", "failed", "error"} {
			delete(message, name)
		}
		text, err := json.Marshal(message)
		if err != nil {
			s.Fatal(err)
		}
		if _, err := st.Commit(s.Context(), store.Txn{Writes: []store.Write{{Key: e.Key, Value: text}}}); err != nil {
			s.Fatal(err)
		}
	}
}

// road leads to another address, once it is open.
type road struct {
	testing.TB
	address, to string
}

func newRoad(t testing.TB, to string) *road {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nobody is there
	return &road{t, l.Addr().String(), to}
}

func (r *road) open() {
	r.Helper()
	l, err := net.Listen("tcp", r.address) //nolint:noctx // a test's
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			other, err := net.Dial("tcp", r.to) //nolint:noctx // a test's
			if err != nil {
				_ = c.Close()
				return
			}
			go func() { _, _ = io.Copy(other, c); _ = other.Close() }()
			go func() { _, _ = io.Copy(c, other); _ = c.Close() }()
		}
	}()
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
