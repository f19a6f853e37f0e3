package change

import (
	"context"
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// commit writes a plan with its record and its message, and adds it to what
// is done.
func (r *run) commit(ctx context.Context, plan object.Plan, on object.Snapshot, verdict safety.Verdict) error {
	record := sal.Record{
		Time:    r.started.UTC(),
		Event:   sal.Event{ID: r.partID(), Action: r.Action},
		User:    r.Who,
		Host:    r.Where,
		Process: r.Process,
		Change:  sal.ChangeRecord{Selector: r.Selector, Run: r.id, Objects: sal.Objects(plan.Changes)},
	}
	objects := slices.Concat(r.done.Objects, record.Change.Objects)
	message := r.message(objects)
	writes, err := r.Log.Writes(record, message)
	if err != nil {
		return err
	}
	with := catalog.Record{ID: record.Event.ID, Once: r.Log.Key(record.Event.ID), Writes: writes}
	receipt, err := r.Catalog.Commit(ctx, plan, on, verdict.Counted, with)
	if err != nil {
		return err
	}
	// If an earlier attempt had succeeded, its record says what was done.
	stored, err := sal.ParseRecord(receipt.Stored)
	if err != nil {
		return err
	}
	r.parts++
	r.done.ID = r.id
	r.done.Objects = append(r.done.Objects, stored.Change.Objects...)
	r.done.Revision = receipt.Revision
	r.done.Message = message
	return nil
}

// partID is the id of the next part: the run's own for the first.
func (r *run) partID() string {
	if r.parts == 0 {
		return r.id
	}
	return fmt.Sprintf("%s-%d", r.id, r.parts+1)
}

// message is what people are told of all that is done.
func (r *run) message(objects []sal.Object) string {
	if r.Quiet {
		return ""
	}
	selector := r.Selector
	if r.Summary != nil {
		selector = r.Summary(objects)
	}
	return sal.Announcement(r.Who, r.Where, r.Action, selector)
}

// fit returns as many of the changes, from the first, as surely fit into one
// commit with their record.
func (r *run) fit(changes []object.Change) []object.Change {
	const (
		perObject = 200      // what a record has around an object's values, and more
		spare     = 64 << 10 // for the record's own fields and the messages
		reserved  = 20       // writes: the record, messages and fences
	)
	bytes := spare
	for i, c := range changes {
		bytes += perObject + 2*r.Catalog.Size(c)
		if bytes > store.MaxBytes || i >= store.MaxWrites-reserved {
			return changes[:max(i, 1)]
		}
	}
	return changes
}
