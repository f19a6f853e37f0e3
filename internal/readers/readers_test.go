package readers_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/etcdindex"
	"github.com/conftool/confctl/internal/readers"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

const testSchema = `
discovery:
  path: discovery
  tags: [dnsdisc]
  schema: {pooled: {type: bool, default: false}}
steered:
  path: steered
  tags: [dnsdisc]
  schema: {pooled: {type: bool, default: false}, ttl: {type: int, default: 300}, references: {type: list, default: []}}
mwconfig:
  path: mediawiki-config
  tags: [scope]
  schema: {val: {type: any, default: ""}}
`

// now is the time at which readers are asked.
var now = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// site is a store, with the history that led to it.
type site struct {
	t      *testing.T
	schema *schema.Schema
	state  readers.State
}

func newSite(t *testing.T) *site {
	t.Helper()
	s, err := schema.Parse("schema.yaml", []byte(testSchema), "pools")
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, schema: s}
}

func (s *site) typ(name string) *schema.Type {
	s.t.Helper()
	typ, err := s.schema.Type(name)
	if err != nil {
		s.t.Fatal(err)
	}
	return typ
}

// put stores objects, each given as a path and a value, at the next revision. An
// empty value deletes. Without an id, nothing is recorded.
func (s *site) put(id string, at time.Time, typ string, stored ...string) sal.Stored {
	s.t.Helper()
	s.state.Snapshot.Revision++
	rec := sal.Stored{Revision: s.state.Snapshot.Revision}
	rec.Time, rec.Event.ID = at, id
	for i := 0; i < len(stored); i += 2 {
		rec.Change.Objects = append(rec.Change.Objects, s.change(s.typ(typ), stored[i], stored[i+1]))
	}
	if id != "" {
		s.state.Journal = append([]sal.Stored{rec}, s.state.Journal...)
	}
	return rec
}

func (s *site) change(typ *schema.Type, path, stored string) sal.Object {
	s.t.Helper()
	changed := sal.Object{Type: typ.Name, Path: path}
	objects, created := &s.state.Snapshot.Objects, s.state.Snapshot.Revision
	*objects = slices.Clone(*objects)
	i := slices.IndexFunc(*objects, func(o object.Object) bool { return o.Type == typ && o.Path() == path })
	if i >= 0 {
		changed.Before, created = value.OfMap((*objects)[i].Fields...), (*objects)[i].Created
		*objects = slices.Delete(*objects, i, i+1)
	}
	if stored == "" {
		return changed
	}
	v, err := value.Parse([]byte(stored))
	if err != nil {
		s.t.Fatal(err)
	}
	parts := strings.Split(path, "/")
	o := object.New(typ, parts[:len(parts)-1], parts[len(parts)-1]).WithFields(v.Fields())
	o.Revision, o.Created = s.state.Snapshot.Revision, created
	*objects = append(*objects, o)
	slices.SortFunc(*objects, func(a, b object.Object) int { return strings.Compare(a.Key(), b.Key()) })
	changed.After = value.OfMap(o.Fields...)
	return changed
}

// load loads the readers that a file declares for a type: its second line is the
// first line of yaml, indented by one blank.
func (s *site) load(typ, yaml string) ([]readers.Reader, []schema.Problem) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "readers.yaml")
	if err := os.WriteFile(file, []byte(typ+":\n "+strings.ReplaceAll(yaml, "\n", "\n ")), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return readers.Load(s.schema, file)
}

// declare returns the readers declared for a type.
func (s *site) declare(typ, yaml string) []readers.Reader {
	s.t.Helper()
	all, problems := s.load(typ, yaml)
	for _, p := range problems {
		s.t.Fatal(p.Err)
	}
	return all
}

func (s *site) check(all []readers.Reader) readers.Check {
	return readers.Check{
		Readers: all, Timeout: 2 * time.Second, Now: func() time.Time { return now },
		Objects: func(context.Context) (object.Snapshot, error) { return s.state.Snapshot, nil },
		Read:    func(context.Context) (readers.State, error) { return s.state, nil },
	}
}

func (s *site) run(c readers.Check) []readers.Result {
	s.t.Helper()
	results, err := c.Run(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	return results
}

// only runs a check of a single reader.
func (s *site) only(c readers.Check) readers.Result {
	s.t.Helper()
	results := s.run(c)
	if len(results) != 1 {
		s.t.Fatalf("%d results", len(results))
	}
	return results[0]
}

func expect(t *testing.T, got readers.Result, level readers.Level, words ...string) {
	t.Helper()
	if got.Level != level {
		t.Errorf("%v: %s; want %v", got.Level, got.Msg, level)
	}
	for _, w := range words {
		if !strings.Contains(got.Msg, w) {
			t.Errorf("%q does not say %q", got.Msg, w)
		}
	}
}

// says serves a text at every path.
func says(t *testing.T, text string, args ...any) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, text, args...) }))
	t.Cleanup(server.Close)
	return server.URL
}

