package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/yamldoc"
)

func newSelect(std term.Streams, g *globals) *cobra.Command {
	var after string
	cmd := &cobra.Command{
		Use:   "select SELECTOR get | set/FIELD=VALUE[:...] | set FIELD=VALUE... | set/@FILE | edit | delete | history | watch",
		Short: "Show or change the objects that a selector chooses",
		Long: `Show or change the objects that a selector chooses.

A selector is TAG=REGEX,... over the tags of the type and the name. Each
regular expression must match the whole value. A tag that is left out matches
any value.

  get      print each object as one line of JSON, or as -o says
  set      change fields: set/weight=10:pooled=yes. As separate words, values
           may hold any character: set 'val={"a": 1}'. A word such as off or no,
           for a field that takes a boolean or a string, must be confirmed on a
           terminal and is refused elsewhere; in quotes it is a string: "off"
  edit     open the objects in an editor, as YAML
  delete   delete the objects
  history  show who changed the objects, when and why, newest first
  watch    print the objects, and then every change as it is made, as lines of
           JSON. It reconnects when the store comes back, and ends when it is
           interrupted or when its output is closed (exit code 1)

A change of more than one object shows the changes and asks for confirmation.
On a terminal, so does a change of one object that deletes it while it is
serving or leaves its pool without a serving member. --dry-run shows the
changes and writes nothing.`,
		Annotations: using("object-type output yaml", changeCodes(exitDone, exitFailed, exitUsage, exitRefused, exitNoMatch, exitConflict, exitUnavailable, exitInvalid, exitDeclined, exitUnknown)),
		Example: `  confctl select dc=north,cluster=web,service=https get
  confctl select name=web1001.example.net set/pooled=no
  confctl --object-type mwconfig select name=ReadOnly set 'val=Back at 10:00'
  confctl --object-type mwconfig select scope=common edit`,
		Args:              arguments(2, -1),
		ValidArgsFunction: completer{g}.completeSelect,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flag("after").Changed && args[1] != "watch" {
				return &usageError{"--after is for watch", commandLine(slices.Concat([]string{"confctl", "select"}, option("--after", after), operands(args[0], "watch")))}
			}
			return with(std, g, func(a *app.App) error {
				return runSelect(cmd.Context(), newChanger(std, g, a), args[0], args[1:], after)
			})
		},
	}
	cmd.Flags().StringVar(&after, "after", "", "watch: resume after `REVISION`; skip the current state")
	return cmd
}

func runSelect(ctx context.Context, c *changer, text string, words []string, after string) error {
	t, err := c.Schema.Type(c.opts.objectType)
	if err != nil {
		return err
	}
	selected, err := t.Selector(text)
	if err != nil {
		return err
	}
	act, err := parseAction(t, words)
	if err != nil {
		return err
	}
	warnDoubts(c.Streams, selected)
	q := catalog.Query{Type: t, Selector: selected}
	switch act.verb {
	case "get":
		return getObjects(ctx, c.Streams, c.App, q, printer{c.Streams, c.opts.output}.printObjects)
	case "history":
		return printHistory(ctx, c.Streams, c.App, q)
	case "watch":
		return watch(ctx, c.Streams, c.opts, c.App, q, after)
	}
	return c.run(ctx, chosen{Query: q, text: text}, act, c.confirm)
}

// warnDoubts warns of parts of a selector that the Python tool reads differently.
func warnDoubts(std term.Streams, selected selector.Selector) {
	for _, doubt := range selected.Doubts() {
		std.Warn("selector " + strconv.Quote(selected.String()) + ": " + doubt)
	}
}

// An action is the operation on the selected objects.
type action struct {
	verb        string // get, set, edit, delete, history or watch
	text        string // for the journal and the announcement, as it was typed
	assignments []object.Assignment
}

// parseAction reads the words after a selector.
func parseAction(t *schema.Type, words []string) (action, error) {
	verb, argument, slash := strings.Cut(words[0], "/")
	act := action{verb: verb, text: strings.Join(words, " ")}
	var err error
	switch {
	case verb == "set" && argument == "@":
		return act, &usageError{"set/@ names no file", "write set/@FILE; for standard input set/@/dev/stdin"}
	case verb == "set" && slash && strings.HasPrefix(argument, "@"):
		act.assignments, err = assignmentsOfFile(t, argument[1:])
	case verb == "set" && slash:
		act.assignments, err = object.ParseAssignments(t, argument)
	case verb == "set" && len(words) > 1:
		act.assignments, err = object.ParseWords(t, words[1:])
		return act, err
	case verb == "set":
		_, err = object.ParseAssignments(t, "")
	case slash || !slices.Contains(verbs(), verb):
		return act, unknownAction(t, words[0])
	}
	if err == nil && len(words) > 1 {
		err = unexpectedWord(words)
	}
	return act, err
}

func unexpectedWord(words []string) error {
	hint := ""
	switch {
	case strings.HasPrefix(words[0], "set/") && strings.Contains(words[1], "="):
		hint = "for several fields: set/FIELD=VALUE:FIELD=VALUE, or set FIELD=VALUE FIELD=VALUE"
	case strings.HasPrefix(words[0], "set/"):
		hint = "a value with blanks in it has to be quoted"
	}
	return &usageError{fmt.Sprintf("unexpected %q after %s", words[1], words[0]), hint}
}

// verbs returns the actions that take no argument.
func verbs() []string { return []string{"get", "edit", "delete", "history", "watch"} }

// unknownAction returns the error for an unknown action, with a hint if it looks
// like an assignment or the rest of a selector.
func unknownAction(t *schema.Type, word string) error {
	name, _, assigns := strings.Cut(word, "=")
	_, isField := t.Field(name)
	hint := "actions are get, set/FIELD=VALUE, set/@FILE, edit, delete, history and watch"
	switch {
	case assigns && isField:
		hint = "to change fields: " + quote("set/"+word)
	case assigns && (name == selector.Name || slices.Contains(t.Tags, name)):
		hint = "a selector is one word: without blanks, or in quotes"
	}
	verb, _, _ := strings.Cut(word, "/")
	return &usageError{fmt.Sprintf("no action %q%s", word, nearest.Suggest(verb, append(verbs(), "set"))), hint}
}

func assignmentsOfFile(t *schema.Type, file string) ([]object.Assignment, error) {
	doc, err := yamldoc.ReadFrom(nil, file, yamldoc.MaxBytes) // the store reports values that are too large
	if err != nil {
		return nil, err
	}
	return object.FileAssignments(t, doc)
}
