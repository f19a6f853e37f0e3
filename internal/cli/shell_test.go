package cli

import (
	"bytes"
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/local"
)

// hostileWords are names that run something, or say something else, where they
// stand unquoted in a command line, or quoted by halves.
func hostileWords() []string {
	return []string{
		`x'; touch PWNED; echo '`, `x"; touch PWNED; echo "`, "x`touch PWNED`", `$(touch PWNED)`, `x\'; touch PWNED; #`, `x\\'; touch PWNED; #\`,
		"x\ntouch PWNED\n", "x'\ntouch PWNED\n'", "x\rtouch PWNED", "\x1b[2Jx", "a\u202eb", "\xff'; touch PWNED; '\xfe", "x;touch PWNED", "x&touch PWNED", "x|touch PWNED",
		"-rf", "--emergency", "--config=x", "~", "=ls", "!!", "*", "{a,b}", ".*", "a,name=b", " x ", "#x", "%1", "...", "x y", "\u00a0x", `\`, `'`,
	}
}

// shells are those of this machine that take what is pasted, and whether they
// know $'...'.
func shells(t testing.TB) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for name, ansi := range map[string]bool{"bash": true, "zsh": true, "ksh": true, "dash": false, "sh": false, "fish": false} {
		if path, err := exec.LookPath(name); err == nil {
			found[path] = ansi
		}
	}
	if len(found) == 0 {
		t.Fatal("no shell")
	}
	return found
}

