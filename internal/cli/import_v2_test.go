package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/etcdv2/etcdv2test"
)

// pythonKeys are keys as the Python tool has written them, with values that do
// not fit.
func pythonKeys() map[string]string {
	return map[string]string{
		"/conftool/v1/pools/north/web/http/web1.example":           `{"pooled": "yes", "weight": 10}`,
		"/conftool/v1/pools/north/web/http/web2.example":           `{"pooled": "no", "weight": 10, "rack": "b4"}`,
		"/conftool/v1/pools/north/web/http/web3.example":           `{"pooled": "maybe", "weight": 10}`,
		"/conftool/v1/pools/north/web/http/web4.example":           `{"pooled": `,
		"/conftool/v1/discovery/api/north":                         `{"pooled": true, "references": ["a"], "ttl": 10}`,
		"/conftool/v1/discovery/api/south":                         `{"pooled": false}`,
		"/conftool/v1/mediawiki-config/common/WMFMasterDatacenter": `{"val": "north"}`,
		"/conftool/v1/mediawiki-config/north/ReadOnly":             `{"val": "switching \u00e9"}`,
		"/conftool/other": `{}`,
	}
}

// TestImportFromV2 moves a site from an etcd v2: objects are written with their
// values as they are, what does not fit the schema or cannot be read is named, and
// both sides are compared.
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
		`confctl: taken over: /conftool/v1/pools/north/web/http/web3.example: node north/web/http/web3.example: pooled cannot be "maybe"; it takes one of yes, no, inactive`,
		"action : import " + old.URL + "; selector: node (3 changed), discovery (2 changed), mwconfig (2 changed)",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("not said: %s", want)
		}
	}
	if !strings.Contains(stdout, "north/web/http/web1.example: pooled changed inactive => yes\n") {
		t.Errorf("%s\n%s", stdout, stderr)
	}
	for args, want := range map[string]string{
		"node dc=north,name=web3.example,service=http": `{"web3.example": {"weight": 10, "pooled": "maybe"}`,
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

// TestImportFromV2Strays: keys that are no objects are left out, as objects that
// do not fit are, and each is named once.
func TestImportFromV2Strays(t *testing.T) {
	old := etcdv2test.Start(t)
	old.Put(t, "/conftool/v1/discovery/api/north", `{"pooled": true}`)
	old.Put(t, "/conftool/v1/pools/north/odd", `{}`)
	old.Put(t, "/conftool/v1/services/web/http", `{}`)
	s := newSite(t, localConfig)
	s.file("schema.yaml", strings.Replace(siteSchema, "type: dict,", "type: dictionary,", 1))
	stdout, stderr, code := s.run("--quiet", "--yes", "import", "--from-v2", old.URL, "--verify")
	if code != exitInvalid || !strings.HasSuffix(stdout, "\n1 of 3 objects of the source are the same in the store\n") {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	for _, want := range []string{
		"left out: /conftool/v1/pools/north/odd: no object of any type\n",
		"left out: /conftool/v1/services/web/http: its type service cannot be used, see the schema\n",
	} {
		if strings.Count(stderr, want) != 1 {
			t.Errorf("not said once: %s in\n%s", want, stderr)
		}
	}
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"--verify", "--dry-run"}, exitFailed},
		{[]string{"--remove-others"}, exitUsage}, // any of them may be what would be removed
		{[]string{"discovery", "--verify"}, exitDone},
		{[]string{"discovery", "--remove-others"}, exitDone},
		{[]string{"node"}, exitInvalid},
		{[]string{"feature"}, exitNoMatch},
	} {
		if _, stderr, code := s.run(append([]string{"--yes", "import", "--from-v2", old.URL}, c.args...)...); code != c.code || strings.Contains(stderr, "only one that is known") {
			t.Errorf("%q: exit code %d, want %d: %s", c.args, code, c.code, stderr)
		}
	}

	// What is an object and cannot be read would be removed.
	old.Put(t, "/conftool/v1/discovery/api/south", `{"pooled": `)
	if _, stderr, code := s.run("--yes", "import", "--from-v2", old.URL, "--remove-others"); code != exitUsage || !strings.Contains(stderr, "it might be removed") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	old.Put(t, "/conftool/v1/discovery/api/south", `{"pooled": true}`)

	// Without a schema file, all but nodes are strays.
	if err := os.Remove(filepath.Join(s.dir, "schema.yaml")); err != nil {
		t.Fatal(err)
	}
	_, stderr, code = s.run("--yes", "import", "--from-v2", old.URL)
	if code != exitInvalid || strings.Count(stderr, ": no object of any type\n") != 4 || !strings.Contains(stderr, "the type node is the only one that is known") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// TestImportFromV2Empty: what has no object is most likely not what was meant.
func TestImportFromV2Empty(t *testing.T) {
	old := etcdv2test.Start(t)
	old.Mkdir(t, "/conftool/v1")
	s := newSite(t, localConfig)
	for _, args := range [][]string{nil, {"--remove-others"}, {"--verify", "--dry-run"}} {
		_, stderr, code := s.run(append([]string{"--yes", "import", "--from-v2", old.URL}, args...)...)
		if code != exitNoMatch || !strings.Contains(stderr, "confctl: "+old.URL+" has no object\n") {
			t.Errorf("%q: exit code %d, %s", args, code, stderr)
		}
	}
}

// TestImportFromV2Password: the user and password of the etcdrc are sent to its
// endpoints, and to nobody else.
func TestImportFromV2Password(t *testing.T) {
	sent := make(chan string, 10) // what arrives, far less than that
	listen := func() string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			sent <- user + " " + password
			_, _ = io.WriteString(w, `{"node": {"key": "/conftool/v1", "dir": true}}`)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	own, other := listen(), listen()
	s := etcdSite(t, own)
	rc, err := os.ReadFile(filepath.Join(s.dir, "etcdrc"))
	if err != nil {
		t.Fatal(err)
	}
	s.file("etcdrc", string(rc)+"username: root\npassword: sesame\n")
	s.file("v2rc", "username: old\npassword: open\n")
	for _, c := range []struct{ url, rc, want string }{
		{own, "", "root sesame"},
		{own + "/v2/", "", "root sesame"},
		{other, "", " "},
		{strings.Replace(own, "127.0.0.1", "localhost", 1), "", " "},
		{own, "v2rc", "old open"},
		{other, "v2rc", "old open"},
	} {
		args := []string{"import", "--from-v2", c.url}
		if c.rc != "" {
			args = append(args, "--v2-etcdrc", c.rc)
		}
		_, stderr, code := s.run(args...)
		if code != exitNoMatch || len(sent) != 1 {
			t.Fatalf("%q: %d requests, exit code %d, %s", args, len(sent), code, stderr)
		}
		if got := <-sent; got != c.want {
			t.Errorf("%q: sent %q, want %q", args, got, c.want)
		}
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
