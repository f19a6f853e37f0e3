package cli

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/conftool/confctl/internal/sharedtest"
)

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
