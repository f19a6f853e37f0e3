package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// TestEditHangup: with the terminal, nothing is lost that was typed and not saved:
// the directory with vim's swap file stays.
func TestEditHangup(t *testing.T) {
	vim, err := exec.LookPath("vim")
	if err != nil {
		t.Skip("needs vim")
	}
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	tmp := t.TempDir()
	s.env = append(s.env, "EDITOR="+vim+" -u NONE -i NONE --cmd 'set shortmess=aF updatecount=1'", "TMPDIR="+tmp)
	swap := func() string {
		found, err := filepath.Glob(filepath.Join(tmp, "confctl-edit-*", ".*.swp"))
		if err != nil || len(found) != 1 {
			return ""
		}
		text, err := os.ReadFile(found[0])
		if err != nil {
			return ""
		}
		return string(text)
	}
	cmd := s.command("select", "name=web9.example", "edit")
	master, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() //nolint:errcheck // it has ended, unless the test has failed
	hangup := drain(master)
	for i := 0; !strings.Contains(swap(), "typed and not saved"); i++ {
		if i == 500 {
			t.Fatal("vim has no swap file")
		}
		if i == 0 {
			if _, err := master.WriteString("ggOtyped and not saved"); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	hangup()
	_ = cmd.Wait() // whatever it says, nobody sees it
	if code := cmd.ProcessState.ExitCode(); code == exitDone {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(swap(), "typed and not saved") {
		t.Error("the swap file with what was typed is gone")
	}
	if got := s.ok("select", "name=web9.example", "get"); !strings.Contains(got, `"weight": 0`) {
		t.Error(got)
	}
}

// drain reads what a terminal shows, and returns a function that takes the
// terminal away. A read under way would keep it.
func drain(master *os.File) (hangup func()) {
	fd := int(master.Fd())
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for buf := make([]byte, 4096); ; {
			select {
			case <-stop:
				return
			default:
			}
			if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 20); n > 0 {
				if _, err := unix.Read(fd, buf); err != nil {
					return
				}
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
		_ = master.Close()
	}
}
