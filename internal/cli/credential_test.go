package cli

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/config"
)

// TestUnitReadsEtcdrc: the unit's user may not read an etcdrc of root's, so the unit
// hands over a copy of it by the name under which the program looks for one.
func TestUnitReadsEtcdrc(t *testing.T) {
	unit := manual(t, "docs/confctl-serve.service")
	credential := regexp.MustCompile(`(?m)^LoadCredential=etcdrc:(.*)$`).FindStringSubmatch(unit)
	if !strings.Contains(unit, "\nDynamicUser=yes\n") || credential == nil || credential[1] != config.SystemEtcdrc {
		t.Errorf("the unit hands over %q, want %s", credential, config.SystemEtcdrc)
	}
	if manual := manual(t, "docs/gateway.md"); !strings.Contains(manual, credential[0]) {
		t.Errorf("docs/gateway.md does not say %s", credential[0])
	}
}

// TestEtcdrcOfCredential: a credential is read in place of the file that the
// configuration names, which the user of a unit may not read.
func TestEtcdrcOfCredential(t *testing.T) {
	s := newSite(t, "driver_options: {etcd_config_file: not-for-this-user/etcdrc}\n")
	s.file("credentials/etcdrc", "host: 127.0.0.1\nport: 9\n")
	dir := filepath.Join(s.dir, "credentials")
	for _, c := range []struct {
		env  []string
		code int
		want string
	}{
		{[]string{"CREDENTIALS_DIRECTORY=" + dir}, exitUnavailable, "http://127.0.0.1:9"},
		{[]string{"CREDENTIALS_DIRECTORY=" + s.dir}, exitInvalid, "not-for-this-user/etcdrc: cannot be read"},
		{[]string{"CREDENTIALS_DIRECTORY=credentials"}, exitInvalid, "not-for-this-user/etcdrc: cannot be read"},
		{nil, exitInvalid, "not-for-this-user/etcdrc: cannot be read"},
	} {
		_, stderr, code := s.bare(append(c.env, "HOME="+s.dir), "--config", "config.yaml", "select", "name=x", "get")
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: exit code %d\n%s", c.env, code, stderr)
		}
	}
}
