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

// record is the journal's entry of a proposal, as far as it is to be made now.
// Partial says that more is to follow.
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

// fences returns when something of each type was last deleted before objects of
// it are created or deleted: what is absent has no revision of its own.
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

// commit writes a plan with its record and its message, and adds it to what
// is done.
func (r *run) commit(ctx context.Context, p Proposal, partial bool) error {
	record := r.record(p, partial)
	if err := ctx.Err(); err != nil {
		return err
	}
	record, receipt, err := r.fitted(ctx, p, record)
	if err != nil {
		return err
	}
	// If an earlier attempt had succeeded already, its record says what was done.
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

// fitted writes a plan with its record, and leaves out of that what has not
// changed as far as both do not fit into one transaction otherwise. It returns the
// record that was written.
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

// transact writes a plan with its record and its message.
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
	with := catalog.Record{ID: record.Event.ID, Key: r.Log.Key(record.Event.ID), Void: void, Writes: writes}
	// An interrupt does not cut off a request under way, which would leave it
	// unknown what was done: the store's own timeout ends it.
	return r.Catalog.Commit(context.WithoutCancel(ctx), p.Plan, p.On, p.Verdict.Counted, with)
}

// message is what people are told of all that is done.
func (r *run) message(record sal.Record, objects []sal.Object) string {
	selector := r.Selector
	if r.Summary != nil {
		selector = r.Summary(objects)
	}
	return sal.Announcement(record, selector)
}

// deliver tells people.
func (r *run) deliver(ctx context.Context) {
	own := sal.Delivery{
		ID: r.id, Message: r.done.Message, Time: r.records[len(r.records)-1].Time, Records: r.records,
		Revision: r.done.Revision, Quiet: r.Terms.Quiet,
	}
	for _, failed := range r.Log.Deliver(ctx, own, r.outbox) {
		r.Warn(failed)
	}
}

// What is in a commit beside what its changes write.
const (
	perObject = 200      // bytes: what a record has around an object's values, and more
	spare     = 64 << 10 // bytes for the record's own fields and the messages
	reserved  = 20       // writes: the record, messages and fences
)

// mostBytes is how large a change to one object may be, as catalog.Size counts it,
// to surely fit into a commit with its record, which has the same again.
const mostBytes = (store.MaxBytes - spare - perObject) / 2

// CheckSize reports a change to one object that fits into no commit, not even with
// the shortest record of it, as a *store.TooLargeError.
func CheckSize(in *catalog.Catalog, c object.Change) error {
	size := in.Size(c)
	if size <= mostBytes {
		return nil
	}
	record, _ := sal.Record{Change: sal.ChangeRecord{Objects: sal.Objects([]object.Change{c})}}.Trim(size)
	text, err := record.Encode()
	if err != nil {
		return err
	}
	bytes := len(text) + spare + len(in.Key(*c.Object()))
	if c.After != nil {
		bytes += len(c.After.AppendStored(nil))
	}
	if bytes > store.MaxBytes {
		return &store.TooLargeError{Writes: 1, Bytes: bytes, Guards: 1}
	}
	return nil
}

// fit returns as many of the changes, from the first, as surely fit into one
// commit with their record, but at least one.
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

// givingFirst orders changes that are made in parts so that no part leaves less
// serving than there was before the first and will be after the last: what is
// created, what begins to serve, what goes on as it did, what ceases to serve, and
// what is deleted. Within these the order stays.
func givingFirst(changes []object.Change) []object.Change {
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