// wiki answers like MediaWiki, without the parts that are not read.
func wiki(t *testing.T, index string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/w/api.php" || q.Get("action") != "query" || q.Get("meta") != "siteinfo" || q.Get("format") != "json" {
			t.Errorf("asked for %s", r.URL)
		}
		if r.Host != "en.example.org" || r.Header.Get("X-Forwarded-Proto") != "https" {
			w.Header().Set("Location", "https://en.example.org/w/api.php")
			w.WriteHeader(http.StatusMovedPermanently)
			return
		}
		fmt.Fprintf(w, `{"batchcomplete":true,"query":{"general":{"mainpage":"Main Page","readonly":false,"wmf-config":{"wmfMasterDatacenter":"eqiad","wmfEtcdLastModifiedIndex":%s}}}}`, index)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func wikiReader(s *site, url string) []readers.Reader {
	return s.declare("mwconfig", fmt.Sprintf(`[{kind: mediawiki, label: enwiki, url: "%s/w/api.php", headers: {Host: en.example.org, X-Forwarded-Proto: https}}]`, url))
}

// leaf returns the index that the gateway gives to a key last written at a revision.
func leaf(rev store.Revision) string {
	return fmt.Sprint(uint64(rev)*etcdindex.PerRevision + etcdindex.PerRevision - 1)
}

func TestMediaWiki(t *testing.T) {
	for _, c := range []struct {
		name  string
		index string
		late  time.Duration // of the second change
		level readers.Level
		words []string
	}{
		{"current", leaf(5), time.Hour, readers.OK, []string{"has seen revision 5"}},
		{"current, by an event's index", fmt.Sprint(5 * 8192), time.Hour, readers.OK, []string{"has seen revision 5"}},
		{"a little late", leaf(1), 3 * time.Second, readers.OK, []string{"2 changes are missing", "3s late, since change second; it may be 30s"}},
		{"late", leaf(1), 40 * time.Second, readers.Warning, []string{"40s late, since change second"}},
		{"very late", leaf(1), 3 * time.Minute, readers.Critical, []string{"has seen revision 1, the last of mwconfig is 5; 2 changes are missing", "3m0s late"}},
		{"never loaded", "0", time.Hour, readers.Critical, []string{"3 changes"}},
		{"ahead of the store", leaf(99), time.Hour, readers.Unknown, []string{"revision 99, and the store is at 5: does it read another store?"}},
		{"the last one is missing", leaf(3), time.Hour, readers.OK, []string{"1 change is missing: 1s late, since change third"}},
		{"no number", `"x"`, time.Hour, readers.Unknown, []string{`"x" is no index`}},
		{"text", `"` + leaf(5) + `"`, time.Hour, readers.OK, nil},
		{"null", "null", time.Hour, readers.Unknown, []string{"no wmf-config.wmfEtcdLastModifiedIndex"}},
		{"broken", "}", time.Hour, readers.Unknown, []string{"not as MediaWiki's api.php does"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			s.put("first", ago(2*time.Hour), "mwconfig", "eqiad/ReadOnly", `{"val": false}`)
			s.put("second", ago(c.late), "mwconfig", "common/Master", `{"val": "eqiad"}`)
			s.put("other", ago(c.late), "discovery", "api/eqiad", `{"pooled": true}`)
			s.put("", ago(time.Second), "discovery", "api/codfw", `{"pooled": true}`)
			s.put("third", ago(time.Second), "mwconfig", "common/Master", `{"val": "codfw"}`) // the object of the second change
			expect(t, s.only(s.check(wikiReader(s, wiki(t, c.index)))), c.level, c.words...)
		})
	}
}

// A deleted object has no index.
func TestHighestIndexAndDeletions(t *testing.T) {
	setUp := func(t *testing.T) *site {
		s := newSite(t)
		s.put("a", ago(3*time.Hour), "mwconfig", "common/A", `{"val": 1}`)
		s.put("b", ago(2*time.Hour), "mwconfig", "common/B", `{"val": 1}`)
		return s
	}
	t.Run("of a lower one", func(t *testing.T) {
		s := setUp(t)
		gone := s.put("gone", ago(time.Hour), "mwconfig", "common/A", "")
		c := s.check(wikiReader(s, wiki(t, leaf(2))))
		got := s.only(c)
		if expect(t, got, readers.OK); !strings.Contains(got.Note, "deletion") {
			t.Errorf("note %q", got.Note)
		}
		c.Since = []sal.Stored{gone}
		expect(t, s.only(c), readers.Unknown, "what the change is about is deleted")
	})
	t.Run("of the highest", func(t *testing.T) {
		s := setUp(t)
		gone := s.put("gone", ago(time.Hour), "mwconfig", "common/B", "")
		c := s.check(wikiReader(s, wiki(t, leaf(2))))
		expect(t, s.only(c), readers.Critical, "object of revision 2 that is deleted", "1h0m0s late, since change gone")
		c.Since = []sal.Stored{gone}
		expect(t, s.only(c), readers.Critical, "since change gone")
		s.put("else", ago(time.Hour), "discovery", "api/eqiad", `{"pooled": true}`)
		expect(t, s.only(s.check(wikiReader(s, wiki(t, leaf(4))))), readers.Unknown, "does it read others too, or another store?")
	})
	t.Run("of all", func(t *testing.T) {
		s := setUp(t)
		s.put("gone", ago(time.Hour), "mwconfig", "common/A", "", "common/B", "")
		expect(t, s.only(s.check(wikiReader(s, wiki(t, leaf(2))))), readers.Unknown, "the store has no mwconfig")
	})
}

