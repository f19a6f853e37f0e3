package readers_test

import (
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/readers"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/yamldoc"
)

func TestLoadMistakes(t *testing.T) {
	for _, c := range []struct{ typ, yaml, want string }{
		{"node", "a: b", "schema.yaml:1:1: the readers of type node must be a list, not a map"},
		{"node", "- x", "schema.yaml:1:3: a reader must be a map"},
		{"node", "- {url: x}", "schema.yaml:1:3: a reader has to say of what kind it is: mediawiki, pybal"},
		{"node", "- {kind: pybel}", `of what kind it is (did you mean pybal?): mediawiki`},
		{"node", "- {kind: pybal, urls: x}", `schema.yaml:1:17: a reader of kind pybal has no "urls" (did you mean url?)`},
		{"node", "- kind: pybal\n  label: x", "schema.yaml:1:3: a reader of kind pybal needs url"},
		{"node", "- {kind: dns}", "a reader of kind dns needs answers"},
		{"node", "- {kind: file}", "a reader of kind file needs path"},
		{"node", "- {kind: file, path: x}", "schema.yaml:1:22: path: the path of a file begins with /"},
		{"node", "- {kind: pybal, url: 'http://x/{dcs}'}", "schema.yaml:1:22: url: {dcs} is no tag of type node; its tags are: dc, cluster, service"},
		{"node", "- {kind: pybal, url: 'http://x/{dc'}", "a { or } stands alone"},
		{"node", "- {kind: pybal, url: 'http://x/', label: '{x}'}", "schema.yaml:1:42: label: {x} is no tag"},
		{"node", "- {kind: pybal, url: x}", "a URL with http:// or https:// in front is expected"},
		{"node", "- {kind: pybal, url: 'ftp://x/'}", "a URL with http:// or https:// in front is expected"},
		{"node", "- {kind: pybal, url: 'http://a:b@x/'}", "holds a user or password"},
		{"node", "- {kind: pybal, url: \"http://x/\\n\"}", ""},
		{"node", "- {kind: pybal, url: \"http://x/\\ny\"}", "url cannot be"},
		{"node", "- {kind: pybal, url: [x]}", "url cannot be a list"},
		{"node", "- {kind: pybal, url: 'http://x/', only: 'x=y'}", `only: selector "x=y": no tag "x"`},
		{"node", "- {kind: pybal, url: 'http://x/', within: 30}", `within cannot be "30": how late it may be is expected, as 30s or 5m`},
		{"node", "- {kind: pybal, url: 'http://x/', within: -30s}", "within cannot be"},
		{"node", "- {kind: pybal, url: 'http://x/', within: 25h}", "within cannot be"},
		{"node", "- {kind: pybal, url: 'http://x/', headers: {'a b': c}}", "headers cannot hold"},
		{"node", "- {kind: pybal, url: 'http://x/', headers: {a: \"c\\r\\nd\"}}", "headers cannot hold"},
		{"node", "- {kind: pybal, url: 'http://x/', headers: x}", "headers must be a map"},
		{"mwconfig", "- {kind: pybal, url: 'http://x/'}", "of no use for type mwconfig, which has no field pooled"},
		{"node", "- {kind: file, path: /x, pattern: '('}", "pattern cannot be"},
		{"node", "- {kind: file, path: /x, pattern: 'x'}", "with one group is expected"},
		{"node", "- {kind: file, path: /x, unit: rev}", "unit cannot be"},
		{"discovery", "- {kind: dns, name: 'a b', server: x, answers: {a: 1.1.1.1}}", `"a b" is no name that a server can be asked for`},
		{"discovery", "- {kind: dns, name: a, server: 'x:y', answers: {a: 1.1.1.1}}", "no HOST or HOST:PORT"},
		{"discovery", "- {kind: dns, name: a, server: x, answers: {a: 1.1.1}}", `answers: "1.1.1" is neither an address nor a network`},
		{"discovery", "- {kind: dns, name: a, server: x, answers: {}}", "answers is empty"},
		{"discovery", "- {kind: dns, name: a, server: x, answers: x}", "answers must be a map"},
	} {
		s := newSite(t)
		doc, err := yamldoc.Parse("schema.yaml", []byte(c.yaml))
		if err != nil {
			t.Fatal(err)
		}
		all, problems := readers.Load(s.typ(c.typ), doc)
		var text []string
		for _, p := range problems {
			if text = append(text, p.Err.Error()); p.Err.Rule != readers.RuleInvalid || p.Type != c.typ || p.Err.Pos.Line == 0 {
				t.Errorf("%s: rule %q at %v of %s", c.yaml, p.Err.Rule, p.Err.Pos, p.Type)
			}
		}
		if got := strings.Join(text, "\n"); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: %q, want %q", c.yaml, got, c.want)
		}
		if (len(problems) > 0) == (len(all) > 0) {
			t.Errorf("%s: %d problems, and %d readers", c.yaml, len(problems), len(all))
		}
	}
}

// A mistake in one reader does not take the others away.
func TestLoadKeepsTheOthers(t *testing.T) {
	doc, err := yamldoc.Parse("schema.yaml", []byte("- {kind: x}\n- {kind: pybal, url: 'http://x/{dc}', only: dc=eqiad}\n"))
	if err != nil {
		t.Fatal(err)
	}
	all, problems := readers.Load(newSite(t).typ("node"), doc)
	if len(all) != 1 || len(problems) != 1 || all[0].Pos.Line != 2 || all[0].Within != readers.DefaultWithin {
		t.Errorf("%+v, %v", all, problems)
	}
	if all, problems := readers.Load(newSite(t).typ("node"), yamldoc.Node{}); all != nil || problems != nil {
		t.Error("nothing is no readers")
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"https://en.example.org/w/api.php", "mediawiki https://en.example.org/w/api.php"},
		{"http://lvs1:9090/pools/{cluster}_{service}", "pybal http://lvs1:9090/pools/{cluster}_{service}"},
		{"http://lvs.{dc}.example/pools/x", "pybal http://lvs.{dc}.example/pools/x"},
		{"file:///etc/{dc}/x.conf", "file /etc/{dc}/x.conf"},
		{"http://app/index", "index http://app/index"},
		{"app/index", "is no URL"},
		{"http://a:b@app/index", "holds a user or password"},
		{"http://app/{x}", "{x} is no tag"},
		{"file://host/x", "in front is expected"},
		{"dns://ns0/x", "declared in the schema"},
		{"ssh://x", "in front is expected"},
		{"http://x/\x1b", "is no URL"},
	} {
		r, err := readers.Parse(c.text, newSite(t).typ("node"), selector.Selector{})
		got := r.Name()
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) || strings.Contains(got, "\x1b") {
			t.Errorf("%s: %q, want %q", c.text, got, c.want)
		}
	}
	if _, err := readers.Parse("http://lvs1/pools/x", newSite(t).typ("mwconfig"), selector.Selector{}); err == nil {
		t.Error("a pool of what is not pooled")
	}
}
