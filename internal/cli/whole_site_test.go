package cli

import (
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/sitetest"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// TestWholeSite seeds a site of production's size, with its schema, into both
// stores, and uses it.
func TestWholeSite(t *testing.T) {
	t.Parallel()
	files := sitetest.Write(t)
	for name, newSite := range map[string]func(*testing.T) *site{
		"local": func(t *testing.T) *site { return newSite(t, localConfig) },
		"etcd":  func(t *testing.T) *site { return etcdSite(t, etcdtest.Start(t).URL()) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.file("confctl.yaml", patient)
			on := func(args ...string) string {
				t.Helper()
				return s.ok(append([]string{"--schema", files.Schema}, args...)...)
			}
			count := func(objectType string) int {
				t.Helper()
				return strings.Count(on("--object-type", objectType, "-o", "name", "select", "name=.*", "get"), "\n")
			}
			on("sync", "--directory", files.Data)
			if n := count("node"); n != sitetest.Nodes {
				t.Errorf("%d nodes, want %d", n, sitetest.Nodes)
			}
			for _, objectType := range []string{"discovery", "geodns", "setting", "db-instance", "db-section", "network", "feature"} {
				if count(objectType) == 0 {
					t.Errorf("no objects of type %s", objectType)
				}
			}
			if got := on("sync", "--directory", files.Data); got != "no change\n" {
				t.Errorf("a second sync: %q", got)
			}
			useWholeSite(t, s, on)
		})
	}
}

func useWholeSite(t *testing.T, s *site, on func(...string) string) {
	t.Helper()
	if got := on("select", "dc=north,cluster=text,service=cdn,name=text-001.*", "set/pooled=yes:weight=100"); strings.Count(got, " => ") != 2 {
		t.Errorf("set: %q", got)
	}
	if got := on("select", "name=text-001.north.*,service=cdn", "get"); !strings.Contains(got, `{"weight": 100, "pooled": "yes"}`) {
		t.Errorf("get: %q", got)
	}
	on("--object-type", "setting", "select", "scope=north,name=read-only", "set/val=false")
	if got := on("--object-type", "setting", "select", "scope=north,name=read-only", "get"); !strings.Contains(got, `{"val": false}`) {
		t.Errorf("read-only: %q", got)
	}
	s.env = append(s.env, "EDITOR=sed -i -e s/3306/3307/")
	if got := on("--object-type", "db-instance", "select", "datacenter=north,name=db051", "edit"); !strings.Contains(got, "successfully updated") {
		t.Errorf("edit: %q", got)
	}
	if got := on("--object-type", "geodns", "--yes", "select", "address=address1", "delete", "--allow", "min-pooled", "--reason", "test"); strings.Count(got, "Deleted geodns address1/") != 7 {
		t.Errorf("delete: %q", got)
	}
}
