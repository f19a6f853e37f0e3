package cli

import (
	"bufio"
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
)

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
