package etcdv2

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/internal/etcdv2/etcdv2test"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// fill stores the keys of the recorded tree.
func fill(t *testing.T, s *etcdv2test.Server) {
	t.Helper()
	s.Put(t, "/conftool/v1/pools/a/b/c/h1", `{"weight": 1, "pooled": "no"}`)
	s.Put(t, "/conftool/v1/pools/a/b/c/h1", `{"weight": 10, "pooled": "yes"}`)
	s.Put(t, "/conftool/v1/pools/a/b/c/_hidden", "x")
	s.Put(t, "/conftool/v1/pools/a/b/c/void", "")
	s.Put(t, "/conftool/v1/pools/a/b/odd %#?é", "ä \"q\" <&>\n\\u0041")
	s.Put(t, "/conftool/v1/pools/a-b", "sorts before a/b")
	s.Mkdir(t, "/conftool/v1/pools/empty")
	s.Put(t, "/conftool/v11/pools/other", "x")
}

// filled returns the entries that fill stores below /conftool/v1.
func filled() []store.Entry {
	return []store.Entry{
		{Key: "/conftool/v1/pools/a-b", Value: []byte("sorts before a/b"), Created: 9, Modified: 9},
		{Key: "/conftool/v1/pools/a/b/c/h1", Value: []byte(`{"weight": 10, "pooled": "yes"}`), Created: 5, Modified: 5},
		{Key: "/conftool/v1/pools/a/b/c/void", Value: []byte{}, Created: 7, Modified: 7},
		{Key: "/conftool/v1/pools/a/b/odd %#?é", Value: []byte("ä \"q\" <&>\n\\u0041"), Created: 8, Modified: 8},
	}
}

func read(t *testing.T, cfg Config, prefix string) []store.Entry {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = 20 * time.Second
	}
	keys, err := Read(t.Context(), cfg, prefix)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// failing returns the error of a Read, which must be an *Error without the password.
func failing(t *testing.T, cfg Config, prefix string) *Error {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = 20 * time.Second
	}
	_, err := Read(t.Context(), cfg, prefix)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("want an *Error, got %v", err)
	}
	if cfg.Password != "" && strings.Contains(e.Error()+e.Hint, cfg.Password) {
		t.Fatalf("the password is in: %v (%s)", e, e.Hint)
	}
	return e
}

