package readers_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/readers"
	"github.com/conftool/confctl/pkg/sal"
)

// ttlServer starts a name server that answers with addresses and their TTL,
// authoritatively or from its cache.
func ttlServer(t *testing.T, authoritative bool, ttl *atomic.Uint32, addresses ...string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		packet := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			reply := dnsAnswer(packet[:n], addresses)
			if !authoritative {
				reply[2] &^= 4
			}
			for i := range addresses {
				binary.BigEndian.PutUint32(reply[len(reply)-16*i-10:], ttl.Load())
			}
			_, _ = conn.WriteTo(reply, from)
		}
	}()
	return conn.LocalAddr().String()
}

func steeredReader(s *site, server, more string) readers.Check {
	return s.check(s.declare("steered", fmt.Sprintf(
		`[{kind: dns, name: "{dnsdisc}.example.net", server: "%s", answers: {eqiad: 10.2.2.0/24, codfw: 10.2.1.0/24}%s}]`, server, more)))
}

// A changed TTL is not seen until the name server answers with it.
func TestTTL(t *testing.T) {
	ttl := new(atomic.Uint32)
	ttl.Store(300)
	server := ttlServer(t, true, ttl, "10.2.2.9")
	s := newSite(t)
	s.put("a", ago(time.Hour), "steered", "api/eqiad", `{"pooled": true, "ttl": 300}`, "api/codfw", `{"pooled": false, "ttl": 300}`)
	c := steeredReader(s, server, "")
	expect(t, s.only(c), readers.OK, "answers with eqiad")

	c.Since = []sal.Stored{s.put("ttl", ago(50*time.Second), "steered", "api/eqiad", `{"pooled": true, "ttl": 17}`)}
	expect(t, s.only(c), readers.Warning, `answers with TTL 300 for "eqiad", not 17: 50s late, since change ttl`)
	c.Since = nil
	expect(t, s.only(c), readers.Warning, `answers with TTL 300 for "eqiad", not 17: 50s late, since change ttl`)
	ttl.Store(17)
	expect(t, s.only(c), readers.OK, "answers with eqiad")

	c.Since = []sal.Stored{s.put("both", ago(time.Second), "steered", "api/eqiad", `{"pooled": true, "ttl": 9}`, "api/codfw", `{"pooled": true, "ttl": 9}`)}
	expect(t, s.only(c), readers.Warning, `answers with TTL 17 for "eqiad", not 9`)
	ttl.Store(9)
	expect(t, s.only(c), readers.Unknown, "whether it has seen codfw pooled does not show")
	c.Since = []sal.Stored{s.put("again", ago(time.Second), "steered", "api/eqiad", `{"pooled": true, "ttl": 8}`, "api/codfw", `{"pooled": true, "ttl": 8}`)}
	expect(t, s.only(c), readers.Warning, `answers with TTL 9 for "eqiad", not 8`)
	ttl.Store(8)
	expect(t, s.only(c), readers.OK, "has what is in the change as it is in the store")
}

// Changes that a name server does not show are not known to be seen.
func TestSinceWhatDoesNotShow(t *testing.T) {
	ttl := new(atomic.Uint32)
	ttl.Store(300)
	server := ttlServer(t, true, ttl, "10.2.2.9")
	s := newSite(t)
	s.put("a", ago(time.Hour), "steered", "api/eqiad", `{"pooled": true}`, "api/codfw", `{"pooled": true}`)
	c := steeredReader(s, server, "")
	c.Since = []sal.Stored{s.put("other", ago(time.Second), "steered", "api/codfw", `{"pooled": true, "ttl": 17}`)}
	expect(t, s.only(c), readers.Unknown, "answers with eqiad", "whether it has seen the ttl of codfw does not show in that")
	c.Since = []sal.Stored{s.put("list", ago(time.Second), "steered", "api/eqiad", `{"pooled": true, "references": ["x"]}`)}
	expect(t, s.only(c), readers.Unknown, "whether it has seen the references of eqiad does not show")
	c.Since = nil
	expect(t, s.only(c), readers.OK)

	c.Readers = steeredReader(s, server, ", ttl: none").Readers
	ttl.Store(5)
	expect(t, s.only(c), readers.OK)
	c.Since = []sal.Stored{s.put("here", ago(time.Second), "steered", "api/eqiad", `{"pooled": true, "ttl": 17, "references": ["x"]}`)}
	expect(t, s.only(c), readers.Unknown, "whether it has seen the ttl of eqiad does not show")

	// This PyBal does not report weights.
	s.put("a", ago(time.Hour), "node", "eqiad/text/https/cp1", `{"pooled": "yes", "weight": 1}`)
	p := s.check(s.declare("node", fmt.Sprintf(`[{kind: pybal, url: "%s/pools/x"}]`, says(t, "cp1:\tenabled/up/pooled\n"))))
	p.Since = []sal.Stored{s.put("weight", ago(time.Second), "node", "eqiad/text/https/cp1", `{"pooled": "yes", "weight": 7}`)}
	got := s.only(p)
	expect(t, got, readers.Unknown, "whether it has seen the weight of cp1 does not show")
	p.Since = nil
	if got = s.only(p); got.Level != readers.OK || got.Note != "this PyBal does not say which weights it has read: they are not compared" {
		t.Errorf("%v: %s; note %q", got.Level, got.Msg, got.Note)
	}
}

