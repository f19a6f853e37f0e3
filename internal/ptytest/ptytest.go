// Package ptytest runs programs on terminals of their own, for tests.
package ptytest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// limit is how long a test waits for a program: a busy machine never needs as long.
const limit = time.Minute

// keeper runs a program as the foreground job of the terminal, says how it ended, and
// keeps the terminal until the test has read all. When the leader of a session ends,
// Linux discards what the terminal has not shown yet, so the program must not be it.
const keeper = `trap : HUP INT QUIT TERM; "$@" 3<&-; code=$?; printf '\036ended %d\036' $code >/dev/tty; read -r _ <&3; exit $code`

var ended = regexp.MustCompile("\x1eended [0-9]+\x1e")

// Terminal is a program on a terminal of its own, up to the end of the test.
type Terminal struct {
	testing.TB
	cmd    *exec.Cmd
	master *os.File
	keep   io.Closer // is closed when the program may leave the terminal

	mu      sync.Mutex
	screen  strings.Builder
	changed chan struct{} // is closed when the screen changes
}

// Start starts a program on a new terminal, for the streams of it that are not set.
// The program must not need to be the leader of the session.
func Start(t testing.TB, cmd *exec.Cmd) *Terminal {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	path := cmd.Path
	if name := cmd.Args[0]; filepath.Base(name) == name { // a program may have several names
		path = filepath.Join(filepath.Dir(path), name)
	}
	cmd.Path, cmd.Args, cmd.ExtraFiles = sh, append([]string{"sh", "-c", keeper, "sh", path}, cmd.Args[1:]...), []*os.File{r}
	term := StartLeader(t, cmd)
	term.keep = w
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return term
}

// StartLeader starts a program as the leader of the session of a new terminal. What it
// shows as it ends may be lost.
func StartLeader(t testing.TB, cmd *exec.Cmd) *Terminal {
	t.Helper()
	master, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	term := &Terminal{TB: t, cmd: cmd, master: master, changed: make(chan struct{})}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // if it has not ended
		_ = cmd.Wait()
		_ = master.Close()
	})
	go func() { _, _ = io.Copy(writer{term}, master) }() // an error is the end
	return term
}

type writer struct{ *Terminal }

func (w writer) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
	return w.screen.Write(b)
}

// Shown returns all that the terminal has shown.
func (t *Terminal) Shown() string {
	shown, _ := t.state()
	return ended.ReplaceAllString(shown, "")
}

func (t *Terminal) state() (shown string, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.screen.String(), t.changed
}

// Expect waits until the terminal has shown a text.
func (t *Terminal) Expect(text string) { t.Helper(); t.ExpectTimes(text, 1) }

// ExpectTimes waits until the terminal has shown a text so many times.
func (t *Terminal) ExpectTimes(text string, times int) {
	t.Helper()
	t.until(fmt.Sprintf("%q is not shown %d times", text, times), func(shown string) bool { return strings.Count(shown, text) >= times || ended.MatchString(shown) })
	if strings.Count(t.Shown(), text) < times {
		t.Fatalf("it has ended, and %q is not shown %d times:\n%s", text, times, t.Shown())
	}
}

func (t *Terminal) until(complaint string, done func(shown string) bool) {
	t.Helper()
	late := time.After(limit)
	for {
		shown, changed := t.state()
		if done(shown) {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("after %v, %s:\n%s", limit, complaint, t.Shown())
		}
	}
}

// Type types a text.
func (t *Terminal) Type(text string) {
	t.Helper()
	if _, err := io.WriteString(t.master, text); err != nil {
		t.Fatal(err)
	}
}

// End waits until the program has ended and all that it wrote is shown, and returns
// its exit code, as a shell does.
func (t *Terminal) End() int {
	t.Helper()
	t.until("it has not ended", ended.MatchString)
	if err := t.keep.Close(); err != nil {
		t.Fatal(err)
	}
	_ = t.cmd.Wait() // the exit code says it
	return t.cmd.ProcessState.ExitCode()
}
