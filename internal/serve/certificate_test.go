package serve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// installed is a test certificate and the warnings about it.
type installed struct {
	*testing.T
	*certificate
	ca     *etcdtest.Authority
	warned []string
}

func install(t *testing.T) *installed {
	dir := t.TempDir()
	i := &installed{T: t, ca: etcdtest.NewAuthority(t)}
	i.certificate = &certificate{
		cert: filepath.Join(dir, "gw.pem"), key: filepath.Join(dir, "gw.key"),
		warn: func(msg string) { i.warned = append(i.warned, msg) },
	}
	return i
}

// replace writes a certificate for a host to the files, always with the same
// modification time.
func (i *installed) replace(host string, until time.Time) {
	i.Helper()
	cert, key := i.ca.Issue(i.T, host, until)
	for from, to := range map[string]string{cert: i.cert, key: i.key} {
		text, err := os.ReadFile(from)
		if err != nil {
			i.Fatal(err)
		}
		i.write(to, string(text))
	}
}

func (i *installed) write(file, text string) {
	i.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		i.Fatal(err)
	}
	at := time.Unix(1e9, 0)
	if err := os.Chtimes(file, at, at); err != nil {
		i.Fatal(err)
	}
}

// host returns the host of the certificate that the next handshake gets.
func (i *installed) host() string {
	i.Helper()
	pair, err := i.get(nil)
	if err != nil {
		i.Fatal(err)
	}
	return strings.Join(pair.Leaf.DNSNames, " ")
}

// TestCertificateReloads: the certificate is reloaded when the contents of its
// files change, and one that cannot be used does not replace the current one.
func TestCertificateReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := install(t)
		valid := time.Now().Add(time.Hour)
		if _, err := i.get(nil); err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("without files: %v", err)
		}
		i.replace("one.example", valid)
		if got := i.host(); got != "one.example" {
			t.Errorf("the certificate is of %q", got)
		}
		i.write(i.cert, "nothing\n")
		for range 3 {
			time.Sleep(time.Second)
			if got := i.host(); got != "one.example" {
				t.Errorf("one that cannot be used was replaced by %q", got)
			}
		}
		if len(i.warned) != 1 || !strings.Contains(i.warned[0], "the one from before stays in use") || !strings.Contains(i.warned[0], i.cert) {
			t.Errorf("warned of %q", i.warned)
		}
		i.replace("two.example", valid)
		time.Sleep(time.Second)
		if got := i.host(); got != "two.example" {
			t.Errorf("after it was replaced, the certificate is of %q", got)
		}
	})
}

// TestCertificateExpired: an expired certificate is used, with a warning.
func TestCertificateExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := install(t)
		i.replace("old.example", time.Now().Add(-time.Minute))
		if got := i.host(); got != "old.example" {
			t.Errorf("the certificate is of %q", got)
		}
		if len(i.warned) != 1 || !strings.Contains(i.warned[0], "clients will refuse it") {
			t.Errorf("warned of %q", i.warned)
		}
	})
}
