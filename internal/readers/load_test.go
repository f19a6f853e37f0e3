package readers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/readers"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
)

func TestLoadMistakes(t *testing.T) {
	for _, c := range []struct{ typ, yaml, want string }{
		{"node", "a: b", "readers.yaml:2:2: the readers of type node must be a list, not a map"},
		{"node", "- x", "readers.yaml:2:4: a reader must be a map"},
		{"node", "- {url: x}", "readers.yaml:2:4: a reader has to say of what kind it is: mediawiki, pybal"},
		{"node", "- {kind: pybel}", `of what kind it is (did you mean pybal?): mediawiki`},
		{"node", "- {kind: pybal, urls: x}", `readers.yaml:2:18: a reader of kind pybal has no "urls" (did you mean url?)`},
		{"node", "- kind: pybal\n  label: x", "readers.yaml:2:4: a reader of kind pybal needs url"},
		{"node", "- {kind: dns}", "a reader of kind dns needs answers"},
		{"node", "- {kind: file}", "a reader of kind file needs path"},
		{"node", "- {kind: file, path: x}", "readers.yaml:2:23: path: the path of a file begins with /"},
		{"node", "- {kind: pybal, url: 'http://x/{dcs}'}", "readers.yaml:2:23: url: {dcs} is no tag of type node; its tags are: dc, cluster, service"},
		{"node", "- {kind: pybal, url: 'http://x/{dc'}", "a { or } stands alone"},
		{"node", "- {kind: pybal, url: 'http://x/', label: '{x}'}", "readers.yaml:2:43: label: {x} is no tag"},
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
		{"discovery", "- {kind: dns, name: a, server: x, answers: {a: 1.1.1.1, b: []}}", "readers.yaml:2:61: answers: b has no network"},
		{"discovery", "- {kind: dns, name: a, server: x, answers: {a: 1.1.1.0/24, b: [1.1.2.0/24, 1.1.1.7/24]}}", "readers.yaml:2:77: answers: 1.1.1.0/24 is of a, too, and can tell one place only"},
		{"discovery", "- {kind: dns, name: a, server: x, answers: {a: 1.1.0.0/16, b: 1.1.1.0/24}}", ""},
		{"node", "- {kind: pybal, url: 'http://x:99999/pools/a'}", "readers.yaml:2:23: url: 99999 is no port"},
		{"node", "- {kind: pybal, url: 'http:///pools/a'}", "readers.yaml:2:23: url: the host is missing: http://HOST/... is expected"},
		{"node", "- {kind: file, path: /x, reports: index}", "reports cannot be \"index\": objects, of which it is the highest index, or store"},
		{"node", "- {kind: mediawiki, url: 'http://x/w/api.php', reports: store}", `a reader of kind mediawiki has no "reports"`},
		{"node", "- {kind: pybal, url: 'http://x/', ca: ca.pem}", "ca is for the authorities of https://, and the url is none"},
		{"node", "- {kind: pybal, url: 'https://x/', ca: [x]}", "ca cannot be a list"},
		{"node", "- {kind: file, path: /x, ca: ca.pem}", `a reader of kind file has no "ca"`},
		{"node", "- {kind: pybal, url: 'http://x/pools/'}", "which pool?"},
	} {
		s := newSite(t)
		all, problems := s.load(c.typ, c.yaml)
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

// A mistake in one reader does not affect the others.
func TestLoadKeepsTheOthers(t *testing.T) {
	all, problems := newSite(t).load("node", "- {kind: x}\n- {kind: pybal, url: 'http://x/{dc}', only: dc=eqiad}\n")
	if len(all) != 1 || len(problems) != 1 || all[0].Pos.Line != 3 || all[0].Within != readers.DefaultWithin {
		t.Errorf("%+v, %v", all, problems)
	}
	if all, problems := readers.Load(newSite(t).schema, ""); all != nil || problems != nil {
		t.Error("nothing is no readers")
	}
	if all, problems := readers.Load(newSite(t).schema, filepath.Join(t.TempDir(), "readers.yaml")); all != nil || problems != nil {
		t.Error("a file that is not there is none")
	}
}

// The readers in the schema and those in the file are combined.
func TestLoadBoth(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	s, err := schema.Load(write("schema.yaml", "a:\n  path: a\n  tags: [x]\n  schema: {}\n  readers:\n    - {kind: index, url: 'http://one/'}\nb: {path: b, tags: [], schema: {}}\n"), "pools")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, want string }{
		{"a: [{kind: file, path: /two}]\nnode: [{kind: pybal, url: 'http://three/'}]\nb:\n", "node pybal http://three/, a index http://one/, a file /two"},
		{"c: [{kind: file, path: /two}]\n", `a index http://one/, readers.yaml:1:1: no object type "c"`},
		{"noed: []\n", `a index http://one/, readers.yaml:1:1: no object type "noed" (did you mean node?)`},
		{"[]", "a index http://one/, readers.yaml:1:1: a file of readers must be a map, not a list"},
		{"a: [", "a index http://one/, readers.yaml:1: not valid YAML: "},
		{"a: [{kind: index, url: 'http://one/'}]\n", `a index http://one/, readers.yaml:1:5: the reader at schema.yaml:6:7 is called "index http://one/", too: give one of them another label`},
		{"b: [{kind: index, label: index http://one/, url: 'http://x/'}]\n", `readers.yaml:1:26: the reader at schema.yaml:6:7 is called`},
		{"b: [{kind: index, label: x=y, url: 'http://x/'}, {kind: index, label: x_y, url: 'http://y/'}]\n", `readers.yaml:1:71: the reader at readers.yaml:1:5 is called "x_y", too`},
		{"b: [{kind: index, url: x}, {kind: index, url: x}]\n", `readers.yaml:1:24: url: a URL`},
	} {
		all, problems := readers.Load(s, write("readers.yaml", c.file))
		var words []string
		for _, r := range all {
			words = append(words, r.Type.Name+" "+r.Name())
		}
		for _, p := range problems {
			words = append(words, p.Err.Error())
		}
		if got := strings.ReplaceAll(strings.Join(words, ", "), dir+"/", ""); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.file, got, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"https://en.example.org/w/api.php", "mediawiki https://en.example.org/w/api.php"},
		{"HTTPS://en.example.org/w/api.php", "mediawiki HTTPS://en.example.org/w/api.php"},
		{"http://lvs1:9090/pools/{cluster}_{service}", "pybal http://lvs1:9090/pools/{cluster}_{service}"},
		{"http://lvs.{dc}.example/pools/x", "pybal http://lvs.{dc}.example/pools/x"},
		{"http://lvs1:9090/pools", "which pool? /pools/POOL is expected"},
		{"http://lvs1:9090/pools/", "which pool? /pools/POOL is expected"},
		{"file:///etc/{dc}/x.conf", "file /etc/{dc}/x.conf"},
		{"http://app/index", "index http://app/index"},
		{"app/index", "file:///PATH with the whole path, is expected"},
		{"lvs1:9090/pools/x", "is expected (did you mean http://lvs1:9090/pools/x?)"},
		{"lvs1.example.net/pools/x", "is expected (did you mean http://lvs1.example.net/pools/x?)"},
		{"127.0.0.1:9090/pools/x", "is expected (did you mean http://127.0.0.1:9090/pools/x?)"},
		{"[::1]:9090/pools/x", "is expected (did you mean http://[::1]:9090/pools/x?)"},
		{"http:///x", "the host is missing: http://HOST/... is expected"},
		{"http://", "the host is missing: http://HOST/... is expected"},
		{"https:///w/api.php", "the host is missing: https://HOST/... is expected"},
		{" http://app/", `is expected, and not " http://app/", with a blank at an end`},
		{"http://app:99999/", "99999 is no port: a number from 1 to 65535 is expected"},
		{"http://app:/", "index http://app:/"},
		{"htps://x/", "a URL with http:// or https://, or file:///PATH"},
		{"http://a:b@app/index", "holds a user or password"},
		{"http://app/{x}", "{x} is no tag"},
		{"file://etc/x", "is expected (did you mean file:///etc/x?)"},
		{"file:/etc/x", "is expected (did you mean file:///etc/x?)"},
		{"FILE:///etc/x", "is expected (did you mean file:///etc/x?)"},
		{"file:x", "file:///PATH with the whole path, is expected"},
		{"/etc/x", "is expected (did you mean file:///etc/x?)"},
		{"", "is expected"},
		{"dns://ns0/x", "declared in the schema"},
		{"ssh://x", "is expected"},
		{"http://x/\x1b", "is expected"},
		{"x\x1b/", "is expected"},
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
