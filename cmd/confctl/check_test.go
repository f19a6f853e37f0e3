package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/readers"
	"github.com/conftool/confctl/pkg/store"
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
	w.ok("--yes", "select", "dc=north,cluster=web,service=http", "set/pooled=yes:weight=10")
	w.revision.Store(w.now())
	w.pool.Store(`{"web1.example": {"enabled": true}, "web2.example": {"enabled": true}, "web3.example": {"enabled": true}}`)
	return w
}

func (w *watched) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/w/api.php":
		fmt.Fprintf(to, `{"query": {"general": {"wmf-config": {"wmfEtcdLastModifiedIndex": %d}}}}`, w.revision.Load()*readers.IndexesPerRevision+readers.IndexesPerRevision-1)
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
	w := newWatched(t)
	w.check(readers.OK, []string{"OK: 4 readers have seen everything | 'lvs db_mysql'=0s;30;120;0 ", "OK wiki: ", "OK lvs web_http: 3 hosts as in the store"})

	w.ok("depool", "--hostname", "web1.example", "--service", "http")
	w.check(readers.OK, []string{"as late as they may be", "web1.example is enabled, not disabled"})
	w.check(readers.Warning, []string{"WARNING: 1 of 4 readers: lvs web_http: web1.example is enabled, not disabled", "since change 2"}, "--since", "last")
	w.check(readers.Critical, []string{"\nCRITICAL lvs web_http: ", "\nOK wiki: "}, "--warning", "1ms", "--critical", "1ms")
	w.check(readers.OK, []string{"OK: 1 reader has seen everything"}, "--critical", "1ms", "--object-type", "mwconfig")
	w.pool.Store(`{"web1.example": {"enabled": false}, "web2.example": {"enabled": true}, "web3.example": {"enabled": true}}`)
	w.check(readers.OK, []string{"OK: 4 readers have seen everything"}, "--since", "last")

	// a URL instead
	w.check(readers.OK, []string{"OK: 1 reader has seen everything | 'pybal " + w.url + "/pools/web_http'=0s"}, "--only", "dc=north,cluster=web,service=http", w.url+"/pools/web_http")
	w.check(readers.Unknown, []string{"several"}, w.url+"/pools/web_http")
	w.check(readers.Unknown, []string{"no answer within 100ms"}, "--timeout", "100ms", "--object-type", "mwconfig", w.url+"/slow")
	w.check(readers.Unknown, []string{"404 Not Found"}, "--object-type", "mwconfig", w.url+"/nowhere")
}

// TestCheckReadersDeclaredWrong: who cannot be asked is not forgotten.
func TestCheckReadersDeclaredWrong(t *testing.T) {
	w := newWatched(t)
	w.declare("- {kind: pybel, url: 'http://x/pools/x'}")
	w.check(readers.Unknown, []string{"UNKNOWN: 1 of 5 readers: type node: ", "schema.yaml:17:14: ", "did you mean pybal?", "\nOK wiki: "})
	w.check(readers.OK, nil, "--object-type", "mwconfig")
	w.ok("--object-type", "mwconfig", "select", "name=ReadOnly", "set/val=racks")
	w.check(readers.Critical, []string{"CRITICAL: 2 of 5 readers: wiki: ", "\nUNKNOWN type node: "}, "--warning", "1ms", "--critical", "1ms")
	w.revision.Store(w.now())

	// a type that cannot be used may have readers
	w.declare("\n  depends: [nowhere]")
	w.check(readers.Unknown, []string{"UNKNOWN: 1 of 2 readers: type node: ", "schema.yaml:9:1: ", "nowhere", "\nOK wiki: "})
	w.check(readers.Unknown, []string{"nowhere"}, "--object-type", "node")
	w.file("schema.yaml", "[")
	w.check(readers.Unknown, []string{"schema.yaml:1: not valid YAML"})
}

// TestCheckReadersSince: a change that was refused can be seen nowhere.
func TestCheckReadersSince(t *testing.T) {
	w := newWatched(t)
	var change struct{ Event struct{ ID string } }
	id := func(options ...string) string {
		line, _, _ := strings.Cut(w.ok(append([]string{"log", "-o", "json"}, options...)...), "\n")
		if err := json.Unmarshal([]byte(line), &change); err != nil || change.Event.ID == "" {
			t.Fatalf("%v: %s", err, line)
		}
		return change.Event.ID
	}
	pooling := id()
	w.check(readers.OK, []string{"OK wiki: change " + pooling + " has nothing of mwconfig"}, "--since", pooling)
	if _, stderr, code := w.run("--yes", "select", "dc=north,cluster=web,service=http", "set/pooled=no"); code != exitRefused {
		t.Fatalf("not refused: %d\n%s", code, stderr)
	}
	refused := id("--refused")
	w.check(readers.Unknown, []string{refused + " was refused"}, "--since", refused)
	w.check(readers.OK, []string{pooling}, "--since", "last")

	// records that cannot be read are spoken of
	s := w.open()
	defer s.Close() //nolint:errcheck // its commit has succeeded
	if _, err := s.Commit(context.Background(), store.Txn{Writes: []store.Write{{Key: "/conftool/.confctl/journal/20260101T000000.000000Z-00000000", Value: []byte("x")}}}); err != nil {
		t.Fatal(err)
	}
	w.check(readers.OK, []string{"\nnote: 1 record of the journal cannot be read"})
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
	_, declared, _ := strings.Cut(text, "```yaml\n")
	declared, _, _ = strings.Cut(declared, "```\n")
	s := newSite(t, localConfig)
	s.file("documented.yaml", declared)
	if got := s.ok("--schema", "documented.yaml", "lint", "--strict"); got != "" || !strings.Contains(declared, "kind: pybal") {
		t.Error(got)
	}
}
