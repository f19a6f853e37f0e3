package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
)

// overtakenError reports that changes cannot be undone, because later changes have
// changed the same fields.
type overtakenError struct {
	lines []string // what, by whom, when
	last  string   // id of the latest of these
	where []string // options that name the configuration
}

func (e *overtakenError) Error() string {
	return "the same was changed again since, nothing was written"
}

// hint returns the later changes and what to do about them.
func (e *overtakenError) hint() string {
	return strings.Join(append(slices.Clone(e.lines), "undo that first: "+commandFor(e.where, "undo", e.last), "or give the fields the values that they should have"), "\n")
}

// laterThan returns the records committed after the oldest of some, the newest
// first.
func (u *undoer) laterThan(ctx context.Context, records []sal.Stored) ([]sal.Stored, error) {
	concerned := byObjectID(records)
	later, err := u.Journal().Search(ctx, sal.Query{After: records[len(records)-1].Revision, Objects: func(o sal.Object) bool {
		return concerned[o.ID()] != nil || o.Deleted() // a deletion is evidence of what it did not delete
	}})
	return later, allRead(u.Streams, u.opts, err)
}

// allRead prints the records that cannot be read. It returns an error if the search
// did not read all records, because one of the others may forbid the undo.
func allRead(std term.Streams, g *globals, err error) error {
	if !errors.As(err, new(*sal.CutError)) {
		_, err = brokenRecords(std, err)
	}
	if err != nil {
		return &unwrittenError{err, g.where()}
	}
	return nil
}

// overtaken looks in the journal for later changes of the same fields that are
// still in effect: the values alone do not show them, since a later change may have restored
// the same value.
func (u *undoer) overtaken(records, later []sal.Stored) error {
	mine, undone := sal.Runs(records), sal.Undone(later)
	of, what := sal.RunSet(records), sal.NewFieldsChanged(records)
	for _, id := range mine {
		if by := undone[id]; by != "" {
			return &noMatchError{fmt.Sprintf("%s is undone already, by %s; nothing changed", id, by), "to do it again: " + u.opts.command("undo", by)}
		}
	}
	others := sal.InEffect(slices.DeleteFunc(slices.Clone(later), func(r sal.Stored) bool {
		begun := r.UndoesOnly(of) // in parts, and not finished: this goes on from there
		return of[r.Run()] || begun
	}))
	e := &overtakenError{where: u.opts.where()}
	for _, r := range others {
		for _, o := range r.Change.Objects {
			if len(e.lines) < render.MaxLines && what.ChangedAgain(o, r.Revision) {
				e.lines = append(e.lines, fmt.Sprintf("%s by %s %s, %s", render.Effect(o), render.Plain(r.User.Name), render.Ago(r.Time, time.Now()), render.Plain(r.Run())))
				e.last = cmp.Or(e.last, r.Run())
			}
		}
	}
	if e.lines == nil {
		return nil
	}
	return e
}
