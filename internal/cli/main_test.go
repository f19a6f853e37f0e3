package cli

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// configVariable tells the program under test which configuration to use; see
// testprogram.
const configVariable = "CONFCTL_TEST_CONFIG"

// A program under the race detector sleeps for a second at its end by default,
// to let other threads finish their reports. The scripts start hundreds.
const (
	raceVariable = "GORACE"
	raceOptions  = "atexit_sleep_ms=0"
)

// TestMain has the program found by all of its names, and removes it at the end.
func TestMain(m *testing.M) {
	testscript.Main(runner{m}, map[string]func(){waitersName: waiters})
}

// programDir is where testProgram builds; it is first in PATH.
var programDir string

// runner runs the tests.
type runner struct{ m *testing.M }

func (r runner) Run() int {
	var err error
	if programDir, err = os.MkdirTemp("", "confctl"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(programDir) //nolint:errcheck // what is left there does no harm
	for _, name := range slices.AppendSeq([]string{"conftool-sync"}, maps.Keys(poolVerbs())) {
		if err := os.Symlink("confctl", filepath.Join(programDir, name)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if err := os.Setenv("PATH", programDir+":"+os.Getenv("PATH")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return r.m.Run()
}

var buildProgram = sync.OnceValue(func() error {
	args, env := []string{"-trimpath", "-ldflags=-s -w"}, "CGO_ENABLED=0" // as the Makefile does, whose packages are built already
	if underRace() {
		args, env = []string{"-race"}, "CGO_ENABLED=1"
	}
	build := exec.Command("go", slices.Concat([]string{"build", "-buildvcs=false", "-o", filepath.Join(programDir, "confctl")}, args, []string{"./testprogram"})...) //nolint:noctx // it ends
	build.Env = append(os.Environ(), env)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", build, err, out)
	}
	return nil
})

// testProgram builds the program once, and returns its file. It is one of its own
// because the binary of these tests, which includes an etcd server, takes twice as
// long to start.
func testProgram(t testing.TB) string {
	t.Helper()
	if err := buildProgram(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(programDir, "confctl")
}

// TestScripts runs what an operator sees: one behaviour a file, on the embedded
// store. The example site of this repository is at $SITE; a site too small to
// get lost in is what the scripts have otherwise.
func TestScripts(t *testing.T) {
	testProgram(t)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":    code,
			"put":     put,
			"replace": replace,
			"bot":     startBot,
			"said":    said,
		},
		Condition: func(cond string) (bool, error) {
			path, isExists := strings.CutPrefix(cond, "exists:")
			if !isExists {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			_, err := os.Stat(path)
			return err == nil, nil
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("SITE", root)
			env.Setenv(raceVariable, raceOptions)
			env.Setenv("USER", "alice")
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_RUNTIME_DIR", env.WorkDir)
			env.Setenv(configVariable, filepath.Join(env.WorkDir, "config.yaml"))
			return writeSite(env.WorkDir, "driver: local\ndriver_options: {path: state.db}\n")
		},
	})
}
