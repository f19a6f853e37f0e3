package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/pkg/sal"
)

// toUndo returns the records of the changes to undo, the newest first.
func (u *undoer) toUndo(ctx context.Context, wanted undoing) ([]sal.Stored, error) {
	if wanted.id != "" {
		return u.oneToUndo(ctx, wanted.id)
	}
	if wanted.since.IsZero() {
		return u.lastToUndo(ctx)
	}
	me := u.opts.whoami()
	all, err := u.Journal().Search(ctx, sal.Query{Since: wanted.since, Match: func(r sal.Stored) bool {
		return r.User.Name == me.Name || len(r.Change.Undoes) > 0
	}})
	if err := allRead(u.Streams, u.opts, err); err != nil {
		return nil, err
	}
	undone := sal.Undone(all)
	var mine []sal.Stored
	for _, r := range all {
		if r.User.Name == me.Name && !r.Refused() && len(r.Change.Undoes) == 0 && undone[r.Run()] == "" {
			mine = append(mine, r)
		}
	}
	if len(mine) == 0 {
		return nil, nothingToUndo(me, wanted.since)
	}
	return mine, nil
}

func nothingToUndo(me sal.User, since time.Time) error {
	return &noMatchError{fmt.Sprintf("%s has made no change since %s that could be undone, nothing changed", me.Name, since.Local().Format(time.RFC3339)),
		"an older one, or somebody else's, is undone by its id: see confctl log"}
}

// lastToUndo returns the records of this person's newest change, the newest
// first. It returns an error if the last attempt was refused, because the operator
// would not mean an older change.
func (u *undoer) lastToUndo(ctx context.Context) ([]sal.Stored, error) {
	me, since := u.opts.whoami(), time.Now().Add(-recently)
	last, err := u.Journal().LastOf(ctx, me.Name, since)
	if err := allRead(u.Streams, u.opts, err); err != nil {
		return nil, err
	}
	switch {
	case last.Refused != nil:
		hint := "an older one is undone by its id: see confctl log"
		if last.Change != nil {
			hint = undoNewest(u.opts, *last.Change)
		}
		return nil, &noMatchError{"what you did last was refused, so there is nothing of it to undo, nothing changed: " + render.Change(*last.Refused, time.Now()), hint}
	case last.Change == nil:
		return nil, nothingToUndo(me, since)
	}
	u.changes.hints.repeat = named(u.opts.words, "last", last.Change.Run())
	return u.oneToUndo(ctx, last.Change.Run())
}

// undoNewest returns a hint with the command that undoes a change by its id.
func undoNewest(g *globals, r sal.Stored) string {
	return "to undo your newest change, " + render.Change(r, time.Now()) + ": " + g.command("undo", r.Run())
}

// inTime returns those of the records that were committed in the time that was
// asked for, as far as that is known. For undo last it is all or none.
func (u *undoer) inTime(wanted undoing, records []sal.Stored, clock sal.Clock) ([]sal.Stored, error) {
	switch {
	case wanted.id != "":
		return records, nil
	case wanted.since.IsZero():
		return records, u.doneLately(records[0], clock)
	}
	var left limited
	in := slices.DeleteFunc(slices.Clone(records), func(r sal.Stored) bool {
		out := !clock.Since(r, wanted.since)
		if out {
			left.add("left as it is, since its time cannot be right by the changes after it or by this host's clock: %s", render.Change(r, time.Now()))
		}
		return out
	})
	left.say(u.Streams)
	if len(in) == 0 {
		return nil, nothingToUndo(u.opts.whoami(), wanted.since)
	}
	return in, nil
}

// doneLately reports that a person's newest change is not one of just now.
func (u *undoer) doneLately(r sal.Stored, clock sal.Clock) error {
	since := time.Now().Add(-recently)
	var reason string
	switch {
	case clock.Since(r, since):
		return nil
	case clock.Ahead(r.Time):
		reason = "your newest change is in the future by the clock of its host, so that its age is not known, nothing changed"
	case r.Time.Before(since):
		reason = fmt.Sprintf("your newest change is older than %s by the clock of its host, nothing changed", render.Age(recently))
	default:
		reason = fmt.Sprintf("your newest change is older than %s by the changes made after it, nothing changed", render.Age(recently))
	}
	return &noMatchError{reason, undoNewest(u.opts, r)}
}

// named returns the words of a command with another one in place of an argument.
func named(words []string, argument, by string) []string {
	words = slices.Clone(words)
	scan := newScanner()
	for i := 1; i < len(words); i++ { // the first is the program
		if kind := scan.next(words[i]); (kind == bareWord || kind == literalWord) && words[i] == argument {
			words[i] = by
		}
	}
	return words
}

// oneToUndo returns the records of one change, the newest first.
func (u *undoer) oneToUndo(ctx context.Context, id string) ([]sal.Stored, error) {
	parts, err := u.Journal().Find(ctx, id)
	if err == nil && len(parts) > 0 && parts[0].Run() != id { // a part is named, the whole is meant
		parts, err = u.Journal().Find(ctx, parts[0].Run())
	}
	switch {
	case err != nil: // also if it is there and cannot be read
		return nil, &unwrittenError{err, u.opts.where()}
	case len(parts) == 0:
		return nil, noRecord(u.opts, u.App, id, ", nothing changed")
	case parts[0].Refused():
		return nil, &noMatchError{fmt.Sprintf("%s was refused: there is nothing to undo", id), "see " + u.opts.command("log", "show", id)}
	}
	slices.Reverse(parts)
	return parts, nil
}
