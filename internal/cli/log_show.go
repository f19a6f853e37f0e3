package cli

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
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
not answer, it is asked again for ` + settleTimeout.String() + `. If nothing can be settled, the exit
code is 9.`,
		Annotations:       using("output", exitCodes(exitDone, exitFailed, exitUsage, exitNoMatch, exitUnavailable, exitInvalid, exitUnknown)),
		Args:              arguments(1, 1),
		ValidArgsFunction: completer{g}.completeChange,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkID(args[0], "see confctl log"); err != nil {
				return err
			}
			format, err := g.ownFormat("log show", "text", "json")
			if err != nil {
				return err
			}
			return with(std, g, func(a *app.App) error { return showChange(cmd.Context(), std, g, a, args[0], wait, format) })
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "settle whether the change was made")
	return cmd
}

// checkID returns an error if id cannot be the id of a change, for example because
// it is empty, as in a script whose variable is not set, or truncated. The error
// does not claim that nothing was changed, because the intended change may have
// been made.
func checkID(id, hint string) error {
	switch n := utf8.RuneCountInString(id); {
	case strings.TrimSpace(id) == "":
		return &usageError{"the id is empty", "it is the last word of each line of confctl log"}
	case sal.IsID(id):
		return nil
	case n == sal.IDLength:
		return &noMatchError{fmt.Sprintf("no such change: %s (ids look like 20260102T030405.678900Z-0a1b2c3d)", render.Short(id)), hint}
	default:
		return &noMatchError{fmt.Sprintf("no such change: %s (ids have %d characters, this has %d)", render.Short(id), sal.IDLength, n), hint}
	}
}

func showChange(ctx context.Context, std term.Streams, g *globals, a *app.App, id string, wait bool, format string) error {
	find := a.Journal().Find
	if wait {
		find = func(ctx context.Context, id string) ([]sal.Stored, error) { return settleChange(ctx, g, a, id) }
	}
	found, err := find(ctx, id)
	broken, err := brokenRecords(std, err)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		if broken != nil {
			return broken
		}
		return noRecord(g, a, id, "")
	}
	notes, err := a.Journal().NotesOf(ctx, id)
	if _, err = brokenRecords(std, err); err != nil {
		return err
	}
	later, err := a.Journal().Search(ctx, sal.Query{After: found[0].Revision, Objects: func(sal.Object) bool { return false }})
	if _, err = brokenRecords(std, err); err != nil {
		return err
	}
	undone := sal.Undone(later)[id]
	if format == "json" {
		err = printJSON(std, found, func(r sal.Stored) (string, error) { return render.RecordJSON(r, notes, undone) })
	} else {
		var lines []string
		for _, r := range found {
			lines = append(lines, render.Record(r, notes, undone)...)
		}
		err = std.Lines(lines...)
	}
	if err != nil {
		return err
	}
	return broken
}
