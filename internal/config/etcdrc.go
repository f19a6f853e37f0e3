package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Etcdrc is the settings of etcdrc files, by the names that python-etcd uses.
type Etcdrc map[string]yamldoc.Node

// etcdrcKeys returns all settings of an etcdrc. The value is true for those that
// etcd v3 uses.
func etcdrcKeys() map[string]bool {
	return map[string]bool{
		"host": true, "port": true, "srv_domain": true, "protocol": true,
		"cert": true, "ca_cert": true, "username": true, "password": true,
		"read_timeout": false, "allow_redirect": false, "allow_reconnect": false,
		"use_proxies": false, "version_prefix": false, "expected_cluster_id": false,
		"per_host_pool_size": false, "lock_prefix": false,
	}
}

// etcdrcFiles is the files of an etcdrc. Later ones take precedence.
type etcdrcFiles struct {
	paths      []string
	required   bool   // the last file must exist
	credential bool   // the last file is a credential of a systemd unit
	noHome     string // why the user's own file is missing from the list; empty if it is in it
}

// etcdrcFiles returns the system's file, the user's file, and the file that the
// configuration names. In a systemd unit with such a credential, the credential
// replaces the last one, because the unit's user may not be allowed to read the
// file.
func (s *Settings) etcdrcFiles() (etcdrcFiles, error) {
	last := SystemEtcdrc
	f := etcdrcFiles{paths: []string{"/etc/etcd/etcdrc"}}
	if n, ok := s.driverOptions["etcd_config_file"]; ok {
		if last, f.required = n.Text(), true; last == "" {
			return f, n.Errorf("etcd_config_file must name a file, not %s", n.Describe())
		}
	}
	if credential, ok := s.owner.Credential("etcdrc"); ok {
		last, f.required, f.credential = credential, true, true
	}
	if home := s.owner.EtcdrcHome(); home != "" {
		f.paths = append(f.paths, filepath.Join(home, ".etcdrc"))
	} else {
		f.noHome = fmt.Sprintf("no ~/.etcdrc: HOME is not set, and the passwd file has no home for user %d", s.owner.UID)
	}
	f.paths = append(f.paths, last)
	return f, nil
}

// Etcdrc reads the etcdrc files of the system, the user and the configuration. It
// calls warn about files that it skips because it may not read them, and, if the
// files have neither a username nor a certificate, about a home directory that is
// not known.
func (s *Settings) Etcdrc(warn func(string)) (Etcdrc, error) {
	files, err := s.etcdrcFiles()
	if err != nil {
		return nil, err
	}
	return files.read(warn)
}

// ReadEtcdrc reads one etcdrc file.
func ReadEtcdrc(file string) (Etcdrc, error) {
	rc := Etcdrc{}
	return rc, rc.merge(file)
}

// read reads the files. It skips files that do not exist, unless they are
// required. If there is a credential, it also skips, with a warning, files that
// it may not read.
func (f etcdrcFiles) read(warn func(string)) (Etcdrc, error) {
	rc := Etcdrc{}
	for i, file := range f.paths {
		required := f.required && i == len(f.paths)-1
		err := rc.merge(file)
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist) && !required:
		case errors.Is(err, fs.ErrPermission) && f.credential && !required:
			warn(err.Error())
		default:
			return nil, err
		}
	}
	if f.noHome != "" && rc["username"].IsEmpty() && rc["cert"].IsEmpty() {
		warn(f.noHome)
	}
	return rc, nil
}

func (rc Etcdrc) merge(file string) error {
	keys := slices.Sorted(maps.Keys(etcdrcKeys()))
	pairs, err := readPrivate(file, "an etcdrc file", keys)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		if !slices.Contains(keys, p.Name) {
			return unknownKey(p, keys)
		}
		rc[p.Name] = p.Value
	}
	return nil
}

// Username returns the user to authenticate as; empty if there is none.
func (rc Etcdrc) Username() string { return rc["username"].Text() }

// Password returns the user's password.
func (rc Etcdrc) Password() string { return rc["password"].Text() }

// CACert returns the file with the certificate authorities; empty means those of
// the system.
func (rc Etcdrc) CACert() string { return rc["ca_cert"].Text() }

// Certificate returns the files with the client certificate and its key. The
// setting is one file for both, or a list of two.
func (rc Etcdrc) Certificate() (cert, key string, err error) {
	n := rc["cert"]
	if !n.IsList() {
		return n.Text(), n.Text(), nil
	}
	items, err := n.Items("cert")
	if err != nil || len(items) != 2 {
		return "", "", n.Errorf("cert must be a file, or a list of two: certificate and key")
	}
	return items[0].Text(), items[1].Text(), nil
}

// protocol returns http or https.
func (rc Etcdrc) protocol() (string, error) {
	n, ok := rc["protocol"]
	if !ok {
		return "http", nil
	}
	f := schema.Field{Name: "protocol", Kind: schema.Enum, Words: []string{"http", "https"}}
	v, err := f.FromYAML(n)
	if err != nil {
		return "", err
	}
	protocol, _ := v.Str()
	return protocol, nil
}

// noEndpoint returns the error that no file says where etcd is.
func (f etcdrcFiles) noEndpoint(config string) error {
	fix := "name one with host and port in " + SystemEtcdrc + ", or with hosts in " + config +
		"\nlooked for in " + strings.Join(f.paths, ", ")
	if f.noHome != "" {
		fix += "\n" + f.noHome
	}
	return &Error{Setting: "hosts", Msg: "no etcd endpoint is configured", Fix: fix}
}
