// Package feed follows objects: what they are, and then every change of them as
// it is committed, with who made it. A transaction is never torn, and what it did
// and its record in the journal are found together by their revision.
package feed

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"math/rand/v2"
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
	// Before is the object's fields as a map before the change: absent if it was
	// created, or if nobody knows, as of what is changed without a record for the
	// first time after a resumption.
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
// A store that goes away does not end it. It yields a *store.UnavailableError once,
// and goes on from where it was when the store is back, which any Batch says, be it
// an empty one. Where the store has forgotten some changes then, or was put back
// to an earlier state, all is read, and in what it differs is yielded as one Batch
// without a record, at the revision that was read: it may be a lower one.
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

// Pauses between two attempts. The store's own patience comes on top of them.
const (
	firstPause = 50 * time.Millisecond
	mostPause  = time.Second
)

// follower is one who follows.
type follower struct {
	Feed
	query    catalog.Query
	yield    func(Batch, error) bool
	revision store.Revision           // up to which everything is yielded
	known    map[string]object.Object // by key: as they are at that revision
	whole    bool                     // known is all there is
	stale    bool                     // what there is has to be read
	heard    bool                     // the store has answered
	away     bool                     // it does not any more, which is said
	pause    time.Duration            // before the next attempt; 0 if the last one went well
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
		if !w.wait(ctx) {
			return
		}
	}
}

// follow yields what there is, if it has to be read, and then changes. It ends
// without an error if that is enough, or if the context has ended.
func (w *follower) follow(ctx context.Context) error {
	var proof *object.Snapshot
	if w.stale || w.away && w.whole {
		found, err := w.Catalog.Read(ctx, w.query)
		if err != nil {
			return err
		}
		proof = &found
	}
	if w.stale {
		w.stale, w.heard, w.away = false, true, false
		if !w.yield(w.become(*proof), nil) {
			return nil
		}
		proof = nil
	}
	for batch, err := range w.Catalog.Watch(ctx, w.revision, w.query, w.Journal) {
		if err != nil {
			return err
		}
		w.heard, w.away, w.pause = true, false, 0
		if proof != nil && past(batch, proof.Revision) {
			if missed := w.become(*proof); len(missed.Events) > 0 && !w.yield(missed, nil) {
				return nil
			}
			proof = nil
		}
		if !w.yield(w.batch(batch), nil) {
			return nil
		}
	}
	return nil
}

// past reports whether nothing up to a revision comes with or after a batch.
func past(b store.Batch, revision store.Revision) bool {
	return b.Revision > revision || b.Revision == revision && len(b.Events) == 0
}

// wait is what lies between two attempts, a little more each time. Those who lost
// the same store do not come back together.
func (w *follower) wait(ctx context.Context) bool {
	w.pause = min(max(2*w.pause, firstPause), mostPause)
	select {
	case <-ctx.Done():
		return false
	case <-time.After(w.pause/2 + rand.N(w.pause/2)):
		return true
	}
}

// become has what was found be what is known, and returns in which it differs.
//
// After an outage that is done, too, once all changes up to that revision have
// come: a store that was put back meanwhile, and changed until it was past where
// the watch goes on, looks like one that was away. Only what it holds tells.
func (w *follower) become(found object.Snapshot) Batch {
	b := Batch{Revision: found.Revision, State: !w.whole}
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
