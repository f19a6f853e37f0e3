package cli

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/conftool/confctl/internal/term"
)

// commandTree returns all commands, without those that cobra adds.
func commandTree() []*cobra.Command {
	commands := []*cobra.Command{newRoot(term.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}, nil, "confctl")}
	for i := 0; i < len(commands); i++ {
		commands = append(commands, commands[i].Commands()...)
	}
	return commands
}

// helpOf returns the help of a command.
func helpOf(t *testing.T, cmd *cobra.Command) string {
	t.Helper()
	var b bytes.Buffer
	cmd.SetOut(&b)
	if err := cmd.Help(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestHelpFitsTheTerminal: no line of help is wider than 80 columns.
func TestHelpFitsTheTerminal(t *testing.T) {
	for _, cmd := range commandTree() {
		for line := range strings.Lines(helpOf(t, cmd)) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > helpWidth {
				t.Errorf("%s: %d columns: %s", cmd.CommandPath(), n, line)
			}
		}
	}
}

// TestHelpListsWhatACommandTakes: the help of a command that changes nothing lists
// no options for a change, and the help of one that does lists all.
func TestHelpListsWhatACommandTakes(t *testing.T) {
	for _, cmd := range commandTree() {
		help := helpOf(t, cmd)
		for _, name := range append(changeOptions(), "host", "quiet") {
			listed := strings.Contains(help, " --"+name+" ") // --host is also the beginning of --hostname
			if isChange := cmd.Annotations[changing] != ""; listed != isChange {
				t.Errorf("%s: lists --%s: %v, want %v", cmd.CommandPath(), name, listed, isChange)
			}
		}
	}
}

// TestOptionsMeanOneThing: an option that several commands have takes a value in all
// of them or in none, and has one letter, so that it can be given before the command.
func TestOptionsMeanOneThing(t *testing.T) {
	type form struct {
		value  bool
		letter string
	}
	known := map[string]form{}
	letters := map[string]string{}
	for _, cmd := range commandTree() {
		for _, set := range []*pflag.FlagSet{cmd.LocalFlags(), cmd.PersistentFlags()} {
			set.VisitAll(func(f *pflag.Flag) {
				is := form{takesValue(f), f.Shorthand}
				if was, twice := known[f.Name]; twice && was != is {
					t.Errorf("%s: --%s is %v, elsewhere %v", cmd.CommandPath(), f.Name, is, was)
				}
				known[f.Name] = is
				if f.Shorthand == "" {
					return
				}
				if was := letters[f.Shorthand]; was != "" && was != f.Name {
					t.Errorf("%s: -%s is --%s, elsewhere --%s", cmd.CommandPath(), f.Shorthand, f.Name, was)
				}
				letters[f.Shorthand] = f.Name
			})
		}
	}
}

// TestOptionsBeforeTheCommand: options may be given before a command, as the global
// ones of the original, and mean there what they mean after it.
func TestOptionsBeforeTheCommand(t *testing.T) {
	root := commandTree()[0]
	for _, c := range []struct{ typed, parsed string }{
		{"--dry-run select name=a get", "select --dry-run name=a get"},
		{"--reason x -y select name=a get", "select --reason x -y name=a get"},
		{"-qm x select name=a get", "select -qm x name=a get"},
		{"--reason=x select name=a get --yes", "select --reason=x name=a get --yes"},
		{"--config c log -n 3", "log --config c -n 3"},
		{"log --debug show id", "log show --debug id"},
		{"--host select -- --host", "select --host -- --host"},
		{"--version", "--version"},
		{"--tags dc=a --action get all", "tags dc=a --action get all"},
		{"nothing --yes x", "nothing --yes x"},
		{"__complete --dry-run select name=a ge", "__complete select --dry-run name=a ge"},
	} {
		got, err := prepare(append([]string{"confctl"}, strings.Fields(c.typed)...))
		if got = verbFirst(root, got); err != nil || !slices.Equal(got, strings.Fields(c.parsed)) {
			t.Errorf("%s: %q, %v; want %s", c.typed, got, err, c.parsed)
		}
	}
}
