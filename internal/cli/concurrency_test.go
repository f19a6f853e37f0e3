package cli

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// TestManyAtOnce lets processes set fields of one object at the same time: no
// change is lost, and each is in the journal once.
func TestManyAtOnce(t *testing.T) {
	for name, newSite := range map[string]func(*testing.T) *site{
		"local": func(t *testing.T) *site { return newSite(t, localConfig) },
		"etcd":  func(t *testing.T) *site { return etcdSite(t, etcdtest.Start(t).URL()) },
	} {
		t.Run(name, func(t *testing.T) {
			const processes = 12
			s := newSite(t)
			s.ok("sync", "--directory", "data")
			var all sync.WaitGroup
			for i := range processes {
				all.Go(func() {
					stdout, stderr, code := s.run("--object-type", "feature", "select", "name=dark", fmt.Sprintf("set/by%d=1", i))
					if code != exitDone {
						t.Errorf("exit code %d: %s%s", code, stdout, stderr)
					}
				})
			}
			all.Wait()
			if got := s.ok("--object-type", "feature", "select", "name=dark", "get"); strings.Count(got, `"by`) != processes {
				t.Errorf("%s", got)
			}
			if log := s.ok("log", "-n", "0"); strings.Count(log, "set/by") != processes {
				t.Errorf("%s", log)
			}
		})
	}
}
