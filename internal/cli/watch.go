package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/feed"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// watch prints the current objects, unless after is set, and then every change, as
// lines of JSON, until it is interrupted or its output is closed. It continues when
// an unavailable store comes back.
func watch(ctx context.Context, std term.Streams, g *globals, a *app.App, q catalog.Query, after string) error {
	if err := g.noFormat("watch"); err != nil {
		return err
	}
	revision, err := startOf(after)
	if err != nil {
		return err
	}
	ctx, stop := std.WhileRead(ctx)
	defer stop()
	f := feed.Feed{Catalog: a.Catalog, Journal: a.Journal().Key("")}
	if err := watchOn(ctx, std, f, q, revision); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// startOf reads the revision after which to begin; 0 means the current state.
func startOf(after string) (store.Revision, error) {
	if after == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(after, 10, 64)
	if err != nil || n < 1 {
		return 0, &usageError{"--after cannot be " + strconv.Quote(after) + "; it is a revision, from 1", "each line of a watch has one"}
	}
	return store.Revision(n), nil
}

// watchOn prints batches until the context or an error ends that, and says when
// the store goes and comes back.
func watchOn(ctx context.Context, std term.Streams, f feed.Feed, q catalog.Query, revision store.Revision) error {
	heard, away := false, false
	for batch, err := range f.Follow(ctx, q, revision) {
		switch {
		case errors.Is(err, store.ErrCompacted):
			return fmt.Errorf("what happened after revision %d is not known: the store has forgotten it, or was put back to an earlier state; without --after a watch begins with what there is", revision)
		case heard && errors.As(err, new(*store.UnavailableError)):
			away = true
			std.Warn(err.Error() + "; trying again until it answers")
			continue
		case err != nil:
			return err
		case away:
			std.Say("the store is back")
		}
		if batch.Gap {
			std.Warn("the store has forgotten what happened, or was put back to an earlier state; in what it differs is what follows")
		}
		heard, away = true, false
		if err := printBatch(std, batch); err != nil {
			return err
		}
		revision = batch.Revision
	}
	return nil
}

// printBatch prints a transaction at once. After what there was, a line says up to
// which revision that is everything.
func printBatch(std term.Streams, b feed.Batch) error {
	if len(b.Events) == 0 && !b.State {
		return nil
	}
	return std.Write(func(w *bufio.Writer) {
		for _, e := range b.Events {
			fmt.Fprintln(w, eventDocument(b, e).Text())
		}
		if b.State {
			fmt.Fprintln(w, value.OfMap(
				value.Field{Name: "type", Value: value.OfString("bookmark")},
				value.Field{Name: "revision", Value: value.OfInt(int64(b.Revision))},
			).Text())
		}
	})
}

// eventDocument returns one event as a JSON object. Unknown or missing values are
// null.
func eventDocument(b feed.Batch, e feed.Event) value.Value {
	kind, values, before := "put", value.OfMap(e.Object.Shown()...), e.Before
	if e.Object.Malformed != nil {
		values = value.NullValue
	}
	object := append(render.Identity(e.Object), value.Field{Name: "values", Value: values})
	if e.Deleted {
		kind, object = "delete", render.Identity(e.Object)
	}
	if before.IsAbsent() {
		before = value.NullValue
	}
	revision := b.Revision
	if b.State {
		revision = e.Object.Revision
	}
	change, user := value.NullValue, value.NullValue
	if b.Record != nil {
		change, user = value.OfString(b.Record.Event.ID), value.OfString(b.Record.User.Name)
	}
	return value.OfMap(
		value.Field{Name: "type", Value: value.OfString(kind)},
		value.Field{Name: "object", Value: value.OfMap(object...)},
		value.Field{Name: "before", Value: before},
		value.Field{Name: "revision", Value: value.OfInt(int64(revision))},
		value.Field{Name: "change", Value: change},
		value.Field{Name: "user", Value: user},
	)
}
