package files_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/conftool/confctl/pkg/files"
)

const most = 1 << 10

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// Read does not wait for a pipe, and does not read an endless device.
func TestOnlyRegularFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	link(t, "/dev/zero", filepath.Join(dir, "zero"))
	link(t, "/dev/stdin", filepath.Join(dir, "stdin"))
	write(t, filepath.Join(dir, "large"), strings.Repeat("x", most+1))
	for path, want := range map[string]string{
		fifo:                        "is a pipe, not a regular file",
		dir:                         "is a directory",
		"/dev/zero":                 "is a device, not a regular file",
		filepath.Join(dir, "zero"):  "is a device, not a regular file",
		filepath.Join(dir, "large"): "is 1025 bytes, more than the 1024 that are read",
		"/proc/self/cmdline":        "", // a regular file of unknown size
		os.DevNull:                  "",
		filepath.Join(dir, "none"):  "no such file or directory",
	} {
		_, err := files.Read(path, most)
		var at *os.PathError
		switch {
		case want == "" && err == nil:
		case !errors.As(err, &at) || at.Path != path || at.Err.Error() != want:
			t.Errorf("%s: %v", path, err)
		}
	}
	if text, err := files.Read(write(t, filepath.Join(dir, "exact"), strings.Repeat("x", most)), most); err != nil || len(text) != most {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if _, err := files.ReadAll(strings.NewReader(strings.Repeat("x", most+1)), most); !errors.As(err, new(files.SizeError)) {
		t.Error(err)
	}
}

// Read reads a file descriptor of the process, also if it is a pipe.
func TestDescriptorMayBeAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // it was only read
	if _, err := w.WriteString("text"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err := files.Read(fmt.Sprintf("/dev/fd/%d", r.Fd()), most); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
}

// A Files that is confined to two directories reads nothing outside them, whatever
// the path.
func TestConfined(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("secret"), "token")
	write(t, at("etc/x"), "token")
	write(t, at("a/x"), "a")
	write(t, at("b/x"), "b")
	write(t, at("aa/x"), "token")
	for name, target := range map[string]string{
		"a/relative": "../secret", "a/absolute": at("secret"), "a/dir": "../etc", "a/far": at("etc"), "a/dangling": "../none",
		"a/deep/up": "../../secret", "a/chain": "relative", "a/self": "self", "a/null": os.DevNull, "a/in": "x", "a/whole": at("a/x"), "a/other": "../b", "real": "a",
	} {
		link(t, target, at(name))
	}
	f := files.Within(at("real"), at("b"), at("none"))
	defer f.Close() //nolint:errcheck // nothing was written
	for name, want := range map[string]string{
		"real/x": "a", "a/x": "a", "b/x": "b", "a/in": "a", "real/whole": "a", "a/other/x": "b", "a/../b/x": "b",
	} {
		if text, err := f.Read(at(name), most); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		if info, err := f.Stat(at(name)); err != nil || info.Size() != 1 || !f.Holds(at(name)) {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	for _, name := range []string{
		"secret", "etc/x", "aa/x", "a/relative", "real/absolute", "a/dir/x", "a/far/x", "a/dangling", "a/deep/up", "a/chain", "a/null", "a/../secret", ".", "none/x",
	} {
		_, read := f.Read(at(name), most)
		_, stat := f.Stat(at(name))
		_, list := f.ReadDir(filepath.Dir(at(name)) + "/" + filepath.Base(name))
		for _, err := range []error{read, stat, list} {
			if !errors.As(err, new(files.OutsideError)) || !files.Refused(err) || strings.Contains(err.Error(), "token") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, name := range []string{"a/none", "a/x/y", "a/self"} {
		if _, err := f.Read(at(name), most); err == nil || files.Refused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"a/dir", "a/far"} {
		if entries, err := f.ReadDir(at(name)); !errors.As(err, new(files.OutsideError)) {
			t.Errorf("%s: %v, %v", name, entries, err)
		}
	}
	if entries, err := f.ReadDir(at("a/other")); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if f.Holds(at("secret")) || !f.Holds(at("a/relative")) || (*files.Files)(nil).Holds(at("a")) {
		t.Error("what is held is not what is below")
	}
}

// Head returns the beginning of a file of any size.
func TestHead(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "x"), "abcdef")
	for n, want := range map[int64]string{0: "", 3: "abc", 6: "abcdef", 7: "abcdef"} {
		if text, err := files.Head(file, n); err != nil || string(text) != want {
			t.Errorf("%d: %q, %v", n, text, err)
		}
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, dir} {
		if _, err := files.Head(path, most); !errors.As(err, new(files.KindError)) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := files.Head(filepath.Join(dir, "none"), most); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestCertPool(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	dir := t.TempDir()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	pool, err := files.CertPool(write(t, filepath.Join(dir, "ca.pem"), string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Certificate().Verify(x509.VerifyOptions{Roots: pool}); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{"key.pem": "holds no certificate", "none.pem": "no such file or directory", "large.pem": "more than the 1048576 that are read"} {
		switch name {
		case "key.pem":
			write(t, filepath.Join(dir, name), "-----BEGIN x-----\n")
		case "large.pem":
			write(t, filepath.Join(dir, name), strings.Repeat("x", files.MaxPEM+1))
		}
		if _, err := files.CertPool(filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
