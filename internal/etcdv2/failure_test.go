package etcdv2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestURLs(t *testing.T) {
	for url, what := range map[string]string{
		"":                             "the URL of the etcd v2 API is empty",
		"conf1001:2379":                "the URL conf1001:2379 has no scheme",
		"[::1]/x":                      "the URL [::1]/x has no scheme",
		"ftp://conf1001":               "the URL ftp://conf1001 has the scheme ftp, which is neither http nor https",
		"http://":                      "the URL http:// has no host",
		"http://h:port":                `the URL http://h:port cannot be read: invalid port ":port" after host`,
		"http://h:1/x?password=sesame": "the URL has a query, and may only have a host, a port and a path",
		"h?password=sesame":            "the URL has a query, and may only have a host, a port and a path",
		"http://h:1#x":                 "the URL has a query, and may only have a host, a port and a path",
		"http://a:2379,http://b:2379":  "the URL http://a:2379,http://b:2379 names several servers; name one member of the cluster",
	} {
		want(t, failing(t, Config{URL: url}, "/conftool/v1"), Misused, what, urlForm)
	}
	for _, path := range []string{"/x/v2/keys/conftool/v1", "/v2/keys"} {
		want(t, failing(t, Config{URL: "http://h:1" + path}, "/"), Misused,
			"the URL http://h:1"+path+" names keys, not the API", "leave out /v2/keys and all after it")
	}
	for _, u := range []string{"http://root:sesame@h", "https://sesame@h", "http://root:ses/ame@h", "root:sesame@h", "http://root:ses ame@h"} {
		e := failing(t, Config{URL: u}, "/conftool/v1")
		if e.Kind != Misused || strings.Contains(e.Error()+e.Hint, "ame") && !strings.Contains(e.Error(), "a user or a password") || strings.Contains(e.Error()+e.Hint, "ses") {
			t.Errorf("%s: %v", u, e)
		}
	}
	want(t, failing(t, Config{URL: "http://h", Username: "root"}, "/"), Misused, "user and password are only useful together", "give both, or neither")
	want(t, failing(t, Config{URL: "http://h", Password: "x1y2"}, "/"), Misused, "user and password are only useful together", "give both, or neither")
	if e := failing(t, Config{URL: "http://h", Username: "a:b", Password: "x1y2"}, "/"); e.Kind != Misused {
		t.Error(e)
	}
}

