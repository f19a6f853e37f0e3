package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// configVariable tells the program under test which configuration to use, as
// --config would, so that no test depends on what the machine has in /etc.
const configVariable = "CONFCTL_TEST_CONFIG"

// A program under the race detector sleeps for a second at its end by default,
// to let other threads finish their reports. The scripts start hundreds.
const (
	raceVariable = "GORACE"
	raceOptions  = "atexit_sleep_ms=0"
)

// TestMain lets this test binary be the program, when it is called by one of
// its names.
func TestMain(m *testing.M) {
	program := func() {
		args := os.Args
		if file := os.Getenv(configVariable); file != "" {
			args = slices.Insert(slices.Clone(args), 1, "--config", file)
		}
		os.Exit(Main(args))
	}
	names := map[string]func(){"confctl": program, "conftool-sync": program, waitersName: waiters}
	for name := range poolVerbs() {
		names[name] = program
	}
	testscript.Main(m, names)
}

// TestScripts runs what an operator sees: one behaviour a file, on the embedded
// store. The example site of this repository is at $SITE; a site too small to
// get lost in is what the scripts have otherwise.
func TestScripts(t *testing.T) {
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
