// Package feed follows objects: what they are, and then every change of them as
// it is committed, with who made it. A transaction is never torn, and what it did
// and its record in the journal are found together by their revision.
package feed

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// Feed is where objects and journal are.
type Feed struct {
	Catalog *catalog.Catalog
	Journal string // prefix of the journal's records, with a slash at the end
}

// Event is what became of one object.
type Event struct {
	Object  object.Object // after it; of a deletion only type, tags and name count
	Deleted bool
	// Before is the object's fields as a map before the change: absent if it was
	// created, or if nobody knows, as after a resumption with a change that has
	// no record.
	Before value.Value
}

// Batch is what one transaction did to objects that are followed, or at first all
// there is of them.
type Batch struct {
	Revision store.Revision
	Events   []Event     // in key order; none at all if nothing happened up to the revision
	State    bool        // what there is, and no change
	Record   *sal.Record // of the change; nil if it was made past confctl
}

// Follow yields all that a query chooses, as one Batch, and then every change of
// it, the oldest first, until the context ends. After a revision, it yields the
// changes since that, without what there was.
//
// Errors are those of store.Store, and the last that is yielded. After a
// resumption store.ErrCompacted is one of them: it is not known what was missed.
// Else what was missed is read, and yielded as one Batch without a record.
func (f Feed) Follow(ctx context.Context, q catalog.Query, after store.Revision) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		w := follower{Feed: f, query: q, revision: after, known: map[string]object.Object{}}
		if after == 0 {
			state, err := w.load(ctx)
			state.State = true
			if !yield(state, err) || err != nil {
				return
			}
		}
		for w.watch(ctx, yield) {
			missed, err := w.load(ctx)
			if !yield(missed, err) || err != nil {
				return
			}
		}
	}
}

// follower is one who follows.
type follower struct {
	Feed
	query    catalog.Query
	revision store.Revision           // up to which everything is yielded
	known    map[string]object.Object // by key: as they are at that revision
	whole    bool                     // known is all there is
}

// load reads what there is, and returns in which it differs from what is known.
func (w *follower) load(ctx context.Context) (Batch, error) {
	found, err := w.Catalog.Read(ctx, w.query)
	if err != nil {
		return Batch{}, err
	}
	b := Batch{Revision: found.Revision}
	gone := w.known
	w.known, w.whole, w.revision = make(map[string]object.Object, len(found.Objects)), true, found.Revision
	for _, o := range found.Objects {
		before, was := gone[o.Key()]
		delete(gone, o.Key())
		if w.known[o.Key()] = o; !was || before.Revision != o.Revision {
			b.Events = append(b.Events, Event{Object: o, Before: fields(before, was)})
		}
	}
	for _, o := range gone {
		b.Events = append(b.Events, Event{Object: o, Deleted: true, Before: fields(o, true)})
	}
	slices.SortFunc(b.Events, func(a, b Event) int { return strings.Compare(a.Object.Key(), b.Object.Key()) })
	return b, nil
}

// watch yields changes, and reports whether it ended since the store has
// forgotten some that can be read again.
func (w *follower) watch(ctx context.Context, yield func(Batch, error) bool) (forgotten bool) {
	for batch, err := range w.Catalog.Watch(ctx, w.revision, w.query, w.Journal) {
		switch {
		case errors.Is(err, store.ErrCompacted) && w.whole:
			return true
		case err != nil:
			yield(Batch{}, err)
			return false
		case !yield(w.batch(batch), nil):
			return false
		}
	}
	return false
}

// batch joins what a transaction did to objects with its record.
func (w *follower) batch(b store.Batch) Batch {
	w.revision = b.Revision
	joined := Batch{Revision: b.Revision, Record: w.record(b)}
	var recorded map[sal.ObjectID]value.Value // made when it is needed
	for _, e := range b.Events {
		o, chosen := w.Catalog.Chosen(w.query, e.Entry)
		if !chosen {
			continue
		}
		before, was := w.known[o.Key()]
		event := Event{Object: o, Deleted: e.Deleted, Before: fields(before, was)}
		if !was && joined.Record != nil {
			if recorded == nil {
				recorded = befores(*joined.Record)
			}
			event.Before = recorded[sal.ObjectID{Type: o.Type.Name, Path: o.Path()}]
		}
		if delete(w.known, o.Key()); !e.Deleted {
			w.known[o.Key()] = o
		}
		joined.Events = append(joined.Events, event)
	}
	return joined
}

// record finds the record among what a transaction wrote. One that cannot be
// read is none: the change is no less true for it.
func (w *follower) record(b store.Batch) *sal.Record {
	for _, e := range b.Events {
		if e.Deleted || !strings.HasPrefix(e.Key, w.Journal) {
			continue
		}
		if r, err := sal.ParseRecord(e.Value); err == nil {
			return &r
		}
	}
	return nil
}

// befores is what a record says that objects were before.
func befores(r sal.Record) map[sal.ObjectID]value.Value {
	all := make(map[sal.ObjectID]value.Value, len(r.Change.Objects))
	for _, o := range r.Change.Objects {
		all[o.ID()] = o.Before
	}
	return all
}

// fields are those of an object as a map; absent if there is none, or none that
// can be read.
func fields(o object.Object, there bool) value.Value {
	if !there || o.Malformed != nil {
		return value.Value{}
	}
	return value.OfMap(o.Fields...)
}