// words returns the words that a shell makes of a text after a command.
func shellMakes(t testing.TB, shell, text string) []string {
	t.Helper()
	cmd := exec.Command(shell, "-c", `printf '%s\0' `+text)
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %s: %v\n%s", shell, text, err, out)
	}
	if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) > 0 {
		t.Fatalf("%s: %s runs something: %v, %v", shell, text, left, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// TestQuotedWordsAreTheSameWords: to any shell a quoted word is one word, and the
// same one; where it does not know $'...' it is at least one.
func TestQuotedWordsAreTheSameWords(t *testing.T) {
	words := slices.Concat(hostileWords(), []string{"", "plain", "a=b", "a\\.b", "it's", "a\\\\b"})
	random := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"'", `\`, `"`, "$", "`", "!", "\n", ";", "touch PWNED", " ", "a", "-", "é", "\xff", "\x1b", "\u202e", "(", "~", "="}), 0, 12).Draw(t, "parts"), "")
	})
	for i := range 400 {
		words = append(words, random.Example(i))
	}
	var quoted []string
	for _, w := range words {
		q := quote(w)
		if !utf8.ValidString(q) || strings.ContainsFunc(q, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q: %q is not printable", w, q)
		}
		quoted = append(quoted, q)
	}
	for shell, ansi := range shells(t) {
		words, quoted := words, quoted
		if filepath.Base(shell) == "fish" { // to which $'...' is a mistake, and runs nothing
			words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return strings.HasPrefix(quote(w), "$") })
			quoted = slices.DeleteFunc(slices.Clone(quoted), func(q string) bool { return strings.HasPrefix(q, "$") })
		}
		made := shellMakes(t, shell, strings.Join(quoted, " "))
		if len(made) != len(words) {
			t.Fatalf("%s: %d words, want %d", shell, len(made), len(words))
		}
		for i, w := range words {
			if made[i] != w && (ansi || !strings.HasPrefix(quoted[i], "$")) {
				t.Errorf("%s: %q is %q to it, by %s", shell, w, made[i], quoted[i])
			}
		}
	}
}

// pasting runs printed command lines in real shells, where confctl is a program
// that writes down what it was called with, and anything else is seen.
type pasting struct {
	testing.TB
	bin string
}

func newPasting(t testing.TB) pasting {
	t.Helper()
	p := pasting{t, t.TempDir()}
	touch, err := exec.LookPath("touch")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(touch, filepath.Join(p.bin, "touch")); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nprintf '%s\\0' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(p.bin, "confctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

// paste runs a line in each shell. It returns what confctl was called with by
// those that know all ways to quote.
func (p pasting) paste(line string) [][]string {
	p.Helper()
	var called [][]string
	for shell, ansi := range shells(p) {
		cmd := exec.Command(shell, "-c", line)
		cmd.Dir, cmd.Env = p.TempDir(), []string{"PATH=" + p.bin, "HOME=" + p.TempDir()}
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) { // prose that follows it is no command
			p.Fatal(err)
		}
		if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) > 0 {
			p.Errorf("%s runs something else: %s", filepath.Base(shell), line)
		}
		if ansi {
			called = append(called, strings.Split(strings.TrimSuffix(out.String(), "\x00"), "\x00"))
		}
	}
	return called
}

// printedCommands returns the command lines in what was printed, each to the
// end of its line.
func printedCommands(printed string) []string {
	var found []string
	start := regexp.MustCompile(`\bconfctl (-|[a-z])`)
	for _, line := range text.Lines(printed) {
		for _, at := range start.FindAllStringIndex(line, -1) {
			found = append(found, line[at[0]:])
		}
	}
	return found
}

// plant writes to a site's store behind the program's back.
func (s *site) plant(pairs ...string) {
	s.Helper()
	db, err := local.Open(filepath.Join(s.dir, "state.db"), local.Options{})
	if err != nil {
		s.Fatal(err)
	}
	var txn store.Txn
	for i := 0; i < len(pairs); i += 2 {
		txn.Writes = append(txn.Writes, store.Write{Key: pairs[i], Value: []byte(pairs[i+1])})
	}
	if _, err := db.Commit(context.Background(), txn); err != nil {
		s.Fatal(err)
	}
	if err := db.Close(); err != nil {
		s.Fatal(err)
	}
}

// TestPrintedCommandsRunNothingElse: whatever a key, a file, a type, a directory
// or a word is called, a command line that is printed with it, pasted into a
// shell, calls confctl with that as one word, and nothing else. Unless the test is
// thorough, only the first words are tried in every command, each other one in some.
func TestPrintedCommandsRunNothingElse(t *testing.T) {
	t.Parallel()
	for i, word := range hostileWords() {
		s, p := newSite(t, localConfig), newPasting(t)
		dir := "d" + strings.NewReplacer("/", "", "\x00", "").Replace(word)
		for name, text := range siteFiles() {
			s.file(filepath.Join(dir, name), text)
		}
		s.file(filepath.Join(dir, "config.yaml"), localConfig)
		config := filepath.Join(dir, "config.yaml")
		pool := "/conftool/v1/pools/" + word + "/" + word + "/" + word + "/"
		s.plant(
			"/conftool/v1/features/prod/dark", "{}",
			pool+word, `{"weight": `,
			pool+"b", `{"weight": 0, "pooled": "no"}`,
			"/conftool/v1/pools/north/"+word+"/http/"+word, `{"weight": 0, "pooled": "no"}`,
			"/conftool/v1/pools/north/"+word+"/http/other"+word, `{"weight": 1, "pooled": "yes"}`,
			"/conftool/v1/pools/north/"+word+"/http/third", `{"weight": 1, "pooled": "yes"}`,
		)
		for j, c := range []struct {
			args []string
			want []string // what confctl is called with by one of the lines; nil for anything
		}{
			{[]string{"sync", "--directory", "data", "--dry-run"}, []string{"--object-type", "node", "--repair", "select", selector.One([]string{"dc", "cluster", "service"}, []string{word, word, word}, word), "delete"}},
			{[]string{"--config", config, "sync", "--directory", filepath.Join(dir, "data"), "--dry-run"}, nil},
			{[]string{"lint", "--against", "store", "--directory", filepath.Join(dir, "data")}, nil},
			{[]string{"drift", "--directory", "data"}, nil},
			{[]string{"depool", "--hostname=" + word + "0"}, nil},
			{[]string{"depool", "--service=x", "--hostname=" + word + "0"}, []string{"select", "name=" + selector.Literal(word+"0"), "get"}},
			{[]string{"depool", "--", word}, append([]string{"depool"}, option("--hostname", word)...)},
			{[]string{"depool", "--hostname=other" + word}, append([]string{"depool", "--hostname=other" + word}, "--allow", "min-pooled@north/"+word+"/http", "--reason", "...")},
			{[]string{"depool", "--object-type=" + word}, nil},
			{[]string{"export", "--object-type=" + word}, append([]string{"export"}, operands(word)...)},
			{[]string{"import", "--object-type=" + word, "f"}, append([]string{"import"}, operands("FILE", word)...)},
			{[]string{"log", "--object-type=" + word}, append([]string{"log"}, option("--type", word)...)},
			{[]string{"select", "--after=" + word, "--", word, "get"}, slices.Concat([]string{"select"}, option("--after", word), operands(word, "watch"))},
			{[]string{"tags", "--action", "watch", "x", "--", word}, nil},
			{[]string{"tags", "name=" + word, "--action", "get", "x"}, nil},
			{[]string{"undo", "--since=" + word}, append([]string{"log"}, option("--since", word)...)},
			{[]string{"undo", "--", word}, nil},
			{[]string{"log", "show", "--", word}, nil},
			{[]string{word + "=x"}, nil},
			{[]string{"--config", config, "--yes", "select", "name=third", "set/weight=7"}, nil},
			{[]string{"init", "--dir", filepath.Join(s.dir, dir, "new")}, nil},
		} {
			if i > 1 && (i+j)%6 != 0 && !thorough() {
				continue
			}
			stdout, stderr, _ := s.run(c.args...)
			printed := printedCommands(stdout + stderr)
			var called [][]string
			for _, line := range printed {
				called = append(called, p.paste(line)...)
			}
			meant := func(got []string) bool { return slices.Equal(withoutConfig(got), c.want) }
			if c.want != nil && !slices.ContainsFunc(called, meant) {
				t.Errorf("%d: confctl %q: no line calls confctl with %q:\n%s%s", i, c.args, c.want, stdout, stderr)
			}
			for _, line := range text.Lines(stdout + stderr) {
				if strings.HasPrefix(strings.TrimLeft(line, " '"), "touch PWNED") {
					t.Errorf("confctl %q: a line by itself is a command: %q", c.args, line)
				}
			}
		}
		weightless := s.command("--hostname=" + word)
		weightless.Args[0] = "pool"
		out, _ := weightless.CombinedOutput()
		for _, line := range printedCommands(string(out)) {
			p.paste(line)
		}
	}
}

// withoutConfig leaves out which configuration a command line is for.
func withoutConfig(words []string) []string {
	if at := slices.Index(words, "--config"); at >= 0 && at+1 < len(words) {
		return slices.Delete(slices.Clone(words), at, at+2)
	}
	return words
}

// TestCommandLinesAreMadeInOnePlace: no text that is put together of parts, or
// has a place for one, holds a command line of confctl, but for the file that
// quotes.
func TestCommandLinesAreMadeInOnePlace(t *testing.T) {
	var verbs []string
	for _, c := range newRoot(term.Streams{}, nil, "confctl").Commands() {
		verbs = append(verbs, c.Name())
	}
	holds := regexp.MustCompile(`\bconfctl (-|` + strings.Join(verbs, "|") + `|$)`)
	seen := 0
	check := func(path string) {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			var texts []ast.Expr
			place := func(string) bool { return true }
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if texts = []ast.Expr{last(n.X)}; constant(n) {
					return true
				}
			case *ast.CallExpr:
				texts = n.Args
				place = func(text string) bool {
					return strings.Contains(regexp.MustCompile(`%%`).ReplaceAllString(text, ""), "%")
				}
			}
			for _, e := range texts {
				text, ok := e.(*ast.BasicLit)
				if !ok || text.Kind != token.STRING {
					continue
				}
				seen++
				if m := holds.FindStringIndex(strings.Trim(text.Value, "`\"")); m != nil && place(text.Value[m[0]:]) && !prose(text.Value) {
					t.Errorf("%s: a command line that is not quoted: %s", fset.Position(text.Pos()), text.Value)
				}
			}
			return true
		})
	}
	for _, dir := range []string{".", "../../pkg", "../../internal"} {
		err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				check(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 100 {
		t.Errorf("%d texts seen", seen)
	}
}

// TestOnlyTheCommandLineNamesItself: no package below names an option of confctl, or
// a command of it: it returns an error with facts, for which this package has the hint.
func TestOnlyTheCommandLineNamesItself(t *testing.T) {
	names, options := []string{}, []string{"help"}
	for commands := []*cobra.Command{newRoot(term.Discard(), nil, "confctl")}; len(commands) > 0; commands = commands[1:] {
		cmd := commands[0]
		commands = append(commands, cmd.Commands()...)
		if cmd.HasParent() {
			names = append(names, cmd.Name())
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) { options = append(options, f.Name) })
		cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { options = append(options, f.Name) })
	}
	named := regexp.MustCompile(`\bconfctl (` + strings.Join(names, "|") + `)\b|(^|[^-\w])--(` + strings.Join(options, "|") + `)\b`)
	seen := 0
	for _, dir := range []string{"../../pkg", "../../internal"} {
		eachText(t, dir, func(pos token.Position, text string) {
			below := !strings.HasPrefix(pos.Filename, filepath.Clean("../../internal/cli"))
			// The test server runs etcd, whose options these are.
			if below = below && !strings.Contains(pos.Filename, "etcdv2test"); !below {
				return
			}
			if seen++; named.MatchString(text) {
				t.Errorf("%s: names the command line: %s", pos, text)
			}
		})
	}
	if seen < 1000 {
		t.Errorf("%d texts seen", seen)
	}
}

// eachText calls f for each text in the Go files below a directory, except tests.
func eachText(t *testing.T, dir string, f func(token.Position, string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Errorf("%s: %v", files.Position(lit.Pos()), err)
				}
				f(files.Position(lit.Pos()), text)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// last is what a text that is put together ends with.
func last(e ast.Expr) ast.Expr {
	if sum, ok := e.(*ast.BinaryExpr); ok {
		return last(sum.Y)
	}
	return e
}

// constant reports whether an expression is text that is written down as it is.
func constant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.BinaryExpr:
		return constant(e.X) && constant(e.Y)
	}
	return false
}

// prose reports whether a text only mentions a command, and what is put into it
// stands elsewhere.
func prose(text string) bool {
	for _, mention := range []string{
		"confctl log deliver tries again", "see confctl log", "confctl lint: ", "confctl sync would", "confctl sync could not",
	} {
		if strings.Contains(text, mention) {
			return true
		}
	}
	return false
}
