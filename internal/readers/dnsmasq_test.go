package readers_test

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/readers"
)

// dnsmasq starts a real name server on its own port, and returns its address with
// the port.
func dnsmasq(t *testing.T, options ...string) string {
	t.Helper()
	program, err := exec.LookPath("dnsmasq")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/dnsmasq")
	}
	if err != nil {
		t.Skip("needs dnsmasq: apt-get install dnsmasq-base")
	}
	address := freePort(t)
	_, port, _ := strings.Cut(address, ":")
	cmd := exec.Command(program, append([]string{"--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=",
		"--user=", "--bind-interfaces", "--listen-address=127.0.0.1", "--no-dhcp-interface=lo", "--port=" + port}, options...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 500 {
		if conn, err := net.Dial("tcp", address); err == nil {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			return address
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("dnsmasq does not listen at %s", address)
	return ""
}

// freePort returns an address on which nothing listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nothing was sent
	return l.Addr().String()
}

// TestDnsmasq checks the answers of a real name server.
func TestDnsmasq(t *testing.T) {
	options := []string{
		"--local=/example.net/", "--max-cache-ttl=0",
		"--host-record=one.example.net,10.2.2.9",
		"--host-record=six.example.net,2001:db8:2::9",
		"--host-record=dual.example.net,10.2.2.9,2001:db8:2::9",
		"--host-record=away.example.net,10.2.1.9",
		"--host-record=torn.example.net,10.2.2.9,2001:db8:1::9",
		"--host-record=nowhere.example.net,192.0.2.1",
		"--cname=alias.example.net,one.example.net",
		"--txt-record=text.example.net,no address",
		"--cname=to-nothing.example.net,gone.example.net",
	}
	for i := range 60 { // makes the answer longer than 512 bytes
		options = append(options, fmt.Sprintf("--host-record=many.example.net,10.2.2.%d", i+1))
	}
	server := dnsmasq(t, options...)
	s := newSite(t)
	s.put("a", ago(time.Hour), "discovery", "api/eqiad", `{"pooled": true}`, "api/codfw", `{"pooled": false}`)
	for _, c := range []struct {
		name  string
		level readers.Level
		words string
	}{
		{"one.example.net", readers.OK, "answers with eqiad"},
		{"ONE.Example.net.", readers.OK, "answers with eqiad"},
		{"six.example.net", readers.OK, "answers with eqiad"},
		{"dual.example.net", readers.OK, "answers with eqiad"},
		{"alias.example.net", readers.OK, "answers with eqiad"},
		{"many.example.net", readers.OK, "answers with eqiad"},
		{"away.example.net", readers.Critical, "answers with 10.2.1.9 (codfw), which is not pooled: 1h0m0s late"},
		{"torn.example.net", readers.Critical, "answers with 2001:db8:1::9 (codfw), which is not pooled"},
		{"nowhere.example.net", readers.Critical, `answers with 192.0.2.1, which is of no place, and "eqiad" is pooled`},
		{"text.example.net", readers.Unknown, "answers that the name has no address"},
		{"missing.example.net", readers.Unknown, "answers that there is no such name (NXDOMAIN): is the name right?"},
		{"to-nothing.example.net", readers.Unknown, "answers that the name has no address"},
		{"elsewhere.example.org", readers.Unknown, "the name server answers REFUSED to the question for A"},
	} {
		got := s.only(s.check(s.declare("discovery", fmt.Sprintf(
			`[{kind: dns, name: "%s", server: "%s", answers: {eqiad: [10.2.2.0/24, "2001:db8:2::/48"], codfw: [10.2.1.0/24, "2001:db8:1::/48"]}}]`, c.name, server))))
		if got.Level != c.level || !strings.Contains(got.Msg, c.words) {
			t.Errorf("%s: %v: %s; want %v: %s", c.name, got.Level, got.Msg, c.level, c.words)
		}
	}
}

// TestNameServerAway checks a server that does not listen, and a host that does not
// exist.
func TestNameServerAway(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(time.Hour), "discovery", "api/eqiad", `{"pooled": true}`)
	for server, want := range map[string]string{
		freePort(t):            "connection refused",
		"ns0.invalid":          "name server ns0.invalid:53: ", // no such host, or no resolver here
		"127.0.0.1:" + mute(t): "no answer within 200ms",
	} {
		c := s.check(s.declare("discovery", fmt.Sprintf(`[{kind: dns, name: x.example.net, server: "%s", answers: {eqiad: 10.2.2.0/24}}]`, server)))
		if strings.HasPrefix(want, "no answer") {
			c.Timeout = 200 * time.Millisecond
		}
		expect(t, s.only(c), readers.Unknown, want)
	}
}

// mute returns a port that accepts questions and never answers.
func mute(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, port, _ := strings.Cut(conn.LocalAddr().String(), ":")
	return port
}
