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
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// overtakenError reports that changes cannot be taken back, because others have
// changed the same since.
type overtakenError struct {
	lines []string // what, by whom, when
	last  string   // id of the latest of these
	where []string // options that name the configuration
}

func (e *overtakenError) Error() string {
	return "the same was changed again since, nothing was written"
}

// hint says what was changed since, and what to do about it.
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

// allRead names records that cannot be read. Not to have looked at all is an error:
// what is not known may speak against an undo.
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
// still in effect: the values alone do not tell, they may have come back.
func (u *undoer) overtaken(records, later []sal.Stored) error {
	mine, undone := runsOf(records), sal.Undone(later)
	of, what := setOf(mine), whatChanged(records)
	for _, id := range mine {
		if by := undone[id]; by != "" {
			return &noMatchError{fmt.Sprintf("%s is undone already, by %s; nothing changed", id, by), "to do it again: " + u.opts.command("undo", by)}
		}
	}
	others := inEffect(slices.DeleteFunc(slices.Clone(later), func(r sal.Stored) bool {
		begun := undoesOnly(r, of) // in parts, and not finished: this goes on from there
		return of[r.Run()] || begun
	}))
	e := &overtakenError{where: u.opts.where()}
	for _, r := range others {
		for _, o := range r.Change.Objects {
			if len(e.lines) < render.MaxLines && what.changedAgain(o, r.Revision) {
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

// inEffect leaves out, of records with the newest first, those that are undone
// and those that undo what is among them.
func inEffect(records []sal.Stored) []sal.Stored {
	undone, there := sal.Undone(records), setOf(runsOf(records))
	return slices.DeleteFunc(slices.Clone(records), func(r sal.Stored) bool {
		return r.Refused() || undone[r.Run()] != "" || undoesOnly(r, there)
	})
}

// undoesOnly reports whether a record is of an undo, and of none but these
// changes.
func undoesOnly(r sal.Stored, ids map[string]bool) bool {
	return len(r.Change.Undoes) > 0 && !slices.ContainsFunc(r.Change.Undoes, func(id string) bool { return !ids[id] })
}

// changed is which fields some changes were about, by object, and from which
// revision on: that of the first of them.
type changed struct {
	fields   map[sal.ObjectID]map[string]store.Revision
	compared int // how many fields of later changes were looked up: the work that it was
}

func whatChanged(records []sal.Stored) *changed {
	c := &changed{fields: map[sal.ObjectID]map[string]store.Revision{}}
	for _, r := range records {
		for _, o := range r.Change.Objects {
			of := c.fields[o.ID()]
			if of == nil {
				of = map[string]store.Revision{}
				c.fields[o.ID()] = of
			}
			for _, f := range o.Fields() {
				if first, ok := of[f.Name]; !ok || r.Revision < first {
					of[f.Name] = r.Revision
				}
			}
		}
	}
	return c
}

// changedAgain reports whether a change at a revision changed a field of an object
// that was changed before it.
func (c *changed) changedAgain(o sal.Object, at store.Revision) bool {
	of, ok := c.fields[o.ID()]
	if !ok {
		return false
	}
	return slices.ContainsFunc(o.Fields(), func(f object.FieldChange) bool {
		c.compared++
		first, ok := of[f.Name]
		return ok && first < at
	})
}

// runsOf returns the ids of changes, each once.
func runsOf(records []sal.Stored) []string {
	var ids []string
	have := map[string]bool{}
	for _, r := range records {
		if id := r.Run(); !have[id] {
			have[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}
