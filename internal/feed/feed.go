// Package feed follows objects: it yields their state, and then every change as it
// is committed, with who made it. All changes of a transaction are yielded together;
// the transaction and its journal record have the same revision.
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

// Feed reads objects and the journal.
type Feed struct {
	Catalog *catalog.Catalog
	Journal string // prefix of the journal's records, with a trailing slash
}

// Event is the change of one object.
type Event struct {
	Object  object.Object // after the change; after a deletion, only type, tags and name are set
	Deleted bool
	// Before is a map of the object's fields before the change, as get shows them. It is
	// absent if the object was created, or if the fields are unknown, as for the first
	// change after a resumption if it has no record.
	Before value.Value
}

// Batch is the changes that one transaction made to the followed objects or, at
// first, all of these objects.
type Batch struct {
	Revision store.Revision
	Events   []Event     // in key order; empty if nothing changed up to the revision
	State    bool        // the events are the current objects, not changes
	Gap      bool        // the events are the differences after a gap; the changes are not known
	Record   *sal.Record // of the change; nil if it was not made by confctl
}

// Follow yields all objects that a query selects, as one Batch, and then every
// change of them, oldest first, until the context ends. If after is not 0, it yields
// the changes since that revision, without the objects at first.
//
// If the store becomes unreachable, Follow yields one *store.UnavailableError, if
// the failure lasts, and continues where it was when the store is back; the next
// Batch, which may be empty, shows that it is back. If the store has compacted some
// changes meanwhile, or was restored to an earlier state, Follow reads everything
// again and yields the differences as one Batch without a record, at the revision of
// that read, which may be lower than before. Before that Batch, it may yield changes
// of the restored store. If Follow began after a revision, it does not yield these
// differences, because the earlier state is not known.
//
// Other errors are those of store.Store, and end the sequence. So do a
// *store.UnavailableError before the store has answered at all and, if Follow began
// after a revision, store.ErrCompacted: the missed changes cannot be known.
func (f Feed) Follow(ctx context.Context, q catalog.Query, after store.Revision) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		w := follower{
			Feed: f, query: q, yield: yield,
			revision: after, known: map[string]object.Object{}, stale: after == 0,
		}
		w.run(ctx)
	}
}

// maxPause is the longest pause between two attempts.
const maxPause = time.Second

// follower is the state of one call of Follow.
type follower struct {
	Feed
	query    catalog.Query
	yield    func(Batch, error) bool
	revision store.Revision           // everything up to this revision has been yielded
	known    map[string]object.Object // by key, at that revision
	whole    bool                     // known has all selected objects
	stale    bool                     // the objects must be read
	proof    *object.Snapshot         // the content of the store, until it is known to be the same store
	answered bool                     // the store has answered at least once
	away     bool                     // the store is unreachable, and this was reported
	pauses   store.Backoff            // between attempts
}

// run follows the store, and retries after every error that may end.
func (w *follower) run(ctx context.Context) {
	for {
		err := w.follow(ctx)
		switch {
		case err == nil || ctx.Err() != nil:
			return
		case errors.Is(err, store.ErrCompacted) && w.whole:
			w.stale = true
		case !errors.As(err, new(*store.UnavailableError)) || !w.answered:
			w.yield(Batch{}, err)
			return
		case !w.away:
			if w.away = true; !w.yield(Batch{}, err) {
				return
			}
		}
		if !w.pauses.Wait(ctx, maxPause) {
			return
		}
	}
}

// follow yields the current objects, if they must be read, and then changes. It
// returns nil if the consumer stops, or if the context has ended.
func (w *follower) follow(ctx context.Context) error {
	unsure := w.whole && !w.stale // the store may be another one
	if w.stale {
		found, err := w.Catalog.Read(ctx, w.query)
		if err != nil {
			return err
		}
		w.stale, w.answered, w.away = false, true, false
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
		w.answered, w.away = true, false
		w.pauses.Reset()
		if !w.pass(batch) {
			return nil
		}
	}
	return nil
}

// prove reads the store, after a resumed watch has yielded its first batch. A store
// that was restored in the meantime, and changed until it passed the revision at
// which the watch resumes, looks like a store that was unreachable; only its content
// shows the difference.
func (w *follower) prove(ctx context.Context) error {
	found, err := w.Catalog.Read(ctx, w.query)
	switch {
	case err != nil:
		return err
	case found.Revision < w.revision:
		return store.ErrCompacted // the store has never reached this revision
	}
	w.proof = &found
	return nil
}

// pass yields a batch, and settles a proof once all changes up to its revision have
// been yielded. It reports whether to continue.
func (w *follower) pass(batch store.Batch) bool {
	if w.proof != nil && batch.Revision > w.proof.Revision && !w.settle() {
		return false
	}
	if !w.yield(w.batch(batch), nil) {
		return false
	}
	return w.proof == nil || batch.Revision < w.proof.Revision || w.settle()
}

// settle yields the differences between the proof and the known objects, if any.
func (w *follower) settle() bool {
	missed := w.become(*w.proof)
	w.proof = nil
	return len(missed.Events) == 0 || w.yield(missed, nil)
}

// become replaces the known objects by those found, and returns the differences.
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

// same reports whether an object was not written between two reads. Equal revisions
// alone do not prove that, because a restored store uses them again.
func same(a, b object.Object) bool {
	return a.Revision == b.Revision && a.Created == b.Created &&
		bytes.Equal(a.Raw, b.Raw) && bytes.Equal(a.AppendStored(nil), b.AppendStored(nil))
}

// batch returns the changes that a transaction made to objects, with its record.
func (w *follower) batch(b store.Batch) Batch {
	w.revision = b.Revision
	joined := Batch{Revision: b.Revision, Record: w.record(b)}
	var recorded map[sal.ObjectID]value.Value // made only if needed
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

// record returns the journal record in a transaction, or nil. A record that cannot
// be read counts as missing: the change was made in any case.
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

// befores returns the previous values of objects in a record, where the record has
// them completely.
func befores(r sal.Record) map[sal.ObjectID]value.Value {
	all := make(map[sal.ObjectID]value.Value, len(r.Change.Objects))
	for _, o := range r.Change.Objects {
		if !o.Partial {
			all[o.ID()] = o.Before
		}
	}
	return all
}

// fields returns a map of the fields of an object that are shown. It is absent if
// the object does not exist, or cannot be read.
func fields(o object.Object, there bool) value.Value {
	if !there || o.Malformed != nil {
		return value.Value{}
	}
	return value.OfMap(o.Shown()...)
}

// shown returns what would be shown of an object with an earlier value.
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
