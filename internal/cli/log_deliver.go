package cli

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

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
		std.Warn(err.Error()) // only a warning: a service waits for its store
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

// hasSink reports whether name is a sink in the settings of this host, or
// sal.Unread, which stands for sinks whose settings cannot be read.
func hasSink(sinks []sal.Sink, name string) bool {
	return name == sal.Unread || slices.ContainsFunc(sinks, func(one sal.Sink) bool { return one.Name() == name })
}

// sayStranded prints the number of announcements that wait for each sink that is
// not configured here, and reports whether there are any. This host cannot deliver
// them.
func sayStranded(ctx context.Context, std term.Streams, a *app.App) (bool, error) {
	waiting, _, err := a.Journal().Waiting(ctx)
	waiting = slices.DeleteFunc(waiting, func(w sal.Waiting) bool { return hasSink(a.Settings.Sinks, w.Sink) })
	for _, w := range waiting {
		std.Say("%s: %d waiting, %s", sinkName(w), w.Count, strandedHint)
	}
	return len(waiting) > 0, err
}

// strandedHint explains how to deliver announcements that wait for a sink that is
// not configured.
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
