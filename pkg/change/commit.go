package change

import (
	"context"
	"slices"
	"time"

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
		Time:    r.Now().UTC(),
		Event:   sal.Event{ID: sal.PartID(r.id, r.parts+1), Action: r.Action},
		User:    r.Who,
		Host:    r.Where,
		Process: r.Process,
		Change:  sal.ChangeRecord{Selector: r.Selector, Run: r.id, Objects: sal.Objects(plan.Changes)},
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	message := r.message(slices.Concat(r.done.Objects, record.Change.Objects))
	writes, err := r.Log.Writes(record, message)
	if err != nil {
		return err
	}
	with := catalog.Record{ID: record.Event.ID, Key: r.Log.Key(record.Event.ID), Writes: writes}
	// An interrupt does not cut off a request under way, which would leave it
	// unknown what was done: the store's own timeout ends it.
	receipt, err := r.Catalog.Commit(context.WithoutCancel(ctx), plan, on, verdict.Counted, with)
	if err != nil {
		return err
	}
	r.parts++
	r.contested = time.Time{}
	r.done.ID, r.done.Revision = r.id, receipt.Revision
	// If an earlier attempt had succeeded already, its record says what was done.
	if stored, err := sal.ParseRecord(receipt.Stored); err == nil {
		record = stored
	} else {
		r.Warn(err.Error())
	}
	r.done.Objects = append(r.done.Objects, record.Change.Objects...)
	r.done.Message = r.message(r.done.Objects)
	return nil
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
