package main

import (
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/etcdv2/etcdv2test"
)

// pythonKeys are keys as the Python tool has written them, and the two sorts
// that it trips over itself: a value that does not fit, a key one level off.
func pythonKeys() map[string]string {
	return map[string]string{
		"/conftool/v1/pools/north/web/http/web1.example":           `{"pooled": "yes", "weight": 10}`,
		"/conftool/v1/pools/north/web/http/web2.example":           `{"pooled": "no", "weight": 10, "rack": "b4"}`,
		"/conftool/v1/pools/north/web/http/web3.example":           `{"pooled": "maybe", "weight": 10}`,
		"/conftool/v1/pools/north/web/http/web4.example":           `{"pooled": `,
		"/conftool/v1/pools/north/odd":                             `{}`,
		"/conftool/v1/discovery/api/north":                         `{"pooled": true, "references": ["a"], "ttl": 10}`,
		"/conftool/v1/discovery/api/south":                         `{"pooled": false}`,
		"/conftool/v1/mediawiki-config/common/WMFMasterDatacenter": `{"val": "north"}`,
		"/conftool/v1/mediawiki-config/north/ReadOnly":             `{"val": "switching \u00e9"}`,
		"/conftool/other": `{}`,
	}
}

// TestImportFromV2 moves a site from an etcd v2: what fits is written with its
// values as they are, what does not is named, and both sides are compared.
func TestImportFromV2(t *testing.T) {
	old := etcdv2test.Start(t)
	for key, text := range pythonKeys() {
		old.Put(t, key, text)
	}
	s := newSite(t, localConfig)
	s.ok("--quiet", "sync", "--directory", "data")
	s.ok("--quiet", "--object-type", "discovery", "select", "name=south", "set/ttl=7")

	stdout, stderr, code := s.run("--yes", "import", "--from-v2", old.URL, "--verify")
	if code != exitInvalid {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"confctl: left out: /conftool/v1/pools/north/web/http/web4.example: what is stored cannot be read: ",
		`confctl: left out: /conftool/v1/pools/north/web/http/web3.example: node north/web/http/web3.example: pooled cannot be "maybe"; it takes one of yes, no, inactive`,
		"confctl: warning: key /conftool/v1/pools/north/odd is no object of any type; left out",
		"action : import " + old.URL + "; selector: node (2 changed), discovery (2 changed), mwconfig (2 changed)",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("not said: %s", want)
		}
	}
	if !strings.Contains(stdout, "north/web/http/web1.example: pooled changed inactive => yes\n") {
		t.Errorf("%s\n%s", stdout, stderr)
	}
	for args, want := range map[string]string{
		"node dc=north,name=web2.example,service=http": `{"web2.example": {"weight": 10, "pooled": "no"}`,
		"discovery name=north":                         `{"north": {"pooled": true, "references": ["a"], "ttl": 10}`,
		"discovery name=south":                         `{"south": {"pooled": false, "references": [], "ttl": 300}`,
		"mwconfig name=ReadOnly":                       `{"ReadOnly": {"val": "switching \u00e9"}`,
	} {
		typ, selector, _ := strings.Cut(args, " ")
		if got := s.ok("--object-type", typ, "select", selector, "get"); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
	}
	// What the schema does not know came along.
	if got := s.ok("export", "node"); !strings.Contains(got, "rack: b4") {
		t.Error(got)
	}

	// Mended over there, it comes with the next run, and all is the same then.
	old.Put(t, "/conftool/v1/pools/north/web/http/web3.example", `{"pooled": "yes", "weight": 10}`)
	old.Put(t, "/conftool/v1/pools/north/web/http/web4.example", `{"pooled": "yes", "weight": 10}`)
	stdout = s.ok("--yes", "import", "--from-v2", old.URL, "--verify")
	if !strings.HasSuffix(stdout, "\n8 of 8 objects of the source are the same in the store\n") {
		t.Error(stdout)
	}
	if got := s.ok("import", "--from-v2", old.URL); got != "no change\n" {
		t.Error(got)
	}

	// What is changed over there afterwards shows, and with --dry-run that is all.
	old.Put(t, "/conftool/v1/pools/north/web/http/web4.example", `{"pooled": "yes", "weight": 11}`)
	stdout, _, code = s.run("import", "--from-v2", old.URL, "--verify", "--dry-run")
	if code != exitFailed || stdout != "node north/web/http/web4.example: weight is 10; it should be 11\n7 of 8 objects of the source are the same in the store\n" {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	if stdout = s.ok("import", "--from-v2", old.URL, "discovery", "--dry-run"); stdout != "no change\n" {
		t.Error(stdout)
	}
}

// TestImportFromV2Fails: why, and what to do, by the exit codes there are.
func TestImportFromV2Fails(t *testing.T) {
	old := etcdv2test.Start(t)
	s := newSite(t, localConfig)
	for _, c := range []struct {
		url  string
		code int
		want string
	}{
		{old.URL, exitNoMatch, "/conftool/v1"},
		{"http://127.0.0.1:9", exitUnavailable, "connection refused"},
		{"127.0.0.1", exitUsage, "https://"},
		{"http://root:secret@127.0.0.1:9", exitUsage, "--v2-etcdrc"},
	} {
		_, stderr, code := s.run("import", "--from-v2", c.url)
		if code != c.code || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "secret") {
			t.Errorf("%s: exit code %d, %s", c.url, code, stderr)
		}
	}
}
