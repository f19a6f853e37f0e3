package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

func newLogAnnotate(std term.Streams, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:               "annotate ID TEXT",
		Short:             "Add a note to a change, such as what it caused",
		Annotations:       exitCodes(exitDone, exitFailed, exitUsage, exitNoMatch, exitUnavailable, exitUnknown),
		Example:           `  confctl log annotate 20260102T030405.678900Z-0a1b2c3d 'caused T1234'`,
		Args:              arguments(2, -1),
		ValidArgsFunction: completer{g}.completeChange,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkID(args[0], "see confctl log"); err != nil {
				return err
			}
			text := strings.TrimSpace(strings.Join(args[1:], " "))
			if text == "" {
				return &usageError{"the note is empty", "confctl log annotate ID TEXT"}
			}
			return with(std, g, func(a *app.App) error {
				return a.Journal().Annotate(cmd.Context(), args[0], sal.Note{Time: time.Now().UTC(), User: g.whoami(), Text: text})
			})
		},
	}
}

func newLogPrune(std term.Streams, g *globals) *cobra.Command {
	keep, older := 10_000, ""
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Delete the oldest records of the journal",
		Long: `Delete the oldest records of the journal, at most 1,000 at a time. The newest
1,000 are never deleted, nor are those of the last two days or of changes that
are not delivered yet. Nothing else deletes records: run this from a timer to
keep the journal small.`,
		Annotations: exitCodes(exitDone, exitFailed, exitUsage, exitConflict, exitUnavailable, exitUnknown),
		Example: `  confctl log prune --keep 50000
  confctl log prune --older-than 365d`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keep < 1000 {
				return &usageError{fmt.Sprintf("--keep cannot be %d; the newest 1000 are always kept", keep), ""}
			}
			before, err := moment("--older-than", older, time.Now())
			if err != nil {
				return err
			}
			return with(std, g, func(a *app.App) error { return pruneLog(cmd.Context(), std, a, keep, before) })
		},
	}
	cmd.Flags().IntVar(&keep, "keep", keep, "keep the newest `N` records")
	cmd.Flags().StringVar(&older, "older-than", "", "delete only records older than `TIME`: a duration such as 90d, or a date")
	return cmd
}

func pruneLog(ctx context.Context, std term.Streams, a *app.App, keep int, before time.Time) error {
	pruned, more, err := a.Journal().Prune(ctx, keep, before)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d records deleted", pruned)
	if more {
		text += "; there are more to delete: call it again"
	}
	return std.Print("%s\n", text)
}

func newLogDeliver(std term.Streams, g *globals) *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "deliver",
		Short: "Deliver the announcements that are waiting",
		Long: `Deliver the announcements that are waiting because a sink could not be reached
or because the process that made the change was stopped. Every change delivers
its own announcement and those that are waiting; this command is for the time
between changes. With --follow it keeps delivering until it is interrupted.`,
		Annotations: exitCodes(exitDone, exitFailed, exitUsage, exitUnavailable),
		Args:        arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return with(std, g, func(a *app.App) error {
				if follow {
					return keepDelivering(cmd.Context(), std, a)
				}
				return deliverLog(cmd.Context(), std, a)
			})
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "keep delivering until interrupted")
	return cmd
}

// keepDelivering delivers until the context ends.
func keepDelivering(ctx context.Context, std term.Streams, a *app.App) error {
	if _, err := sayStranded(ctx, std, a); err != nil {
		std.Warn(err.Error()) // a service waits for its store
	}
	if len(a.Settings.Sinks) == 0 {
		return noSinks()
	}
	a.Journal().KeepDelivering(ctx, func(err error) { std.Warn(err.Error()) })
	return nil
}

func noSinks() error {
	return &usageError{"no sink is configured", "sinks are listed under sal: in confctl.yaml"}
}

// hasSink reports whether a sink is configured here. What waits for settings to be
// mended is for those that are.
func hasSink(sinks []sal.Sink, name string) bool {
	return name == sal.Unread || slices.ContainsFunc(sinks, func(one sal.Sink) bool { return one.Name() == name })
}

