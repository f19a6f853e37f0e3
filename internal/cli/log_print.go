package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// brokenRecords prints the records that cannot be read, and whether the search
// stopped before the last record. In these cases ending is the error with the exit
// code for a command that goes on with the other records. Any other error is
// returned unchanged as other.
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

// A logPrinter prints journal records.
type logPrinter struct {
	term.Streams
	*app.App
	json bool
}

// all prints the records that match, in columns or as one JSON object a line with
// notes and the change that undid the record. It returns the revision of the newest
// record, and in broken the error to end with if some could not be read.
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

// eachRecord calls f with each record that matches, the newest first, until f
// returns an error. It prints the records that cannot be read, and returns in ending
// the error to end with if there are any.
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

// follow prints records as they are committed, beginning after a revision. If the
// store is unavailable, it waits and continues with the next record, so that none
// is missed.
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

// followOn prints records until the watch fails or the context ends. It sets *after
// to the revision of each record that it reads.
func (p logPrinter) followOn(ctx context.Context, query sal.Query, after *store.Revision) error {
	for r, err := range p.Journal().Watch(ctx, *after) {
		if _, err = brokenRecords(p.Streams, err); err != nil {
			return err
		}
		if r.Event.ID == "" {
			continue // the record could not be read
		}
		*after = r.Revision // smaller than before if the store was restored to an earlier state
		if !query.Match(r) {
			continue
		}
		if err := p.one(r); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// one prints a single record.
func (p logPrinter) one(r sal.Stored) error {
	if !p.json {
		return p.Lines(render.LogLine(r))
	}
	return printJSON(p.Streams, []sal.Stored{r}, func(r sal.Stored) (string, error) { return render.RecordJSON(r, nil, "") })
}