// A change without a record is at least as old as the next record.
func TestUnrecorded(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(3*time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	s.put("", ago(2*time.Hour), "mwconfig", "common/A", `{"val": 2}`)
	all := wikiReader(s, wiki(t, leaf(1)))
	got := s.only(s.check(all))
	if expect(t, got, readers.Warning, "not known since when"); got.LateFrom {
		t.Errorf("%+v", got)
	}
	s.put("else", ago(time.Hour), "discovery", "api/eqiad", `{"pooled": true}`)
	expect(t, s.only(s.check(all)), readers.Critical, "1h0m0s late")
}

func TestSince(t *testing.T) {
	s := newSite(t)
	first := s.put("first", ago(2*time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	second := s.put("second", ago(10*time.Second), "mwconfig", "common/B", `{"val": 1}`)
	other := s.put("other", ago(10*time.Second), "discovery", "api/eqiad", `{"pooled": true}`)
	c := s.check(wikiReader(s, wiki(t, leaf(1))))
	for _, since := range []struct {
		records []sal.Stored
		level   readers.Level
		words   string
	}{
		{[]sal.Stored{first}, readers.OK, "has seen revision 1, and the change is 1"},
		{[]sal.Stored{second}, readers.Warning, "10s late, since change second"},
		{[]sal.Stored{second, first}, readers.Warning, "the change is 2"},
		{[]sal.Stored{other}, readers.OK, "nothing of mwconfig is in the change"},
	} {
		c.Since = since.records
		expect(t, s.only(c), since.level, since.words)
	}
}

// pybalText is a pool as PyBal prints it.
const pybalText = "cp1.example:\tenabled/up/pooled\ncp2.example:\tdisabled/up/not pooled\ncp3.example:\tenabled/partially up/not pooled\n"

func TestPyBal(t *testing.T) {
	for _, c := range []struct {
		name   string
		said   string
		change []string // 50 s ago
		level  readers.Level
		words  []string
	}{
		{"as stored", pybalText, nil, readers.OK, []string{"3 hosts as in the store, 1 of them up and pooled"}},
		{"depool not seen", pybalText, []string{"cp1.example", `{"weight": 1, "pooled": "no"}`}, readers.Warning, []string{"cp1.example is enabled, not disabled: 50s late, since change c"}},
		{"pool not seen", pybalText, []string{"cp2.example", `{"weight": 1, "pooled": "yes"}`}, readers.Warning, []string{"cp2.example is disabled, not enabled"}},
		{"inactive not seen", pybalText, []string{"cp2.example", `{"weight": 1, "pooled": "inactive"}`}, readers.Warning, []string{"cp2.example is disabled, not absent"}},
		{"deletion not seen", pybalText, []string{"cp1.example", ""}, readers.Warning, []string{"cp1.example is enabled, not absent: 50s late, since change c"}},
		{"creation not seen", pybalText, []string{"cp9.example", `{"weight": 1, "pooled": "yes"}`}, readers.Warning, []string{"cp9.example is absent, not enabled"}},
		{"weight is not said", pybalText, []string{"cp1.example", `{"weight": 7, "pooled": "yes"}`}, readers.OK, nil},
		{"never had it", "cp1.example:\tenabled/up/pooled\n", nil, readers.Critical, []string{"cp2.example is absent, not disabled, cp3.example is absent, not enabled: 2h0m0s late"}},
		{"unknown host", pybalText + "x.example:\tenabled/up/pooled\n", nil, readers.Warning, []string{"x.example is enabled, not absent: it is not known since when"}},
		{"JSON", `{"cp1.example": {"pooled": true, "weight": 1, "up": true, "enabled": true}, "cp2.example": {"pooled": false, "weight": 1, "up": true, "enabled": false}, "cp3.example": {"pooled": true, "weight": 1, "up": true, "enabled": true}}`, nil, readers.OK, []string{"2 of them"}},
		{"JSON, weight not seen", `{"cp1.example": {"pooled": true, "weight": 1, "up": true, "enabled": true}, "cp2.example": {"pooled": false, "weight": 1, "up": true, "enabled": false}, "cp3.example": {"pooled": true, "weight": 1, "up": true, "enabled": true}}`,
			[]string{"cp1.example", `{"weight": 7, "pooled": "yes"}`}, readers.Warning, []string{"cp1.example has weight 1, not 7: 50s late"}},
		{"a web page", "<html>\nhello\n", nil, readers.Unknown, []string{"not as PyBal does"}},
		{"forged", "cp1.example:\tenabled/up\n\x1b[2JOK: fine | x=1\n", nil, readers.Unknown, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			pool := "eqiad/text/https/"
			s.put("old", ago(2*time.Hour), "node", pool+"cp1.example", `{"weight": 1, "pooled": "yes"}`,
				pool+"cp2.example", `{"weight": 1, "pooled": "no"}`, pool+"cp3.example", `{"weight": 1, "pooled": "yes"}`,
				pool+"cp4.example", `{"weight": 0, "pooled": "inactive"}`, "codfw/text/https/cp1.example", `{"weight": 1, "pooled": "no"}`)
			if c.change != nil {
				s.put("c", ago(50*time.Second), "node", pool+c.change[0], c.change[1])
			}
			s.put("else", ago(time.Second), "node", pool+"cp4.example", `{"weight": 3, "pooled": "inactive"}`)
			all := s.declare("node", fmt.Sprintf(`[{kind: pybal, url: "%s/pools/{cluster}_{service}", only: dc=eqiad}]`, says(t, "%s", c.said)))
			got := s.only(s.check(all))
			expect(t, got, c.level, c.words...)
			if strings.ContainsAny(got.Msg, "\x1b\n|") || !strings.HasSuffix(got.Reader.Target, "/pools/text_https") {
				t.Errorf("%q at %s", got.Msg, got.Reader.Target)
			}
		})
	}
}

// A reader's state is as old as the first change it missed, not the last.
func TestPyBalSinceTheFirstMissed(t *testing.T) {
	s := newSite(t)
	path := "eqiad/text/https/cp1.example"
	s.put("a", ago(5*time.Hour), "node", path, `{"weight": 1, "pooled": "yes"}`)
	depool := s.put("b", ago(4*time.Hour), "node", path, `{"weight": 1, "pooled": "no"}`)
	weight := s.put("c", ago(time.Second), "node", path, `{"weight": 2, "pooled": "no"}`)
	other := s.put("d", ago(time.Second), "node", "eqiad/text/https/cp2.example", `{"weight": 2, "pooled": "inactive"}`)
	c := s.check(s.declare("node", fmt.Sprintf(`[{kind: pybal, url: "%s/pools/x"}]`, says(t, "cp1.example:\tenabled/up/pooled\n"))))
	expect(t, s.only(c), readers.Critical, "4h0m0s late, since change b")
	for _, since := range []sal.Stored{depool, weight} {
		c.Since = []sal.Stored{since}
		expect(t, s.only(c), readers.Critical, "since change b")
	}
	c.Since = []sal.Stored{other}
	expect(t, s.only(c), readers.OK)
}

// A change without a record is not attributed to the record before it.
func TestPyBalUnrecorded(t *testing.T) {
	s := newSite(t)
	path := "eqiad/text/https/cp1.example"
	s.put("a", ago(5*time.Hour), "node", path, `{"weight": 1, "pooled": "yes"}`)
	s.put("", ago(4*time.Hour), "node", path, `{"weight": 1, "pooled": "no"}`)
	s.put("else", ago(50*time.Second), "node", "eqiad/text/https/cp2.example", `{"weight": 2, "pooled": "inactive"}`)
	c := s.check(s.declare("node", fmt.Sprintf(`[{kind: pybal, url: "%s/pools/x"}]`, says(t, "cp1.example:\tenabled/up/pooled\n"))))
	got := s.only(c)
	if expect(t, got, readers.Warning, "50s late"); strings.Contains(got.Msg, "since change") {
		t.Error(got.Msg)
	}
}

// instrumentation answers like PyBal's, which compares the whole Accept header.
func instrumentation(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json := slices.Contains(r.Header["Accept"], "application/json")
		w.Header().Set("Content-Type", "text/plain")
		if json {
			w.Header().Set("Content-Type", "application/json")
		}
		answers := map[string][2]string{ // as text and as JSON
			"/pools": {"text_http\ntext_https\n", `["text_http", "text_https"]`},
			"/pools/text_https": {"cp2.example:\tenabled/down/pooled\ncp1.example:\tenabled/up/pooled\ncp3.example:\tdisabled/partially up/not pooled\n",
				`{"cp2.example": {"pooled": true, "weight": 1, "up": false, "enabled": true}, "cp1.example": {"pooled": true, "weight": 10, "up": true, "enabled": true}, "cp3.example": {"pooled": false, "weight": 1, "up": false, "enabled": false}}`},
			"/pools/text_http":              {"", "{}"},
			"/pools/text_https/cp1.example": {"enabled/up/pooled\n", `{"pooled": true, "weight": 10, "up": true, "enabled": true}`},
		}
		said, known := answers[r.URL.Path]
		if !known {
			w.WriteHeader(http.StatusNotFound)
			said = [2]string{"The desired url was not found", `{"error": "The desired url was not found"}`}
		}
		if json {
			said[0] = said[1]
		}
		fmt.Fprint(w, said[0])
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// Both formats of PyBal are understood.
func TestPyBalInstrumentation(t *testing.T) {
	url := instrumentation(t)
	s := newSite(t)
	s.put("a", ago(time.Hour), "node", "eqiad/text/https/cp1.example", `{"weight": 10, "pooled": "yes"}`, "eqiad/text/https/cp2.example", `{"weight": 1, "pooled": "yes"}`,
		"eqiad/text/https/cp3.example", `{"weight": 1, "pooled": "no"}`, "eqiad/text/http/cp1.example", `{"weight": 1, "pooled": "inactive"}`)
	for _, headers := range []string{"", ", headers: {Accept: text/plain}", ", headers: {Accept: 'application/json, text/plain'}"} {
		for path, want := range map[string]string{
			"text_https":             "OK 3 hosts as in the store, 1 of them up and pooled",
			"text_http":              "OK 0 hosts as in the store",
			"text_https/cp1.example": "UNKNOWN answers, but not as PyBal does for a pool",
			"texthttps":              "UNKNOWN answers 404 Not Found: PyBal has no such pool",
		} {
			service := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSuffix(path, "/cp1.example"), "text"), "_")
			got := s.only(s.check(s.declare("node", fmt.Sprintf("[{kind: pybal, url: '%s/pools/%s', only: service=%s%s}]", url, path, service, headers))))
			if text := fmt.Sprint(got.Level, " ", got.Msg); !strings.HasPrefix(text, want) {
				t.Errorf("%s%s: %s, want %s", path, headers, text, want)
			}
		}
	}
}

func TestOldestOfSeveral(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(5*time.Hour), "node", "eqiad/text/https/cp1", `{"pooled": "yes"}`, "eqiad/text/https/cp2", `{"pooled": "yes"}`, "eqiad/text/https/cp3", `{"pooled": "yes"}`)
	s.put("b", ago(time.Second), "node", "eqiad/text/https/cp1", `{"pooled": "no"}`)
	s.put("c", ago(10*time.Second), "node", "eqiad/text/https/cp2", `{"pooled": "no"}`)
	s.put("d", ago(2*time.Second), "node", "eqiad/text/https/cp3", `{"pooled": "no"}`)
	url := says(t, "cp1:\tenabled/up/pooled\ncp2:\tenabled/up/pooled\ncp3:\tenabled/up/pooled\n")
	got := s.only(s.check(s.declare("node", `[{kind: pybal, url: "`+url+`/pools/x"}]`)))
	if expect(t, got, readers.OK, "cp1 is enabled, not disabled, cp2 is enabled, not disabled, cp3 is enabled, not disabled: 10s late, since change c"); got.Current {
		t.Errorf("%+v", got)
	}
}

