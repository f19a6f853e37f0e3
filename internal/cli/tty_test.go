package cli

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// terminal is the program on a terminal of its own.
type terminal struct {
	testing.TB
	master *os.File
	mu     sync.Mutex
	screen bytes.Buffer
	wait   func() error
	code   func() int
}

func (s *site) terminal(args ...string) *terminal {
	s.Helper()
	return s.on(s.command(args...))
}

// on runs a command on a terminal of its own, but for the streams that it has.
func (s *site) on(cmd *exec.Cmd) *terminal {
	s.Helper()
	master, err := pty.Start(cmd)
	if err != nil {
		s.Fatal(err)
	}
	t := &terminal{TB: s.TB, master: master, wait: cmd.Wait, code: func() int { return cmd.ProcessState.ExitCode() }}
	go func() {
		_, _ = io.Copy(writerFunc(t.show), master) // ends with an error when the program does
	}()
	s.Cleanup(func() { _ = master.Close() })
	return t
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (t *terminal) show(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.screen.Write(p)
}

func (t *terminal) shown() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.screen.String()
}

// expect waits until the terminal shows a text.
func (t *terminal) expect(text string) {
	t.Helper()
	for range 500 {
		if strings.Contains(t.shown(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%q is not shown:\n%s", text, t.shown())
}

func (t *terminal) typ(text string) {
	t.Helper()
	if _, err := io.WriteString(t.master, text); err != nil {
		t.Fatal(err)
	}
}

// end waits for the program, and checks its exit code.
func (t *terminal) end(code int) {
	t.Helper()
	_ = t.wait()
	if got := t.code(); got != code {
		t.Fatalf("exit code %d, want %d:\n%s", got, code, t.shown())
	}
}

func TestTerminalQuestion(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	for _, c := range []struct {
		typed string
		code  int
	}{{"n\n", exitDeclined}, {"\n", exitDeclined}, {"\x04", exitDeclined}, {"y\n", exitDone}} {
		term := s.terminal("select", "name=web1.example", "set/weight=5")
		term.expect("confctl>")
		term.typ(c.typed)
		term.end(c.code)
	}
	if got := s.ok("select", "name=web1.example", "get"); strings.Count(got, `"weight": 5`) != 2 {
		t.Error(got)
	}
}

// TestTerminalInterrupt: ^C at the question writes nothing and leaves at once.
func TestTerminalInterrupt(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	term := s.terminal("select", "name=web1.example", "set/weight=5")
	term.expect("confctl>")
	term.typ("\x03")
	term.end(exitFailed)
	term.expect("nothing was written")
	if got := s.ok("select", "name=web1.example", "get"); strings.Contains(got, `"weight": 5`) {
		t.Error(got)
	}
}

func TestTerminalMostOfAPool(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	tags := []string{"tags", "dc=north,cluster=web,service=http", "--action", "set/weight=3"}
	term := s.terminal(append(tags, "all")...)
	term.expect("Yes, I am sure of what I am doing.")
	term.typ("yes\n")
	term.end(exitDeclined)
	term = s.terminal(append(tags, "re:web[12].*")...)
	term.expect("more than half")
	term.typ(sentence + "\n")
	term.end(exitDone)
	term = s.terminal(append(tags, "re:web3.*")...) // one of three
	term.end(exitDone)
	if got := s.ok("select", "dc=north,service=http", "get"); strings.Count(got, `"weight": 3`) != 3 {
		t.Error(got)
	}
}

// TestTerminalColor: a table is coloured on a terminal only, and not with
// NO_COLOR.
func TestTerminalColor(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	s.ok("select", "name=web9.example", "set/pooled=yes:weight=7")
	table := []string{"-o", "table", "select", "dc=south", "get"}
	if plain := s.ok(table...); strings.Contains(plain, "\x1b") {
		t.Errorf("coloured without a terminal: %q", plain)
	}
	term := s.terminal(table...)
	term.end(exitDone)
	term.expect("\x1b[32msouth  web      http     web9.example  7       yes\x1b[0m")
	s.env = append(s.env, "NO_COLOR=1")
	term = s.terminal(table...)
	term.end(exitDone)
	term.expect("south  web      http     web9.example  7       yes")
	if strings.Contains(term.shown(), "\x1b") {
		t.Errorf("coloured with NO_COLOR: %q", term.shown())
	}
}

// TestTerminalInterruptInTheEditor: ^C is the editor's own business.
func TestTerminalInterruptInTheEditor(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	s.file("ed.sh", `trap 'echo caught' INT; echo weight: 7 >"$1"; echo ready; read -r line; read -r line; echo done`)
	s.env = append(s.env, "EDITOR=sh "+s.dir+"/ed.sh")
	term := s.terminal("select", "name=web9.example", "edit")
	term.expect("ready")
	term.typ("\x03")
	term.expect("caught")
	term.typ("\n\n")
	term.end(exitDone)
	if got := s.ok("select", "name=web9.example", "get"); !strings.Contains(got, `"weight": 7`) {
		t.Error(got)
	}
}

// TestTerminalEditor: an editor that talks to the terminal, twice, with a
// question in between.
func TestTerminalEditor(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	s.file("ed.sh", `printf 'weight? '; read -r w; echo "weight: $w" >"$1"`)
	s.env = append(s.env, "EDITOR=sh "+s.dir+"/ed.sh")
	term := s.terminal("select", "name=web9.example", "edit")
	term.expect("weight? ")
	term.typ("heavy\n")
	term.expect("Continue editing? [y/n] ")
	term.typ("y\n")
	for strings.Count(term.shown(), "weight? ") < 2 {
		time.Sleep(10 * time.Millisecond)
	}
	term.typ("7\n")
	term.end(exitDone)
	if got := s.ok("select", "name=web9.example", "get"); !strings.Contains(got, `"weight": 7`) {
		t.Error(got)
	}
}
