package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
)

func newLog(std term.Streams, g *globals) *cobra.Command {
	var filter logFilter
	var follow bool
	log := &cobra.Command{
		Use:   "log",
		Short: "Show who changed what, newest first",
		Long: `Show who changed what, when, from where, with which command and why, newest
first. The record of a change is part of the same commit. Changes that safety
rules refused are listed too, and marked, as are overrides.

  -o table   one line a change; the default
  -o json    one JSON object a line, with the values before and after`,
		Annotations: using("output", exitCodes(exitDone, exitFailed, exitUsage, exitUnavailable, exitInvalid)),
		Example: `  confctl log -n 5
  confctl log --user alice --since 2h
  confctl log --object 'web1001.*' --since 2026-01-31
  confctl log -f`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flag("object-type").Changed {
				return &usageError{"--object-type does not choose among changes", "use " + commandLine(append([]string{"confctl", "log"}, option("--type", g.objectType)...))}
			}
			format, err := g.ownFormat("log", "table", "json")
			if err != nil {
				return err
			}
			return with(std, g, func(a *app.App) error { return runLog(cmd.Context(), std, a, filter, follow, format) })
		},
	}
	f := log.Flags()
	f.IntVarP(&filter.most, "number", "n", 20, "show at most `N` changes; 0 for all")
	f.StringVar(&filter.user, "user", "", "only changes by `USER`")
	f.StringVar(&filter.typ, "type", "", "only changes of objects of `TYPE`")
	f.StringVar(&filter.object, "object", "", "only changes of objects whose name, first label of the name, or tags and name match `REGEX`")
	f.StringVar(&filter.since, "since", "", "only changes since `TIME`: a duration such as 10m, 2h or 3d, or a date or time")
	f.StringVar(&filter.till, "until", "", "only changes before `TIME`")
	f.StringVar(&filter.grep, "grep", "", "only changes with a match of `REGEX` in action, selector, command, reason, task or notes")
	f.BoolVar(&filter.refused, "refused", false, "only what safety rules refused or held back")
	f.BoolVarP(&follow, "follow", "f", false, "print new changes as they are made")
	must(log.RegisterFlagCompletionFunc("type", completer{g}.completeType))
	log.AddCommand(newLogShow(std, g), newLogAnnotate(std, g), newLogPrune(std, g), newLogDeliver(std, g), newLogStatus(std, g), newLogDrop(std, g))
	return log
}

func runLog(ctx context.Context, std term.Streams, a *app.App, filter logFilter, follow bool, format string) error {
	notes := map[string][]sal.Note{} // read when the options have turned out to be right
	query, err := filter.query(time.Now(), notes)
	if err != nil {
		return err
	}
	now, err := a.Store.Read(ctx)
	if err != nil {
		return err
	}
	if filter.grep != "" {
		found, err := a.Journal().Notes(ctx)
		if _, err = brokenRecords(std, err); err != nil {
			return err
		}
		maps.Copy(notes, found)
	}
	search := query
	if !filter.isSet() {
		search.Match = nil // which reads no more than is shown
	}
	p := logPrinter{Streams: std, App: a, json: format == "json"}
	last, broken, err := p.all(ctx, search)
	if err != nil {
		return err
	}
	if last == 0 && filter.isSet() {
		if err := knownType(ctx, a, filter.typ); err != nil {
			return err
		}
		if !follow {
			std.Say("no record matches")
		}
	}
	if follow {
		return p.follow(ctx, query, max(now.Revision, last))
	}
	return broken
}

// knownType is the error for a type that neither the schema has nor any record:
// one that the schema has no more is still in the journal.
func knownType(ctx context.Context, a *app.App, name string) error {
	_, unknown := a.Schema.Type(name)
	if name == "" || !errors.As(unknown, new(*schema.UnknownTypeError)) {
		return nil
	}
	found, err := a.Journal().Search(ctx, sal.Query{Most: 1, Match: func(r sal.Stored) bool {
		return slices.ContainsFunc(r.Change.Objects, func(o sal.Object) bool { return o.Type == name })
	}})
	if err != nil && !sal.Incomplete(err) { // what that says is said already
		return err
	}
	if len(found) == 0 {
		return unknown
	}
	return nil
}

