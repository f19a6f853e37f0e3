package cli

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/ptytest"
)

// terminal is the program on a terminal of its own.
type terminal struct{ *ptytest.Terminal }

func (s *site) terminal(args ...string) terminal {
	s.Helper()
	return s.on(s.command(args...))
}

// on runs a command on a terminal of its own, but for the streams that it has.
func (s *site) on(cmd *exec.Cmd) terminal {
	s.Helper()
	return terminal{ptytest.Start(s, cmd)}
}

// end waits for the program, and checks its exit code.
func (t terminal) end(code int) {
	t.Helper()
	if got := t.End(); got != code {
		t.Fatalf("exit code %d, want %d:\n%s", got, code, t.Shown())
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
		term.Expect("confctl>")
		term.Type(c.typed)
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
	term.Expect("confctl>")
	term.Type("\x03")
	term.end(exitFailed)
	term.Expect("nothing was written")
	if got := s.ok("select", "name=web1.example", "get"); strings.Contains(got, `"weight": 5`) {
		t.Error(got)
	}
}

func TestTerminalMostOfAPool(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	tags := []string{"tags", "dc=north,cluster=web,service=http", "--action", "set/weight=3"}
	term := s.terminal(append(tags, "all")...)
	term.Expect("Yes, I am sure of what I am doing.")
	term.Type("yes\n")
	term.end(exitDeclined)
	term = s.terminal(append(tags, "re:web[12].*")...)
	term.Expect("more than half")
	term.Type(sentence + "\n")
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
	term.Expect("\x1b[32msouth  web      http     web9.example  7       yes\x1b[0m")
	s.env = append(s.env, "NO_COLOR=1")
	term = s.terminal(table...)
	term.end(exitDone)
	term.Expect("south  web      http     web9.example  7       yes")
	if strings.Contains(term.Shown(), "\x1b") {
		t.Errorf("coloured with NO_COLOR: %q", term.Shown())
	}
}

// TestTerminalInterruptInTheEditor: ^C is the editor's own business.
func TestTerminalInterruptInTheEditor(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	s.file("ed.sh", `trap 'echo caught' INT; echo weight: 7 >"$1"; echo ready; read -r line; read -r line; echo done`)
	s.env = append(s.env, "EDITOR=sh "+s.dir+"/ed.sh")
	term := s.terminal("select", "name=web9.example", "edit")
	term.Expect("ready")
	term.Type("\x03")
	term.Expect("caught")
	term.Type("\n\n")
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
	term.Expect("weight? ")
	term.Type("heavy\n")
	term.Expect("Continue editing? [y/n] ")
	term.Type("y\n")
	term.ExpectTimes("weight? ", 2)
	term.Type("7\n")
	term.end(exitDone)
	if got := s.ok("select", "name=web9.example", "get"); !strings.Contains(got, `"weight": 7`) {
		t.Error(got)
	}
}