// A cache counts the TTL down, and a zone keeps TTLs within a range.
func TestTTLAsAnswered(t *testing.T) {
	for _, c := range []struct {
		name          string
		authoritative bool
		ttl           uint32
		more          string
		level         readers.Level
		words         string
	}{
		{"from a cache", false, 123, "", readers.Unknown, "the answer is not authoritative, so its TTL cannot be compared"},
		{"from a cache, not compared", false, 123, ", ttl: none", readers.OK, "answers with eqiad"},
		{"no more than the zone allows", true, 60, ", ttl: 10-60", readers.OK, "answers with eqiad"},
		{"less than the zone allows", true, 5, ", ttl: 10-60", readers.Critical, `answers with TTL 5 for "eqiad", not 60`},
		{"that of a place that was passed", true, 30, "", readers.OK, "answers with eqiad"},
		{"lower than any", true, 29, "", readers.Critical, `answers with TTL 29 for "eqiad", not 300`},
		{"higher", true, 301, "", readers.Critical, `answers with TTL 301 for "eqiad", not 300`},
	} {
		s := newSite(t)
		s.put("a", ago(time.Hour), "steered", "api/eqiad", `{"pooled": true}`, "api/codfw", `{"pooled": false, "ttl": 30}`)
		t.Run(c.name, func(t *testing.T) {
			ttl := new(atomic.Uint32)
			ttl.Store(c.ttl)
			expect(t, s.only(steeredReader(s, ttlServer(t, c.authoritative, ttl, "10.2.2.9"), c.more)), c.level, c.words)
		})
	}
	s := newSite(t)
	for _, bad := range []string{"5", "300-10", "0-0", "-1-5", "never"} {
		_, problems := s.load("steered", `[{kind: dns, name: x, server: ns0, answers: {eqiad: 10.2.2.0/24}, ttl: `+bad+`}]`)
		if len(problems) != 1 {
			t.Errorf("ttl: %s has %d problems", bad, len(problems))
		}
	}
	if _, problems := s.load("discovery", `[{kind: dns, name: x, server: ns0, answers: {eqiad: 10.2.2.0/24}, ttl: none}]`); len(problems) != 1 {
		t.Error("a type without TTLs has them compared")
	}
}

// TestDnsmasqTTL checks the TTL and the authority in answers of a real name server.
func TestDnsmasqTTL(t *testing.T) {
	server := dnsmasq(t, "--local=/example.net/", "--host-record=api.example.net,10.2.2.9", "--local-ttl=17")
	s := newSite(t)
	s.put("a", ago(time.Hour), "steered", "api/eqiad", `{"pooled": true, "ttl": 17}`)
	c := steeredReader(s, server, "")
	expect(t, s.only(c), readers.OK, "answers with eqiad")
	s.put("b", ago(50*time.Second), "steered", "api/eqiad", `{"pooled": true, "ttl": 300}`)
	expect(t, s.only(c), readers.Warning, `answers with TTL 17 for "eqiad", not 300: 50s late, since change b`)
}