// Refused changes and changes after the snapshot are never missing.
func TestRecordsThatDoNotCount(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(5*time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	was := s.state.Snapshot
	refused := s.put("refused", ago(4*time.Hour), "mwconfig", "common/A", `{"val": 2}`)
	s.state.Snapshot.Objects = was.Objects
	s.state.Journal[0].Event.Outcome, refused.Event.Outcome = sal.Failure, sal.Failure
	s.put("b", ago(10*time.Second), "mwconfig", "common/A", `{"val": 3}`)
	snapshot := s.state.Snapshot
	s.put("later", ago(time.Second), "mwconfig", "common/A", `{"val": 4}`)
	s.state.Snapshot = snapshot
	c := s.check(wikiReader(s, wiki(t, leaf(1))))
	if got := s.only(c); !strings.Contains(got.Msg, "1 change is missing") || got.Late != 10*time.Second {
		t.Errorf("%+v", got)
	}
	c.Since = []sal.Stored{refused}
	expect(t, s.only(c), readers.OK, "nothing of mwconfig is in the change")
}

// A reader that has not seen an older change has not seen a later deletion either.
func TestSinceDeletionBehind(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(5*time.Hour), "mwconfig", "common/A", `{"val": 1}`, "common/B", `{"val": 1}`)
	s.put("b", ago(4*time.Hour), "mwconfig", "common/A", `{"val": 2}`)
	c := s.check(wikiReader(s, wiki(t, leaf(1))))
	c.Since = []sal.Stored{s.put("gone", ago(3*time.Hour), "mwconfig", "common/B", "")}
	expect(t, s.only(c), readers.Critical, "3h0m0s late, since change gone")
}

