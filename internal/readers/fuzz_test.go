package readers

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/miekg/dns"
	"github.com/theory/jsonpath"

	"github.com/conftool/confctl/pkg/schema"
)

// checkCause fails if an error about untrusted input contains unsafe text.
func checkCause(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error()
	if len(text) > 2_000 || text != oneLine(text) || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("%q", text)
	}
}

func FuzzSiteinfo(f *testing.F) {
	f.Add([]byte(`{"query":{"general":{"wmf-config":{"wmfEtcdLastModifiedIndex":123456}}}}`))
	f.Add([]byte(`{"query":{"general":{"wmf-config":{"wmfEtcdLastModifiedIndex":-1e9}}}}`))
	f.Add([]byte(`{"error":{"code":"readonly","info":"down\nOK"}}`))
	f.Add([]byte(`{"query":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := parseSiteinfo(text)
		checkCause(t, err)
	})
}

func FuzzPyBal(f *testing.F) {
	f.Add([]byte("cp1.example:\tenabled/up/pooled\ncp2.example:\tdisabled/partially up/not pooled\n"))
	f.Add([]byte(`{"cp1.example": {"pooled": true, "weight": 10, "up": true, "enabled": true}}`))
	f.Add([]byte("OK - All pools are healthy"))
	f.Add([]byte(`{"\n": {}}`))
	f.Add([]byte(":\tenabled/up/pooled|\x1b"))
	f.Fuzz(func(t *testing.T, text []byte) {
		hosts, err := parsePyBal(text)
		if checkCause(t, err); err != nil && hosts != nil {
			t.Error("both")
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("# index: 123\n"))
	f.Add([]byte("# \"index\" = \"123\"\n"))
	f.Add([]byte("123"))
	f.Add([]byte("rev=18446744073709551615"))
	headers := []Reader{{}, {pattern: regexp.MustCompile(headerPattern)}, {pattern: regexp.MustCompile(`rev=(.*)`), revision: true}}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, r := range headers {
			index, err := r.findIndex(text)
			if checkCause(t, err); err != nil {
				continue
			}
			if rev, err := r.revisionOf(index); err == nil && rev < 0 {
				t.Errorf("index %d is revision %d", index, rev)
			}
		}
	})
}

func FuzzNameServer(f *testing.F) {
	q := new(dns.Msg).SetQuestion("x.example.net.", dns.TypeA)
	good := new(dns.Msg).SetReply(q)
	for _, record := range []string{"x.example.net. 10 IN CNAME y.example.net.", "Y.example.net. 10 IN A 10.2.2.9", "z.example.net. 10 IN A 10.2.2.8"} {
		rr, err := dns.NewRR(record)
		if err != nil {
			f.Fatal(err)
		}
		good.Answer = append(good.Answer, rr)
	}
	for _, m := range []*dns.Msg{q, good} {
		packet, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet)
	}
	if found, err := addresses(q, good); err != nil || len(found) != 1 || found[0].String() != "10.2.2.9" || !isReply(q, good) || isReply(q, q) {
		f.Errorf("%v, %v", found, err)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		reply := new(dns.Msg)
		if reply.Unpack(packet) != nil {
			return
		}
		reply.Id = q.Id
		if isReply(q, reply) {
			_, err := addresses(q, reply)
			checkCause(t, err)
		}
	})
}

// Of several questions, the error names the one that was refused.
func TestRefusedQuestion(t *testing.T) {
	for family, want := range map[uint16]string{dns.TypeA: "REFUSED to the question for A", dns.TypeAAAA: "REFUSED to the question for AAAA"} {
		q := new(dns.Msg).SetQuestion("x.example.net.", family)
		_, err := addresses(q, new(dns.Msg).SetRcode(q, dns.RcodeRefused))
		if err == nil || err.Error() != "the name server answers "+want {
			t.Error(err)
		}
	}
}

// A record without an address is not an answer with the zero address.
func TestEmptyAddress(t *testing.T) {
	q := new(dns.Msg).SetQuestion("x.example.net.", dns.TypeA)
	reply := new(dns.Msg).SetReply(q)
	reply.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "x.example.net.", Rrtype: dns.TypeA, Class: dns.ClassINET}}}
	if found, err := addresses(q, reply); err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
}

func TestHeaderPattern(t *testing.T) {
	r := Reader{pattern: regexp.MustCompile(headerPattern)}
	for _, text := range []string{"# index: 12\n", "; Index=12 of etcd", `{"index": "12"}`, "// index 12"} {
		if index, err := r.findIndex([]byte(text)); index != 12 || err != nil {
			t.Errorf("%q: %d, %v", text, index, err)
		}
	}
}

func TestPlaceIsTheSmallestNetwork(t *testing.T) {
	r := Reader{answers: map[string][]netip.Prefix{}}
	for name, network := range map[string]string{"all": "0.0.0.0/0", "eqiad": "10.2.0.0/16", "codfw": "10.2.1.0/24", "six": "2001:db8::/32"} {
		r.answers[name] = []netip.Prefix{netip.MustParsePrefix(network)}
	}
	for range 20 { // maps have no order
		if name, ok := r.place(netip.MustParseAddr("10.2.1.1")); name != "codfw" || !ok {
			t.Fatal(name, ok)
		}
	}
	if name, ok := r.place(netip.MustParseAddr("2001:db9::1")); ok || len(r.families()) != 2 {
		t.Error(name, r.families())
	}
}

func FuzzRendered(f *testing.F) {
	f.Add([]byte("server cp1 weight=7;\nserver cp2 weight=1;\n"))
	f.Add([]byte(`{"hosts": [{"host": "cp1", "w": 7}, {"host": "cp2", "w": null}]}`))
	f.Add([]byte(`{"a": {"b": {"w": [1, 2]}}, "c": 1e400}`))
	f.Add([]byte(strings.Repeat(`[{"a":`, 100)))
	typ := &schema.Type{Name: "node", Tags: []string{"dc"}}
	found := []rendered{
		{pattern: regexp.MustCompile(`(?m)^server (?P<name>\S*) weight=(?P<weight>\d+)`), groups: []string{"", nameGroup, weightField}},
		{each: jsonpath.MustParse("$.hosts[*]"), name: jsonpath.MustParse("$.host"), parts: map[string]*jsonpath.Path{weightField: jsonpath.MustParse("$.w")}},
		{each: jsonpath.MustParse("$..*"), parts: map[string]*jsonpath.Path{"dc": jsonpath.MustParse("$.*")}},
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, how := range found {
			entries, err := Reader{Kind: Rendered, Type: typ, rendered: how}.parseRendered(text)
			checkCause(t, err)
			for key, e := range entries {
				if name, _ := e[nameGroup].(string); name == "" || !strings.HasSuffix(key, name) {
					t.Errorf("%q has %v", key, e)
				}
			}
		}
	})
}