// want compares the kind, the message without the URL of the server, and the hint.
func want(t *testing.T, e *Error, kind Kind, what, hint string) {
	t.Helper()
	if e.Kind != kind || e.What != what || e.Hint != hint {
		t.Errorf("\n got %d %s\n     %s\nwant %d %s\n     %s", e.Kind, e.What, e.Hint, kind, what, hint)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	s := etcdv2test.Start(t)
	fill(t, s)
	for _, url := range []string{s.URL, s.URL + "/", s.URL + "/v2", s.URL + "/v2/"} {
		for _, prefix := range []string{"/conftool/v1", "conftool//v1/"} {
			keys := read(t, Config{URL: url}, prefix)
			if diff := cmp.Diff(filled(), keys); diff != "" {
				t.Errorf("%s %s: %s", url, prefix, diff)
			}
		}
	}
	if all := read(t, Config{URL: s.URL}, "/"); len(all) != len(filled())+1 {
		t.Errorf("all: %v", all)
	}
	if none := read(t, Config{URL: s.URL}, "/conftool/v1/pools/empty"); len(none) != 0 {
		t.Errorf("an empty directory: %v", none)
	}
}

// trust returns the TLS configuration of a client.
func trust(t *testing.T, ca string, pairs ...string) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	cfg.RootCAs.AppendCertsFromPEM(pem)
	if len(pairs) == 2 {
		pair, err := tls.LoadX509KeyPair(pairs[0], pairs[1])
		if err != nil {
			t.Fatal(err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ours, other := etcdtest.NewAuthority(t), etcdtest.NewAuthority(t)
	later := time.Now().Add(time.Hour)
	s := etcdv2test.Start(t, etcdv2test.TLS(func(host string) (string, string) { return ours.Issue(t, host, later) }, ours.File))
	fill(t, s)
	cert, key := ours.Issue(t, "operator", later)
	keys := read(t, Config{URL: s.URL, TLS: trust(t, ours.File, cert, key)}, "/conftool/v1")
	if diff := cmp.Diff(filled(), keys); diff != "" {
		t.Error(diff)
	}
	strangerCert, strangerKey := other.Issue(t, "stranger", later)
	const sign = "name the file of the authority that signed it, if it is not one of the system's"
	want(t, failing(t, Config{URL: s.URL}, "/conftool/v1"), Unavailable, "certificate signed by unknown authority (test authority)", sign)
	want(t, failing(t, Config{URL: s.URL, TLS: trust(t, other.File)}, "/conftool/v1"), Unavailable, "certificate signed by unknown authority (test authority)", sign)
	want(t, failing(t, Config{URL: s.URL, TLS: trust(t, ours.File)}, "/conftool/v1"), Unavailable,
		"the server wants a client certificate that it accepts", "name the files of certificate and key")
	e := failing(t, Config{URL: s.URL, TLS: trust(t, ours.File, strangerCert, strangerKey)}, "/conftool/v1")
	if e.Kind != Unavailable || !strings.Contains(e.What, "certificate") {
		t.Errorf("a strange certificate: %d %s (%s)", e.Kind, e.What, e.Hint)
	}
	want(t, failing(t, Config{URL: strings.Replace(s.URL, "https", "http", 1)}, "/conftool/v1"), Unavailable, "connection closed by the server", closedHint)

	for _, c := range []struct {
		name string
		s    *etcdv2test.Server
		what string
	}{
		{"another name", etcdv2test.Start(t, etcdv2test.TLS(func(string) (string, string) { return ours.Issue(t, "conf.example.org", later) }, "")),
			"certificate is not for HOST but for conf.example.org"},
		{"expired", etcdv2test.Start(t, etcdv2test.TLS(func(host string) (string, string) { return ours.Issue(t, host, later.Add(-48*time.Hour)) }, "")),
			"certificate has expired or is not valid yet (valid " + later.Add(-96*time.Hour).UTC().Format(time.DateOnly) + " to " + later.Add(-48*time.Hour).UTC().Format(time.DateOnly) + ")"},
	} {
		e := failing(t, Config{URL: c.s.URL, TLS: trust(t, ours.File)}, "/conftool/v1")
		host, _, err := net.SplitHostPort(strings.TrimPrefix(c.s.URL, "https://"))
		if wanted := strings.Replace(c.what, "HOST", host, 1); err != nil || e.Kind != Unavailable || e.What != wanted {
			t.Errorf("%s: %d %s", c.name, e.Kind, e.What)
		}
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	s := etcdv2test.Start(t, etcdv2test.User("reader", "sesame", "/conftool/v1"))
	fill(t, s)
	keys := read(t, Config{URL: s.URL, Username: "reader", Password: "sesame"}, "/conftool/v1")
	for i, e := range keys {
		if e.Key != filled()[i].Key {
			t.Errorf("key %d is %s", i, e.Key)
		}
	}
	if len(keys) != len(filled()) {
		t.Errorf("%d keys", len(keys))
	}
	const hint = "etcd does not say which; the user needs a role that may read /conftool/v1*, and users of the v2 API are not those of v3"
	for name, cfg := range map[string]Config{
		"wrong password": {URL: s.URL, Username: "reader", Password: "open"},
		"unknown user":   {URL: s.URL, Username: "reader", Password: "Sesame"},
	} {
		t.Log(name)
		want(t, failing(t, cfg, "/conftool/v1"), Denied, "user reader has another password, or may not read /conftool/v1 (401)", hint)
	}
	e := failing(t, Config{URL: s.URL, Username: "reader", Password: "sesame"}, "/elsewhere")
	want(t, e, Denied, "user reader has another password, or may not read /elsewhere (401)", strings.Replace(hint, "/conftool/v1", "/elsewhere", 1))
	want(t, failing(t, Config{URL: s.URL}, "/conftool/v1"), Denied,
		"it wants a user and password to read /conftool/v1 (401)", "users of the v2 API are not those of v3")

	rooted := etcdv2test.Start(t, etcdv2test.User("root", "sesame", ""))
	rooted.Put(t, "/conftool/v1/k", "v")
	if keys := read(t, Config{URL: rooted.URL, Username: "root", Password: "sesame"}, "/conftool/v1"); len(keys) != 1 {
		t.Errorf("root reads %v", keys)
	}
}

// TestTenThousandKeys normally takes much less than a second.
func TestTenThousandKeys(t *testing.T) {
	type leaf struct {
		Key   string `json:"key"`
		Value string `json:"value"`
		M     int    `json:"modifiedIndex"`
		C     int    `json:"createdIndex"`
	}
	type dir struct {
		Key   string `json:"key"`
		Dir   bool   `json:"dir"`
		Nodes any    `json:"nodes"`
	}
	var dirs []dir
	for i := range 100 {
		d := dir{Key: fmt.Sprintf("/conftool/v1/pools/dc/cluster%d", i), Dir: true}
		var leaves []leaf
		for j := range 100 {
			leaves = append(leaves, leaf{fmt.Sprintf("%s/host%d.example.org", d.Key, j), `{"weight": 10, "pooled": "yes"}`, i + j + 4, i + j + 3})
		}
		d.Nodes = leaves
		dirs = append(dirs, d)
	}
	reply, err := json.Marshal(map[string]any{"action": "get", "node": dir{"/conftool/v1", true, dirs}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(reply) }))
	defer server.Close()
	best := time.Hour
	for range 3 { // the machine may be busy
		begun := time.Now()
		keys := read(t, Config{URL: server.URL}, "/conftool/v1")
		best = min(best, time.Since(begun))
		if len(keys) != 10000 {
			t.Errorf("%d keys", len(keys))
		}
	}
	if best > 20*time.Second { // it takes about 10 ms, unless each node is compared with every other
		t.Errorf("%d bytes take %v", len(reply), best)
	}
}

// answering returns the URL of a server that reads a request and passes the
// connection to answer. The server itself sends nothing.
func answering(t *testing.T, answer func(net.Conn)) string {
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
			go func() {
				defer func() { _ = conn.Close() }()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					answer(conn)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// saying returns the URL of a server that answers with the given bytes.
func saying(t *testing.T, text string) string {
	t.Helper()
	return answering(t, func(c net.Conn) { _, _ = c.Write([]byte(text)) })
}
