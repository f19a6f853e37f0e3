package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// mediawikiVariable names the directory where MediaWiki is unpacked.
const mediawikiVariable = "CONFCTL_MEDIAWIKI"

// howToMediawiki is how to run TestEtcdConfig.
const howToMediawiki = `needs MediaWiki, unpacked and not installed:
  apt-get install --no-install-recommends php-cli php-curl php-mbstring
  apt-get download mediawiki mediawiki-classes
  for f in mediawiki*.deb; do dpkg-deb -x $f /tmp/mediawiki; done
  ` + mediawikiVariable + `=/tmp/mediawiki go test ./internal/cli -run TestEtcdConfig -v`

// mediawiki is a PHP process that reads with MediaWiki's EtcdConfig.
type mediawiki struct {
	testing.TB
	requests io.Writer
	replies  *bufio.Scanner
}

// wiki is what a request to a wiki has read, or why it could not be answered.
type wiki struct {
	Values        map[string]any
	ModifiedIndex uint64
	Error         string
	Log           []string
	took          time.Duration
}

// newMediawiki skips the test unless it was asked for.
func newMediawiki(t testing.TB) *mediawiki {
	t.Helper()
	dir := os.Getenv(mediawikiVariable)
	php, err := exec.LookPath("php")
	if dir == "" || err != nil {
		t.Skip(howToMediawiki)
	}
	if _, err := os.Stat(filepath.Join(dir, "usr/share/mediawiki/includes/config/EtcdConfig.php")); err != nil {
		t.Fatalf("%s: %v; it %s", mediawikiVariable, err, howToMediawiki)
	}
	cmd := exec.Command(php, filepath.Join("testdata", "etcdconfig.php"), dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // it has no more to read, and ends
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &mediawiki{t, in, bufio.NewScanner(out)}
}

// reads is what a request reads from a gateway, on a server with that cache.
func (m *mediawiki) reads(gateway, cache string) wiki {
	m.Helper()
	begun := time.Now()
	request, err := json.Marshal(map[string]any{
		"host": strings.TrimPrefix(gateway, "http://"), "cache": cache,
		"directory": "/" + wikiDirectory, "names": []string{wikiMaster, wikiNorth, wikiSouth, wikiDatabases},
	})
	if err != nil {
		m.Fatal(err)
	}
	if _, err := fmt.Fprintf(m.requests, "%s\n", request); err != nil {
		m.Fatal(err)
	}
	if !m.replies.Scan() {
		m.Fatalf("php ended: %v", m.replies.Err())
	}
	w := wiki{took: time.Since(begun)}
	if err := json.Unmarshal(m.replies.Bytes(), &w); err != nil {
		m.Fatalf("%v: %s", err, m.replies.Bytes())
	}
	return w
}

// shows checks what a request has read.
func (w wiki) shows(t *testing.T, when string, values map[string]string, index uint64) {
	t.Helper()
	if w.Error != "" {
		t.Fatalf("%s: %s", when, w.Error)
	}
	for name, want := range values {
		if got := fmt.Sprintf("%#v", w.Values[name]); got != want {
			t.Errorf("%s: %s is %s, want %s", when, name, got, want)
		}
	}
	if w.ModifiedIndex != index {
		t.Errorf("%s: the index is %d, want %d", when, w.ModifiedIndex, index)
	}
	t.Logf("%s: took %v", when, w.took)
}

// indexOf is that of the last change of an object, as the store itself has it.
func indexOf(t testing.TB, url, key string) uint64 {
	t.Helper()
	c, err := etcd.Open(etcd.Config{Endpoints: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // it was only read
	got, err := c.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Entries) != 1 {
		t.Fatalf("no key %s", key)
	}
	return uint64(got.Entries[0].Modified)*8192 + 8191
}

// What MediaWiki reads in TestEtcdConfig.
const (
	wikiDirectory = "conftool/v1/mediawiki-config"
	wikiMaster    = "common/WMFMasterDatacenter"
	wikiNorth     = "north/ReadOnly"
	wikiSouth     = "south/ReadOnly"
	wikiDatabases = "north/dbconfig"
)

// setWiki sets an object that MediaWiki reads.
func (s *site) setWiki(name, value string) {
	s.Helper()
	scope, object, _ := strings.Cut(name, "/")
	s.ok("--quiet", "--yes", "--object-type", "mwconfig", "select", "scope="+scope+",name="+object, "set", "val="+value)
}

// TestEtcdConfig: what MediaWiki reads through the gateway is what is stored, also
// while the store is away. If the store was never there, it goes on with what it
// has read before, and without that fails: it does not take it that all is gone.
func TestEtcdConfig(t *testing.T) {
	m := newMediawiki(t)
	at := etcdtest.Start(t)
	s := etcdSite(t, at.URL())
	s.file("data/mwconfig/m.yaml", "common: [WMFMasterDatacenter]\nnorth: [ReadOnly, dbconfig]\nsouth: [ReadOnly]\n")
	s.ok("--quiet", "sync", "--directory", "data")
	s.setWiki(wikiDatabases, `{"sectionLoads": {"s1": [{"db1": 0}, {"db2": 1.5}]}}`)
	s.setWiki(wikiMaster, "north")
	s.setWiki(wikiNorth, "false")
	s.setWiki(wikiSouth, `back at 5 é <b>"soon"</b> \o/`)
	v := s.serve(1, "--gateway", "127.0.0.1:0", "--allow-prefix", "/"+wikiDirectory)
	tree := v.gateway + "/v2/keys/" + wikiDirectory + "?recursive=true"
	until(t, tree, 200, "soon")

	want := map[string]string{
		wikiMaster:    `"north"`,
		wikiNorth:     `false`,
		wikiSouth:     `"back at 5 é <b>\"soon\"</b> \\o/"`,
		wikiDatabases: `map[string]interface {}{"sectionLoads":map[string]interface {}{"s1":[]interface {}{map[string]interface {}{"db1":0}, map[string]interface {}{"db2":1.5}}}}`,
	}
	index := indexOf(t, at.URL(), "/"+wikiDirectory+"/"+wikiSouth)
	m.reads(v.gateway, "one").shows(t, "at first", want, index)

	s.setWiki(wikiNorth, "the north is closed")
	until(t, tree, 200, "closed")
	want[wikiNorth] = `"the north is closed"`
	index = indexOf(t, at.URL(), "/"+wikiDirectory+"/"+wikiNorth)
	m.reads(v.gateway, "one").shows(t, "after a change", want, index)
	neverThere(t, m, "one", want, index)

	at.Kill(0)
	memory := m.reads(v.gateway, "two")
	memory.shows(t, "from the gateway's memory", want, index)
	if slices.Contains(memory.Log, usingStale) {
		t.Errorf("it was the cache: %q", memory.Log)
	}
}

// usingStale is what EtcdConfig logs when it goes on with its cache.
const usingStale = "info: Using stale etcd configuration cache."

// neverThere has MediaWiki ask a gateway whose store was never there, with a
// cache that was filled before and with none.
func neverThere(t *testing.T, m *mediawiki, cache string, want map[string]string, index uint64) {
	t.Helper()
	s := newSite(t, "driver_options: {etcd_config_file: etcdrc}\n")
	s.file("etcdrc", "host: 127.0.0.1\nport: 9\n")
	v := s.serve(1, "--gateway", "127.0.0.1:0")
	const status = "HTTP 500 (Internal Server Error)"

	stale := m.reads(v.gateway, cache) // EtcdConfig's caches are of hosts, whatever the port
	stale.shows(t, "from the cache", want, index)
	if !slices.Contains(stale.Log, usingStale) || !slices.Contains(stale.Log, "error: Failed to fetch configuration: "+status) {
		t.Errorf("it was not the cache: %q", stale.Log)
	}
	none := m.reads(v.gateway, "none")
	if want := "Failed to load configuration from etcd: " + status; none.Error != want {
		t.Errorf("without a cache: %+v, want %s", none, want)
	}
	t.Logf("without a cache it gave up after %v", none.took)
}
