package cli

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
)

// tellExposed warns, once in a command, of files that everybody can write or that
// give a password away, and of passwords that are sent unencrypted.
func (g *globals) tellExposed(std term.Streams, s *settings) {
	g.exposures.Do(func() {
		for _, warning := range s.exposures(account.Self()) {
			std.Warn(warning)
		}
	})
}

const (
	others      fs.FileMode = 0o007
	othersRead  fs.FileMode = 0o004
	othersWrite fs.FileMode = 0o002
)

// exposures returns what is exposed. What cannot be read is passed over: whoever
// needs it says so.
func (s *settings) exposures(who account.Account) []string {
	var all []string
	private := map[string]string{} // what is secret in a file
	files := []string{s.file, filepath.Join(filepath.Dir(s.file), "confctl.yaml"), s.schemaFile, safetyFile(s)}
	if s.driver == "etcd" {
		found, _ := findEtcdrc(s, who)
		rc := found.readable()
		files = append(files, found.paths...)
		if rc["password"].Text() != "" {
			private[rc["password"].Pos().File] = "the password for etcd"
			all = append(all, s.unencrypted(rc)...)
		}
		if _, key, err := rc.certificate(); err == nil && key != "" {
			files, private[key] = append(files, key), "the key of a client certificate"
		}
	}
	for _, sink := range s.sinks {
		hook, _ := sink.(sal.Webhook)
		u, err := url.Parse(hook.URL)
		if err != nil || u.User == nil {
			continue
		}
		private[files[1]] = "the password for " + u.Host
		if u.Scheme == "http" {
			all = append(all, fmt.Sprintf("the password for %s is sent unencrypted: its url begins with http", u.Host))
		}
	}
	for i, file := range files {
		if !slices.Contains(files[:i], file) {
			all = append(all, exposed(file, private[file])...)
		}
	}
	return all
}

// readable returns what those of the files say that can be read, without waiting for
// what is no regular file.
func (f etcdrcFiles) readable() etcdrc {
	rc := etcdrc{}
	for _, file := range f.paths {
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			_ = rc.merge(file)
		}
	}
	return rc
}

// unencrypted names the endpoints that a password is sent to without TLS. Those of a
// srv_domain are not known before they are looked up.
func (s *settings) unencrypted(rc etcdrc) []string {
	endpoints, err := rc.endpoints()
	if err != nil || rc["srv_domain"].Text() != "" {
		return nil
	}
	if len(endpoints) == 0 {
		endpoints = s.hosts
	}
	var plain []string
	for _, e := range endpoints {
		if !strings.HasPrefix(e, "https://") && !strings.Contains(e, "@") {
			plain = append(plain, e)
		}
	}
	if len(plain) == 0 {
		return nil
	}
	return []string{"the password for etcd is sent unencrypted to " + strings.Join(plain, ", ") + "; protocol: https in the etcdrc encrypts it, if etcd has a certificate"}
}

// exposed says what others may do with a file and should not.
func exposed(file, secret string) []string {
	info, err := os.Stat(file)
	if file == "" || err != nil || !info.Mode().IsRegular() {
		return nil
	}
	switch mode := info.Mode().Perm() & others; {
	case mode&othersRead != 0 && secret != "":
		return []string{fmt.Sprintf("everybody on this host can read %s, which holds %s; to end that: chmod o= %s", file, secret, quote(file))}
	case mode&othersWrite != 0:
		return []string{fmt.Sprintf("everybody on this host can write to %s; to end that: chmod o-w %s", file, quote(file))}
	}
	return nil
}
