package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/ptytest"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/local"
)

// shell is how a shell is started so that it completes confctl's words.
type shell struct {
	name string
	args []string
	file string // that it reads first
	init string
	need string // a file without which there is nothing to test
}

func tabShells() map[string]shell {
	const completions = "/usr/share/bash-completion/bash_completion"
	load := func(shell string) string { return "source <(confctl completion " + shell + ")\n" }
	bash := shell{name: "bash", args: []string{"--noprofile", "--rcfile", ".bashrc", "-i"}, file: ".bashrc"}
	alone, packaged := bash, bash
	alone.init = "PS1='ready> '\n" + load("bash")
	packaged.init, packaged.need = "source "+completions+"\n"+alone.init, completions
	return map[string]shell{
		"bash":              alone,
		"bash with package": packaged,
		"zsh": {name: "zsh", args: []string{"-d", "-i"}, file: ".zshrc",
			init: "PS1='ready> '\nautoload -Uz compinit\ncompinit -u -D\n" + load("zsh")},
		"fish": {name: "fish", args: []string{"-i"}, file: ".config/fish/config.fish",
			init: "function fish_prompt; echo 'ready> '; end\nfunction fish_greeting; end\nconfctl completion fish | source\n"},
	}
}

// start starts a shell on a terminal, or skips the test where there is none.
func (sh shell) start(s *site) terminal {
	s.Helper()
	path, err := exec.LookPath(sh.name)
	if err != nil {
		s.Skip(sh.name + " is not installed")
	}
	if _, err := os.Stat(sh.need); sh.need != "" && err != nil {
		s.Skip(sh.need + " is not there")
	}
	if err := os.Symlink(testProgram(s), filepath.Join(s.dir, "bin", "confctl")); err != nil {
		s.Fatal(err)
	}
	s.file(sh.file, sh.init)
	env := append(slices.Clone(s.env), "PATH="+filepath.Join(s.dir, "bin")+":"+os.Getenv("PATH"), "ZDOTDIR="+s.dir)
	cmd := &exec.Cmd{Path: path, Args: append([]string{sh.name}, sh.args...), Dir: s.dir, Env: env}
	t := terminal{ptytest.StartLeader(s, cmd)} // it has jobs
	t.Expect("ready> ")
	return t
}

// plantNames writes attacks wherever completion looks: names, tags, ids, users, and
// what changes were.
func (s *site) plantNames() {
	s.Helper()
	db, err := local.Open(filepath.Join(s.dir, "state.db"), local.Options{})
	if err != nil {
		s.Fatal(err)
	}
	var writes []store.Write
	put := func(value any, parts ...string) {
		text, err := json.Marshal(value)
		if err != nil {
			s.Fatal(err)
		}
		writes = append(writes, store.Write{Key: "/conftool/" + strings.Join(parts, "/"), Value: text})
	}
	for i, attack := range attacks() {
		dc := fmt.Sprint("evil", i)
		for _, a := range []string{attack + "1", attack + "2"} { // Tab inserts what they have in common
			put(struct{}{}, "v1/pools", dc, "web/http", a)
			put(struct{}{}, "v1/pools", dc, "web", a, "host")
			put(struct{}{}, "v1/pools", a, "web/http/host")
			r := sal.Record{Time: time.Now(), Event: sal.Event{ID: a, Action: a, Outcome: sal.Success}, User: sal.User{Name: a}}
			r.Change.Run, r.Change.Selector = a, a
			put(r, ".confctl/journal", a)
			r.Change.Run = "same" // so that what they have in common goes on into what they were
			put(r, ".confctl/journal", "same-"+a)
		}
	}
	if _, err := db.Commit(s.Context(), store.Txn{Writes: writes}); err != nil {
		s.Fatal(err)
	}
}

