package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/conftool/confctl/pkg/nearest"
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

// loadEtcdrc reads the system's file, that of the person, and the one that the
// configuration names, later ones counting more. Only a named one must exist.
func loadEtcdrc(s *settings) (etcdrc, error) {
	last, named := systemEtcdrc, false
	if n, ok := s.driverOptions["etcd_config_file"]; ok {
		if last, named = n.Text(), true; last == "" {
			return nil, n.Errorf("etcd_config_file must name a file, not %s", n.Describe())
		}
	}
	files := []string{"/etc/etcd/etcdrc"}
	if u, err := user.Lookup(os.Getenv("USER")); err == nil {
		files = append(files, filepath.Join(u.HomeDir, ".etcdrc"))
	}
	rc := etcdrc{}
	for _, file := range append(files, last) {
		err := rc.merge(file)
		if errors.Is(err, fs.ErrNotExist) && (file != last || !named) {
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	return rc, nil
}

func (rc etcdrc) merge(file string) error {
	doc, err := yamldoc.Read(file)
	if err != nil || doc.IsEmpty() {
		return err
	}
	pairs, err := doc.Pairs("an etcdrc file")
	if err != nil {
		return err
	}
	keys := etcdrcKeys()
	for _, p := range pairs {
		if _, known := keys[p.Name]; !known {
			var names []string
			for k := range keys {
				names = append(names, k)
			}
			return p.Key.Errorf("no setting %q in an etcdrc%s", p.Name, nearest.Suggest(p.Name, names))
		}
		rc[p.Name] = p.Value
	}
	return nil
}

// etcdConfig turns the settings into those of the driver.
func etcdConfig(s *settings, debug func(string, ...any)) (etcd.Config, error) {
	rc, err := loadEtcdrc(s)
	if err != nil {
		return etcd.Config{}, err
	}
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
	if c.SRVDomain == "" {
		if c.Endpoints, err = rc.endpoints(); err != nil {
			return etcd.Config{}, err
		}
	}
	if c.SRVDomain == "" && len(c.Endpoints) == 0 {
		c.Endpoints = s.hosts
	}
	if c.SRVDomain == "" && len(c.Endpoints) == 0 {
		return etcd.Config{}, &usageError{
			"no etcd endpoint is configured",
			"name one with host and port in " + systemEtcdrc + ", or with hosts in " + s.file,
		}
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

// endpoints returns the URLs that host, port and protocol make; none without a
// host.
func (rc etcdrc) endpoints() ([]string, error) {
	protocol := "http"
	if n, ok := rc["protocol"]; ok {
		f := schema.Field{Name: "protocol", Kind: schema.Enum, Words: []string{"http", "https"}}
		v, err := f.FromYAML(n)
		if err != nil {
			return nil, err
		}
		protocol, _ = v.Str()
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