// sayStranded names what waits for sinks that are not configured here, which
// nothing delivers from here, and reports whether there is any.
func sayStranded(ctx context.Context, std term.Streams, a *app.App) (bool, error) {
	waiting, _, err := a.Journal().Waiting(ctx)
	waiting = slices.DeleteFunc(waiting, func(w sal.Waiting) bool { return hasSink(a.Settings.Sinks, w.Sink) })
	for _, w := range waiting {
		std.Say("%s: %d waiting, %s", sinkName(w), w.Count, strandedHint)
	}
	return len(waiting) > 0, err
}

// strandedHint says what to do about what waits for a sink that is not configured.
const strandedHint = "for a sink that is not configured here; to have it delivered, configure the sink again, under sal: in confctl.yaml"

func deliverLog(ctx context.Context, std term.Streams, a *app.App) error {
	if len(a.Settings.Sinks) == 0 {
		_, err := sayStranded(ctx, std, a)
		return cmp.Or(err, noSinks())
	}
	taken, errs := a.Journal().Redeliver(ctx)
	for _, sink := range slices.Sorted(maps.Keys(taken)) {
		if err := std.Print("%s: %d delivered\n", sink, taken[sink]); err != nil {
			return err
		}
	}
	failed := errors.Join(errs...)
	if errors.As(failed, new(*store.UnavailableError)) {
		return failed
	}
	stranded, err := sayStranded(ctx, std, a)
	if failed == nil && err == nil && !stranded && len(taken) == 0 {
		return std.Print("nothing waits\n")
	}
	return cmp.Or(failed, err)
}

func newLogStatus(std term.Streams, g *globals) *cobra.Command {
	longest := "10m"
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show which announcements are waiting, and since when",
		Long: `Show which announcements are waiting, since when, and which cannot be
delivered. For monitoring, the exit code is 1 if anything is older than
--max-age.`,
		Annotations: exitCodes(exitDone, exitFailed, exitUsage, exitUnavailable, exitInvalid),
		Args:        arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			most, err := span(longest)
			if err != nil {
				return &usageError{fmt.Sprintf("--max-age cannot be %q; it is a time such as 10m, 2h or 1d", longest), ""}
			}
			return with(std, g, func(a *app.App) error { return logStatus(cmd.Context(), std, g, a, most) })
		},
	}
	cmd.Flags().StringVar(&longest, "max-age", longest, "exit code 1 if anything is waiting for longer than `TIME`")
	return cmd
}

func logStatus(ctx context.Context, std term.Streams, g *globals, a *app.App, most time.Duration) error {
	g.warnExposed(std, a.Settings)
	waiting, aside, err := a.Journal().Waiting(ctx)
	if err != nil {
		return err
	}
	if len(waiting)+len(aside) == 0 {
		return std.Print("nothing waits for delivery\n")
	}
	var late, stranded, kept bool
	printed := std.Write(func(w *bufio.Writer) {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, one := range waiting {
			name, wait := sinkName(one), time.Since(one.Since)
			if hasSink(a.Settings.Sinks, one.Sink) {
				late = late || wait > most
			} else {
				name += " (not configured here)"
				stranded = stranded || wait > most
			}
			fmt.Fprintf(table, "%s\t%s\n", name, waitText(one, wait))
		}
		table.Flush() //nolint:errcheck // the flush of w reports it
		kept = printAside(w, aside, most)
	})
	if printed != nil || !late && !stranded && !kept {
		return printed
	}
	if late {
		std.Say("something waits for longer than %s; confctl log deliver tries again", most)
	}
	if stranded {
		std.Say("something waits for longer than %s, %s", most, strandedHint)
	}
	if kept {
		std.Say("something cannot be delivered; confctl log drop ID deletes it")
	}
	return &partlyError{exitFailed}
}

func sinkName(w sal.Waiting) string {
	if w.Host != "" {
		return render.Plain(w.Sink + " of " + w.Host)
	}
	return render.Plain(w.Sink)
}

func waitText(w sal.Waiting, wait time.Duration) string {
	text := fmt.Sprintf("%d waiting, since %s (%s)", w.Count, w.Since.Local().Format(time.RFC3339), render.Age(wait))
	if w.Error != "" {
		text += fmt.Sprintf("; failed %s ago: %s", render.Age(time.Since(w.Failed)), w.Error)
	}
	return render.Plain(text)
}
