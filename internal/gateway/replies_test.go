package gateway

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/etcdv2/etcdv2test"
	"github.com/conftool/confctl/pkg/store"
)

// recordVariable requests that the replies of the installed etcd are recorded.
const recordVariable = "GATEWAY_RECORD"

// oracle is an etcd that serves the v2 API: a running one, or recorded replies.
type oracle struct {
	typical bool // only recorded requests can be sent
	ask     func(t *testing.T, method, target string) reply
}

// likeEtcd runs a check with the installed etcd, after it has the keys, and with the
// replies in testdata.
func likeEtcd(t *testing.T, name string, writes []store.Write, check func(*testing.T, oracle)) {
	t.Helper()
	file := filepath.Join("testdata", name+".jsonl")
	t.Run("installed", func(t *testing.T) {
		real := etcdv2test.Start(t)
		version := settled(t, real)
		for _, w := range writes {
			real.Put(t, w.Key, string(w.Value))
		}
		record := os.Getenv(recordVariable) != ""
		recorded := newReplies(version)
		check(t, oracle{record, func(t *testing.T, method, target string) reply {
			r := follow(t, method, real.URL, target)
			recorded.add(t, method, target, r)
			return r
		}})
		if record {
			recorded.write(t, file)
		}
	})
	t.Run("recorded", func(t *testing.T) {
		check(t, oracle{true, readReplies(t, file).ask})
	})
}

// settled waits until an etcd has set the version of its cluster, which uses an
// index, and returns its version.
func settled(t *testing.T, real *etcdv2test.Server) string {
	t.Helper()
	for range 1000 {
		if recorded := ask(t, http.MethodGet, real.URL, "/version").body; !strings.Contains(recorded, "not_decided") {
			return recorded
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("etcd does not decide on a version")
	return ""
}

// follow sends a request and follows redirects.
func follow(t *testing.T, method, base, target string) reply {
	t.Helper()
	r := ask(t, method, base, target)
	if r.status == http.StatusMovedPermanently {
		r = ask(t, method, base, r.header.Get("Location"))
	}
	return r
}

// replies are recorded replies of an etcd, in a file of JSON lines: its version, and
// then each reply with the requests that it answers. Nodes and fields are sorted, so
// that recording again gives the same file.
type replies struct {
	Etcd json.RawMessage `json:"etcd"`

	all []*recorded
	to  map[string]*recorded // by request
}

// recorded is a reply without the parts that are not compared.
type recorded struct {
	To     []string          `json:"to"`
	Status int               `json:"status"`
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
}

func newReplies(version string) *replies {
	return &replies{Etcd: json.RawMessage(version), to: make(map[string]*recorded)}
}

func (rs *replies) add(t *testing.T, method, target string, r reply) {
	t.Helper()
	one := &recorded{Status: r.status, Header: map[string]string{}, Body: inOrder(t, r.body)}
	for _, name := range comparedHeaders() {
		if v := r.header.Get(name); v != "" {
			one.Header[name] = v
		}
	}
	if _, there := one.Header["X-Etcd-Cluster-Id"]; there {
		one.Header["X-Etcd-Cluster-Id"] = "1" // differs between clusters
	}
	for _, known := range rs.all {
		if known.is(one) {
			one = known
		}
	}
	if len(one.To) == 0 {
		rs.all = append(rs.all, one)
	}
	request := method + " " + target
	one.To = append(one.To, request)
	rs.to[request] = one
}

func (r *recorded) is(other *recorded) bool {
	return r.Status == other.Status && r.Body == other.Body && maps.Equal(r.Header, other.Header)
}

// ask returns the reply to a request.
func (rs *replies) ask(t *testing.T, method, target string) reply {
	t.Helper()
	one := rs.to[method+" "+target]
	if one == nil {
		t.Fatalf("no reply to %s %s is recorded: record again, with %s=1", method, target, recordVariable)
	}
	r := reply{status: one.Status, header: http.Header{}, body: one.Body}
	for name, v := range one.Header {
		r.header.Set(name, v)
	}
	if strings.HasPrefix(r.body, "{") {
		if err := json.Unmarshal([]byte(r.body), &r.parsed); err != nil {
			t.Fatalf("%s %s: %v", method, target, err)
		}
	}
	return r
}

func (rs *replies) write(t *testing.T, file string) {
	t.Helper()
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false)
	err := lines.Encode(rs)
	for _, r := range rs.all {
		if err == nil {
			err = lines.Encode(r)
		}
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o755)
	}
	if err == nil {
		err = os.WriteFile(file, text.Bytes(), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func readReplies(t *testing.T, file string) *replies {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rs := newReplies("")
	lines := json.NewDecoder(bytes.NewReader(text))
	if err := lines.Decode(rs); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	t.Logf("etcd is %s", rs.Etcd)
	for lines.More() {
		r := new(recorded)
		if err := lines.Decode(r); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, request := range r.To {
			rs.to[request] = r
		}
	}
	return rs
}