func TestSeveralOfAName(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(time.Hour), "node", "eqiad/text/https/cp1", `{"pooled": "yes"}`, "eqiad/text/http/cp1", `{"pooled": "yes"}`)
	all := s.declare("node", fmt.Sprintf(`[{kind: pybal, url: "%s/pools/x"}]`, says(t, "cp1:\tenabled/up/pooled\n")))
	expect(t, s.only(s.check(all)), readers.Unknown, "several of node are called cp1")
}

func TestExpansion(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(time.Hour), "node", "eqiad/text/https/cp1", `{"pooled": "yes"}`, "eqiad/text/https/cp2", `{"pooled": "yes"}`,
		"codfw/upload/https/cp3", `{"pooled": "yes"}`, "codfw/../https/cp3", `{"pooled": "yes"}`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "..") {
			t.Errorf("asked for %s", r.URL)
		}
		fmt.Fprint(w, "cp1:\tenabled/up/pooled\ncp2:\tenabled/up/pooled\n")
	}))
	defer server.Close()
	url := server.URL
	var names []string
	for _, r := range s.run(s.check(s.declare("node", fmt.Sprintf(`[{kind: pybal, label: lvs1, url: "%s/pools/{cluster}_{service}"}]`, url)))) {
		names = append(names, fmt.Sprint(r.Reader.Name(), " ", r.Level, " ", strings.TrimPrefix(r.Reader.Target, url)))
		if r.Level == readers.Unknown {
			expect(t, r, readers.Unknown, "cluster=.. cannot stand in")
		}
	}
	want := []string{"lvs1 ../https UNKNOWN /pools/.._https", "lvs1 upload/https CRITICAL /pools/upload_https", "lvs1 text/https OK /pools/text_https"}
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}

// Labels without all tags are made unique for each reader.
func TestExpansionOfLabels(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(time.Hour), "node", "eqiad/text/https/cp1", `{"pooled": "yes"}`, "eqiad/text/http/cp1", `{"pooled": "yes"}`)
	url := says(t, "cp1:\tenabled/up/pooled\n")
	for label, want := range map[string]string{
		"lvs1":                     "lvs1 text/http, lvs1 text/https",
		"lvs1 {cluster}":           "lvs1 text http, lvs1 text https",
		"{cluster}_{service} lvs1": "text_http lvs1, text_https lvs1",
		"{dc}":                     "eqiad text/http, eqiad text/https",
	} {
		var names []string
		for _, r := range s.run(s.check(s.declare("node", fmt.Sprintf(`[{kind: pybal, label: "%s", url: "%s/pools/{cluster}_{service}"}]`, label, url)))) {
			expect(t, r, readers.OK)
			names = append(names, r.Reader.Name())
		}
		if got := strings.Join(names, ", "); got != want {
			t.Errorf("%s: %s, want %s", label, got, want)
		}
	}
}

