package cli

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// TestFewDescriptors: however few files may be opened, a command does what it is to
// do, or says why not. It never ends with a trace.
func TestFewDescriptors(t *testing.T) {
	file := program(t) // as it is shipped: what is linked decides when files are opened
	sites := map[string]*site{"local": newSite(t, localConfig), "etcd": etcdSite(t, etcdtest.Start(t).URL())}
	for driver, s := range sites {
		s.ok("sync", "--directory", "data")
		s.ok("select", "name=web9.example", "set/weight=1:pooled=yes")
		works := false
		for _, limit := range []int{3, 4, 5, 6, 7, 8, 9, 12, 16, 19, 20, 21, 22, 23, 24, 28, 32} {
			for _, args := range [][]string{{"select", "name=web9.example", "get"}, {"select", "name=web9.example", fmt.Sprint("set/weight=", limit)}, {"--version"}} {
				var out, said strings.Builder
				cmd := exec.Command("sh", append([]string{"-c", `ulimit -n $1; shift; exec "$@"`, "sh", fmt.Sprint(limit), file, "--config", "config.yaml"}, args...)...)
				cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.dir, s.env, &out, &said
				_ = cmd.Run() // the exit code says it
				code := cmd.ProcessState.ExitCode()
				tells := strings.HasPrefix(said.String(), "confctl: too many open files: ") && strings.Count(said.String(), "\n") == 2
				if works = code == exitDone && out.Len() > 0; !works && (code != exitFailed || out.Len() > 0 || !tells) {
					t.Errorf("%s, ulimit -n %d, confctl %q: exit code %d, printed %q, said %q", driver, limit, args, code, out.String(), said.String())
				}
			}
		}
		if !works {
			t.Errorf("%s: 32 files are too few", driver)
		}
	}
}
