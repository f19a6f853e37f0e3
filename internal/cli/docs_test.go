package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/lint"
	"github.com/conftool/confctl/internal/term"
)

// manual is a file of the documentation.
func manual(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestManualRules: the table of rules is the one the program has.
func TestManualRules(t *testing.T) {
	var want []string
	for _, r := range lint.Rules() {
		want = append(want, "| `"+r.Name+"` | "+r.Severity.String()+" | "+r.Says+" |")
	}
	row := regexp.MustCompile("(?m)^\\| `[a-z-]+` \\| (?:error|warning|note) \\| .*$")
	if got := row.FindAllString(manual(t, "docs/ci.md"), -1); !slices.Equal(got, want) {
		t.Errorf("docs/ci.md has\n%s\n\nconfctl lint --rules has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestManualCommands: each command line of the documentation has a verb and
// options that there are, and as many words as the verb takes.
func TestManualCommands(t *testing.T) {
	for name, least := range map[string]int{"README.md": 20, "docs/moving-in.md": 25, "docs/ci.md": 10, "docs/log.md": 10, "docs/safety.md": 4, "docs/gateway.md": 1, "docs/readers.md": 3, "docs/watch.md": 2} {
		commands := commandsIn(manual(t, name))
		if len(commands) < least {
			t.Errorf("%s: %d commands were found, fewer than %d: %q", name, len(commands), least, commands)
		}
		for _, words := range commands {
			if err := parse(words); err != nil {
				t.Errorf("%s: confctl %s: %v", name, strings.Join(words, " "), err)
			}
		}
	}
}

// TestHelpExamples: so has each example in the help.
func TestHelpExamples(t *testing.T) {
	root := newRoot(term.Discard(), nil, "confctl")
	seen := 0
	for commands := []*cobra.Command{root}; len(commands) > 0; commands = commands[1:] {
		cmd := commands[0]
		commands = append(commands, cmd.Commands()...)
		found := commandsIn("```\n" + cmd.Example + "\n```")
		if lines := strings.Count(cmd.Example, "confctl "); len(found) < lines {
			t.Errorf("%s: %d of the %d lines that show confctl are commands", cmd.CommandPath(), len(found), lines)
		}
		for _, words := range found {
			seen++
			if err := parse(words); err != nil {
				t.Errorf("%s: confctl %s: %v", cmd.CommandPath(), strings.Join(words, " "), err)
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d examples were found", seen)
	}
}

// commandsIn returns the words of the commands in the code of a Markdown file.
func commandsIn(text string) [][]string {
	code := regexp.MustCompile("(?ms)^ *```.*?^ *```|^    .*?$")
	command := regexp.MustCompile(`(?:^|[ /(="])confctl(?:-v3)? +(.*)`)
	var all [][]string
	for _, block := range code.FindAllString(text, -1) {
		for line := range strings.Lines(block) {
			for _, part := range strings.Split(line, " | ") {
				m := command.FindStringSubmatch(part)
				if m == nil || strings.Contains(part, "for name in") || strings.Contains(part, `"$@"`) {
					continue
				}
				all = append(all, shellWords(m[1]))
			}
		}
	}
	return all
}

// shellWords returns the words of a command, up to what ends it.
func shellWords(text string) []string {
	word := regexp.MustCompile(`^(?:'[^']*'|"[^"]*"|[^\s'"|&;<>()#]|[(][?a-z]*[)])+`)
	var words []string
	text, _, _ = strings.Cut(text, " 2>&1")
	for {
		text = strings.TrimLeft(text, " ")
		found := word.FindString(text)
		if found == "" {
			return words
		}
		words, text = append(words, strings.NewReplacer("'", "", `"`, "").Replace(found)), text[len(found):]
	}
}

// parse parses a command line as a run of the program does.
func parse(typed []string) error {
	words, err := prepare(append([]string{"confctl"}, typed...))
	if err != nil {
		return err
	}
	root := newRoot(term.Discard(), words, "confctl")
	words = verbFirst(root, words)
	cmd, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if args := cmd.Flags().Args(); !cmd.HasParent() && len(args) > 0 {
		return unknownVerb(cmd, args)
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}