// nameServer answers every question for an IPv4 address with addresses; if there are
// none, it answers that the name does not exist.
func nameServer(t *testing.T, addresses ...string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		packet := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(dnsAnswer(packet[:n], addresses), from)
		}
	}()
	return conn.LocalAddr().String()
}

// dnsAnswer returns the answer to a question, as RFC 1035 defines it.
func dnsAnswer(question []byte, addresses []string) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5 // the root, type and class
	isA := binary.BigEndian.Uint16(question[end-4:]) == 1
	a := slices.Clone(question[:end])
	flags := uint16(0x8400)
	if addresses == nil {
		flags |= 3
	}
	binary.BigEndian.PutUint16(a[2:], flags)
	copy(a[4:12], []byte{0, 1, 0, 0, 0, 0, 0, 0})
	if !isA {
		return a
	}
	binary.BigEndian.PutUint16(a[6:], uint16(len(addresses)))
	for _, address := range addresses {
		a = append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 10, 0, 4)
		a = append(a, net.ParseIP(address).To4()...)
	}
	return a
}

func TestDNS(t *testing.T) {
	for _, c := range []struct {
		name         string
		addresses    []string
		eqiad, codfw string
		level        readers.Level
		words        []string
	}{
		{"in a pooled place", []string{"10.2.2.9"}, "true", "false", readers.OK, []string{"answers with eqiad"}},
		{"in one of two", []string{"10.2.1.9"}, "true", "true", readers.OK, []string{"answers with codfw"}},
		{"in one that is out", []string{"10.2.1.9"}, "true", "false", readers.Warning, []string{"10.2.1.9 (codfw), which is not pooled: 50s late, since change c"}},
		{"in both", []string{"10.2.1.9", "10.2.2.9"}, "true", "false", readers.Warning, []string{"(codfw)"}},
		{"nowhere, though one is pooled", []string{"10.64.0.1"}, "true", "false", readers.Warning, []string{`10.64.0.1, which is of no place, and "eqiad" is pooled`}},
		{"nowhere, and none is pooled", []string{"10.64.0.1"}, "false", "false", readers.OK, []string{"none is pooled"}},
		{"no address", []string{}, "true", "false", readers.Unknown, []string{"the name has no address: is the name right?"}},
		{"no address, and none is pooled", []string{}, "false", "false", readers.OK, []string{"none is pooled"}},
		{"no such name", nil, "true", "false", readers.Unknown, []string{"no such name (NXDOMAIN)"}},
		{"no such name, and none is pooled", nil, "false", "false", readers.Unknown, []string{"no such name (NXDOMAIN): is the name right?"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			s.put("a", ago(time.Hour), "discovery", "api/eqiad", `{"pooled": false}`, "api/codfw", `{"pooled": true}`, "api/esams", `{"pooled": false}`)
			s.put("c", ago(50*time.Second), "discovery", "api/eqiad", `{"pooled": `+c.eqiad+`}`, "api/codfw", `{"pooled": `+c.codfw+`}`)
			all := s.declare("discovery", fmt.Sprintf(`[{kind: dns, name: "{dnsdisc}.discovery.example.net", server: "%s", answers: {eqiad: 10.2.2.0/24, codfw: [10.2.1.0/24]}}]`, nameServer(t, c.addresses...)))
			expect(t, s.only(s.check(all)), c.level, c.words...)
		})
	}
}

// A question is sent again if UDP loses it or if an unrelated packet arrives.
func TestLossyNameServer(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing is left in it
	go func() {
		packet := make([]byte, 1500)
		for sent := 0; ; sent++ {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			reply := dnsAnswer(packet[:n], []string{"10.2.2.9"})
			other := append([]byte{reply[0] ^ 1}, dnsAnswer(packet[:n], nil)[1:]...) // to another question
			sends := [][][]byte{{}, {[]byte("x")}, {other, reply}, {packet[:n]}, {nil}, {reply[:20]}}
			for _, packet := range sends[min(sent, len(sends)-1)] {
				_, _ = conn.WriteTo(packet, from)
			}
		}
	}()
	s := newSite(t)
	s.put("a", ago(time.Hour), "discovery", "api/eqiad", `{"pooled": true}`)
	c := s.check(s.declare("discovery", fmt.Sprintf(`[{kind: dns, name: x.example.net, server: "%s", answers: {eqiad: 10.2.2.0/24}}]`, conn.LocalAddr())))
	c.Timeout = 1500 * time.Millisecond
	expect(t, s.only(c), readers.OK, "answers with eqiad")
	expect(t, s.only(c), readers.Unknown, "what it answers is no reply to the question")
}

// An answer that is truncated over UDP is requested again over TCP.
func TestTruncatedAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nothing is left in it
	conn, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Skipf("somebody else has the port: %v", err)
	}
	defer conn.Close() //nolint:errcheck // nothing is left in it
	go func() {
		packet := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			reply := dnsAnswer(packet[:n], []string{"192.0.2.1"})
			reply[2] |= 2 // TC
			_, _ = conn.WriteTo(reply, from)
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			packet := make([]byte, 1500)
			if n, err := io.ReadAtLeast(c, packet, 14); err == nil {
				reply := dnsAnswer(packet[2:n], []string{"10.2.2.9"})
				_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
			}
			_ = c.Close()
		}
	}()
	s := newSite(t)
	s.put("a", ago(time.Hour), "discovery", "api/eqiad", `{"pooled": true}`)
	c := s.check(s.declare("discovery", fmt.Sprintf(`[{kind: dns, name: x.example.net, server: "%s", answers: {eqiad: 10.2.2.0/24}}]`, l.Addr())))
	expect(t, s.only(c), readers.OK, "answers with eqiad")
	_ = l.Close()
	expect(t, s.only(c), readers.Unknown, "over TCP, since its answer is too long for UDP: connection refused")
}

