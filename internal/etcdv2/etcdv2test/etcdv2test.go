// Package etcdv2test runs the installed etcd with the v2 API for a test, as a
// separate process. It is for tests only.
package etcdv2test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Server is a running etcd with one member.
type Server struct {
	URL string // the URL for clients, without a path

	own      string // the URL for requests of this package, always without TLS
	password string // of root; empty if authentication is disabled
}

// Option changes how a server is started.
type Option func(*options)

type options struct {
	issue    func(host string) (cert, key string)
	clients  string
	without  bool
	user     string
	password string
	reads    string
}

// TLS makes a server use a certificate, which issue returns once the address is
// known. If clients, the file of a certificate authority, is not empty, the server
// requires client certificates of that authority.
func TLS(issue func(host string) (cert, key string), clients string) Option {
	return func(o *options) { o.issue, o.clients = issue, clients }
}

// User makes a server require the credentials of a user, who may read keys that
// begin with reads, such as /conftool/v1. The user root may read everything.
func User(name, password, reads string) Option {
	return func(o *options) { o.user, o.password, o.reads = name, password, reads }
}

// WithoutV2 makes a server not serve the v2 API.
func WithoutV2() Option { return func(o *options) { o.without = true } }

// Start runs a server until the test ends. The test is skipped if no installed etcd
// can serve the v2 API.
func Start(t testing.TB, chosen ...Option) *Server {
	t.Helper()
	var o options
	for _, choose := range chosen {
		choose(&o)
	}
	program, fast := find(t)
	host := freeHost()
	s := &Server{own: "http://" + freeAddress(t, host), URL: "http://" + freeAddress(t, host)}
	peer := "http://" + freeAddress(t, host)
	args := []string{
		"--name=v2", "--data-dir=" + filepath.Join(t.TempDir(), "data"), "--enable-v2=" + strconv.FormatBool(!o.without),
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=v2=" + peer,
		"--heartbeat-interval=10", "--election-timeout=100",
	}
	if fast {
		args = append(args, "--unsafe-no-fsync")
	}
	if o.issue != nil {
		s.URL = strings.Replace(s.URL, "http:", "https:", 1)
		cert, key := o.issue(host)
		args = append(args, "--cert-file="+cert, "--key-file="+key)
		if o.clients != "" {
			args = append(args, "--client-cert-auth", "--trusted-ca-file="+o.clients)
		}
	}
	args = append(args, "--listen-client-urls="+s.own+","+s.URL, "--advertise-client-urls="+s.own)
	s.run(t, program, args, !o.without)
	if o.user != "" {
		s.closeTo(t, o)
	}
	return s
}

// find returns the installed etcd, and whether it can run without syncing to disk.
func find(t testing.TB) (program string, fast bool) {
	t.Helper()
	const wants = "needs an etcd of 3.3 to 3.5, which serve the v2 API (Debian: etcd-server)"
	program, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip(wants + "; none is installed")
	}
	cmd := exec.CommandContext(t.Context(), program, "--version")
	cmd.Env = environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s --version: %v\n%s", program, err, out)
	}
	version := regexp.MustCompile(`etcd Version: 3\.([0-9]+)\.`).FindSubmatch(out)
	if version == nil {
		t.Skipf("%s; %s says: %.60s", wants, program, out)
	}
	minor, err := strconv.Atoi(string(version[1]))
	if err != nil || minor < 3 || minor > 5 {
		t.Skipf("%s; %s is 3.%s", wants, program, version[1])
	}
	return program, minor > 3
}

// environment returns the environment of the test, without settings for etcd.
func environment() []string {
	env := []string{"ETCD_UNSUPPORTED_ARCH=" + runtime.GOARCH}
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "ETCD_") {
			env = append(env, e)
		}
	}
	return env
}

// guardian runs a program until its own standard input is closed, which happens when
// the test ends, even if it is killed.
const guardian = `"$@" & read -r _; kill -9 $!; wait`

// run starts the server and waits until it is ready. With the v2 API, it also waits
// until the server has published its name, which uses an index.
func (s *Server) run(t testing.TB, program string, args []string, v2 bool) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", append([]string{"-c", guardian, "sh", program}, args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = environment(), log, log
	life, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = life.Close()
		_ = cmd.Wait() // the guardian's exit code reports the kill
		_ = log.Close()
	})
	for range 1000 {
		_, err := s.do(http.MethodGet, "/health", nil)
		if err == nil && v2 {
			err = s.isPublished()
		}
		if err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	said, err := os.ReadFile(log.Name())
	t.Fatalf("etcd does not get ready: %s%v", said[max(0, len(said)-2000):], err)
}

// isPublished returns an error unless the member list contains the server's URL.
func (s *Server) isPublished() error {
	members, err := s.do(http.MethodGet, "/v2/members", nil)
	if err == nil && !bytes.Contains(members, []byte(s.own)) {
		err = fmt.Errorf("not published: %s", members)
	}
	return err
}

// Put stores a value at a key, which must begin with a slash.
func (s *Server) Put(t testing.TB, key, value string) {
	t.Helper()
	s.must(t, "/v2/keys"+(&url.URL{Path: key}).EscapedPath(), url.Values{"value": {value}}.Encode())
}

// Mkdir creates an empty directory.
func (s *Server) Mkdir(t testing.TB, key string) {
	t.Helper()
	s.must(t, "/v2/keys"+(&url.URL{Path: key}).EscapedPath(), "dir=true")
}

// closeTo allows access only to root and one user.
func (s *Server) closeTo(t testing.TB, o options) {
	t.Helper()
	root := "root" + strconv.FormatUint(rand.Uint64(), 36)
	if o.user == "root" {
		root = o.password
	}
	s.must(t, "/v2/auth/users/root", asJSON(t, map[string]any{"user": "root", "password": root}))
	if o.user != "root" {
		grant := map[string]any{"kv": map[string]any{"read": []string{o.reads + "*"}, "write": []string{}}}
		s.must(t, "/v2/auth/roles/reader", asJSON(t, map[string]any{"role": "reader", "permissions": grant}))
		s.must(t, "/v2/auth/users/"+url.PathEscape(o.user), asJSON(t, map[string]any{"user": o.user, "password": o.password, "roles": []string{"reader"}}))
	}
	s.must(t, "/v2/auth/enable", "")
	s.password = root
	everything := map[string]any{"kv": map[string]any{"read": []string{"/*"}, "write": []string{"/*"}}}
	s.must(t, "/v2/auth/roles/guest", asJSON(t, map[string]any{"role": "guest", "revoke": everything}))
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (s *Server) must(t testing.TB, path, body string) {
	t.Helper()
	if answer, err := s.do(http.MethodPut, path, []byte(body)); err != nil {
		t.Fatalf("PUT %s: %v %s", path, err, answer)
	}
}

// do sends a request, as root if there are users.
func (s *Server) do(method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequest(method, s.own+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(body, []byte("{")) {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if s.password != "" {
		req.SetBasicAuth("root", s.password)
	}
	client := http.Client{Timeout: 20 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s", resp.Status)
	}
	return answer, err
}

// freeHost returns a loopback address. If all of 127.0.0.0/8 is local, the address
// is unused by others, so that free ports stay free.
func freeHost() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
}

func freeAddress(t testing.TB, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
