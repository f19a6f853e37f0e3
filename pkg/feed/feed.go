// Package feed follows objects: what they are, and then every change of them as
// it is committed, with who made it. A transaction is never torn, and what it did
// and its record in the journal are found together by their revision.
package feed

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

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
	// Before is the object's fields before the change, those that a get shows, as a
	// map: absent if it was created, or if nobody knows, as of what is changed
	// without a record for the first time after a resumption.
	Before value.Value
}

// Batch is what one transaction did to objects that are followed, or at first all
// there is of them.
type Batch struct {
	Revision store.Revision
	Events   []Event     // in key order; none at all if nothing happened up to the revision
	State    bool        // what there is, and no change
	Gap      bool        // in what there is differs from what was, and no change: those are not known
	Record   *sal.Record // of the change; nil if it was made past confctl
}

// Follow yields all that a query chooses, as one Batch, and then every change of
// it, the oldest first, until the context ends. After a revision, it yields the
// changes since that, without what there was.
//
// A store that goes away does not end it. It yields a *store.UnavailableError once,
// if that lasts, and goes on from where it was when the store is back, which any
// Batch says, be it an empty one. Where the store has forgotten some changes then,
// or was put back to an earlier state, all is read, and in what it differs is
// yielded as one Batch without a record, at the revision that was read: it may be a
// lower one. Changes may come before that which are those of the store that was
// put back. Who began after a revision is told of no such difference: what there
// was is not known.
//
// Other errors are those of store.Store, and the last that is yielded. So is
// *store.UnavailableError before the store has answered at all, and, after a
// resumption, store.ErrCompacted: what was missed cannot be known.
func (f Feed) Follow(ctx context.Context, q catalog.Query, after store.Revision) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		w := follower{
			Feed: f, query: q, yield: yield,
			revision: after, known: map[string]object.Object{}, stale: after == 0,
		}
		w.run(ctx)
	}
}

// mostPause is how long a pause between two attempts may come to be.
const mostPause = time.Second

// follower is one who follows.
type follower struct {
	Feed
	query    catalog.Query
	yield    func(Batch, error) bool
	revision store.Revision           // up to which everything is yielded
	known    map[string]object.Object // by key: as they are at that revision
	whole    bool                     // known is all there is
	stale    bool                     // what there is has to be read
	proof    *object.Snapshot         // what there is, while that is not known to be the same
	heard    bool                     // the store has answered
	away     bool                     // it does not any more, which is said
	pauses   store.Backoff            // between attempts
}

// run follows over whatever can be got over.
func (w *follower) run(ctx context.Context) {
	for {
		err := w.follow(ctx)
		switch {
		case err == nil || ctx.Err() != nil:
			return
		case errors.Is(err, store.ErrCompacted) && w.whole:
			w.stale = true
		case !errors.As(err, new(*store.UnavailableError)) || !w.heard:
			w.yield(Batch{}, err)
			return
		case !w.away:
			if w.away = true; !w.yield(Batch{}, err) {
				return
			}
		}
		if !w.pauses.Wait(ctx, mostPause) {
			return
		}
	}
}

// follow yields what there is, if it has to be read, and then changes. It ends
// without an error if that is enough, or if the context has ended.
func (w *follower) follow(ctx context.Context) error {
	unsure := w.whole && !w.stale // whether this is the same store
	if w.stale {
		found, err := w.Catalog.Read(ctx, w.query)
		if err != nil {
			return err
		}
		w.stale, w.heard, w.away = false, true, false
		if !w.yield(w.become(found), nil) {
			return nil
		}
	}
	w.proof = nil
	for batch, err := range w.Catalog.Watch(ctx, w.revision, w.query, w.Journal) {
		if err != nil {
			return err
		}
		if unsure || batch.Resumed && w.whole {
			if err := w.prove(ctx); err != nil {
				return err
			}
			unsure = false
		}
		w.heard, w.away = true, false
		w.pauses.Reset()
		if !w.pass(batch) {
			return nil
		}
	}
	return nil
}

// prove reads what there is, once a resumed watch has said something. A store that
// was put back meanwhile, and changed until it was past where the watch goes on,
// looks like one that was away: only what it holds tells.
func (w *follower) prove(ctx context.Context) error {
	found, err := w.Catalog.Read(ctx, w.query)
	switch {
	case err != nil:
		return err
	case found.Revision < w.revision:
		return store.ErrCompacted // it has never been where this is
	}
	w.proof = &found
	return nil
}

// pass yields a batch, and settles a proof once all changes up to its revision
// have come. It reports whether more is wanted.
func (w *follower) pass(batch store.Batch) bool {
	if w.proof != nil && batch.Revision > w.proof.Revision && !w.settle() {
		return false
	}
	if !w.yield(w.batch(batch), nil) {
		return false
	}
	return w.proof == nil || batch.Revision < w.proof.Revision || w.settle()
}

// settle yields in what the proof differs, if it does.
func (w *follower) settle() bool {
	missed := w.become(*w.proof)
	w.proof = nil
	return len(missed.Events) == 0 || w.yield(missed, nil)
}

// become has what was found be what is known, and returns in what it differs.
func (w *follower) become(found object.Snapshot) Batch {
	b := Batch{Revision: found.Revision, State: !w.whole, Gap: w.whole}
	gone := w.known
	w.known, w.whole, w.revision = make(map[string]object.Object, len(found.Objects)), true, found.Revision
	for _, o := range found.Objects {
		before, was := gone[o.Key()]
		delete(gone, o.Key())
		if w.known[o.Key()] = o; !was || !same(before, o) {
			b.Events = append(b.Events, Event{Object: o, Before: fields(before, was)})
		}
	}
	for _, o := range gone {
		b.Events = append(b.Events, Event{Object: o, Deleted: true, Before: fields(o, true)})
	}
	slices.SortFunc(b.Events, func(a, b Event) int { return strings.Compare(a.Object.Key(), b.Object.Key()) })
	return b
}

// same reports whether nothing was written between two looks at an object. The
// revision does not tell alone: a store that was put back has it twice.
func same(a, b object.Object) bool {
	return a.Revision == b.Revision && a.Created == b.Created &&
		bytes.Equal(a.Raw, b.Raw) && bytes.Equal(a.AppendStored(nil), b.AppendStored(nil))
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
			event.Before = shown(o, recorded[sal.ObjectID{Type: o.Type.Name, Path: o.Path()}])
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
		if r, err := sal.ParseRecord(e.Value); err == nil && !r.Change.Void {
			return &r
		}
	}
	return nil
}

// befores is what a record says that objects were before, where it has that whole.
func befores(r sal.Record) map[sal.ObjectID]value.Value {
	all := make(map[sal.ObjectID]value.Value, len(r.Change.Objects))
	for _, o := range r.Change.Objects {
		if !o.Partial {
			all[o.ID()] = o.Before
		}
	}
	return all
}

// fields are those of an object that are shown, as a map; absent if there is none,
// or none that can be read.
func fields(o object.Object, there bool) value.Value {
	if !there || o.Malformed != nil {
		return value.Value{}
	}
	return value.OfMap(o.Shown()...)
}

// shown is what would be shown of an object that was once so.
func shown(o object.Object, was value.Value) value.Value {
	if was.Kind() != value.Map || o.Type.FreeForm {
		return was
	}
	fields := slices.DeleteFunc(was.Fields(), func(f value.Field) bool {
		_, declared := o.Type.Field(f.Name)
		return !declared
	})
	return value.OfMap(fields...)
}