// An answer of a name server does not show that it has seen a second place pooled.
func TestSinceDNS(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(time.Hour), "discovery", "api/eqiad", `{"pooled": true}`, "api/codfw", `{"pooled": false}`)
	both := s.put("both", ago(time.Second), "discovery", "api/codfw", `{"pooled": true}`)
	all := s.declare("discovery", fmt.Sprintf(`[{kind: dns, name: "{dnsdisc}.example.net", server: "%s", answers: {eqiad: 10.2.2.0/24, codfw: 10.2.1.0/24}}]`, nameServer(t, "10.2.2.9")))
	c := s.check(all)
	expect(t, s.only(c), readers.OK, "answers with eqiad")
	c.Since = []sal.Stored{both}
	expect(t, s.only(c), readers.Unknown, "answers with eqiad; whether it has seen codfw pooled does not show in that")
	c.Since = []sal.Stored{s.put("gone", ago(time.Second), "discovery", "api/eqiad", `{"pooled": false}`)}
	expect(t, s.only(c), readers.Warning, "10.2.2.9 (eqiad), which is not pooled")
	c.Since = []sal.Stored{both, s.put("again", ago(time.Second), "discovery", "api/eqiad", `{"pooled": true}`)}
	expect(t, s.only(c), readers.Unknown, "whether it has seen codfw pooled does not show")
	c.Since = []sal.Stored{s.put("deleted", ago(time.Second), "discovery", "api/codfw", "")}
	expect(t, s.only(c), readers.OK, "as it is in the store")
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.conf")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newSite(t)
	s.put("a", ago(2*time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	s.put("b", ago(time.Hour), "mwconfig", "common/A", `{"val": 2}`)
	index := s.check(s.declare("mwconfig", `[{kind: file, path: `+file+`, pattern: "index: ([0-9]+)"}]`))
	revision := s.check(s.declare("mwconfig", `[{kind: file, path: `+file+`, pattern: "rev=(.+)", unit: revision}]`))
	expect(t, s.only(index), readers.Unknown, "no such file or directory")
	write("# index: " + leaf(1) + "\n")
	expect(t, s.only(index), readers.Critical, "1h0m0s late")
	write("# index: " + leaf(2) + "\n# index: 1\n")
	expect(t, s.only(index), readers.OK)
	expect(t, s.only(revision), readers.Unknown, "nothing in it matches rev=(.+)")
	write("rev=2\n")
	expect(t, s.only(revision), readers.OK)
	write("rev=99999999999999999999\n")
	expect(t, s.only(revision), readers.Unknown, "is no index")
	write(strings.Repeat("x", 70_000) + "rev=2\n")
	expect(t, s.only(revision), readers.Unknown, "nothing in it matches")
	expect(t, s.only(s.check(s.declare("mwconfig", `[{kind: file, path: `+dir+`}]`))), readers.Unknown, "is a directory")
}

func TestIndexOverHTTP(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(2*time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	expect(t, s.only(s.check(s.declare("mwconfig", `[{kind: index, url: "`+says(t, " %s\n", leaf(1))+`"}]`))), readers.OK)
}

func TestUnreachable(t *testing.T) {
	redirecting := httptest.NewServer(http.RedirectHandler("http://elsewhere.example/", http.StatusFound))
	defer redirecting.Close()
	mute := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer mute.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	missing := httptest.NewServer(http.NotFoundHandler())
	defer missing.Close()
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	s := newSite(t)
	s.put("a", ago(2*time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	for url, want := range map[string]string{
		redirecting.URL: "answers that it is at http://elsewhere.example/",
		mute.URL:        "no answer within 300ms",
		secure.URL:      "certificate signed by an authority that this host does not know; name the file of a site's own with ca",
		closed.URL:      "connection refused",
		missing.URL:     "answers 404 Not Found",
		endless.URL:     "longer than 1024 KiB",
		strings.Replace(missing.URL, "http", "https", 1): "does not speak TLS",
	} {
		c := s.check(s.declare("mwconfig", `[{kind: index, url: "`+url+`"}]`))
		if url == mute.URL {
			c.Timeout = 300 * time.Millisecond
		}
		expect(t, s.only(c), readers.Unknown, want)
	}
}

// TestManyAway checks that the report is in time, however many readers do not
// answer.
func TestManyAway(t *testing.T) {
	mute := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer mute.Close()
	s := newSite(t)
	s.put("a", ago(2*time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	var all []string
	for i := range 400 {
		all = append(all, fmt.Sprintf(`{kind: index, label: r%d, url: "%s/%d"}`, i, mute.URL, i))
	}
	c := s.check(s.declare("mwconfig", "["+strings.Join(all, ", ")+"]"))
	c.Timeout = 50 * time.Millisecond
	said := map[string]int{}
	for _, r := range s.run(c) {
		if r.Level != readers.Unknown {
			t.Fatalf("%s: %v: %s", r.Reader.Name(), r.Level, r.Msg)
		}
		said[r.Msg]++
	}
	asked, rest := said["no answer within 50ms"], said["was not asked: after 400ms others had not answered; check fewer at a time"]
	if asked < 32 || rest == 0 || asked+rest != 400 {
		t.Errorf("%v", said)
	}
}

// The store is read after all readers have answered; before that, only for the
// values of tags.
func TestReadsAfterAsking(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	c := s.check(wikiReader(s, wiki(t, leaf(2)))) // the reader saw a change made during the check
	c.Objects = nil                               // not needed here
	reads := 0
	c.Read = func(context.Context) (readers.State, error) {
		reads++
		s.put("b", now, "mwconfig", "common/A", `{"val": 2}`)
		return s.state, nil
	}
	expect(t, s.only(c), readers.OK, "has seen revision 2")
	c.Read = func(context.Context) (readers.State, error) { return readers.State{}, errors.New("down") }
	if _, err := c.Run(context.Background()); err == nil || err.Error() != "down" || reads != 1 {
		t.Error(err, reads)
	}
	c = s.check(s.declare("mwconfig", `[{kind: index, url: "http://127.0.0.1:1/{scope}"}]`))
	c.Objects = func(context.Context) (object.Snapshot, error) { return object.Snapshot{}, errors.New("out") }
	if _, err := c.Run(context.Background()); err == nil || err.Error() != "out" {
		t.Error(err)
	}
}

func TestThresholds(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	s.put("b", ago(100*time.Second), "mwconfig", "common/A", `{"val": 2}`)
	c := s.check(wikiReader(s, wiki(t, leaf(1))))
	for _, th := range []struct {
		warning, critical time.Duration
		want              readers.Level
	}{
		{0, 0, readers.Warning}, {0, 99 * time.Second, readers.Critical}, {0, 100 * time.Second, readers.Warning}, {100 * time.Second, 0, readers.OK},
		{99 * time.Second, 0, readers.Warning}, {20 * time.Second, 0, readers.Critical},
		{0, 10 * time.Second, readers.Critical}, {200 * time.Second, 99 * time.Second, readers.Critical},
	} {
		c.Warning, c.Critical = th.warning, th.critical
		if got := s.only(c); got.Level != th.want {
			t.Errorf("%v, %v: %v: %s", th.warning, th.critical, got.Level, got.Msg)
		}
		if got := s.only(c); got.Warn > got.Crit || th.critical > 0 && got.Crit != th.critical {
			t.Errorf("%v, %v: WARNING from %v, CRITICAL from %v", th.warning, th.critical, got.Warn, got.Crit)
		}
	}
}

// An error about an answer describes what is wrong with it, not the library's
// internals.
func TestStrangeAnswers(t *testing.T) {
	for _, c := range []struct {
		answer string // as it is sent
		words  string
	}{
		{"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", "is said to be compressed with gzip, and cannot be unpacked"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello", "cut off after 5 bytes: connection closed by the server"},
		{"SSH-2.0-OpenSSH\r\n", "what it answers is no HTTP"},
		{"HTTP/1.1 200 OK\r\nx: " + strings.Repeat("x", 200_000) + "\r\n\r\n", "the headers of its answer are longer than 64 KiB"},
	} {
		s := newSite(t)
		s.put("a", ago(time.Hour), "mwconfig", "common/A", `{"val": 1}`)
		address := answers(t, c.answer)
		got := s.only(s.check(s.declare("mwconfig", `[{kind: index, url: "http://`+address+`"}]`)))
		expect(t, got, readers.Unknown, c.words)
		if strings.Contains(got.Msg, "net/http") {
			t.Error(got.Msg)
		}
	}
	plain := answers(t, "HTTP/1.1 400 Bad Request\r\n\r\n")
	s := newSite(t)
	s.put("a", ago(time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	expect(t, s.only(s.check(s.declare("mwconfig", `[{kind: index, url: "https://`+plain+`"}]`))), readers.Unknown, "does not speak TLS")
	expect(t, s.only(s.check(s.declare("mwconfig", `[{kind: index, url: "https://`+answers(t, "SSH-2.0-OpenSSH\r\n")+`"}]`))), readers.Unknown, "does not speak TLS")
}

// answers listens on a port and answers each connection with the same bytes.
func answers(t *testing.T, text string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

// A leading byte order mark is ignored.
func TestByteOrderMark(t *testing.T) {
	const mark = "\xef\xbb\xbf"
	s := newSite(t)
	s.put("a", ago(time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	s.put("b", ago(time.Hour), "node", "eqiad/text/https/cp1", `{"pooled": "yes"}`)
	wiki := says(t, mark+`{"query": {"general": {"wmf-config": {"wmfEtcdLastModifiedIndex": %s}}}}`, leaf(1))
	expect(t, s.only(s.check(s.declare("mwconfig", `[{kind: mediawiki, url: "`+wiki+`/w/api.php"}]`))), readers.OK)
	pool := says(t, mark+"cp1:\tenabled/up/pooled\n")
	expect(t, s.only(s.check(s.declare("node", `[{kind: pybal, url: "`+pool+`/pools/x"}]`))), readers.OK)
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, []byte(mark+leaf(1)), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, s.only(s.check(s.declare("mwconfig", `[{kind: file, path: `+file+`}]`))), readers.OK)
}
