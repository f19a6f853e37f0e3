package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

func newLog(std streams, g *globals) *cobra.Command {
	var filter logFilter
	var follow bool
	log := &cobra.Command{
		Use:   "log",
		Short: "Show who changed what, the newest first",
		Long: `Show who changed what, when, from where, with which command and why, the newest
first. The record of a change is written in the same commit as the change. What
safety rules refused is there too, and marked as such.

  -o table   a line each; the default
  -o json    one JSON object a line, with the values before and after`,
		Annotations: exitCodes(exitDone, exitFailed, exitUsage, exitUnavailable, exitInvalid),
		Example: `  confctl log -n 5
  confctl log --user alice --since 2h
  confctl log --object 'web1001.*' --since 2026-01-31
  confctl log -f`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := g.ownFormat("log", "table", "json")
			if err != nil {
				return err
			}
			return with(std, g, func(s *session) error { return s.runLog(cmd.Context(), filter, follow, format) })
		},
	}
	f := log.Flags()
	f.IntVarP(&filter.most, "number", "n", 20, "show at most so many; 0 for all")
	f.StringVar(&filter.user, "user", "", "only changes by `USER`")
	f.StringVar(&filter.typ, "type", "", "only changes of objects of `TYPE`")
	f.StringVar(&filter.object, "object", "", "only changes of objects with this name, or tags and name: a `REGEX`")
	f.StringVar(&filter.since, "since", "", "only from `TIME` on: how long ago, as 10m, 2h or 3d, or a date or time")
	f.StringVar(&filter.till, "until", "", "only before `TIME`")
	f.StringVar(&filter.grep, "grep", "", "only where `REGEX` is found in action, selector, command, reason or task")
	f.BoolVar(&filter.refused, "refused", false, "only what safety rules refused")
	f.BoolVarP(&follow, "follow", "f", false, "go on with new ones as they come")
	must(log.RegisterFlagCompletionFunc("type", g.completeType))
	log.AddCommand(newLogShow(std, g), newLogAnnotate(std, g), newLogPrune(std, g), newLogDeliver(std, g), newLogStatus(std, g))
	return log
}

func (s *session) runLog(ctx context.Context, filter logFilter, follow bool, format string) error {
	query, err := filter.query(time.Now())
	if err != nil {
		return err
	}
	now, err := s.store.Read(ctx)
	if err != nil {
		return err
	}
	records, err := s.journal().Search(ctx, query)
	broken, err := s.brokenRecords(err)
	if err != nil {
		return err
	}
	p := logPrinter{session: s, json: format == "json"}
	if err := p.all(ctx, records); err != nil {
		return err
	}
	if follow {
		return p.follow(ctx, query, records, now.Revision)
	}
	return broken
}

// brokenRecords names records that cannot be read, and returns how to end in
// spite of the others. Any other error is returned as it is.
func (s *session) brokenRecords(err error) (ending, other error) {
	var broken *sal.BrokenError
	if !errors.As(err, &broken) {
		return nil, err
	}
	for _, e := range broken.Errs {
		s.say("%v", e)
	}
	return &partlyError{exitInvalid}, nil
}

// logPrinter prints records.
type logPrinter struct {
	*session
	json bool
}

// all prints records in columns, or as JSON with what was said and done about
// them since.
func (p logPrinter) all(ctx context.Context, records []sal.Stored) error {
	undone := sal.Undone(records)
	if p.json {
		notes, err := p.journal().Notes(ctx)
		if _, err = p.brokenRecords(err); err != nil {
			return err
		}
		return p.write(func(w *bufio.Writer) {
			for _, r := range records {
				w.WriteString(recordJSON(r, notes[r.Event.ID], undone[runOf(r)])) //nolint:errcheck // Flush reports it
			}
		})
	}
	return p.write(func(w *bufio.Writer) {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, r := range records {
			fmt.Fprintln(table, strings.Join(logColumns(r, undone[runOf(r)]), "\t"))
		}
		table.Flush() //nolint:errcheck // the flush of w reports it
	})
}

// follow prints records as they are committed, those after a revision and
// after the ones that are printed already.
func (p logPrinter) follow(ctx context.Context, query sal.Query, printed []sal.Stored, after store.Revision) error {
	if len(printed) > 0 {
		after = max(after, printed[0].Revision)
	}
	for r, err := range p.journal().Watch(ctx, after) {
		if _, err = p.brokenRecords(err); err != nil {
			return err
		}
		if r.Event.ID == "" || !query.Match(r) {
			continue
		}
		line := strings.Join(logColumns(r, ""), "  ") + "\n"
		if p.json {
			line = recordJSON(r, nil, "")
		}
		if err := p.print("%s", line); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func runOf(r sal.Stored) string { return cmp.Or(r.Change.Run, r.Event.ID) }

// recordJSON is a record as a line of JSON.
func recordJSON(r sal.Stored, notes []sal.Note, undone string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	must(e.Encode(struct {
		sal.Record
		Revision store.Revision `json:"revision"`
		Notes    []sal.Note     `json:"notes,omitempty"`
		UndoneBy string         `json:"undone_by,omitempty"`
	}{r.Record, r.Revision, notes, undone})) // it was read as JSON
	return b.String()
}

// logColumns are a record's cells in a list.
func logColumns(r sal.Stored, undone string) []string {
	what := objects(len(r.Change.Objects))
	switch {
	case r.Refused():
		what = "refused by " + refusedBy(r.Record)
	case undone != "":
		what += ", undone"
	}
	return []string{
		r.Time.Local().Format(time.DateTime), plain(r.User.Name + "@" + r.Host.Name), short(r.Event.Action), selectorText(r), what,
		whyText(r.Record), plain(r.Event.ID),
	}
}

// plain is a text on one line, and without anything a terminal acts on.
func plain(text string) string { return cell(value.OfString(text)) }

// refusedBy names the rules that refused a change.
func refusedBy(r sal.Record) string {
	var names []string
	for _, f := range r.Change.Findings {
		if len(names) == 0 || names[len(names)-1] != f.Rule {
			names = append(names, f.Rule)
		}
	}
	return plain(strings.Join(names, ", "))
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
	return plain(text)
}

func objects(n int) string {
	if n == 1 {
		return "1 object"
	}
	return fmt.Sprintf("%d objects", n)
}