// TestRequest checks the request that a server receives, and how the path of the URL
// is kept.
func TestRequest(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		got = r.Method + " " + r.RequestURI + " " + user + " " + password
		_, _ = fmt.Fprint(w, `{"node":{"key":"/a b","dir":true}}`)
	}))
	defer server.Close()
	for path, want := range map[string]string{"": "/v2", "/": "/v2", "/v2/": "/v2", "/etcd": "/etcd/v2", "/etcd/v2": "/etcd/v2"} {
		read(t, Config{URL: server.URL + path, Username: "ü", Password: "p:w"}, "a b%/é")
		if want := "GET " + want + "/keys/a%20b%25/%C3%A9?recursive=true&quorum=true&sorted=true ü p:w"; got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestReplies checks replies that are not recorded.
func TestReplies(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
	status := func(line, text string) string { return "HTTP/1.1 " + line + "\r\n\r\n" + text }
	const sent = "cm9vdDpzZXNhbWU=" // root:sesame
	const shape = "answers, but not with keys (application/json): "
	for _, c := range []struct {
		reply string
		kind  Kind
		what  string
		hint  string
	}{
		{status("500 Internal Server Error", `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request timed out","index":0}`),
			Unavailable, "says: Raft Internal Error (etcdserver: request timed out)", "has the cluster a leader? try again, or another member"},
		{status("503 Service Unavailable", `{"message":"no leader"}`), Unavailable, "says: no leader", "has the cluster a leader? try again, or another member"},
		{status("502 Bad Gateway", "<html>\n<b>down</b>"), Unavailable, "answers 502 Bad Gateway: <html> <b>down</b>", "is there a proxy in between? the server behind it may be down"},
		{status("403 Forbidden", "<html>"), Denied, "user root has another password, or may not read /c/v1 (403)",
			"etcd does not say which; the user needs a role that may read /c/v1*, and users of the v2 API are not those of v3"},
		{status("407 Proxy Authentication Required", ""), Denied, "the proxy on the way wants a user and password", "see HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment"},
		{status("404 Not Found", "<h1>Not found</h1>"), Foreign, "answers 404 Not Found: <h1>Not found</h1>", notEtcd},
		{status("400 Bad Request", "Client sent an HTTP request to an HTTPS server.\n"), Foreign, "the server speaks TLS", "write https:// in front of it"},
		{status("400 Bad Request", "Authorization: Basic "+sent+" (root, sesame)"), Foreign, "answers 400 Bad Request: Authorization: Basic *** (root, ***)", notEtcd},
		{status("307 Temporary Redirect", ""), Foreign, "answers 307 Temporary Redirect", notEtcd},
		{status("204 No Content", ""), Foreign, "answers 204 No Content", notEtcd},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>sign in</html>", Foreign, "answers, but not with keys (text/html): not JSON at byte 1", notEtcd},
		{ok + `[]`, Foreign, shape + "the reply is of type array", notEtcd},
		{ok + `"sesame"`, Foreign, shape + "the reply is of type string", notEtcd},
		{ok + `{"status":"ok"}`, Foreign, shape + "the reply has no node", notEtcd},
		{ok + `{"node":7}`, Foreign, shape + "unexpected number in node", notEtcd},
		{ok + `{"node":{"key":"/c/v1","dir":true,"nodes":{}}}`, Foreign, shape + "unexpected object in node.nodes", notEtcd},
		{ok + `{"node":{"key":"/c/v1","dir":true,"nodes":[{"key":"/c/v1/a","value":7}]}}`, Foreign, shape + "unexpected number in node.nodes.value", notEtcd},
		{ok + `{"node":{"key":"/c/v1","dir":true,"nodes":[{"key":"/c/v1/a"}]}}`, Foreign, shape + "key /c/v1/a has no value", notEtcd},
		{ok + `{"node":{"key":"/c/v1","dir":true,"nodes":[{"key":"/c/v1a","value":""}]}}`, Foreign, shape + "key /c/v1a is not below /c/v1/", notEtcd},
		{ok + `{"node":{"key":"/c/v1","dir":true,"nodes":[{"key":"/c/v1/a","value":"","createdIndex":1.5}]}}`, Foreign, shape + "unexpected number 1.5 in node.nodes.createdIndex", notEtcd},
		{ok + `{"node":{"key":"/c/v1","dir":true,"nodes":[{"key":"/c/v1/a","value":"","modifiedIndex":-1}]}}`, Foreign, shape + "key /c/v1/a has a negative index", notEtcd},
		{ok + `{"node":{"key":"/c/v1","dir":true,"nodes":[{"key":"/c/v1/a","value":""},{"key":"/c/v1/a","value":""}]}}`, Foreign, shape + "duplicate key /c/v1/a", notEtcd},
		{ok + `{"node":{"key":"/c/v1","dir":true}} {}`, Foreign, shape + "there is more after the tree of keys", notEtcd},
		{ok + `{"node":` + strings.Repeat(`{"dir":true,"nodes":[`, 200000), Foreign, shape + "not JSON at byte 105008", notEtcd},
		{ok + `{"node":{"key":"/c/v1","dir":true,"no`, Unavailable, "the answer is cut off after 37 bytes", "try again; a proxy in between may cut long answers"},
		{ok, Unavailable, "the answer is cut off after 0 bytes", "try again; a proxy in between may cut long answers"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"node\":{", Unavailable, "the answer is cut off after 9 bytes of 5000", "try again; a proxy in between may cut long answers"},
		{"220 mail.example.org ESMTP\r\n", Unavailable, "the server does not speak HTTP", notEtcd},
		{"", Unavailable, "connection closed by the server", closedHint},
	} {
		t.Run("", func(t *testing.T) {
			e := failing(t, Config{URL: saying(t, c.reply), Username: "root", Password: "sesame"}, "/c/v1")
			want(t, e, c.kind, c.what, c.hint)
		})
	}
}

// TestCut truncates the recorded reply at every byte of its body.
func TestCut(t *testing.T) {
	t.Parallel()
	head, body, _ := strings.Cut(recorded(t, "tree"), "\r\n\r\n")
	for n := range len(body) - 2 { // the last byte is the newline
		e := failing(t, Config{URL: saying(t, head+"\r\n\r\n"+body[:n])}, "/conftool/v1")
		if e.Kind != Unavailable || e.What != fmt.Sprintf("the answer is cut off after %d bytes of %d", n, len(body)) {
			t.Fatalf("cut at %d: %d %v", n, e.Kind, e)
		}
	}
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	reply := `{"node":{"dir":true,"nodes":[` + strings.Repeat(`{"key":"/k","dir":true},`, 100000)
	api, err := url.Parse(saying(t, "HTTP/1.1 200 OK\r\n\r\n"+reply))
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{cfg: Config{Timeout: 20 * time.Second}, api: api, prefix: "/", limit: 1 << 20}
	_, err = r.read(t.Context())
	var e *Error
	if !errors.As(err, &e) || e.Kind != Foreign || e.What != "the answer is longer than 1 MiB" {
		t.Error(err)
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	want(t, failing(t, Config{URL: "http://" + closed.Addr().String()}, "/"), Unavailable, "connection refused", "")
	if e := failing(t, Config{URL: "http://nowhere.invalid:2379"}, "/"); e.Kind != Unavailable || e.What != "no such host" && !strings.HasPrefix(e.What, "name lookup failed") {
		t.Error(e)
	}
	want(t, failing(t, Config{URL: strings.Replace(plain.URL, "http", "https", 1)}, "/"), Unavailable,
		"the server does not speak TLS", "write http:// in front of it, if that is meant")
	want(t, failing(t, Config{URL: strings.Replace(saying(t, ""), "http", "https", 1)}, "/"), Unavailable,
		"connection closed by the server", closedHint)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(cancelled, Config{URL: plain.URL}, "/"); !errors.Is(err, context.Canceled) || errors.As(err, new(*Error)) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestTimeout checks a server that never answers, and one that answers byte by byte.
func TestTimeout(t *testing.T) {
	t.Parallel()
	const timeout = 200 * time.Millisecond
	within := func(begun time.Time) {
		t.Helper()
		if took := time.Since(begun); took < timeout || took > time.Minute {
			t.Errorf("it takes %v", took)
		}
	}
	mute := answering(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }) // until the client disconnects
	begun := time.Now()
	e := failing(t, Config{URL: mute, Timeout: timeout}, "/")
	within(begun)
	want(t, e, Unavailable, "no complete answer within 200ms", "is it up, and is there a firewall in between?")
	if !errors.Is(e, context.DeadlineExceeded) {
		t.Error("it is no deadline")
	}
	short, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	begun = time.Now()
	_, err := Read(short, Config{URL: mute}, "/")
	within(begun)
	if err == nil || !regexp.MustCompile(`no complete answer within (1\d\d|200)ms`).MatchString(err.Error()) {
		t.Error(err)
	}
	drip := answering(t, func(c net.Conn) {
		_, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"))
		for err == nil {
			time.Sleep(10 * time.Millisecond)
			_, err = c.Write([]byte(" "))
		}
	})
	begun = time.Now()
	e = failing(t, Config{URL: drip, Timeout: timeout}, "/")
	within(begun)
	if e.Kind != Unavailable || e.What != "no complete answer within 200ms" {
		t.Error(e)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	tree := strings.Replace(recorded(t, "tree"), "HTTP/1.1 200 OK\r\n", "", 1)
	_, body, _ := strings.Cut(tree, "\r\n\r\n")
	var asked atomic.Int32
	leader := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("Authorization") != "" {
			t.Error("the leader was sent a password")
		}
		_, _ = fmt.Fprint(w, body)
	}))
	defer leader.Close()
	sending := func(where func(*http.Request) string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if where(r) == "" {
				_, _ = fmt.Fprint(w, body)
				return
			}
			w.Header().Set("Location", where(r))
			w.WriteHeader(http.StatusTemporaryRedirect)
		}))
		t.Cleanup(s.Close)
		return s
	}
	follower := sending(func(r *http.Request) string { return leader.URL + r.RequestURI })
	if keys := read(t, Config{URL: follower.URL}, "/conftool/v1"); len(keys) != len(filled()) {
		t.Errorf("by way of a follower: %v", keys)
	}
	n := asked.Load()
	e := failing(t, Config{URL: follower.URL, Username: "root", Password: "sesame"}, "/conftool/v1")
	want(t, e, Denied, "redirects to "+leader.URL+", another server, to which the password is not sent", "name that address, if it is yours")
	if asked.Load() != n {
		t.Error("another server was asked, with a password at hand")
	}
	moved := sending(func(r *http.Request) string {
		if strings.HasPrefix(r.URL.Path, "/moved") {
			if user, password, _ := r.BasicAuth(); user != "root" || password != "sesame" {
				t.Errorf("at the same server: %q", user)
			}
			return ""
		}
		return "/moved" + r.RequestURI
	})
	if keys := read(t, Config{URL: moved.URL, Username: "root", Password: "sesame"}, "/conftool/v1"); len(keys) != len(filled()) {
		t.Errorf("at the same server: %v", keys)
	}
	round := sending(func(r *http.Request) string { return r.RequestURI })
	want(t, failing(t, Config{URL: round.URL}, "/"), Foreign, "redirects more than 5 times", notEtcd)
	file := sending(func(*http.Request) string { return "file:///etc/passwd" })
	want(t, failing(t, Config{URL: file.URL}, "/"), Foreign, "redirects to file://", notEtcd)

	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://user:pw@"+strings.TrimPrefix(leader.URL, "http://")+r.RequestURI, http.StatusFound)
	}))
	defer secure.Close()
	trusting := secure.Client().Transport.(*http.Transport).TLSClientConfig //nolint:errcheck // a panic is a failure
	want(t, failing(t, Config{URL: secure.URL, TLS: trusting}, "/"), Foreign,
		"redirects to "+leader.URL+", which is not encrypted", "name an address that answers over https itself")
}

// TestProxy reads through a proxy, and through proxies that do not work.
func TestProxy(t *testing.T) {
	t.Parallel()
	by := func(proxy, api string) error {
		t.Helper()
		p, err := url.Parse(proxy)
		if err != nil {
			t.Fatal(err)
		}
		a, err := url.Parse(api)
		if err != nil {
			t.Fatal(err)
		}
		r := &reader{cfg: Config{Timeout: 20 * time.Second}, api: a, prefix: "/conftool/v1", proxy: http.ProxyURL(p), limit: maxReply}
		_, err = r.read(t.Context())
		return err
	}
	if err := by(saying(t, recorded(t, "tree")), "http://conf.invalid/v2"); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ proxy, api, want string }{
		{saying(t, "HTTP/1.1 403 Forbidden\r\n\r\n"), "https://conf.invalid/v2", "etcd v2 at https://conf.invalid: the proxy refuses to connect: 403 Forbidden"},
		{"http://me:sesame@127.0.0.1:1", "http://conf.invalid/v2", "etcd v2 at http://conf.invalid: the proxy cannot be reached: connection refused"},
	} {
		var e *Error
		if err := by(c.proxy, c.api); !errors.As(err, &e) || e.Error() != c.want || e.Hint == "" {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
