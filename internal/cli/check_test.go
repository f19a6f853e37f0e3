package cli

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/etcdindex"
	"github.com/conftool/confctl/internal/readers"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
	"github.com/conftool/confctl/pkg/store/local"
)

// watched is a site with readers: a wiki that has read up to a revision, and a
// PyBal whose pool web_http is as it was told.
type watched struct {
	*site
	revision atomic.Uint64
	pool     atomic.Value // of string: JSON
	url      string
}

// newWatched returns a site where all readers are up to date.
func newWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{site: newSite(t, localConfig)}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.url = server.URL
	w.declare("")
	w.ok("sync", "--directory", "data")
	w.ok("--yes", "select", "dc=north,cluster=web,service=http", "set/weight=10")
	w.ok("--yes", "select", "dc=north,cluster=web,service=http", "set/pooled=yes") // PyBal shows no weights
	w.revision.Store(w.now())
	w.pool.Store(`{"web1.example": {"enabled": true}, "web2.example": {"enabled": true}, "web3.example": {"enabled": true}}`)
	return w
}

func (w *watched) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/w/api.php":
		fmt.Fprintf(to, `{"query": {"general": {"wmf-config": {"wmfEtcdLastModifiedIndex": %d}}}}`, w.revision.Load()*etcdindex.PerRevision+etcdindex.PerRevision-1)
	case "/pools/web_http":
		fmt.Fprint(to, w.pool.Load())
	case "/pools/web_https", "/pools/db_mysql": // all hosts are inactive
		fmt.Fprint(to, "{}")
	case "/slow":
		time.Sleep(time.Second)
	default:
		http.NotFound(to, r)
	}
}

// declare writes the schema, with a further reader.
func (w *watched) declare(further string) {
	w.file("schema.yaml", strings.Replace(siteSchema, "mwconfig:\n", fmt.Sprintf(`node:
  path: pools
  tags: [dc, cluster, service]
  schema:
    weight: {type: int, default: 0}
    pooled: {type: 'enum:yes|no|inactive', default: inactive}
  readers:
    - {kind: pybal, label: 'lvs {cluster}_{service}', url: '%[1]s/pools/{cluster}_{service}', only: dc=north}
    %[2]s
mwconfig:
  readers:
    - {kind: mediawiki, label: wiki, url: '%[1]s/w/api.php'}
`, w.url, further), 1))
}