// hostileSite has attacks in its store and in its schema.
func hostileSite(t *testing.T) *site {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	schema := siteSchema
	for _, a := range attacks()[:5] {
		name, err := json.Marshal(a) // which is YAML, too
		if err != nil {
			t.Fatal(err)
		}
		schema += fmt.Sprintf("%s:\n  path: %s\n  tags: [a]\n  schema:\n    %s: {type: string, default: ''}\n", name, name, name)
	}
	s.file("schema.yaml", schema)
	s.plantNames()
	for _, dir := range []string{"bin", ".local/share/fish/generated_completions"} { // or fish makes that in the background
		if err := os.MkdirAll(filepath.Join(s.dir, dir), 0o755); err != nil {
			s.Fatal(err)
		}
	}
	return s
}

// linesToComplete are command lines at the end of which Tab is pressed.
func linesToComplete() []string {
	var lines []string
	for i := range attacks() {
		lines = append(lines, fmt.Sprintf("confctl select dc=evil%d,service=http,name=", i))
	}
	return append(lines,
		"confctl select dc=",
		"confctl select dc=evil0,service=",
		"confctl tags dc=evil0,cluster=web,service=http --action get ",
		"confctl depool --hostname ",
		"confctl depool --hostname host --service ",
		"confctl undo ",
		"confctl undo same",
		"confctl log show ",
		"confctl log show same",
		"confctl log --user ",
		"confctl --object-type ",
		"confctl --object-type=",
		"confctl check readers --since ",
		"confctl nothing ",
		"confctl --version ",
		"confctl sync --directory ",
		// What is typed is not run before Enter, either.
		"confctl select name=$(touch PWNED) ",
		"confctl select name=(touch PWNED) ",
		"confctl select 'name=$(touch PWNED)' ",
		"confctl select 'name=(touch PWNED)' ",
		`confctl select "name=(touch PWNED)" `,
		`confctl select 'name="$(touch PWNED)"' `,
		`confctl select "name='$(touch PWNED)'" `,
		`confctl select 'name='\''$(touch PWNED)'\''' `,
		"confctl select name=`touch PWNED` ",
		"confctl log --user=-$(touch PWNED)=",
	)
}

// TestTabRunsNothing: whatever the store holds, and whatever is typed, pressing
// Tab runs no command, and shows no error and no text of others as it is.
func TestTabRunsNothing(t *testing.T) {
	for name, sh := range tabShells() {
		t.Run(name, func(t *testing.T) {
			s := hostileSite(t)
			term := sh.start(s)
			for i, line := range linesToComplete() {
				if sh.name == "zsh" && strings.HasSuffix(line, ")=") {
					continue // zsh itself expands the word that the cursor is at
				}
				// ^U ends the line, and what echo prints says that Tab is over.
				term.Type(line + "\t\t\t\x15echo do''ne-" + fmt.Sprint(i) + "-\r")
				term.Expect(fmt.Sprintf("done-%d-", i))
				if _, err := os.Stat(filepath.Join(s.dir, "PWNED")); err == nil {
					t.Fatalf("Tab after %q has run a command:\n%q", line, term.Shown())
				}
			}
			for _, bad := range []string{"\x1b]52", "\u202e", "\x9b", "not found", "rror", "emergency-svc", "@args-svc"} {
				if strings.Contains(term.Shown(), bad) {
					t.Errorf("the terminal shows %q:\n%q", bad, term.Shown())
				}
			}
			// And it does complete.
			term.Type("confctl select dc=north,name=db\t get\r")
			term.Expect(`{"db1.example":`)
			term.Type("confctl depool --dry-run --hostname web9\t\r")
			term.Expect("web9.example: pooled")
			term.Type("confctl select 'name=(web9.*|x)' set/wei\t5\r") // after quotes, too
			term.Expect("weight changed 0 => 5")
		})
	}
}

// TestCompletionScripts: a script in which an edit finds nothing to change is an
// error and no script.
func TestCompletionScripts(t *testing.T) {
	for _, script := range []string{"", "eval eval"} {
		if got, err := edited(script, []edit{{"eval", "echo"}}); err == nil || got != "" {
			t.Errorf("%q became %q, %v", script, got, err)
		}
	}
	if got, err := edited("an eval", []edit{{"eval", "echo"}}); err != nil || got != "an echo" {
		t.Errorf("%q, %v", got, err)
	}
}
