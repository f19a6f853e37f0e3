package readers

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/theory/jsonpath"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/conftool/confctl/pkg/schema"
)

// checkCause reports what must not be in words about what others sent.
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
			if got := indexAnswer(r, text, nil, r.findIndex); got.seen < 0 {
				t.Errorf("index %d is revision %d", index, got.seen)
			}
		}
	})
}

func FuzzNameServer(f *testing.F) {
	q, err := newQuestion("x.example.net", dnsmessage.TypeA)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(q.packet)
	good := q.Message
	good.Response = true
	good.Answers = []dnsmessage.Resource{
		{Header: dnsmessage.ResourceHeader{Name: q.Questions[0].Name, Class: dnsmessage.ClassINET}, Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("y.example.net.")}},
		{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("Y.example.net."), Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{A: [4]byte{10, 2, 2, 9}}},
		{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("z.example.net."), Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{A: [4]byte{10, 2, 2, 8}}},
	}
	packet, err := good.Pack()
	if err != nil {
		f.Fatal(err)
	}
	if found, err := q.addresses(good); err != nil || len(found) != 1 || found[0].String() != "10.2.2.9" {
		f.Errorf("%v, %v", found, err)
	}
	f.Add(packet)
	f.Fuzz(func(t *testing.T, packet []byte) {
		reply, err := q.reply(packet)
		if checkCause(t, err); err == nil {
			_, err = q.addresses(reply)
			checkCause(t, err)
		}
	})
}

// Of several questions it is said which one was refused.
func TestRefusedQuestion(t *testing.T) {
	for family, want := range map[dnsmessage.Type]string{dnsmessage.TypeA: "A", dnsmessage.TypeAAAA: "AAAA"} {
		q, err := newQuestion("x.example.net", family)
		if err != nil {
			t.Fatal(err)
		}
		_, err = q.addresses(dnsmessage.Message{Header: dnsmessage.Header{RCode: dnsmessage.RCodeRefused}})
		if err == nil || err.Error() != "the name server answers REFUSED to the question for "+want {
			t.Error(err)
		}
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
