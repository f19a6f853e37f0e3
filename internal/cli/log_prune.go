package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/term"
)

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
