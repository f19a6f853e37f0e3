package readers_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/readers"
)

// wikiAt starts one server of a wiki, which answers to the name in the URL, and
// returns its port.
func wikiAt(t *testing.T, address, index string) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, _, _ := strings.Cut(r.Host, ":"); name != "en.example.org" || r.URL.Path != "/w/api.php" {
			t.Errorf("asked for %s of %s", r.URL, r.Host)
		}
		fmt.Fprintf(w, `{"query":{"general":{"wmf-config":{"wmfEtcdLastModifiedIndex":%s}}}}`, index)
	}))
	if err := server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

func told(t *testing.T, results []readers.Result, want ...string) {
	t.Helper()
	var got []string
	for _, r := range results {
		got = append(got, fmt.Sprintf("%v %s: %s", r.Level, r.Reader.Name(), r.Msg))
	}
	if len(got) != len(want) {
		t.Fatalf("%d results: %q", len(got), got)
	}
	for i, w := range want {
		if !strings.HasPrefix(got[i], w) {
			t.Errorf("%q, want %q", got[i], w)
		}
	}
}

// Each server of a URL is asked separately, by the name in the URL.
func TestHostsInAList(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	s.put("b", ago(50*time.Second), "mwconfig", "common/A", `{"val": 2}`)
	seen, late := wikiAt(t, "127.0.0.1:0", leaf(2)), wikiAt(t, "127.0.0.1:0", leaf(1))
	away := freePort(t)
	told(t, s.run(s.check(s.declare("mwconfig", fmt.Sprintf(
		`[{kind: mediawiki, label: en, url: "http://en.example.org/w/api.php", hosts: ["127.0.0.1:%s", "127.0.0.1:%s", "%s"]}]`, seen, late, away)))),
		"OK en 127.0.0.1:"+seen+": has seen revision 2",
		"WARNING en 127.0.0.1:"+late+": has seen revision 1, the last of mwconfig is 2; 1 change is missing: 50s late",
		"UNKNOWN en "+away+": connection refused")
}

// The hosts may be the names of objects, except inactive ones.
func TestHostsOfAType(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	port := wikiAt(t, "127.0.0.1:0", leaf(1))
	s.put("n", ago(time.Hour), "node", "eqiad/appserver/apache/127.0.0.1", `{"pooled": "yes"}`, "eqiad/appserver/nginx/127.0.0.1", `{"pooled": "yes"}`,
		"eqiad/appserver/nginx/127.0.0.2", `{"pooled": "inactive"}`, "eqiad/text/nginx/127.0.0.3", `{"pooled": "yes"}`)
	declare := func(hosts string) readers.Check {
		return s.check(s.declare("mwconfig", fmt.Sprintf(`[{kind: mediawiki, url: "http://en.example.org:%s/w/api.php", hosts: %s}]`, port, hosts)))
	}
	told(t, s.run(declare(`{type: node, select: "cluster=appserver"}`)),
		"OK mediawiki http://en.example.org:"+port+"/w/api.php 127.0.0.1: has seen revision 1")
	told(t, s.run(declare(`{type: node, select: "cluster=none"}`)),
		"UNKNOWN mediawiki http://en.example.org:"+port+"/w/api.php: no host to ask: the store has no node cluster=none that is not inactive")
	if types := s.declare("mwconfig", `[{kind: index, url: "http://x/", hosts: {type: node}}]`)[0].Types(); len(types) != 2 || types[1].Name != "node" {
		t.Errorf("%v", types)
	}
}

// An invalid host is not asked.
func TestHostsThatAreNone(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	s.put("n", ago(time.Hour), "node", "eqiad/appserver/apache/a@b?c", `{"pooled": "yes"}`)
	told(t, s.run(s.check(s.declare("mwconfig", `[{kind: index, label: x, url: "http://x/", hosts: {type: node}}]`))), `UNKNOWN x a@b?c: "a@b?c" is no HOST or HOST:PORT`)
	many := make([]string, 0, 2002)
	for i := range 1001 {
		many = append(many, fmt.Sprintf("eqiad/appserver/apache/h%d", i), `{"pooled": "yes"}`)
	}
	s.put("many", ago(time.Hour), "node", many...)
	told(t, s.run(s.check(s.declare("mwconfig", `[{kind: index, label: x, url: "http://x/", hosts: {type: node}}]`))), "UNKNOWN x: it has 1002 hosts, and at most 1000 are asked")
}

