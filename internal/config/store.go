package config

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/store/etcd"
)

// Etcd returns the settings of the etcd driver from the etcdrc files and the
// hosts of the configuration.
func (s *Settings) Etcd(warn func(string), debug func(string, ...any)) (etcd.Config, error) {
	files, err := s.etcdrcFiles()
	if err != nil {
		return etcd.Config{}, err
	}
	rc, err := files.read(warn)
	if err != nil {
		return etcd.Config{}, err
	}
	debug("etcdrc: looked for in %s", strings.Join(files.paths, ", "))
	c := etcd.Config{
		SRVDomain: rc["srv_domain"].Text(),
		CACert:    rc.CACert(),
		User:      rc.Username(),
		Password:  rc.Password(),
		Timeout:   s.Timeout,
		Debug:     debug,
	}
	if c.Cert, c.Key, err = rc.Certificate(); err != nil {
		return etcd.Config{}, err
	}
	if c.SRVDomain != "" {
		protocol, err := rc.protocol()
		c.Secure = protocol == "https"
		return c, err
	}
	c.Endpoints, err = s.endpoints(rc, files)
	return c, err
}

// endpoints returns the endpoints of the etcdrc, or the hosts of config.yaml if
// it has none.
func (s *Settings) endpoints(rc Etcdrc, files etcdrcFiles) ([]string, error) {
	endpoints, err := rc.endpoints()
	if err != nil || len(endpoints) > 0 {
		return endpoints, err
	}
	if err := s.Need("hosts", "etcd"); err != nil {
		return nil, err
	}
	if len(s.Hosts) == 0 {
		return nil, files.noEndpoint(s.File)
	}
	return s.Hosts, nil
}

// LocalPath returns the path of the file of the local driver.
func (s *Settings) LocalPath() (string, error) {
	known := []string{"path", "etcd_config_file", "allow_reconnect", "suppress_san_warnings"}
	for name, n := range s.driverOptions {
		if !slices.Contains(known, name) {
			return "", n.Errorf("the local driver has no option %q%s; path names its file", name, nearest.Suggest(name, known))
		}
	}
	if n, ok := s.driverOptions["path"]; ok {
		if n.Text() == "" {
			return "", n.Errorf("path must name a file, not %s", n.Describe())
		}
		return n.Text(), nil
	}
	state := s.owner.StateDir()
	if state == "" {
		return "", &Error{
			Setting: "driver_options",
			Msg:     "no place for the local store: neither XDG_STATE_HOME nor HOME is set, and the passwd file has no home either",
			Fix:     "name a file with driver_options: {path: FILE} in " + s.File,
		}
	}
	return filepath.Join(state, "conftool", "state.db"), nil
}
