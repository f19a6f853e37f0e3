package mirror

import (
	"context"
	"errors"
	"slices"

	"github.com/conftool/confctl/pkg/store"
)

// errLess asks to follow again, with less of a backfill.
var errLess = errors.New("the store does not remember that much")

// load reads everything. If there is a view already, the difference becomes
// one batch.
func (m *Mirror) load(ctx context.Context) error {
	snap, err := m.cfg.Store.Read(ctx, m.cfg.Prefixes...)
	if err != nil {
		return err
	}
	old := m.view.Load()
	if old == nil {
		m.publish(&View{
			Revision: snap.Revision, tree: newTree(snap.Entries),
			history: history{first: firstSequence, indexed: firstSequence, floor: snap.Revision},
			filling: m.cfg.Backfill > 0, changed: make(chan struct{}),
		})
		m.mu.Lock()
		m.status.Loaded = true
		m.mu.Unlock()
		close(m.loaded)
	} else {
		m.reload(old, snap)
	}
	m.heard()
	return nil
}

// reload follows the store over a gap.
func (m *Mirror) reload(old *View, snap store.Snapshot) {
	m.mu.Lock()
	m.status.Reloads++
	m.mu.Unlock()
	next := &View{Revision: snap.Revision, tree: old.tree, history: old.history, changed: make(chan struct{})}
	if events := difference(old.tree, snap); len(events) > 0 {
		b := &Batch{Revision: snap.Revision, Reload: true}
		next.tree, b.Events = old.tree.apply(events)
		next.history = next.history.add(b, m.cfg.Batches, m.cfg.Bytes)
	}
	next.history = next.history.cut(snap.Revision)
	m.publish(next)
}

// difference is what would make a tree hold the entries of a snapshot.
func difference(t tree, snap store.Snapshot) []store.Event {
	var events []store.Event
	gone := func(e *store.Entry) {
		events = append(events, store.Event{Entry: store.Entry{Key: e.Key, Modified: snap.Revision}, Deleted: true})
	}
	left := snap.Entries
	for e := range t.all() {
		for len(left) > 0 && left[0].Key < e.Key {
			events = append(events, store.Event{Entry: left[0]})
			left = left[1:]
		}
		if len(left) == 0 || left[0].Key != e.Key {
			gone(e)
			continue
		}
		if !same(*e, left[0]) {
			events = append(events, store.Event{Entry: left[0]})
		}
		left = left[1:]
	}
	for _, e := range left {
		events = append(events, store.Event{Entry: e})
	}
	return events
}

func same(a, b store.Entry) bool {
	return a.Modified == b.Modified && a.Created == b.Created && slices.Equal(a.Value, b.Value)
}

// follow watches from the view's revision, or from some way before it to fill
// the history, until the watch ends. If it resumes an earlier watch, it makes
// sure that the store is still the same one.
func (m *Mirror) follow(ctx context.Context, backfill *int, resumes bool) error {
	view := m.view.Load()
	after := view.Revision
	var old *filling
	var proof *store.Snapshot
	if *backfill > 0 {
		after = max(0, after-store.Revision(*backfill))
		old = &filling{from: after, until: view.Revision, last: make(map[string]*store.Entry)}
	}
	for b, err := range m.cfg.Store.Watch(ctx, after, m.cfg.Prefixes...) {
		if err != nil {
			if old != nil && errors.Is(err, store.ErrCompacted) {
				return m.fillLess(backfill)
			}
			return err
		}
		m.heard()
		if resumes {
			snap, err := m.cfg.Store.Read(ctx, m.cfg.Prefixes...)
			if err != nil {
				return err
			}
			resumes, proof = false, &snap
		}
		if old != nil {
			if len(b.Events) > 0 && b.Revision <= old.until {
				old.add(b)
			}
			if b.Revision < old.until {
				continue
			}
			m.filled(old)
			old, *backfill = nil, 0
		}
		if proof != nil && (b.Revision > proof.Revision || b.Revision == proof.Revision && len(b.Events) == 0) {
			m.prove(*proof)
			proof = nil
		}
		m.take(b)
	}
	return ctx.Err()
}

// prove compares what the mirror holds with what was read, now that it has taken
// all up to that revision. A store that was put back from a backup meanwhile, and
// written to until it was past where the watch goes on, looks like one that was
// away: only what it holds tells.
func (m *Mirror) prove(proof store.Snapshot) {
	if view := m.view.Load(); len(difference(view.tree, proof)) > 0 {
		m.reload(view, proof)
	}
}

// fillLess has the history begin later, and in the end where the view is.
func (m *Mirror) fillLess(backfill *int) error {
	if *backfill /= 8; *backfill == 0 {
		m.filled(&filling{from: m.view.Load().history.floor})
	}
	return errLess
}

// take goes on by one batch.
func (m *Mirror) take(b store.Batch) {
	old := m.view.Load()
	if b.Revision <= old.Revision {
		return
	}
	next := *old
	next.Revision = b.Revision
	if len(b.Events) == 0 {
		m.view.Store(&next) // nothing that anybody waits for
		return
	}
	added := &Batch{Revision: b.Revision}
	next.tree, added.Events = old.tree.apply(b.Events)
	next.history = old.history.add(added, m.cfg.Batches, m.cfg.Bytes)
	next.changed = make(chan struct{})
	m.publish(&next)
}

// publish makes a view the latest, and wakes those who wait for it.
func (m *Mirror) publish(next *View) {
	if old := m.view.Swap(next); old != nil {
		close(old.changed)
	}
}

// filling is the history from before the first view.
type filling struct {
	from, until store.Revision
	batches     []*Batch
	last        map[string]*store.Entry // what a key was at the latest of these batches; nil: deleted
}

// add takes a batch. What was there before is known of what an earlier batch
// wrote, and of what is created.
func (f *filling) add(b store.Batch) {
	added := &Batch{Revision: b.Revision}
	for _, e := range b.Events {
		before, known := f.last[e.Key]
		created := !e.Deleted && e.Created == e.Modified
		ev := Event{Event: e, Before: before, Unknown: !known && !created}
		added.Events = append(added.Events, ev)
		f.last[e.Key] = nil
		if !e.Deleted {
			f.last[e.Key] = &ev.Entry
		}
	}
	f.batches = append(f.batches, added)
}

// filled puts older history before what there is.
func (m *Mirror) filled(f *filling) {
	old := m.view.Load()
	next := *old
	next.filling = false
	next.changed = make(chan struct{})
	if len(f.batches) > 0 || f.from < old.history.floor {
		next.history = old.history.before(f.from, f.batches, m.cfg.Batches, m.cfg.Bytes)
	}
	m.publish(&next)
}