// Every address of a name is asked.
func TestHostsOfAName(t *testing.T) {
	addresses, err := net.LookupHost("localhost")
	if err != nil {
		t.Skipf("localhost has no address: %v", err)
	}
	s := newSite(t)
	s.put("a", ago(time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	port := wikiAt(t, "127.0.0.1:0", leaf(1))
	results := s.run(s.check(s.declare("mwconfig", fmt.Sprintf(
		`[{kind: mediawiki, label: en, url: "http://en.example.org/w/api.php", hosts: "localhost:%s"}]`, port))))
	var names []string
	for _, r := range results {
		names = append(names, r.Reader.Name())
		if r.Reader.Name() == "en 127.0.0.1:"+port && r.Level != readers.OK {
			t.Errorf("%v: %s", r.Level, r.Msg)
		}
	}
	if len(results) < 1 || len(results) > len(addresses) || names[0] != "en 127.0.0.1:"+port {
		t.Errorf("localhost is at %q, asked: %q", addresses, names)
	}
	told(t, s.run(s.check(s.declare("mwconfig", `[{kind: index, label: x, url: "http://x/", hosts: nowhere.invalid}]`))), "UNKNOWN x: looking up nowhere.invalid: ")
}

// The certificate is that of the name in the URL.
func TestHostsOverTLS(t *testing.T) {
	url, ca := secure(t, nil) // of example.com
	host := strings.TrimPrefix(url, "https://")
	s := newSite(t)
	s.put("a", ago(time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	told(t, s.run(s.check(s.declare("mwconfig", fmt.Sprintf(`- {kind: index, label: right, url: "https://example.com/", ca: %s, hosts: ["%s"]}
- {kind: index, label: wrong, url: "https://example.net/", ca: %s, hosts: ["%s"]}`, ca, host, ca, host)))),
		"OK right "+host, "UNKNOWN wrong "+host+": certificate")
}

// Several name servers are asked for one name.
func TestHostsOfNameServers(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(time.Hour), "discovery", "api/eqiad", `{"pooled": true}`, "api/codfw", `{"pooled": false}`)
	right, wrong := nameServer(t, "10.2.2.9"), nameServer(t, "10.2.1.9")
	told(t, s.run(s.check(s.declare("discovery", fmt.Sprintf(
		`[{kind: dns, name: "{dnsdisc}.example.net", answers: {eqiad: 10.2.2.0/24, codfw: 10.2.1.0/24}, hosts: ["%s", "%s"]}]`, right, wrong)))),
		"OK dns api.example.net "+right+": answers with eqiad",
		"CRITICAL dns api.example.net "+wrong+": answers with 10.2.1.9 (codfw), which is not pooled")
}

func TestHostsMistakes(t *testing.T) {
	s := newSite(t)
	for hosts, want := range map[string]string{
		"[]":                       "hosts is empty",
		"[a, 'b c']":               `hosts: "b c" is no HOST or HOST:PORT`,
		"['http://a/']":            "is no HOST or HOST:PORT",
		"{select: dc=x}":           "hosts needs type",
		"{type: nodes}":            `hosts: no object type "nodes" (did you mean node?)`,
		"{type: node, select: x=}": "hosts: select: selector",
		"{type: node, only: dc=x}": `hosts has no "only"; it takes type and select`,
		"'a b'":                    "a DNS name whose every address is to be asked, is expected",
	} {
		_, problems := s.load("mwconfig", `[{kind: mediawiki, url: "http://x/w/api.php", hosts: `+hosts+`}]`)
		if len(problems) != 1 || !strings.Contains(problems[0].Err.Error(), want) {
			t.Errorf("%s: %v, want %s", hosts, problems, want)
		}
	}
	for _, servers := range []string{"", ", server: a, hosts: [b]"} {
		_, problems := s.load("discovery", `[{kind: dns, name: x, answers: {a: 1.1.1.1}`+servers+`}]`)
		if len(problems) != 1 || !strings.Contains(problems[0].Err.Error(), "needs server, or hosts if there are several") {
			t.Errorf("%s: %v", servers, problems)
		}
	}
}

// Networks that are declared for each other's places are reported.
func TestSwappedAnswers(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(time.Hour), "discovery", "api/eqiad", `{"pooled": true}`, "api/codfw", `{"pooled": false}`)
	all := s.declare("discovery", fmt.Sprintf(`[{kind: dns, name: "{dnsdisc}.example.net", server: "%s", answers: {codfw: 10.2.2.0/24, eqiad: 10.2.1.0/24}}]`, nameServer(t, "10.2.2.9")))
	expect(t, s.only(s.check(all)), readers.Critical, "which is not pooled", "; or are the networks of codfw and eqiad swapped in answers?")
	late := newSite(t)
	late.put("a", ago(time.Hour), "discovery", "api/eqiad", `{"pooled": false}`, "api/codfw", `{"pooled": true}`)
	late.put("b", ago(50*time.Second), "discovery", "api/eqiad", `{"pooled": true}`, "api/codfw", `{"pooled": false}`)
	got := late.only(late.check(late.declare("discovery", fmt.Sprintf(`[{kind: dns, name: x, server: "%s", answers: {codfw: 10.2.2.0/24, eqiad: 10.2.1.0/24}}]`, nameServer(t, "10.2.2.9")))))
	if expect(t, got, readers.Warning); strings.Contains(got.Msg, "swapped") {
		t.Error(got.Msg)
	}
}

// A number in a web page is not taken for the index.
func TestIndexFromAWebPage(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, "<!DOCTYPE html>\n<html>")
	}))
	defer server.Close()
	s := newSite(t)
	s.put("a", ago(time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	expect(t, s.only(s.check(s.declare("mwconfig", `[{kind: index, url: "`+server.URL+`/wiki/"}]`))), readers.Unknown, "answers with a web page, and not with an index alone; MediaWiki is asked at its api.php")
	if asked.Load() != 1 {
		t.Error("it was not asked")
	}
}
