package mirror

import (
	"context"
	"errors"
	"slices"

	"github.com/conftool/confctl/pkg/store"
)

// errLess requests another attempt with a shorter backfill.
var errLess = errors.New("the store does not remember that much")

// attemptState is the state that one attempt to follow the store passes to the next.
type attemptState struct {
	reload   bool           // everything must be read
	unsure   bool           // the store may not be the one of the view
	backfill store.Revision // how many revisions before the view the history should still begin
	answered bool           // the watch has yielded a batch
}

// attempt follows the store until an error occurs or the context ends.
func (m *Mirror) attempt(ctx context.Context, c *attemptState) error {
	if c.reload {
		if m.view.Load() != nil {
			c.backfill = 0 // the history before a gap cannot be used
		}
		if err := m.load(ctx); err != nil {
			return err
		}
		c.reload, c.unsure = false, false
	}
	return m.follow(ctx, c)
}

// load reads everything. If there already is a view, the difference becomes one
// batch.
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
	m.noteContact()
	return nil
}

// reload continues after a gap in the watch.
func (m *Mirror) reload(old *View, snap store.Snapshot) {
	m.mu.Lock()
	m.status.Reloads++
	m.mu.Unlock()
	next := &View{Revision: snap.Revision, tree: old.tree, history: old.history, changed: make(chan struct{})}
	events := difference(old.tree, snap)
	if len(events) > 0 {
		b := &Batch{Revision: snap.Revision, Reload: true}
		next.tree, b.Events = old.tree.apply(events)
		next.history = next.history.add(b, m.cfg.Batches, m.cfg.Bytes)
	}
	next.history = next.history.cut(snap.Revision)
	m.publish(next)
	m.cfg.Reloaded(len(events))
}

// difference returns the events that make a tree hold the entries of a snapshot.
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

// follow watches from the view's revision, or from an earlier one to fill the
// history, until the watch ends.
func (m *Mirror) follow(ctx context.Context, c *attemptState) error {
	view := m.view.Load()
	after := view.Revision
	var old *filling
	if c.backfill > 0 {
		after = max(0, after-c.backfill)
		old = m.newFilling(after, view.Revision)
	}
	var p *proof
	for b, err := range m.cfg.Store.Watch(ctx, after, m.cfg.Prefixes...) {
		var forgotten *store.CompactedError
		switch {
		case old != nil && errors.As(err, &forgotten):
			return m.fillLess(c, forgotten.Oldest)
		case err != nil:
			return err
		}
		if c.unsure = c.unsure || b.Resumed; c.unsure {
			if p, err = m.renew(ctx, p); err != nil {
				return err
			}
			c.unsure = false
		}
		c.answered = true
		m.noteContact()
		if old != nil {
			if !m.fill(old, b) {
				continue
			}
			old, c.backfill = nil, 0
		}
		switch {
		case p == nil:
			m.take(b)
		case m.settled(p, b):
			p = nil
		}
	}
	return ctx.Err()
}

// take applies a batch to the view.
func (m *Mirror) take(b store.Batch) {
	old := m.view.Load()
	if b.Revision <= old.Revision {
		m.late(old, b)
		return
	}
	next := *old
	next.Revision = b.Revision
	if len(b.Events) == 0 {
		m.view.Store(&next) // only the revision is newer: wake nobody
		return
	}
	added := &Batch{Revision: b.Revision}
	next.tree, added.Events = old.tree.apply(b.Events)
	next.history = old.history.add(added, m.cfg.Batches, m.cfg.Bytes)
	next.changed = make(chan struct{})
	m.publish(&next)
}

// late adds a transaction to the history that arrives after the store already
// reported its revision or a later one. The entries of the view are correct without
// it: what it wrote had been deleted by then.
func (m *Mirror) late(old *View, b store.Batch) {
	if len(b.Events) == 0 || b.Revision <= old.history.latest() {
		return
	}
	added := &Batch{Revision: b.Revision, Events: make([]Event, len(b.Events))}
	for i, e := range b.Events {
		added.Events[i] = Event{Event: e, Unknown: e.Deleted || e.Created != e.Modified}
	}
	next := *old
	next.history = old.history.add(added, m.cfg.Batches, m.cfg.Bytes)
	next.changed = make(chan struct{})
	m.publish(&next)
}

// publish makes next the latest view, and wakes all that wait for a change.
func (m *Mirror) publish(next *View) {
	if old := m.view.Swap(next); old != nil {
		close(old.changed)
	}
}