// brokenRecords names records that cannot be read, and says if not all were looked
// at. It returns how to end in spite of the others. Any other error is returned as
// it is.
func brokenRecords(std term.Streams, err error) (ending, other error) {
	if !sal.Incomplete(err) {
		return nil, err
	}
	var broken *sal.BrokenError
	if errors.As(err, &broken) {
		for _, e := range broken.Errs {
			std.Say("%v", e)
		}
	}
	var cut *sal.CutError
	if errors.As(err, &cut) {
		std.Say("%v", cut)
	}
	return &partlyError{exitInvalid}, nil
}

// logPrinter prints records.
type logPrinter struct {
	term.Streams
	*app.App
	json bool
}

// all prints the records that match in columns, or as JSON with what was said and
// done about them since, as they are read. It returns the revision of the newest,
// and how to end if some could not be read.
func (p logPrinter) all(ctx context.Context, q sal.Query) (newest store.Revision, broken, err error) {
	var notes map[string][]sal.Note
	if p.json {
		notes, err = p.Journal().Notes(ctx)
		if _, err = brokenRecords(p.Streams, err); err != nil {
			return 0, nil, err
		}
	}
	undone := sal.Undoing{}
	failed := p.Write(func(w *bufio.Writer) {
		var rows [][]string
		broken, err = eachRecord(ctx, p.Streams, p.App, q, func(r sal.Stored) error {
			newest = max(newest, r.Revision)
			defer undone.Add(r)
			if !p.json {
				rows = append(rows, render.LogCells(r, undone[r.Run()]))
				return nil
			}
			line, err := render.RecordJSON(r, notes[r.Event.ID], undone[r.Run()])
			fmt.Fprintln(w, line)
			return err
		})
		for _, line := range render.Columns(rows) {
			fmt.Fprintln(w, line)
		}
	})
	return newest, broken, cmp.Or(err, failed)
}

// eachRecord calls a function with the records that match, the newest first, until
// it returns an error. What cannot be read is said, and how to end then is returned.
func eachRecord(ctx context.Context, std term.Streams, a *app.App, q sal.Query, f func(sal.Stored) error) (ending, err error) {
	for r, err := range a.Journal().Stream(ctx, q) {
		broken, err := brokenRecords(std, err)
		if ending = cmp.Or(ending, broken); err == nil && broken == nil {
			err = f(r)
		}
		if err != nil {
			return nil, err
		}
	}
	return ending, nil
}

// printJSON prints a line of JSON for each record.
func printJSON(std term.Streams, records []sal.Stored, line func(sal.Stored) (string, error)) error {
	lines := make([]string, len(records))
	for i, r := range records {
		var err error
		if lines[i], err = line(r); err != nil {
			return err
		}
	}
	return std.Lines(lines...)
}

// follow prints records as they are committed, those after a revision. It outlasts a
// store that is out of reach: nothing is missed then.
func (p logPrinter) follow(ctx context.Context, query sal.Query, after store.Revision) error {
	for {
		err := p.followOn(ctx, query, &after)
		if !errors.As(err, new(*store.UnavailableError)) {
			return err
		}
		p.Warn(err.Error() + "; trying again until it answers")
		if err := waitForStore(ctx, p.App); err != nil {
			return err
		}
		p.Say("the store is back")
	}
}

// waitForStore waits until the store answers.
func waitForStore(ctx context.Context, a *app.App) error {
	for {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, err := a.Store.Read(ctx); !errors.As(err, new(*store.UnavailableError)) {
			return err
		}
	}
}

// followOn prints records until something ends that. After is moved on with
// what was seen.
func (p logPrinter) followOn(ctx context.Context, query sal.Query, after *store.Revision) error {
	for r, err := range p.Journal().Watch(ctx, *after) {
		if _, err = brokenRecords(p.Streams, err); err != nil {
			return err
		}
		if r.Event.ID == "" {
			continue // it could not be read
		}
		*after = r.Revision // a smaller one, if the store was put back to an earlier state
		if !query.Match(r) {
			continue
		}
		if err := p.one(r); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// one prints a record by itself.
func (p logPrinter) one(r sal.Stored) error {
	if !p.json {
		return p.Lines(render.LogLine(r))
	}
	return printJSON(p.Streams, []sal.Stored{r}, func(r sal.Stored) (string, error) { return render.RecordJSON(r, nil, "") })
}
