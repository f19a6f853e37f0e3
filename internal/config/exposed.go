package config

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/sal"
)

// An Exposure is a weakness of the configuration: a file that everybody can write
// to, a file with a password that everybody can read, or a password that is sent
// unencrypted.
type Exposure struct {
	Msg  string
	File string // empty if the weakness is not the mode of a file
	Mode string // argument of chmod that fixes it: "o=" or "o-w"
}

// Exposures returns the weaknesses of the configuration and etcdrc files, the
// schema and the safety rules. It skips files that cannot be read; the commands
// that need them report that.
func (s *Settings) Exposures() []Exposure {
	var all []Exposure
	private := map[string]string{} // the secret in each file
	files := []string{s.File, s.ownFile(), s.SchemaFile, s.SafetyFile()}
	if s.Driver == "etcd" {
		found, _ := s.etcdrcFiles()
		rc := found.readable()
		files = append(files, found.paths...)
		if rc.Password() != "" {
			private[rc["password"].Pos().File] = "the password for etcd"
			all = append(all, s.unencrypted(rc)...)
		}
		if _, key, err := rc.Certificate(); err == nil && key != "" {
			files, private[key] = append(files, key), "the key of a client certificate"
		}
	}
	for _, sink := range s.Sinks {
		hook, _ := sink.(sal.Webhook)
		u, err := url.Parse(hook.URL)
		if err != nil || u.User == nil {
			continue
		}
		private[s.ownFile()] = "the password for " + u.Host
		if u.Scheme == "http" {
			all = append(all, Exposure{Msg: fmt.Sprintf("the password for %s is sent unencrypted: its url begins with http", u.Host)})
		}
	}
	for i, file := range files {
		if !slices.Contains(files[:i], file) {
			all = append(all, exposed(file, private[file])...)
		}
	}
	return all
}

// readable reads the files that can be read. It does not open files that are not
// regular, because reading them could block.
func (f etcdrcFiles) readable() Etcdrc {
	rc := Etcdrc{}
	for _, file := range f.paths {
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			_ = rc.merge(file)
		}
	}
	return rc
}

// unencrypted returns a weakness for each endpoint that receives a password
// without TLS. It does not look up a srv_domain.
func (s *Settings) unencrypted(rc Etcdrc) []Exposure {
	endpoints, err := rc.endpoints()
	if err != nil || rc["srv_domain"].Text() != "" {
		return nil
	}
	if len(endpoints) == 0 {
		endpoints = s.Hosts
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
	return []Exposure{{Msg: "the password for etcd is sent unencrypted to " + strings.Join(plain, ", ") + "; protocol: https in the etcdrc encrypts it, if etcd has a certificate"}}
}

// exposed returns the weaknesses of a file's mode.
func exposed(file, secret string) []Exposure {
	const (
		othersRead  fs.FileMode = 0o004
		othersWrite fs.FileMode = 0o002
	)
	info, err := os.Stat(file)
	if file == "" || err != nil || !info.Mode().IsRegular() {
		return nil
	}
	switch mode := info.Mode().Perm(); {
	case mode&othersRead != 0 && secret != "":
		return []Exposure{{fmt.Sprintf("everybody on this host can read %s, which holds %s", file, secret), file, "o="}}
	case mode&othersWrite != 0:
		return []Exposure{{"everybody on this host can write to " + file, file, "o-w"}}
	}
	return nil
}
