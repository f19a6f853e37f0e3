package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
)

func newLogDrop(std term.Streams, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "drop ID...",
		Short: "Delete announcements that cannot be delivered",
		Long: `Delete announcements that cannot be delivered: outbox entries that are too
large or are not messages, because they were written by something other than
confctl. The first command that sees such an entry sets it aside, so that no
other announcement waits for it, and log status lists it with its id. Nothing
else is deleted: the journal keeps the record of the change.`,
		Annotations: exitCodes(exitDone, exitFailed, exitUsage, exitNoMatch, exitConflict, exitUnavailable, exitUnknown),
		Example:     `  confctl log drop 20260102T030405.678900Z-0a1b2c3d`,
		Args:        arguments(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, id := range args {
				if strings.TrimSpace(id) == "" {
					return &usageError{"the id is empty", "log status lists what is set aside"}
				}
			}
			return with(std, g, func(a *app.App) error {
				for _, id := range args {
					if err := dropAside(cmd.Context(), std, a, id); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func dropAside(ctx context.Context, std term.Streams, a *app.App, id string) error {
	dropped, err := a.Journal().Drop(ctx, id)
	for _, one := range dropped {
		printDone(std, "dropped "+render.Plain(one.Name()))
	}
	return err
}

// asideHint names the command that lists announcements that cannot be delivered.
const asideHint = "confctl log status lists what is set aside"

// notAsideHint returns the hint for an id that is not set aside.
func notAsideHint(e *sal.NotAsideError, _ error) string {
	if e.Waiting {
		return "confctl log deliver delivers it"
	}
	return asideHint
}

// printAside prints the outbox entries that are set aside, the first 20 in full,
// and reports whether any of them is older than most or has no time.
func printAside(w *bufio.Writer, all []sal.Aside, most time.Duration) (late bool) {
	const shown = 20
	for i, a := range all {
		late = late || a.Time.IsZero() || time.Since(a.Time) > most
		if i < shown {
			fmt.Fprintf(w, "cannot be delivered: %s: %s\n", render.Plain(a.Name()), render.Plain(a.Reason))
		}
	}
	if more := len(all) - shown; more > 0 {
		fmt.Fprintf(w, "cannot be delivered: %d more\n", more)
	}
	return late
}
