package change

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// record returns the journal record of a proposal. Partial reports that more
// parts follow.
func (r *run) record(p Proposal, partial bool) sal.Record {
	return sal.Record{
		Time:    r.Now().UTC(),
		Event:   sal.Event{ID: sal.PartID(r.id, r.next), Action: r.Action, Outcome: sal.Success, Reason: r.Terms.Reason},
		User:    r.Who,
		Host:    r.Where,
		Process: r.Process,
		Change: sal.ChangeRecord{
			Selector:  r.Selector,
			Run:       r.id,
			Task:      r.Terms.Task,
			Undoes:    r.Undoes,
			Partial:   partial,
			Gone:      r.Terms.Gone,
			Emergency: r.Terms.Emergency,
			Overrides: overrides(p.Verdict),
			Findings:  slices.Concat(findings(p.Refused, "held back"), findings(idleFindings(p.Idle), "not done"), findings(p.Verdict.Findings, "refused")),
			Held:      len(p.Held),
			Objects:   sal.Objects(p.Plan.Changes),
			Fences:    fences(p),
		},
	}
}

// fences returns the revision of the last deletion, by type name, for each type
// of which the plan creates or deletes objects. An absent object has no
// revision of its own.
func fences(p Proposal) map[string]store.Revision {
	found := map[string]store.Revision{}
	for _, c := range p.Plan.Changes {
		name := c.Object().Type.Name
		if at := p.On.Fences[name]; at > 0 && (c.Before == nil || c.After == nil) {
			found[name] = at
		}
	}
	return found
}

// commit writes a plan with its record and its announcement, and adds it to the
// result.
func (r *run) commit(ctx context.Context, p Proposal, partial bool) error {
	record := r.record(p, partial)
	if err := ctx.Err(); err != nil {
		return err
	}
	record, receipt, err := r.fitted(ctx, p, record)
	if err != nil {
		return err
	}
	// If an earlier attempt has already succeeded, its record is the true one.
	stored, err := sal.ParseRecord(receipt.Stored)
	switch {
	case err != nil:
		r.Warn(err)
	case stored.Change.Void:
		return &ConflictError{Void: &sal.VoidError{Record: stored}}
	default:
		record = stored
	}
	r.parts, r.next = r.parts+1, r.next+1
	r.contested = time.Time{}
	r.records = append(r.records, record)
	r.done.ID, r.done.Revision = r.id, receipt.Revision
	r.done.Objects = append(r.done.Objects, record.Change.Objects...)
	r.done.Message = r.message(record, r.done.Objects)
	r.done.Verdict = p.Verdict
	r.done.Idle = append(r.done.Idle, p.Idle...)
	r.done.Held, r.done.Refused = append(r.done.Held, p.Held...), append(r.done.Refused, p.Refused...)
	return nil
}

// fitted writes a plan with its record. If both do not fit into one
// transaction, it omits unchanged fields from the record. It returns the record
// that was written.
func (r *run) fitted(ctx context.Context, p Proposal, record sal.Record) (sal.Record, store.Receipt, error) {
	for {
		receipt, err := r.transact(ctx, p, record)
		var large *store.TooLargeError
		if !errors.As(err, &large) || large.Bytes <= store.MaxBytes {
			return record, receipt, err
		}
		shorter, ok := record.Trim(large.Bytes - store.MaxBytes)
		if !ok {
			return record, receipt, err
		}
		record = shorter
	}
}

// transact commits a plan with its record and its announcement.
func (r *run) transact(ctx context.Context, p Proposal, record sal.Record) (store.Receipt, error) {
	message := r.message(record, slices.Concat(r.done.Objects, record.Change.Objects))
	writes, err := r.Log.Writes(record, message, r.Terms.Quiet)
	if err != nil {
		return store.Receipt{}, err
	}
	void, err := record.Void().Encode()
	if err != nil {
		return store.Receipt{}, err
	}
	data := catalog.Record{ID: record.Event.ID, Key: r.Log.Key(record.Event.ID), Void: void, Writes: writes}
	// An interrupt does not cancel a running request, because its outcome would
	// be unknown: the store's own timeout ends it.
	return r.Catalog.Commit(context.WithoutCancel(ctx), p.Plan, p.On, p.Verdict.Counted, data)
}

// message returns the announcement of the given changed objects.
func (r *run) message(record sal.Record, objects []sal.Object) string {
	selector := r.Selector
	if r.Summary != nil {
		selector = r.Summary(objects)
	}
	return sal.Announcement(record, selector)
}

// deliver delivers the announcement, and those that were in the outbox.
func (r *run) deliver(ctx context.Context) {
	own := sal.Delivery{
		ID: r.id, Message: r.done.Message, Time: r.records[len(r.records)-1].Time, Records: r.records,
		Revision: r.done.Revision, Quiet: r.Terms.Quiet,
	}
	for _, failed := range r.Log.Deliver(ctx, own, r.outbox) {
		r.Warn(failed)
	}
}

// Allowances for the parts of a commit other than the changes themselves.
const (
	perObject = 200      // bytes: an upper bound of what a record adds to an object's values
	spare     = 64 << 10 // bytes for the record's own fields and the announcements
	reserved  = 20       // writes: the record, announcements and fences
)

// maxObjectBytes is the size, as returned by catalog.Size, up to which a change
// of one object certainly fits into a commit together with its record, which
// repeats the values.
const maxObjectBytes = (store.MaxBytes - spare - perObject) / 2

// CheckSize returns a *store.TooLargeError if a change of one object does not
// fit into a commit, even with the shortest record of it. It may also return an
// error of encoding that record.
func CheckSize(cat *catalog.Catalog, c object.Change) error {
	size := cat.Size(c)
	if size <= maxObjectBytes {
		return nil
	}
	record, _ := sal.Record{Change: sal.ChangeRecord{Objects: sal.Objects([]object.Change{c})}}.Trim(size)
	text, err := record.Encode()
	if err != nil {
		return err
	}
	bytes := len(text) + spare + len(cat.Key(*c.Object()))
	if c.After != nil {
		bytes += len(c.After.AppendStored(nil))
	}
	if bytes > store.MaxBytes {
		return &store.TooLargeError{Writes: 1, Bytes: bytes, Guards: 1}
	}
	return nil
}

// fit returns the longest prefix of the changes that certainly fits into one
// commit with its record, but at least one change.
func (r *run) fit(changes []object.Change) []object.Change {
	bytes := spare
	for i, c := range changes {
		bytes += perObject + 2*r.Catalog.Size(c)
		if bytes > store.MaxBytes || i >= store.MaxWrites-reserved {
			return changes[:max(i, 1)]
		}
	}
	return changes
}

// capacityFirst orders changes that are made in parts so that the number of serving
// objects never falls below both the number before the first part and the number
// after the last. The order is: objects that are created, that start to serve,
// that serve or do not serve as before, that stop serving, and that are deleted.
// Each of these keeps the order of the plan.
func capacityFirst(changes []object.Change) []object.Change {
	rank := func(c object.Change) int {
		switch {
		case c.Before == nil:
			return 0
		case c.After == nil:
			return 4
		}
		before, after := safety.Serves(*c.Before), safety.Serves(*c.After)
		switch {
		case after && !before:
			return 1
		case before && !after:
			return 3
		}
		return 2
	}
	ordered := slices.Clone(changes)
	slices.SortStableFunc(ordered, func(a, b object.Change) int { return rank(a) - rank(b) })
	return ordered
}
