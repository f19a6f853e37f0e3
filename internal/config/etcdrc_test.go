package config

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/account"
)

// TestNoEndpointNamesFiles: without an endpoint, the error names the etcdrc
// files, the configuration and an unknown home.
func TestNoEndpointNamesFiles(t *testing.T) {
	nobody := func(string) (*user.User, error) { return nil, errors.New("no such user") }
	none := filepath.Join(t.TempDir(), "config.yaml")
	stranger := account.Account{UID: 70000, Getenv: func(string) string { return "" }, ByName: nobody, ByID: nobody}
	alice := stranger
	alice.ByID = func(string) (*user.User, error) { return &user.User{HomeDir: "/home/alice"}, nil }
	for want, i := range map[string]account.Account{
		"/home/alice/.etcdrc": alice,
		`no ~/\.etcdrc: HOME is not set, and the passwd file has no home for user 70000`: stranger,
	} {
		s := &Settings{File: none, owner: i}
		files, err := s.etcdrcFiles()
		if err != nil {
			t.Fatal(err)
		}
		var e *Error
		if !errors.As(files.noEndpoint(s.File), &e) || !regexp.MustCompile(want).MatchString(e.Fix) || !strings.Contains(e.Fix, none) {
			t.Errorf("%+v lacks %s or %s", e, want, none)
		}
	}
}

// TestServes: scheme, host and port must all be equal.
func TestServes(t *testing.T) {
	for _, c := range []struct {
		etcdrc, hosts, url string
		want               bool
	}{
		{"host: h", "", "http://h:2379", true},
		{"host: h", "", "http://H:2379/v2", true},
		{"host: h", "", "http://h", false},
		{"host: h", "", "http://h:4001", false},
		{"host: h", "", "https://h:2379", false},
		{"host: h\nprotocol: https\nport: 443", "", "https://h", true},
		{"host: [[a, 1], [b, 2]]", "", "http://b:2", true},
		{"host: [[a, 1], [b, 2]]", "", "http://b:1", false},
		{"{}", "http://h:2379", "http://h:2379", true},
		{"{}", "http://h:2379", "http://g:2379", false},
		{"host: a", "http://h:2379", "http://h:2379", false},
		{"host: h\nsrv_domain: d", "", "http://h:2379", false},
		{"{}", "", "http://h:2379", false},
		{"{}", "h", "h", false},
	} {
		file := filepath.Join(t.TempDir(), "etcdrc")
		if err := os.WriteFile(file, []byte(c.etcdrc), 0o600); err != nil {
			t.Fatal(err)
		}
		rc, err := ReadEtcdrc(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := rc.Serves(c.url, strings.Fields(c.hosts)); err != nil || got != c.want {
			t.Errorf("%q %q %s: %v, %v", c.etcdrc, c.hosts, c.url, got, err)
		}
	}
}