// open opens the store behind the program's back.
func (w *watched) open() store.Store {
	s, err := local.Open(filepath.Join(w.dir, "state.db"), local.Options{})
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// now is the revision of the last change of a wiki's configuration.
func (w *watched) now() uint64 {
	s := w.open()
	defer s.Close() //nolint:errcheck // it was only read
	found, err := s.Read(context.Background(), "/conftool/v1/mediawiki-config/")
	if err != nil {
		w.Fatal(err)
	}
	var latest store.Revision
	for _, e := range found.Entries {
		latest = max(latest, e.Modified)
	}
	return uint64(latest)
}

// check checks the readers, which has to end in a way, and say some things on
// standard output.
func (w *watched) check(level readers.Level, says []string, options ...string) {
	w.Helper()
	stdout, stderr, code := w.run(append([]string{"check", "readers"}, options...)...)
	if code != int(level) || !strings.HasPrefix(stdout, level.String()+": ") || strings.Contains(stderr, "panic") {
		w.Errorf("%q: exit code %d, want %v:\n%s%s", options, code, level, stdout, stderr)
	}
	for _, words := range says {
		if !strings.Contains(stdout, words) {
			w.Errorf("%q does not say %q:\n%s", options, words, stdout)
		}
	}
}

// TestCheckReaders: all declared readers are asked, and the worst counts.
func TestCheckReaders(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.check(readers.OK, []string{"OK: 4 readers have seen everything | 'lvs db_mysql'=0s;30;120;0 ", "OK wiki: ", "OK lvs web_http: 3 hosts as in the store"})

	w.ok("depool", "--hostname", "web1.example", "--service", "http")
	w.check(readers.OK, []string{"OK: 3 readers have seen everything, 1 is ", "s late (may be 30s) | ", "web1.example is enabled, not disabled"})
	w.check(readers.Warning, []string{"WARNING: 1 of 4 readers: lvs web_http: web1.example is enabled, not disabled", "since change 2"}, "--since", "last")
	w.check(readers.Critical, []string{"\nCRITICAL lvs web_http: ", "\nOK wiki: "}, "--warning", "1ms", "--critical", "1ms")
	w.check(readers.OK, []string{"OK: 1 reader has seen everything"}, "--critical", "1ms", "--object-type", "mwconfig")
	w.pool.Store(`{"web1.example": {"enabled": false}, "web2.example": {"enabled": true}, "web3.example": {"enabled": true}}`)
	w.check(readers.OK, []string{"OK: 1 reader has seen change 2", ", and it has nothing that 3 others read | "}, "--since", "last")

	// a URL instead
	w.check(readers.OK, []string{"OK: 1 reader has seen everything | 'pybal " + w.url + "/pools/web_http'=0s"}, "--only", "dc=north,cluster=web,service=http", w.url+"/pools/web_http")
	w.check(readers.Unknown, []string{"several"}, w.url+"/pools/web_http")
	w.check(readers.Unknown, []string{"no answer within 100ms"}, "--timeout", "100ms", "--object-type", "mwconfig", w.url+"/slow")
	w.check(readers.Unknown, []string{"404 Not Found"}, "--object-type", "mwconfig", w.url+"/nowhere")
	w.check(readers.Unknown, []string{"404 Not Found: PyBal has no such pool"}, w.url+"/pools/nowhere")

	// the same one twice is one, and one that is none does not keep from the others
	of := []string{"--only", "dc=north,cluster=web,service=http"}
	w.check(readers.OK, []string{"OK: 1 reader has"}, append(of, w.url+"/pools/web_http", w.url+"/pools/web_http")...)
	w.check(readers.Unknown, []string{"UNKNOWN: 2 of 3 readers: file://etc/x: ", "did you mean file:///etc/x?", "\nOK pybal ", "\nUNKNOWN " + w.url + "/index: which objects does it read? say it with --object-type"},
		append(of, "file://etc/x", w.url+"/pools/web_http", w.url+"/index")...)
}

// TestCheckReadersDeclaredWrong: who cannot be asked is not forgotten.
func TestCheckReadersDeclaredWrong(t *testing.T) {
	w := newWatched(t)
	w.declare("- {kind: pybel, url: 'http://x/pools/x'}")
	w.check(readers.Unknown, []string{"UNKNOWN: 1 of 5 readers: type node, ", "schema.yaml:17:14: ", "did you mean pybal?", "\nOK wiki: "})
	w.check(readers.OK, nil, "--object-type", "mwconfig")
	w.ok("--object-type", "mwconfig", "select", "name=ReadOnly", "set/val=racks")
	w.check(readers.Critical, []string{"CRITICAL: 2 of 5 readers: wiki: ", "\nUNKNOWN type node, "}, "--warning", "1ms", "--critical", "1ms")
	w.revision.Store(w.now())

	// each mistake has a line
	w.declare("- {kind: pybel, url: 'http://x/pools/x'}\n    - {kind: pybal}")
	w.check(readers.Unknown, []string{"UNKNOWN: 2 of 6 readers: type node, ", "schema.yaml:17:14: a reader has", "schema.yaml:18:7: a reader of kind pybal needs url\nOK "})

	// a type that cannot be used may have readers
	w.declare("\n  depends: [nowhere]")
	w.check(readers.Unknown, []string{"UNKNOWN: 1 of 2 readers: type node, ", "schema.yaml:9:1: ", "nowhere", "\nOK wiki: "})
	w.check(readers.Unknown, []string{"nowhere"}, "--object-type", "node")
	w.file("schema.yaml", "[")
	w.check(readers.Unknown, []string{"schema.yaml:1: not valid YAML"})
}

// lastChange is the id of the newest change that log shows.
func (w *watched) lastChange(options ...string) string {
	w.Helper()
	var change struct{ Event struct{ ID string } }
	line, _, _ := strings.Cut(w.ok(append([]string{"log", "-o", "json"}, options...)...), "\n")
	if err := json.Unmarshal([]byte(line), &change); err != nil || change.Event.ID == "" {
		w.Fatalf("%v: %s", err, line)
	}
	return change.Event.ID
}

// TestCheckReadersSince: whether one change is seen, whatever came after it.
func TestCheckReadersSince(t *testing.T) {
	w := newWatched(t)
	pooling := w.lastChange()
	w.check(readers.OK, []string{"\nOK wiki: nothing of mwconfig is in the change"}, "--since", pooling)
	w.check(readers.OK, []string{"OK: change " + pooling + " has nothing that 1 reader reads | "}, "--since", pooling, "--object-type", "mwconfig")
	w.check(readers.Unknown, []string{"UNKNOWN: the journal has no change 20990101T000000.000000Z-00000000; --since takes the id of a change"}, "--since", "20990101T000000.000000Z-00000000")

	// a change that another one was made over
	w.ok("--object-type", "mwconfig", "select", "name=ReadOnly", "set/val=racks")
	first := w.lastChange()
	w.check(readers.Warning, []string{"WARNING wiki: ", ", since change " + first}, "--since", first)
	between := w.now()
	w.ok("--object-type", "mwconfig", "select", "name=ReadOnly", "set/val=cables")
	second := w.lastChange()
	w.check(readers.Warning, []string{", since change " + first}, "--since", first)
	w.revision.Store(between)
	w.check(readers.OK, []string{"OK wiki: has seen revision"}, "--since", first)
	w.check(readers.Warning, []string{", since change " + second}, "--since", second)
	w.revision.Store(w.now())
	w.check(readers.OK, []string{"OK wiki: has seen revision"}, "--since", second)

	// depooled, and pooled again
	w.ok("depool", "--hostname", "web1.example", "--service", "http")
	out := w.lastChange()
	w.check(readers.Warning, []string{"web1.example is enabled, not disabled"}, "--since", out)
	w.ok("pool", "--hostname", "web1.example", "--service", "http")
	w.check(readers.OK, []string{"OK lvs web_http: has what is in the change as it is in the store"}, "--since", out)

	// a deletion, of an object and of the last one that changed
	w.ok("--yes", "select", "dc=north,cluster=web,service=http,name=web3.example", "delete", "--allow", "min-pooled", "--reason", "gone")
	w.check(readers.Warning, []string{"web3.example is enabled, not absent"}, "--since", "last")
	w.ok("--yes", "--object-type", "mwconfig", "select", "name=ReadOnly", "delete")
	w.check(readers.Warning, []string{"WARNING wiki: has seen revision ", ", since change " + w.lastChange()}, "--since", "last", "--object-type", "mwconfig")
	w.revision.Store(w.now())
	w.check(readers.Unknown, []string{"what the change is about is deleted, which cannot be seen in the highest index"}, "--since", "last", "--object-type", "mwconfig")
}

// TestCheckReadersNotSeen: a change that was refused can be seen nowhere, and what
// cannot be read of the journal is spoken of.
func TestCheckReadersNotSeen(t *testing.T) {
	w := newWatched(t)
	pooling := w.lastChange()
	if _, stderr, code := w.run("--yes", "select", "dc=north,cluster=web,service=http", "set/pooled=no"); code != exitRefused {
		t.Fatalf("not refused: %d\n%s", code, stderr)
	}
	refused := w.lastChange("--refused")
	w.check(readers.Unknown, []string{refused + " was refused"}, "--since", refused)
	w.check(readers.OK, []string{pooling}, "--since", "last")
	s := w.open()
	defer s.Close() //nolint:errcheck // its commit has succeeded
	if _, err := s.Commit(context.Background(), store.Txn{Writes: []store.Write{{Key: "/conftool/.confctl/journal/20260101T000000.000000Z-00000000", Value: []byte("x")}}}); err != nil {
		t.Fatal(err)
	}
	w.check(readers.OK, []string{"\nnote: 1 record of the journal cannot be read"})
}

// TestCheckReadersBeside: readers of the built-in type are declared in a file
// beside the schema, which may have some of other types, too.
func TestCheckReadersBeside(t *testing.T) {
	w := newWatched(t)
	w.file("schema.yaml", strings.Replace(siteSchema, "mwconfig:\n", "mwconfig:\n  readers: [{kind: mediawiki, label: wiki, url: '"+w.url+"/w/api.php'}]\n", 1))
	w.check(readers.OK, []string{"OK: 1 reader has"})
	beside := fmt.Sprintf("node:\n  - {kind: pybal, label: lvs, url: '%[1]s/pools/{cluster}_{service}', only: dc=north}\nmwconfig:\n  - {kind: mediawiki, label: wiki2, url: '%[1]s/w/api.php'}\n", w.url)
	w.file("readers.yaml", beside)
	w.ok("lint", "readers.yaml")
	w.check(readers.OK, []string{"OK: 5 readers have", "'lvs web/http'=0s", "'wiki'=0s", "'wiki2'=0s"})
	w.check(readers.OK, []string{"OK: 2 readers have"}, "--object-type", "mwconfig")

	w.file("readers.yaml", beside+"  - {kind: mediawiki, label: wiki, url: '"+w.url+"/w/api.php'}\nwikis: []\n")
	w.check(readers.Unknown, []string{"UNKNOWN: 2 of 7 readers: ", `readers.yaml:6:1: no object type "wikis"`,
		`UNKNOWN type mwconfig, `, `readers.yaml:5:30: the reader at `, `schema.yaml:`, `is called "wiki", too`, "\nOK wiki2: "})
	if stdout, _, code := w.run("lint", "readers.yaml"); code != exitInvalid || strings.Count(stdout, "readers.yaml:") != 2 {
		t.Errorf("lint: %d: %s", code, stdout)
	}
	w.file("readers.yaml", "[")
	w.check(readers.Unknown, []string{"readers.yaml:1: not valid YAML", "\nOK wiki: "})
}

// TestCheckReadersAuthorities: --ca is for readers that declare none.
func TestCheckReadersAuthorities(t *testing.T) {
	w := newWatched(t)
	server := httptest.NewUnstartedServer(w)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	w.file("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	api := server.URL + "/w/api.php"
	w.check(readers.Unknown, []string{"an authority that this host does not know"}, "--object-type", "mwconfig", api)
	w.check(readers.OK, []string{"OK: 1 reader has"}, "--object-type", "mwconfig", "--ca", "ca.pem", api)
	w.check(readers.Unknown, []string{"ca: nowhere.pem: no such file or directory"}, "--object-type", "mwconfig", "--ca", "nowhere.pem", api)
	w.file("readers.yaml", "mwconfig: [{kind: mediawiki, label: secure, url: '"+api+"', ca: ca.pem}]\n")
	w.check(readers.OK, []string{"OK: 2 readers have"}, "--object-type", "mwconfig")
}

// TestCheckReadersRequests: the store is asked for the objects and the journal
// once, and for the objects beforehand if a target has tags.
func TestCheckReadersRequests(t *testing.T) {
	server := etcdtest.Start(t)
	s := etcdSite(t, server.URL())
	s.ok("sync", "--directory", "data")
	s.file("seen.conf", "index: 24575\n")
	for file, want := range map[string]int{"seen.conf": 2, "{scope}.conf": 3} {
		server.Calls() // from here on
		s.run("check", "readers", "--object-type", "mwconfig", "file://"+filepath.Join(s.dir, file))
		if got := server.Calls(); !maps.Equal(got, map[string]int{"/etcdserverpb.KV/Range": want}) {
			t.Errorf("%s: %v, want %d", file, got, want)
		}
	}
	s.run("check", "readers", "ftp://x") // of which no store knows anything
	if got := server.Calls(); len(got) > 0 {
		t.Error(got)
	}
}

// TestCheckReadersFailing: whatever keeps the check from its answer is UNKNOWN,
// said on one line.
func TestCheckReadersFailing(t *testing.T) {
	away := etcdSite(t, "http://127.0.0.1:1")
	away.file("schema.yaml", strings.Replace(siteSchema, "mwconfig:\n", "mwconfig:\n  readers: [{kind: mediawiki, url: 'http://127.0.0.1:1/w/api.php'}]\n", 1))
	stdout, stderr, code := away.run("check", "readers")
	if code != 3 || !strings.HasPrefix(stdout, "UNKNOWN: the store at http://127.0.0.1:1 is unavailable: ") || strings.Count(stdout, "\n") != 1 || stderr != "" {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no place that is full: %v", err)
	}
	defer full.Close() //nolint:errcheck // nothing was written
	cmd := newWatched(t).command("check", "readers")
	cmd.Stdout = full
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != int(readers.Unknown) {
		t.Errorf("unheard of: %v", err)
	}
}

// TestManualReaders: the commands of the documentation are right, and so is what
// it declares.
func TestManualReaders(t *testing.T) {
	text := manual(t, "docs/readers.md")
	commands := commandsIn(text)
	if len(commands) < 5 {
		t.Errorf("only %q were found", commands)
	}
	for _, words := range commands {
		if err := parse(words); err != nil {
			t.Errorf("confctl %s: %v", strings.Join(words, " "), err)
		}
	}
	parts := strings.Split(text, "```yaml\n")
	if len(parts) < 3 {
		t.Fatalf("%d parts", len(parts))
	}
	s := newSite(t, localConfig)
	for i, name := range []string{"documented.yaml", "readers.yaml"} {
		declared, _, _ := strings.Cut(parts[i+1], "```\n")
		s.file(name, declared)
	}
	if got := s.ok("--schema", "documented.yaml", "lint", "--strict", "readers.yaml"); got != "" || !strings.Contains(parts[2], "kind: pybal") {
		t.Error(got)
	}
}
