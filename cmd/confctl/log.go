package main

import (
	"bufio"
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/value"
)

func newLog(std streams, g *globals) *cobra.Command {
	var most int
	log := &cobra.Command{
		Use:   "log",
		Short: "Show who changed what, the newest first",
		Long: `Show who changed what, when, from where and with which command, the newest
first. The record of a change is written in the same commit as the change.`,
		Annotations: exitCodes(exitDone, exitFailed, exitUsage, exitUnavailable, exitInvalid),
		Example: `  confctl log -n 5
  confctl log show 20260102T030405.678900Z-0a1b2c3d`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := g.noFormat("log"); err != nil {
				return err
			}
			return with(std, g, func(s *session) error { return s.runLog(cmd.Context(), most) })
		},
	}
	log.Flags().IntVarP(&most, "number", "n", 20, "show at most so many; 0 for all")
	log.AddCommand(&cobra.Command{
		Use:               "show ID",
		Short:             "Show one change with all its values, before and after",
		Annotations:       exitCodes(exitDone, exitFailed, exitUsage, exitNoMatch, exitUnavailable),
		Args:              arguments(1, 1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return with(std, g, func(s *session) error { return s.showChange(cmd.Context(), args[0]) })
		},
	})
	return log
}

// journal returns the log of what is done, and the sinks it is told to.
func (s *session) journal() *sal.Log {
	l := &sal.Log{Store: s.store, Prefix: s.catalog.Own("")}
	if s.settings.bot != "" {
		l.Sinks = []sal.Sink{sal.Bot{Address: s.settings.bot}}
	}
	return l
}

func (s *session) runLog(ctx context.Context, most int) error {
	if most < 0 {
		return &usageError{"-n cannot be negative", "0 shows all"}
	}
	records, broken := s.journal().Records(ctx)
	if records == nil && broken != nil {
		return broken
	}
	if most > 0 && len(records) > most {
		records = records[:most]
	}
	err := s.write(func(w *bufio.Writer) {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, r := range records {
			fmt.Fprintf(table, "%s\t%s@%s\t%s\t%s\t%s\t%s\n", r.Time.Local().Format(time.DateTime), r.User.Name, r.Host.Name,
				short(r.Event.Action), selectorText(r), objects(len(r.Change.Objects)), r.Event.ID)
		}
		table.Flush() //nolint:errcheck // the flush of w reports it
	})
	if err == nil && broken != nil {
		s.say("%v", broken)
		return &partlyError{exitInvalid}
	}
	return err
}

func selectorText(r sal.Stored) string {
	if r.Change.Selector == "" {
		return "-"
	}
	return short(r.Change.Selector)
}

// short is a text as a cell of a list, cut if it is long.
func short(text string) string {
	const most = 80
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return cell(value.OfString(text))
}

func objects(n int) string {
	if n == 1 {
		return "1 object"
	}
	return fmt.Sprintf("%d objects", n)
}

func (s *session) showChange(ctx context.Context, id string) error {
	found, err := s.journal().Find(ctx, id)
	if found == nil && err != nil {
		return err
	}
	if len(found) == 0 {
		return &noMatchError{fmt.Sprintf("no change %s was made", id), "see confctl log"}
	}
	return s.write(func(w *bufio.Writer) {
		for _, r := range found {
			describeChange(w, r)
		}
	})
}

func describeChange(w *bufio.Writer, r sal.Stored) {
	fmt.Fprintf(w, "change    %s at revision %d\n", r.Event.ID, r.Revision)
	fmt.Fprintf(w, "time      %s\n", r.Time.Format(time.RFC3339))
	fmt.Fprintf(w, "who       %s (uid %s) on %s\n", r.User.Name, r.User.ID, r.Host.Name)
	fmt.Fprintf(w, "action    %s\n", cell(value.OfString(r.Event.Action)))
	fmt.Fprintf(w, "selector  %s\n", selectorText(r))
	fmt.Fprintf(w, "command   %s\n", cell(value.OfString(r.Process.CommandLine)))
	for _, o := range r.Change.Objects {
		switch {
		case o.Created():
			fmt.Fprintf(w, "  %s %s created: %s\n", o.Type, o.Path, o.After.Text())
		case o.Deleted():
			fmt.Fprintf(w, "  %s %s deleted: %s\n", o.Type, o.Path, before(o))
		default:
			for _, f := range o.Fields() {
				fmt.Fprintf(w, "  %s %s: %s: %s => %s\n", o.Type, o.Path, f.Name, stored(f.Before), stored(f.After))
			}
		}
	}
}

// before is what was stored before a change, as JSON if it was.
func before(o sal.Object) string {
	if o.Raw != nil {
		return fmt.Sprintf("%q, which is no object", o.Raw)
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
