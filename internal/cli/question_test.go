package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestQuestionIsSeen: with the results in a file, the question is on the terminal
// and not in the file, where a person would wait for it without seeing it.
func TestQuestionIsSeen(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	for weight, talk := range []bool{true, false} { // on the terminal, too
		for _, c := range []struct {
			typed string
			code  int
		}{{"n\n", exitDeclined}, {"y\n", exitDone}} {
			path := filepath.Join(t.TempDir(), "out")
			out, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			cmd := s.command("select", "name=web1.example", fmt.Sprintf("set/weight=%d", 5+weight))
			cmd.Stdout = out
			if !talk {
				cmd.Stderr = out
			}
			term := s.on(cmd)
			term.Expect("The selector you chose")
			term.Expect("confctl>")
			term.Type(c.typed)
			term.end(c.code)
			if c.code == exitDeclined {
				term.Expect("Aborting")
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(got), "confctl>") || strings.Contains(string(got), "Aborting") {
				t.Errorf("in the file: %s", got)
			}
			if changed := strings.Contains("\n"+string(got), "\nnorth/web/http/web1.example: weight changed"); changed != (c.code == exitDone) {
				t.Errorf("%q: in the file: %s", c.typed, got)
			}
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestEditorIsSeen: so is the editor, and the question whether to go on with it.
func TestEditorIsSeen(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	s.file("ed.sh", `[ -t 1 ] && echo on the terminal; echo weight: heavy >"$1"`)
	s.env = append(s.env, "EDITOR=sh "+s.dir+"/ed.sh")
	cmd := s.command("select", "name=web9.example", "edit")
	var out bytes.Buffer
	cmd.Stdout = &out
	term := s.on(cmd)
	term.Expect("on the terminal")
	term.Expect("Continue editing? [y/n] ")
	term.Type("n\n")
	term.end(exitInvalid)
	if out.Len() > 0 {
		t.Errorf("among the results: %s", &out)
	}
}

// TestLossesAreConfirmed: a person who deletes what serves, or takes out the last of a
// pool, is asked also about one object; a script is not.
func TestLossesAreConfirmed(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	s.ok("--yes", "select", "dc=.*", "set/weight=1:pooled=yes")
	s.ok("select", "name=web3.example", "set/pooled=no")
	s.env = append(s.env, "EDITOR=sed -i -e s/yes/no/")
	for _, c := range []struct {
		args []string
		want string // empty: it is not asked
	}{
		{[]string{"select", "name=web9.example", "set/pooled=no"}, "nothing would serve in south/web/http"},
		{[]string{"select", "name=web9.example", "set/weight=0"}, "nothing would serve in south/web/http"},
		{[]string{"select", "name=web9.example", "edit"}, "nothing would serve in south/web/http"},
		{[]string{"tags", "dc=south,cluster=web,service=http", "--action", "set/pooled=no", "web9.example"}, "nothing would serve in south/web/http"},
		{[]string{"select", "name=web9.example", "delete"}, "1 object that serves would be deleted; nothing would serve in south/web/http"},
		{[]string{"select", "name=db1.example", "delete"}, "1 object that serves would be deleted"},
		{[]string{"select", "name=web9.example", "set/weight=7"}, ""},
		{[]string{"select", "name=web3.example", "delete"}, ""},
		{[]string{"depool", "--hostname", "web9.example"}, ""}, // pool verbs never ask
		{[]string{"pool", "--hostname", "web9.example"}, ""},
		{[]string{"--yes", "select", "name=web9.example", "set/pooled=no"}, ""},
		{[]string{"--yes", "undo", "last"}, ""},
		{[]string{"select", "name=web9.example", "set/pooled=no", "--allow", "min-pooled", "-m", "spare"}, ""},
		{[]string{"select", "name=web9.example", "set/pooled=yes"}, ""},
	} {
		term := s.terminal(c.args...)
		if c.want == "" {
			term.end(exitDone)
			if strings.Contains(term.Shown(), "confctl>") {
				t.Errorf("%q asks:\n%s", c.args, term.Shown())
			}
			continue
		}
		term.Expect("confctl>")
		term.Expect("warning: " + c.want)
		term.Type("n\n")
		term.end(exitDeclined)
	}
	if got := s.ok("select", "name=web9.example", "get"); !strings.Contains(got, `"pooled": "yes"`) {
		t.Error(got)
	}
	s.ok("select", "name=web9.example", "set/pooled=no") // no terminal, no question
}

// TestQuitAtAQuestion: SIGQUIT ends a command as an interrupt does.
func TestQuitAtAQuestion(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	q := asking(t, s.command("select", "name=web1.example", "set/weight=5"))
	if err := q.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	err := q.cmd.Wait()
	if code := q.cmd.ProcessState.ExitCode(); code != exitFailed {
		t.Errorf("exit code %d, %v", code, err)
	}
	if said := q.err.String(); strings.Contains(said, "goroutine") || !strings.Contains(said, "nothing was written") {
		t.Error(said)
	}
}
