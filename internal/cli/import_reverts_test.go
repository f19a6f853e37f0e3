package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// TestImportRevertsOnTerminal: on a terminal, what the import of a stale export
// would take back is listed and asked about, even of a single object; a --yes
// that was given beforehand does not answer it.
func TestImportRevertsOnTerminal(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("--quiet", "sync", "--directory", "data")
	s.file("fleet.yaml", s.ok("export"))
	s.ok("--quiet", "select", "name=web9.example", "set/weight=7")
	weight := func(want string) {
		t.Helper()
		if got := s.ok("select", "name=web9.example", "get"); !strings.Contains(got, `"weight": `+want) {
			t.Errorf("want %s: %s", want, got)
		}
	}

	term := s.terminal("--yes", "import", "fleet.yaml")
	term.Expect("would take back what others have changed: 1 object changed since it was exported")
	term.end(exitConflict)
	weight("7")

	term = s.terminal("import", "fleet.yaml")
	term.Expect("node south/web/http/web9.example; weight would change 7 => 0; changed ")
	term.Expect("Ok to continue")
	term.Type("n\n")
	term.end(exitDeclined)
	weight("7")

	term = s.terminal("import", "fleet.yaml", "--dry-run")
	term.Expect("would take back what others have changed")
	term.end(exitDone)

	term = s.terminal("--quiet", "import", "fleet.yaml")
	term.Expect("Ok to continue")
	term.Type("y\n")
	term.end(exitDone)
	weight("0")
}

// TestExportByWhoMayOnlyRead: who may read objects, and nothing that confctl keeps
// for itself, may export them.
func TestExportByWhoMayOnlyRead(t *testing.T) {
	server := etcdtest.Start(t)
	s := etcdSite(t, server.URL())
	s.ok("--quiet", "sync", "--directory", "data")
	all := s.ok("export")

	server.AddReader(t, "reader", "/conftool/v1/")
	rc, err := os.ReadFile(filepath.Join(s.dir, "etcdrc"))
	if err != nil {
		t.Fatal(err)
	}
	s.file("etcdrc", string(rc)+"username: reader\npassword: secret\n")
	if got := s.ok("export"); got != all {
		t.Errorf("exported\n%s\nwant\n%s", got, all)
	}
}
