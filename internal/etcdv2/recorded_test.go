package etcdv2

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/internal/etcdv2/etcdv2test"
)

// The files in testdata are replies of Debian's etcd 3.4.23, unchanged except for the
// headers that differ each time. TestRecordings compares them with the replies of the
// installed etcd, and records them again with
//
//	ETCDV2_RECORD=1 go test ./internal/etcdv2 -run TestRecordings

func recording(name string) string { return filepath.Join("testdata", name+".http") }

func recorded(t *testing.T, name string) string {
	t.Helper()
	reply, err := os.ReadFile(recording(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(reply)
}

func TestRecordings(t *testing.T) {
	t.Parallel()
	plain := etcdv2test.Start(t)
	fill(t, plain)
	users := etcdv2test.Start(t, etcdv2test.User("reader", "sesame", "/conftool/v1"))
	without := etcdv2test.Start(t, etcdv2test.WithoutV2())
	for _, r := range []struct {
		name string
		s    *etcdv2test.Server
		path string
	}{
		{"tree", plain, "/v2/keys/conftool/v1?recursive=true&quorum=true&sorted=true"},
		{"all", plain, "/v2/keys/?recursive=true&quorum=true&sorted=true"},
		{"empty", plain, "/v2/keys/conftool/v1/pools/empty?recursive=true&quorum=true&sorted=true"},
		{"single", plain, "/v2/keys/conftool/v1/pools/a/b/c/h1?recursive=true&quorum=true&sorted=true"},
		{"absent", plain, "/v2/keys/conftool/v9?recursive=true&quorum=true&sorted=true"},
		{"below-key", plain, "/v2/keys/conftool/v1/pools/a/b/c/h1/x?recursive=true&quorum=true&sorted=true"},
		{"bad-field", plain, "/v2/keys/conftool/v1?recursive=perhaps"},
		{"unauthorized", users, "/v2/keys/conftool/v1?recursive=true&quorum=true&sorted=true"},
		{"without-v2", without, "/v2/keys/conftool/v1?recursive=true&quorum=true&sorted=true"},
	} {
		t.Run(r.name, func(t *testing.T) {
			_, host, _ := strings.Cut(r.s.URL, "://")
			got := ask(t, host, r.path)
			if os.Getenv("ETCDV2_RECORD") != "" {
				if err := os.WriteFile(recording(r.name), []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(essence(recorded(t, r.name)), essence(got)); diff != "" {
				t.Errorf("it is no longer so: %s", diff)
			}
		})
	}
}

// ask returns a raw reply, with constant values for the headers that vary.
func ask(t *testing.T, host, path string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", host, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host); err != nil {
		t.Fatal(err)
	}
	reply, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	volatile := regexp.MustCompile(`(?m)^(Date|X-Etcd-Cluster-Id|X-Raft-Index|X-Raft-Term): [^\r]*`)
	return volatile.ReplaceAllString(string(reply), "$1: 1")
}

// essence returns the parts of a reply that are the same in all versions of etcd:
// status, index and body.
func essence(reply string) string {
	head, body, _ := strings.Cut(reply, "\r\n\r\n")
	status, _, _ := strings.Cut(head, "\r\n")
	return status + " " + regexp.MustCompile(`X-Etcd-Index: [0-9]*`).FindString(head) + "\n" + body
}

// TestRecorded checks the results of reading the recorded replies.
func TestRecorded(t *testing.T) {
	t.Parallel()
	keys := read(t, Config{URL: saying(t, recorded(t, "tree"))}, "/conftool/v1")
	if diff := cmp.Diff(filled(), keys); diff != "" {
		t.Error(diff)
	}
	if all := read(t, Config{URL: saying(t, recorded(t, "all"))}, "/"); len(all) != len(filled())+1 {
		t.Errorf("all: %v", all)
	}
	if none := read(t, Config{URL: saying(t, recorded(t, "empty"))}, "/conftool/v1/pools/empty"); len(none) != 0 {
		t.Errorf("an empty directory: %v", none)
	}
	const named = "are namespace and api_version those of the Python tool?"
	for _, c := range []struct {
		name, prefix string
		kind         Kind
		what, hint   string
	}{
		{"single", "/conftool/v1/pools/a/b/c/h1", Absent, "/conftool/v1/pools/a/b/c/h1 is a key, not a directory", named},
		{"absent", "/conftool/v9", Absent, "there is no /conftool/v9", named},
		{"below-key", "/conftool/v1/pools/a/b/c/h1/x", Foreign, "says: Not a directory (/conftool/v1/pools/a/b/c/h1)", ""},
		{"bad-field", "/conftool/v1", Foreign, `says: Invalid field (invalid value for "recursive")`, ""},
		{"unauthorized", "/conftool/v1", Denied, "it wants a user and password to read /conftool/v1 (401)", "users of the v2 API are not those of v3"},
		{"without-v2", "/conftool/v1", Foreign, "it does not serve the v2 API", "etcd up to 3.5 has it with --enable-v2, later ones have none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := saying(t, recorded(t, c.name))
			e := failing(t, Config{URL: url}, c.prefix)
			want(t, e, c.kind, c.what, c.hint)
			if e.Error() != "etcd v2 at "+url+": "+c.what {
				t.Error(e)
			}
		})
	}
}
