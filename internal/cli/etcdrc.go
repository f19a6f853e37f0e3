package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

const systemEtcdrc = "/etc/conftool/etcdrc"

// etcdrc is what the etcdrc files together say, under the names python-etcd
// gave them.
type etcdrc map[string]yamldoc.Node

// etcdrcKeys are all keys; those that mean something to etcd v3 are true.
func etcdrcKeys() map[string]bool {
	return map[string]bool{
		"host": true, "port": true, "srv_domain": true, "protocol": true,
		"cert": true, "ca_cert": true, "username": true, "password": true,
		"read_timeout": false, "allow_redirect": false, "allow_reconnect": false,
		"use_proxies": false, "version_prefix": false, "expected_cluster_id": false,
		"per_host_pool_size": false, "lock_prefix": false,
	}
}

// etcdrcFiles are the files that an etcdrc is read from, later ones counting more.
type etcdrcFiles struct {
	paths    []string
	must     bool   // the last must exist
	given    bool   // the last is a credential of a systemd unit
	homeless string // why the person's own is not among them; empty if it is
}

// findEtcdrc returns the system's file, that of the person, and the one that the
// configuration names, or the credential that a systemd unit puts in its place:
// the unit's user may not be allowed to read the file itself.
func findEtcdrc(s *settings, who account.Account) (etcdrcFiles, error) {
	last := systemEtcdrc
	f := etcdrcFiles{paths: []string{"/etc/etcd/etcdrc"}}
	if n, ok := s.driverOptions["etcd_config_file"]; ok {
		if last, f.must = n.Text(), true; last == "" {
			return f, n.Errorf("etcd_config_file must name a file, not %s", n.Describe())
		}
	}
	if credential, ok := who.Credential("etcdrc"); ok {
		last, f.must, f.given = credential, true, true
	}
	if home := who.EtcdrcHome(); home != "" {
		f.paths = append(f.paths, filepath.Join(home, ".etcdrc"))
	} else {
		f.homeless = fmt.Sprintf("no ~/.etcdrc: HOME is not set, and the passwd file has no home for user %d", who.UID)
	}
	f.paths = append(f.paths, last)
	return f, nil
}

// loadEtcdrc returns what the etcdrc files say, and which those are.
func loadEtcdrc(s *settings, who account.Account, warn func(string)) (etcdrcFiles, etcdrc, error) {
	files, err := findEtcdrc(s, who)
	if err != nil {
		return files, nil, err
	}
	rc, err := files.load(warn)
	return files, rc, err
}

// load reads the files. Of those that nobody has named, one that does not exist
// is skipped; so is one that a unit with a credential may not read, with a
// warning.
func (f etcdrcFiles) load(warn func(string)) (etcdrc, error) {
	rc := etcdrc{}
	for i, file := range f.paths {
		must := f.must && i == len(f.paths)-1
		err := rc.merge(file)
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist) && !must:
		case errors.Is(err, fs.ErrPermission) && f.given && !must:
			warn(err.Error())
		default:
			return nil, err
		}
	}
	if f.homeless != "" && rc["username"].IsEmpty() && rc["cert"].IsEmpty() {
		warn(f.homeless)
	}
	return rc, nil
}

// noEndpoint is the error of a configuration that does not say where etcd is.
func (f etcdrcFiles) noEndpoint(s *settings) error {
	hint := "name one with host and port in " + systemEtcdrc + ", or with hosts in " + s.file +
		"\nlooked for in " + strings.Join(f.paths, ", ")
	if f.homeless != "" {
		hint += "\n" + f.homeless
	}
	return &usageError{"no etcd endpoint is configured", hint}
}

func (rc etcdrc) merge(file string) error {
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

// etcdConfig turns the settings into those of the driver.
func etcdConfig(s *settings, who account.Account, warn func(string), debug func(string, ...any)) (etcd.Config, error) {
	files, rc, err := loadEtcdrc(s, who, warn)
	if err != nil {
		return etcd.Config{}, err
	}
	debug("etcdrc: looked for in %s", strings.Join(files.paths, ", "))
	c := etcd.Config{
		SRVDomain: rc["srv_domain"].Text(),
		CACert:    rc["ca_cert"].Text(),
		User:      rc["username"].Text(),
		Password:  rc["password"].Text(),
		Timeout:   s.timeout,
		Debug:     debug,
	}
	if c.Cert, c.Key, err = rc.certificate(); err != nil {
		return etcd.Config{}, err
	}
	if c.SRVDomain != "" {
		protocol, err := rc.protocol()
		c.Secure = protocol == "https"
		return c, err
	}
	if c.Endpoints, err = rc.endpoints(); err != nil {
		return etcd.Config{}, err
	}
	if len(c.Endpoints) == 0 {
		c.Endpoints = s.hosts
		if err := s.need("hosts", "etcd"); err != nil {
			return etcd.Config{}, err
		}
	}
	if len(c.Endpoints) == 0 {
		return etcd.Config{}, files.noEndpoint(s)
	}
	return c, nil
}

// certificate returns the client certificate and its key: one file for both, or
// a list of two.
func (rc etcdrc) certificate() (cert, key string, err error) {
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
func (rc etcdrc) protocol() (string, error) {
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

// endpoints returns the URLs that host, port and protocol make; none without a
// host.
func (rc etcdrc) endpoints() ([]string, error) {
	protocol, err := rc.protocol()
	if err != nil {
		return nil, err
	}
	port, err := rc.port()
	if err != nil {
		return nil, err
	}
	host := rc["host"]
	switch {
	case strings.Contains(host.Text(), "://"):
		return nil, host.Errorf("host takes a name, not a URL: the rest is said with protocol and port")
	case host.IsEmpty():
		return nil, nil
	case host.IsScalar():
		return []string{endpoint(protocol, host.Text(), port)}, nil
	}
	items, err := host.Items("host")
	if err != nil {
		return nil, err
	}
	var all []string
	for _, item := range items {
		name, its, err := hostAndPort(item, port)
		if err != nil {
			return nil, err
		}
		all = append(all, endpoint(protocol, name, its))
	}
	return all, nil
}

func (rc etcdrc) port() (string, error) {
	n, ok := rc["port"]
	if !ok {
		return "2379", nil
	}
	return portOf(n)
}

func portOf(n yamldoc.Node) (string, error) {
	v, err := schema.Field{Name: "port", Kind: schema.Int, Default: value.OfInt(0)}.FromYAML(n)
	if err != nil {
		return "", err
	}
	if p, _ := v.Int(); p < 1 || p > 65535 {
		return "", n.Errorf("port cannot be %s; it is from 1 to 65535", n.Text())
	}
	return v.Text(), nil
}

// hostAndPort reads an element of a list of hosts: a name, or a name and its
// port.
func hostAndPort(n yamldoc.Node, port string) (string, string, error) {
	if n.IsScalar() && n.Text() != "" {
		return n.Text(), port, nil
	}
	parts, err := n.Items("a host")
	if err != nil || len(parts) != 2 {
		return "", "", n.Errorf("host must be a name, or a list of [name, port]")
	}
	its, err := portOf(parts[1])
	return parts[0].Text(), its, err
}

// endpoint makes a URL of a host; one that has a port already keeps it.
func endpoint(protocol, host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return fmt.Sprintf("%s://%s", protocol, host)
	}
	return fmt.Sprintf("%s://%s", protocol, joinHostPort(host, port))
}

func joinHostPort(host, port string) string {
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}
