package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/mirror"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/local"
)

// site is a gateway for a store.
type site struct {
	store   store.Store
	mirror  *mirror.Mirror
	handler *Handler
	URL     string
	pending int
}

// serve runs a gateway until the test ends. Unless mcfg has prefixes, it mirrors
// only what it serves.
func serve(t testing.TB, s store.Store, cfg Config, mcfg mirror.Config) *site {
	t.Helper()
	mcfg.Store = s
	if mcfg.Prefixes == nil {
		mcfg.Prefixes = []string{"/conftool/v1/"}
	}
	m := mirror.New(mcfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = m.Run(ctx) // ends with the context
	}()
	cfg.Mirror, cfg.Namespace, cfg.APIVersion = m, "/conftool", "v1"
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		h.Close()
		srv.Close()
		cancel()
		<-done
	})
	return &site{store: s, mirror: m, handler: h, URL: srv.URL}
}

func openLocal(t testing.TB) *local.Store {
	t.Helper()
	s, err := local.Open(filepath.Join(t.TempDir(), "store"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(key, value string) store.Write { return store.Write{Key: key, Value: []byte(value)} }
func del(key string) store.Write        { return store.Write{Key: key, Delete: true} }

// commit makes a change, and waits until the mirror has it.
func (s *site) commit(t testing.TB, writes ...store.Write) store.Revision {
	t.Helper()
	r, err := s.store.Commit(t.Context(), store.Txn{Writes: writes})
	if err != nil {
		t.Fatal(err)
	}
	s.reached(t, r.Revision)
	return r.Revision
}

// later makes a change in a moment, after the pending ones.
func (s *site) later(t testing.TB, writes ...store.Write) {
	s.pending++
	time.AfterFunc(time.Duration(s.pending)*200*time.Millisecond, func() {
		if _, err := s.store.Commit(context.WithoutCancel(t.Context()), store.Txn{Writes: writes}); err != nil {
			t.Error(err)
		}
	})
}

func (s *site) reached(t testing.TB, at store.Revision) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		if v := s.mirror.View(); v != nil && v.Revision >= at && !v.Filling() {
			return
		}
	}
	t.Fatalf("the mirror does not get to %d: %+v", at, s.mirror.Status())
}

// reply is a response.
type reply struct {
	status int
	header http.Header
	body   string
	parsed parsed
}

type node struct {
	Key           string
	Value         *string
	Dir           bool
	Nodes         []node
	ModifiedIndex uint64
	CreatedIndex  uint64
}

type parsed struct {
	Action    string
	Node      node
	PrevNode  *node
	ErrorCode int
	Message   string
	Cause     string
	Index     uint64
}

// ask sends a request without changing the path.
func ask(t testing.TB, method, base, target string, header ...string) reply {
	t.Helper()
	r, err := try(t.Context(), method, base, target, header...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return r
}

func try(ctx context.Context, method, base, target string, header ...string) (reply, error) {
	p, query, _ := strings.Cut(target, "?")
	req, err := http.NewRequestWithContext(ctx, method, base, nil)
	if err != nil {
		return reply{}, err
	}
	req.URL.Opaque, req.URL.RawQuery = "//"+req.URL.Host+p, query
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := http.Client{
		Transport:     http.DefaultTransport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	r := reply{status: resp.StatusCode, header: resp.Header, body: string(body)}
	if strings.HasPrefix(r.body, "{") {
		err = json.Unmarshal(body, &r.parsed)
	}
	return r, err
}

func (s *site) get(t testing.TB, target string, header ...string) reply {
	t.Helper()
	return ask(t, http.MethodGet, s.URL, target, header...)
}

// keys lists the keys of a node and of everything below it, directories with a
// slash.
func keys(n node) []string {
	name := n.Key
	if n.Dir {
		name += "/"
	}
	out := []string{name}
	for _, c := range n.Nodes {
		out = append(out, keys(c)...)
	}
	return out
}

func TestRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{Allow: []string{"/conftool/v1/pools/", "conftool/v1/mw/X"}}, mirror.Config{})
	s.commit(t,
		put("/conftool/v1/pools/a/b/h1", `{"weight": 1}`), put("/conftool/v1/pools/a/b-c/h2", ""),
		put("/conftool/v1/pools/a/_x/h3", "hidden"), put("/conftool/v1/pools/a/b/_h4", "hidden"),
		put("/conftool/v1/mw/X", "1"), put("/conftool/v1/mw/Y", "denied"), put("/conftool/v1/secret/Z", "denied"),
		put("/conftool/.confctl/journal/1", "own"), put("/conftool/v2/k", "other"),
		put("/conftool/v1/pools/a//k", "odd"), put("/conftool/v1/pools/a/./k", "odd"), put("/conftool/v1/pools/a/k/", "odd"),
		put("/conftool/v1/pools/both", "key"), put("/conftool/v1/pools/both/k", "1"),
		put("/conftool/v1/pools/é <&>", "\xff\"\\\n\u2028é<&>"),
	)
	long := strings.Repeat("/x", 3000)
	for _, c := range []struct {
		target string
		status int
		want   string // the keys, or the code and the cause
	}{
		{"/v2/keys", 200, "/ /conftool/"},
		{"/v2/keys/", 200, "/ /conftool/"},
		{"/v2/keys/conftool", 200, "/conftool/ /conftool/v1/"},
		{"/v2/keys/conftool/v1/", 200, "/conftool/v1/ /conftool/v1/mw/ /conftool/v1/pools/"},
		{"/v2/keys/?recursive=true", 200, "/ /conftool/ /conftool/v1/ /conftool/v1/mw/ /conftool/v1/mw/X /conftool/v1/pools/ /conftool/v1/pools/a/ /conftool/v1/pools/a/b/ /conftool/v1/pools/a/b/h1 /conftool/v1/pools/a/b-c/ /conftool/v1/pools/a/b-c/h2 /conftool/v1/pools/both/ /conftool/v1/pools/both/k /conftool/v1/pools/both /conftool/v1/pools/é <&>"},
		{"/v2/keys/conftool/v1/pools/a/b", 200, "/conftool/v1/pools/a/b/ /conftool/v1/pools/a/b/h1"},
		{"/v2/keys/conftool/v1/pools/a/_x", 200, "/conftool/v1/pools/a/_x/ /conftool/v1/pools/a/_x/h3"},
		{"/v2/keys/conftool/v1/pools/a/b/_h4", 200, "/conftool/v1/pools/a/b/_h4"},
		{"/v2/keys/conftool/v1/pools/a/b/h1/", 200, "/conftool/v1/pools/a/b/h1"},
		{"/v2/keys/conftool/v1/pools/a/b/h1?recursive=true&quorum=true&sorted=false", 200, "/conftool/v1/pools/a/b/h1"},
		{"/v2/keys/conftool/v1/pools/both", 200, "/conftool/v1/pools/both"},
		{"/v2/keys/conftool/v1/pools/both/", 200, "/conftool/v1/pools/both/ /conftool/v1/pools/both/k"},
		{"/v2/keys/conftool/v1/pools/both?recursive=1", 200, "/conftool/v1/pools/both/ /conftool/v1/pools/both/k"},
		{"/v2/keys/conftool/v1/pools/%c3%a9%20%3C&%3e", 200, "/conftool/v1/pools/é <&>"},
		{"/v2/keys/conftool%2fv1%2Fpools/a%2fb-c", 200, "/conftool/v1/pools/a/b-c/ /conftool/v1/pools/a/b-c/h2"},
		{"/v2/keys/conftool/v1/mw/X", 200, "/conftool/v1/mw/X"},

		{"/v2/keys/conftool/v1/mw/Y", 403, "110 /conftool/v1/mw/Y is not served here"},
		{"/v2/keys/conftool/v1/secret?recursive=true", 403, "110 /conftool/v1/secret is not served here"},
		{"/v2/keys/conftool/v1/nothing", 403, "110 /conftool/v1/nothing is not served here"},
		{"/v2/keys/conftool/v1/secret?wait=true", 403, "110 /conftool/v1/secret is not served here"},
		{"/v2/keys/conftool/v1/pools/no/such", 404, "100 /conftool/v1/pools/no"},
		{"/v2/keys/conftool/v1/pools/a/b/h1/no", 400, "104 /conftool/v1/pools/a/b/h1"},
		{"/v2/keys/conftool/.confctl/journal/1", 404, "100 /conftool/.confctl"},
		{"/v2/keys/conftool/v2/k", 404, "100 /conftool/v2"},
		{"/v2/keys/nope", 404, "100 /nope"},

		// Paths are cleaned before access is checked.
		{"/v2/keys//conftool/v1", 200, "/conftool/v1/ /conftool/v1/mw/ /conftool/v1/pools/"},
		{"/v2/keys/conftool/v1//", 200, "/conftool/v1/ /conftool/v1/mw/ /conftool/v1/pools/"},
		{"/v2/keys/./conftool/.//v1/.", 200, "/conftool/v1/ /conftool/v1/mw/ /conftool/v1/pools/"},
		{"/v2/keys/conftool/../conftool/v1", 200, "/conftool/v1/ /conftool/v1/mw/ /conftool/v1/pools/"},
		{"/v2/keys/conftool/..", 200, "/ /conftool/"},
		{"/v2/keys//", 200, "/ /conftool/"},
		{"//v2/keys", 200, "/ /conftool/"},
		{"//v2//keys/conftool/..", 200, "/ /conftool/"},
		{"//v2/keys/..", 400, `209 the path leaves /v2/keys: it has too many ".."`},
		{"/v2/keys/conftool/v1/pools/no/%2e%2e/a%2f%2fb", 200, "/conftool/v1/pools/a/b/ /conftool/v1/pools/a/b/h1"},
		{"/v2/keys/conftool/v1/pools//both", 200, "/conftool/v1/pools/both"},
		{"/v2/keys/conftool/v1/pools/both//", 200, "/conftool/v1/pools/both/ /conftool/v1/pools/both/k"},
		{"/v2/keys/conftool/v1/pools/a/k/", 404, "100 /conftool/v1/pools/a/k"},
		{"/v2/keys/conftool/v1/pools/a//k", 404, "100 /conftool/v1/pools/a/k"},
		{"/v2/keys/conftool/v1/pools/../secret/Z", 403, "110 /conftool/v1/secret/Z is not served here"},
		{"/v2/keys/conftool/v1/pools/%2e%2e//mw/Y", 403, "110 /conftool/v1/mw/Y is not served here"},
		{"/v2/keys/conftool/v1//secret?wait=true", 403, "110 /conftool/v1/secret is not served here"},
		{"/v2/keys/conftool/v1/pools/../../.confctl/journal/1", 404, "100 /conftool/.confctl"},
		{"/v2/keys/conftool/v1/..a/..", 200, "/conftool/v1/ /conftool/v1/mw/ /conftool/v1/pools/"},
		{"/v2/keys/..", 400, `209 the path leaves /v2/keys: it has too many ".."`},
		{"/v2/keys/conftool/../../keys/conftool", 400, `209 the path leaves /v2/keys: it has too many ".."`},
		{"/v2/keys/conftool/%2e%2e/%2e%2e/%2e%2e/etc/passwd", 400, `209 the path leaves /v2/keys: it has too many ".."`},
		{"/v2/keys/%00/../conftool", 400, "209 the path has control characters"},
		{"/v2/keys/conftool/%ff", 400, "209 the path is not UTF-8"},
		{"/v2/keys/conftool/%00", 400, "209 the path has control characters"},
		{"/v2/keys/conftool/a%0d%0aX: y", 400, "209 the path has control characters"},
		{"/v2/keys" + long, 414, "209 the path is longer than 4096 bytes"},
		{"/v2/keys/conftool?wait=true&stream=true", 400, `209 "stream" is not supported: ask again, with "waitIndex" one more than the modifiedIndex of what was received`},
		{"/v2/keys/conftool?wait=maybe", 400, `209 invalid value for "wait"`},
		{"/v2/keys/conftool?wait=true&waitIndex=99999999999999999999999", 400, `203 invalid value for "waitIndex"`},

		{"/v2/keysx", 404, ""}, {"/", 404, ""}, {"/v2/", 404, ""}, {"/v2/../version", 404, ""}, {"/version/", 404, ""},
		{"/version", 200, "/"}, {"/v2/machines", 200, ""},
	} {
		if strings.Contains(c.target, " ") {
			c.target = strings.ReplaceAll(c.target, " ", "%20")
		}
		r := s.get(t, c.target)
		got := ""
		switch {
		case r.parsed.ErrorCode != 0:
			got = fmt.Sprintf("%d %s", r.parsed.ErrorCode, r.parsed.Cause)
		case strings.HasPrefix(r.body, "{"):
			got = strings.Join(keys(r.parsed.Node), " ")
			got = strings.TrimSuffix(got, " ")
		}
		if c.target == "/version" {
			got += "/"
		}
		if r.status != c.status || got != c.want {
			t.Errorf("%s: %d %s\nwant %d %s", c.target, r.status, got, c.status, c.want)
		}
		head := ask(t, http.MethodHead, s.URL, c.target)
		if wait := strings.Contains(c.target, "wait="); !wait && (head.status != r.status || head.body != "" || head.header.Get("Content-Length") != strconv.Itoa(len(r.body))) {
			t.Errorf("HEAD %s: %d, %v", c.target, head.status, head.header)
		}
	}
	if r := s.get(t, "/v2/keys/conftool/v1/pools/%c3%a9%20%3C&%3e"); *r.parsed.Node.Value != "\ufffd\"\\\n\u2028é<&>" {
		t.Errorf("value %q", *r.parsed.Node.Value)
	}
	if body := oldest(t, s, "/v2/machines"); body != s.URL {
		t.Errorf("machines for a client that does not say where it asks: %q", body)
	}
	if r := s.get(t, "/v2/machines"); r.body != s.URL {
		t.Errorf("machines: %q", r.body)
	}
	for _, method := range []string{"PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "NONSENSE"} {
		for target, cause := range map[string]string{
			"/v2/keys":                               "/",
			"/v2/keys/conftool/v1/pools/a?value=1":   "/conftool/v1/pools/a",
			"/v2/keys//conftool/v1/x/../pools/?%zz=": "/conftool/v1/pools",
			"/v2/keys/conftool/v1/secret/Z":          "/conftool/v1/secret/Z",
			"/v2/keys/..":                            `the path leaves /v2/keys: it has too many ".."`,
			"/v2/keys" + long:                        "the path is longer than 4096 bytes",
			"/v2/keys/%ff":                           "the path is not UTF-8",
			"/v2/keys/%0a":                           "the path has control characters",
		} {
			r := ask(t, method, s.URL, target)
			if r.status != 403 || r.parsed.ErrorCode != 107 || r.parsed.Cause != cause || r.header.Get("X-Etcd-Index") == "0" {
				t.Errorf("%s %.80s: %d %s", method, target, r.status, r.body)
			}
		}
		if r := ask(t, method, s.URL, "/v2/machines"); r.status != 405 {
			t.Errorf("%s machines: %d", method, r.status)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	m := mirror.New(mirror.Config{Prefixes: []string{"/conftool/v1/"}})
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Mirror: m, Namespace: "/conftool"}, "gateway: mirror, namespace and API version are needed"},
		{Config{Mirror: m, Namespace: "conftool", APIVersion: "v2"}, `gateway: /conftool/v2/ is not mirrored, only ["/conftool/v1/"]`},
		{Config{Mirror: m, Namespace: "/conftool", APIVersion: "v1", Allow: []string{"/conftool/v1x"}}, "allowed prefix \"/conftool/v1x\" is not below /conftool/v1/, and nothing else is served"},
		{Config{Mirror: m, Namespace: "/conftool/", APIVersion: "v1", Allow: []string{"/conftool/v1"}}, "<nil>"},
	} {
		if _, err := New(c.cfg); fmt.Sprint(err) != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// TestIndexes checks the formulas, and that two gateways agree.
func TestIndexes(t *testing.T) {
	t.Parallel()
	local := openLocal(t)
	s := serve(t, local, Config{}, mirror.Config{})
	s.commit(t, put("/conftool/v1/a/1", "1"), put("/conftool/v1/a/2", "1"), put("/conftool/.confctl/x", ""))
	at := s.commit(t, put("/conftool/v1/a/1", "2"), put("/conftool/v1/z", "1"))
	other := serve(t, local, Config{Allow: []string{"/conftool/v1/z"}}, mirror.Config{Backfill: -1, Prefixes: []string{"/conftool/"}})
	other.reached(t, at)
	if at != 2 {
		t.Fatal(at)
	}
	r := s.get(t, "/v2/keys/conftool/v1?recursive=true")
	if r.header.Get("X-Etcd-Index") != "24575" || r.header["X-Etcd-Index"] == nil {
		t.Errorf("X-Etcd-Index: %v", r.header)
	}
	const first, second = 2*8192 - 1, 3*8192 - 1
	want := node{Key: "/conftool/v1", Dir: true, ModifiedIndex: second, CreatedIndex: first, Nodes: []node{
		{Key: "/conftool/v1/a", Dir: true, ModifiedIndex: second, CreatedIndex: first, Nodes: []node{
			{Key: "/conftool/v1/a/1", ModifiedIndex: second, CreatedIndex: first, Value: new("2")},
			{Key: "/conftool/v1/a/2", ModifiedIndex: first, CreatedIndex: first, Value: new("1")},
		}},
		{Key: "/conftool/v1/z", ModifiedIndex: second, CreatedIndex: second, Value: new("1")},
	}}
	if got, want := asJSON(t, r.parsed.Node), asJSON(t, want); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, g := range []*site{s, other} {
		e := g.get(t, "/v2/keys/conftool/v1/z?wait=true&waitIndex=16384")
		if g == other { // it started later, and does not know the entries before
			if e.parsed.ErrorCode != 401 || e.parsed.Index != second {
				t.Errorf("%s", e.body)
			}
			continue
		}
		if e.body != `{"action":"set","node":{"key":"/conftool/v1/z","value":"1","modifiedIndex":16385,"createdIndex":16385}}`+"\n" {
			t.Errorf("%s", e.body)
		}
	}
	s.commit(t, del("/conftool/v1/a/1"), put("/conftool/v1/z", "2"), put("/conftool/.confctl/x", "not an event"))
	other.reached(t, 3)
	for _, g := range []*site{s, other} {
		if e := g.get(t, "/v2/keys/conftool/v1/z?wait=true&waitIndex=24576"); e.body != `{"action":"set","node":{"key":"/conftool/v1/z","value":"2","modifiedIndex":24577,"createdIndex":24575},"prevNode":{"key":"/conftool/v1/z","value":"1","modifiedIndex":24575,"createdIndex":24575}}`+"\n" {
			t.Errorf("%s", e.body)
		}
	}
	if e := s.get(t, "/v2/keys/conftool?recursive=true&wait=true&waitIndex=24576"); e.body != `{"action":"delete","node":{"key":"/conftool/v1/a/1","modifiedIndex":24576,"createdIndex":24576},"prevNode":{"key":"/conftool/v1/a/1","value":"2","modifiedIndex":24575,"createdIndex":16383}}`+"\n" {
		t.Errorf("%s", e.body)
	}
}

// TestIndexesOfDeletions compares a gateway that saw the deleted keys with one that
// started later and only knows of their deletion.
func TestIndexesOfDeletions(t *testing.T) {
	t.Parallel()
	local := openLocal(t)
	saw := serve(t, local, Config{}, mirror.Config{})
	saw.commit(t, put("/conftool/v1/a", "1"), put("/conftool/v1/b", "1"))
	for range 5 {
		saw.commit(t, put("/conftool/v1/b", "1"))
	}
	at := saw.commit(t, del("/conftool/v1/a"))
	began := serve(t, local, Config{}, mirror.Config{Backfill: 3})
	began.reached(t, at)
	target := fmt.Sprintf("/v2/keys/conftool/v1/a?wait=true&waitIndex=%d", uint64(at)*8192)
	one, two := saw.get(t, target), began.get(t, target)
	if one.parsed.PrevNode == nil || two.parsed.PrevNode != nil {
		t.Errorf("prevNode: %s%s", one.body, two.body)
	}
	if want := (node{Key: "/conftool/v1/a", ModifiedIndex: uint64(at) * 8192, CreatedIndex: uint64(at) * 8192}); asJSON(t, one.parsed.Node) != asJSON(t, want) || asJSON(t, two.parsed.Node) != asJSON(t, want) {
		t.Errorf("%s%s", one.body, two.body)
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// failing is a store that cannot be reached.
type failing struct{ store.Store }

func (failing) Read(context.Context, ...string) (store.Snapshot, error) {
	return store.Snapshot{}, &store.UnavailableError{Tried: []store.Endpoint{{Address: "here", Err: errors.New("down")}}}
}

// TestNothingYet sends requests before anything has been read, and for an empty
// store.
func TestNothingYet(t *testing.T) {
	t.Parallel()
	for name, st := range map[string]store.Store{
		"the store has not been read yet":             failing{openLocal(t)},
		"the store holds nothing below /conftool/v1/": openLocal(t),
	} {
		s := serve(t, st, Config{}, mirror.Config{})
		for _, target := range []string{"/v2/keys/conftool/v1/mediawiki-config/?recursive=true", "/v2/keys/conftool/v1/x", "/v2/keys"} {
			r := s.get(t, target)
			if r.status != 500 || r.parsed.ErrorCode != 300 || r.parsed.Cause != name {
				t.Errorf("%s: %d %s", target, r.status, r.body)
			}
		}
		if err := s.handler.Ready(); fmt.Sprint(err) != name {
			t.Errorf("ready: %v", err)
		}
		if s.mirror.View() == nil {
			continue
		}
		s.commit(t, put("/conftool/v1/x", ""))
		if err := s.handler.Ready(); err != nil {
			t.Errorf("ready: %v", err)
		}
	}
}

// mute is a store that can be read, and whose watch yields nothing.
type mute struct{ store.Store }

func (mute) Watch(ctx context.Context, _ store.Revision, _ ...string) iter.Seq2[store.Batch, error] {
	return func(func(store.Batch, error) bool) { <-ctx.Done() }
}

// TestAge advances the time without contact to the store.
func TestAge(t *testing.T) {
	t.Parallel()
	var offset atomic.Int64
	now := func() time.Time { return time.Unix(1000+offset.Load(), 0) }
	st := openLocal(t)
	if _, err := st.Commit(t.Context(), store.Txn{Writes: []store.Write{put("/conftool/v1/a", "1")}}); err != nil {
		t.Fatal(err)
	}
	s := serve(t, mute{st}, Config{}, mirror.Config{Now: now, Backfill: -1})
	s.reached(t, 1)
	for seconds, want := range map[int64]string{0: "", 5: "", 6: "6", 3600: "3600"} {
		offset.Store(seconds)
		for _, target := range []string{"/v2/keys/conftool/v1/a", "/v2/keys/conftool/v1/b"} {
			r := s.get(t, target)
			if got := r.header.Get(AgeHeader); got != want || (r.status == 200) != strings.HasSuffix(target, "a") {
				t.Errorf("after %d s: %d, %s: %q", seconds, r.status, AgeHeader, got)
			}
		}
	}
}

// TestLongWaits waits for longer than a client may take to receive a response,
// before and after an unrelated change.
func TestLongWaits(t *testing.T) {
	t.Parallel()
	const most = time.Second
	s := serve(t, openLocal(t), Config{SendTime: most}, mirror.Config{})
	s.commit(t, put("/conftool/v1/a", "1"))
	srv := httptest.NewTLSServer(s.handler)
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL + "/v2/keys/conftool/v1/a?wait=true")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.Header.Get("X-Etcd-Index") == "" {
		t.Errorf("no X-Etcd-Index in %v", resp.Header)
	}
	time.Sleep(most + most/4)
	s.commit(t, put("/conftool/v1/b", "not this"))
	time.Sleep(most + most/4)
	s.commit(t, put("/conftool/v1/a", "2"))
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), `"value":"2"`) {
		t.Errorf("%v %s", err, body)
	}
}

func escaped(key string) string { return "/v2/keys" + (&url.URL{Path: key}).EscapedPath() }

// oldest returns the body for a client that sends a minimal HTTP/1.0 request.
func oldest(t *testing.T, s *site, target string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://")) //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // it was only read
	fmt.Fprintf(conn, "GET %s HTTP/1.0\r\n\r\n", target)
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(all), "\r\n\r\n")
	return body
}
