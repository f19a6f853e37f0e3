package cli

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/value"
)

func newLogShow(std term.Streams, g *globals) *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one change with all its values, before and after",
		Long: `Show one change with all its values, before and after.

After a change whose outcome is unknown (exit code 9), --wait settles it. If
the change was not made, --wait makes sure that it never will be, even if its
request is still under way: it writes a void record in its place, and ends with
exit code 4. This needs the right to write to the journal. If the store does
not answer, it is asked again for ` + settling.String() + `. If nothing can be settled, the exit
code is 9.`,
		Annotations:       using("output", exitCodes(exitDone, exitFailed, exitUsage, exitNoMatch, exitUnavailable, exitInvalid, exitUnknown)),
		Args:              arguments(1, 1),
		ValidArgsFunction: g.completeChange,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkID(args[0], "see confctl log"); err != nil {
				return err
			}
			format, err := g.ownFormat("log show", "text", "json")
			if err != nil {
				return err
			}
			return with(std, g, func(s *session) error { return s.showChange(cmd.Context(), args[0], wait, format) })
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "settle whether the change was made")
	return cmd
}

// checkID refuses a word that cannot be the id of a change: one that is empty, as
// that of a script whose variable is not set, or cut short. What came of the
// change that was meant is not said of it: that one may well have been made.
func checkID(id, hint string) error {
	switch n := utf8.RuneCountInString(id); {
	case strings.TrimSpace(id) == "":
		return &usageError{"the id is empty", "it is the last word of each line of confctl log"}
	case sal.IsID(id):
		return nil
	case n == sal.IDLength:
		return &noMatchError{fmt.Sprintf("no such change: %s (ids look like 20260102T030405.678900Z-0a1b2c3d)", short(id)), hint}
	default:
		return &noMatchError{fmt.Sprintf("no such change: %s (ids have %d characters, this has %d)", short(id), sal.IDLength, n), hint}
	}
}

func (s *session) showChange(ctx context.Context, id string, wait bool, format string) error {
	find := s.journal().Find
	if wait {
		find = s.settleChange
	}
	found, err := find(ctx, id)
	broken, err := s.brokenRecords(err)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		if broken != nil {
			return broken
		}
		return s.noRecord(id, "")
	}
	notes, err := s.journal().NotesOf(ctx, id)
	if _, err = s.brokenRecords(err); err != nil {
		return err
	}
	later, err := s.journal().Search(ctx, sal.Query{After: found[0].Revision})
	if _, err = s.brokenRecords(err); err != nil {
		return err
	}
	undone := sal.Undone(later)[id]
	err = s.Write(func(w *bufio.Writer) {
		for _, r := range found {
			if format == "json" {
				w.WriteString(recordJSON(r, notes, undone)) //nolint:errcheck // Flush reports it
			} else {
				describeChange(w, r, notes, undone)
			}
		}
	})
	if err != nil {
		return err
	}
	return broken
}

func describeChange(w *bufio.Writer, r sal.Stored, notes []sal.Note, undone string) {
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "%-9s %s\n", name, text)
		}
	}
	what := "change"
	if r.Refused() {
		what = "refused"
	}
	line(what, fmt.Sprintf("%s at revision %d", plain(r.Event.ID), r.Revision))
	line("time", r.Time.Local().Format(time.RFC3339))
	line("who", fmt.Sprintf("%s (uid %s) on %s", plain(r.User.Name), plain(r.User.ID), plain(r.Host.Name)))
	line("action", plain(r.Event.Action))
	line("selector", cmp.Or(plain(r.Change.Selector), "-"))
	line("command", plain(r.Process.CommandLine))
	line("reason", plain(r.Event.Reason))
	line("task", plain(r.Change.Task))
	line("overrode", overrodeText(r.Record))
	line("undoes", plain(strings.Join(r.Change.Undoes, ", ")))
	line("undone by", plain(undone))
	if r.Change.Held > 0 {
		line("held back", objects(r.Change.Held))
	}
	for _, f := range r.Change.Findings {
		line("rule", findingText(f))
	}
	for _, n := range notes {
		line("note", plain(fmt.Sprintf("%s %s: %s", n.Time.Local().Format(time.RFC3339), n.User.Name, n.Text)))
	}
	for _, o := range r.Change.Objects {
		describeObject(w, o)
	}
}

// findingText is what a rule said, and what came of it.
func findingText(f sal.Finding) string {
	rule := f.Rule
	if f.Level != "" {
		rule += " (" + f.Level + ")"
	}
	return plain(fmt.Sprintf("%s: %s %s", rule, f.Subject, f.Msg))
}

// overrodeText says which rules were overridden, and in which way.
func overrodeText(r sal.Record) string {
	var parts []string
	if r.Change.Gone {
		parts = append(parts, "the host was said to be gone")
	}
	if r.Change.Emergency {
		parts = append(parts, "emergency")
	}
	return plain(strings.Join(append(parts, r.Change.Overrides...), ", "))
}

func describeObject(w *bufio.Writer, o sal.Object) {
	name := plain(o.Type + " " + o.Path)
	switch {
	case o.Created():
		fmt.Fprintf(w, "  %s created: %s\n", name, o.After.Text())
	case o.Deleted():
		fmt.Fprintf(w, "  %s deleted: %s\n", name, before(o))
	default:
		for _, f := range o.Fields() {
			fmt.Fprintf(w, "  %s: %s: %s => %s\n", name, plain(f.Name), stored(f.Before), stored(f.After))
		}
	}
}

// before is what was stored before a change, as JSON if it was.
func before(o sal.Object) string {
	if o.Raw != nil {
		return text.Line(fmt.Sprintf("%q, which is no object", o.Raw))
	}
	return o.Before.Text()
}

// stored is a value as JSON, which tells text from what it looks like.
func stored(v value.Value) string {
	if v.IsAbsent() {
		return "(none)"
	}
	return v.Text()
}
