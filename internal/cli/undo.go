package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
)

// recently is the age up to which a change can be undone as "last", and up to which
// the safety rules only warn about undoing it, because undoing a recent change
// usually repairs something.
const recently = time.Hour

func newUndo(std term.Streams, g *globals) *cobra.Command {
	var since string
	var mine bool
	cmd := &cobra.Command{
		Use:   "undo ID | last | --since TIME --mine",
		Short: "Undo a change",
		Long: `Undo a change: restore the previous values of exactly the fields that it
changed, delete what it created, create what it deleted. If these fields have
been changed since, nothing is written, and both changes are shown.

  undo ID                  undo the change with this id; confctl log shows ids
  undo last                undo your newest change that is not undone, if it is
                           less than an hour old. If the last change that you
                           tried was refused, nothing is undone
  undo --since 10m --mine  undo all your changes of the last ten minutes in one
                           commit, such as those of a loop over many hosts

The changes to undo are shown first; on a terminal they must be confirmed.

A journal record is used only as far as the store confirms it: the last change
of each object must be the one in the record, or a later one in the journal.
Otherwise nothing is written, and the differences are shown.

Safety rules do not refuse to undo what was done within the last hour; they
warn. An undo is a change like any other, and can be undone.`,
		Annotations: changeCodes(exitDone, exitFailed, exitUsage, exitRefused, exitNoMatch, exitConflict, exitUnavailable, exitInvalid, exitDeclined, exitUnknown),
		Example: `  confctl undo last
  confctl undo 20260102T030405.678900Z-0a1b2c3d
  confctl undo --since 10m --mine`,
		Args:              arguments(0, 1),
		ValidArgsFunction: completer{g}.completeUndo,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flag("object-type").Changed {
				return &usageError{"undo takes back whole changes, and cannot be limited by --object-type", ""}
			}
			if err := g.noFormat("undo"); err != nil {
				return err
			}
			wanted, err := undoOf(args, since, mine)
			if err != nil {
				return err
			}
			g.undoes = true
			return with(std, g, func(a *app.App) error { return newUndoer(std, g, a).run(cmd.Context(), wanted) })
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "undo all your changes since `TIME`: a duration such as 10m or 1h, or a time; needs --mine")
	cmd.Flags().BoolVar(&mine, "mine", false, "only your own changes; needs --since")
	return cmd
}

// undoing selects the changes to undo.
type undoing struct {
	id    string    // the id of one change; empty for the user's own changes
	since time.Time // the user's changes since then; zero for the last one
	text  string    // for the announcement
}

func undoOf(args []string, since string, mine bool) (undoing, error) {
	hint := "confctl undo ID, confctl undo last, or confctl undo --since 10m --mine"
	switch {
	case len(args) > 0 && args[0] == "":
		return undoing{}, &usageError{"the id is empty", hint}
	case len(args) == 0 && since == "" && !mine:
		return undoing{}, &usageError{"undo what?", hint}
	case len(args) > 0 && (since != "" || mine):
		return undoing{}, &usageError{fmt.Sprintf("undo takes %q or --since with --mine, not both", args[0]), hint}
	case since != "" && !mine:
		return undoing{}, &usageError{"--since undoes only your own changes: say so with --mine", "those of others one by one, by their ids: see " + commandLine(append([]string{"confctl", "log"}, option("--since", since)...))}
	case since == "" && mine:
		return undoing{}, &usageError{"--mine needs --since", hint}
	case since != "":
		from, err := moment("--since", since, time.Now())
		return undoing{since: from, text: fmt.Sprintf("undo --since %s --mine", since)}, err
	case args[0] == "last":
		return undoing{}, nil
	}
	return undoing{id: args[0]}, checkID(args[0], "see confctl log")
}

// An undoer undoes changes.
type undoer struct {
	term.Streams
	*app.App
	opts    *globals
	changes *changer
}

func newUndoer(std term.Streams, g *globals, a *app.App) *undoer {
	return &undoer{Streams: std, App: a, opts: g, changes: newChanger(std, g, a)}
}

func (u *undoer) run(ctx context.Context, wanted undoing) error {
	if u.opts.terms.Partial {
		return &usageError{"--except-refused is not for undo, which takes changes back whole", "to override the rules: --allow RULE[@POOL] --reason TEXT"}
	}
	u.changes.hints.undoing = true
	records, err := u.toUndo(ctx, wanted)
	if err != nil {
		return err
	}
	later, err := u.laterThan(ctx, records)
	if err != nil {
		return err
	}
	clock := sal.NewClock(app.Hostname(), time.Now(), later)
	if records, err = u.inTime(wanted, records, clock); err != nil {
		return err
	}
	past, err := u.past(records)
	if err != nil {
		return err
	}
	if err := u.overtaken(records, later); err != nil {
		return err
	}
	sayUndoing(u.Streams, records)
	lately := time.Now().Add(-recently)
	in := change.Intent{
		Read:    queriesOf(past),
		Action:  wanted.text,
		Summary: summary,
		Stop:    true,
		Split:   len(records) > len(sal.Runs(records)), // as the changes were
		Deletes: slices.ContainsFunc(past, func(p object.Past) bool { return p.Before == nil }),
		Lenient: !slices.ContainsFunc(records, func(r sal.Stored) bool { return !clock.Since(r, lately) }),
		Undoes:  sal.Runs(records),
		Plan: func(on object.Snapshot) (object.Plan, error) {
			plan, err := undo(past, on)
			if err == nil {
				err = u.unconfirmed(plan, on, records, later)
			}
			return plan, err
		},
	}
	if in.Action == "" {
		in.Action = "undo " + in.Undoes[0]
	}
	return u.changes.apply(ctx, in, u.confirmUndo, u.changes.display.printChanged)
}

// confirmUndo returns a function that asks for confirmation. On a terminal it always
// asks, unless --yes is given: the changes come from a record, not from the command
// line.
func (u *undoer) confirmUndo(p change.Proposal) func(context.Context) error {
	if u.opts.yes || !u.Interactive() {
		return u.changes.confirm(p)
	}
	return func(ctx context.Context) error {
		return u.changes.ask.confirmSelection(ctx, p.Plan.Matched, func() { u.changes.display.preview(ctx, p) })
	}
}

// sayUndoing prints the changes to undo.
func sayUndoing(std term.Streams, records []sal.Stored) {
	var notes limited
	for _, r := range records {
		notes.add("undoing %s", render.Change(r, time.Now()))
	}
	notes.say(std)
}
