package cli

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/sharedtest"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// TestProductionData seeds the data of a real site, with its schema, into both
// stores, and uses it.
func TestProductionData(t *testing.T) {
	t.Parallel()
	dir := sharedtest.Dir(t, "wikimedia")
	for name, newSite := range map[string]func(*testing.T) *site{
		"local": func(t *testing.T) *site { return newSite(t, localConfig) },
		"etcd":  func(t *testing.T) *site { return etcdSite(t, etcdtest.Start(t).URL()) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.file("confctl.yaml", patient)
			wm := func(args ...string) string {
				t.Helper()
				return s.ok(append([]string{"--schema", filepath.Join(dir, "schema.yaml")}, args...)...)
			}
			count := func(objectType string) int {
				t.Helper()
				return strings.Count(wm("--object-type", objectType, "-o", "name", "select", "name=.*", "get"), "\n")
			}
			wm("sync", "--directory", filepath.Join(dir, "conftool-data"))
			if n := count("node"); n != 1590 {
				t.Errorf("%d nodes, want 1590", n)
			}
			for _, objectType := range []string{"discovery", "mwconfig", "dbconfig-instance", "dbconfig-section", "geodns"} {
				if count(objectType) == 0 {
					t.Errorf("no objects of type %s", objectType)
				}
			}
			if got := wm("sync", "--directory", filepath.Join(dir, "conftool-data")); got != "no change\n" {
				t.Errorf("a second sync: %q", got)
			}
			useProductionData(t, s, wm)
		})
	}
}

func useProductionData(t *testing.T, s *site, wm func(...string) string) {
	t.Helper()
	if got := wm("select", "dc=eqiad,cluster=cache_text,service=cdn,name=cp1100.*", "set/pooled=yes:weight=100"); strings.Count(got, " => ") != 2 {
		t.Errorf("set: %q", got)
	}
	if got := wm("select", "name=cp1100.*,service=cdn", "get"); !strings.Contains(got, `{"weight": 100, "pooled": "yes"}`) {
		t.Errorf("get: %q", got)
	}
	wm("--object-type", "mwconfig", "select", "scope=eqiad,name=ReadOnly", "set/val=false")
	if got := wm("--object-type", "mwconfig", "select", "scope=eqiad,name=ReadOnly", "get"); !strings.Contains(got, `{"val": false}`) {
		t.Errorf("ReadOnly: %q", got)
	}
	s.env = append(s.env, "EDITOR=sed -i -e s/3306/3307/")
	if got := wm("--object-type", "dbconfig-instance", "select", "name=db1151", "edit"); !strings.Contains(got, "successfully updated") {
		t.Errorf("edit: %q", got)
	}
	if got := wm("--object-type", "geodns", "--yes", "select", "geodns=text-addrs", "delete", "--allow", "min-pooled", "--reason", "test"); strings.Count(got, "Deleted geodns text-addrs/") != 7 {
		t.Errorf("delete: %q", got)
	}
}

// TestRecordedBehaviour replays what was recorded of the program that this one
// replaces.
func TestRecordedBehaviour(t *testing.T) {
	t.Parallel()
	dir := sharedtest.Dir(t, "golden")
	if testing.Short() {
		t.Skip("takes 10 s")
	}
	for _, tool := range []string{"python3", "etcd"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	ours := program(t)
	replay := exec.Command(filepath.Join(dir, "replay.py"), "--confctl", ours, "--sync", ours+" sync")
	if out, err := replay.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
