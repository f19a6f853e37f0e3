package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
)

// unconfirmedError reports that the store does not confirm the records of changes
// to undo.
type unconfirmedError struct {
	lines []string // what the records say, and what the store has
	hands []string // commands that give an object its values by hand
	more  int      // how many objects there are besides
}

func (e *unconfirmedError) Error() string {
	return "the journal does not agree with the store, nothing was written"
}

func (e *unconfirmedError) hint() string {
	lines := slices.Clone(e.lines)
	if e.more > 0 {
		lines = append(lines, fmt.Sprintf("and %s more", text.Count(e.more, "object")))
	}
	lines = append(lines, "the record is not of a change that was made as it says, or something other than confctl changed the objects since")
	for _, command := range e.hands {
		lines = append(lines, "to give the fields the values that they should have: "+command)
	}
	return strings.Join(lines, "\n")
}

// unconfirmed reports records that the store does not confirm, for what a plan to
// take them back would change: see sal.Evidence.
func (u *undoer) unconfirmed(plan object.Plan, on object.Snapshot, records, later []sal.Stored) error {
	claims := evidence{
		Evidence: sal.NewEvidence(slices.Concat(later, records)),
		named:    byObjectID(records), mine: sal.RunSet(records),
		undone: sal.Undone(later), what: sal.NewFieldsChanged(records),
	}
	now, e := on.ByKey(), &unconfirmedError{}
	for _, c := range plan.Changes {
		o := c.Object()
		reason := claims.against(sal.ObjectID{Type: o.Type.Name, Path: o.Path()}, now[o.Key()], on.Fences[o.Type.Name])
		switch {
		case reason == "":
		case len(e.lines) == render.MaxLines:
			e.more++
		default:
			e.lines = append(e.lines, reason)
			if now[o.Key()] != nil {
				e.hands = append(e.hands, u.opts.command("--object-type", o.Type.Name, "select", selector.One(o.Type.Tags, o.Tags, o.Name), "edit"))
			}
		}
	}
	if e.lines == nil {
		return nil
	}
	return e
}

// evidence is the information about the changes to undo.
type evidence struct {
	*sal.Evidence
	named  map[sal.ObjectID][]statement
	mine   map[string]bool   // their ids
	undone map[string]string // which later changes are said to be undone, and by which
	what   *sal.FieldsChanged
}

// A statement is the part of a record about one object.
type statement struct {
	record sal.Stored
	object sal.Object
}

// byObjectID returns the statements of records about each object, in the order of
// the records.
func byObjectID(records []sal.Stored) map[sal.ObjectID][]statement {
	all := map[sal.ObjectID][]statement{}
	for _, r := range records {
		for _, o := range r.Change.Objects {
			all[o.ID()] = append(all[o.ID()], statement{r, o})
		}
	}
	return all
}

// against returns why the store contradicts the records of an object, or an empty
// string if it confirms them all.
func (e evidence) against(id sal.ObjectID, now *object.Object, fence store.Revision) string {
	records := e.named[id]
	trace := e.Trace(id, now, fence, records[len(records)-1].record.Revision)
	for _, r := range records {
		if _, confirmed := trace.Changes[r.record.Revision]; !confirmed {
			return fmt.Sprintf("%s, by the record %s of revision %d; but %s", render.Effect(r.object), render.Plain(r.record.Event.ID), r.record.Revision, storeHas(trace, now))
		}
	}
	return e.againstUndone(trace)
}

// storeHas returns how the store differs from a record.
func storeHas(trace sal.Trace, now *object.Object) string {
	switch {
	case trace.Gap != "":
		return trace.Gap
	case now == nil:
		return "it does not exist, and the store has no such change of it"
	}
	return fmt.Sprintf("the store has its last change of revision %d, and not this one", now.Revision)
}

// againstUndone returns a change of the same fields that was made since, and is
// only said to be undone: the store does not confirm that.
func (e evidence) againstUndone(trace sal.Trace) string {
	for _, at := range slices.Sorted(maps.Keys(trace.Changes)) {
		o := trace.Changes[at]
		for _, run := range e.RunsAt(at) {
			by := e.undone[run]
			if !e.mine[run] && by != "" && !trace.Runs[by] && e.what.ChangedAgain(o, at) {
				return fmt.Sprintf("%s, by the record %s since, and the store does not confirm that %s has undone it", render.Effect(o), render.Plain(run), render.Plain(by))
			}
		}
	}
	return ""
}
