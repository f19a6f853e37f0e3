package mirror

import "github.com/conftool/confctl/pkg/store"

// filling is the part of the history from before the first view: the newest batches
// that fit its limits.
type filling struct {
	history
	until store.Revision
	last  map[string]*store.Entry // the state of a key after the latest batch that wrote it; nil if deleted

	maxBatches, maxBytes int
}

func (m *Mirror) newFilling(from, until store.Revision) *filling {
	return &filling{
		history: history{floor: from}, until: until, last: make(map[string]*store.Entry),
		maxBatches: m.cfg.Batches, maxBytes: m.cfg.Bytes,
	}
}

// take adds a batch. The entry before an event is known if an earlier batch wrote
// the key, or if the event creates it.
func (f *filling) take(b store.Batch) {
	added := &Batch{Revision: b.Revision, Events: make([]Event, len(b.Events))}
	for i, e := range b.Events {
		before, known := f.last[e.Key]
		created := !e.Deleted && e.Created == e.Modified
		added.Events[i] = Event{Event: e, Before: before, Unknown: !known && !created}
		f.last[e.Key] = nil
		if !e.Deleted {
			entry := e.Entry // a copy, so that the previous entry is not kept in memory as well
			f.last[e.Key] = &entry
		}
	}
	f.history = f.add(added, f.maxBatches, f.maxBytes)
}

// fill adds a batch if it belongs to the filling, and reports whether the filling is
// complete.
func (m *Mirror) fill(f *filling, b store.Batch) (full bool) {
	if len(b.Events) > 0 && b.Revision <= f.until {
		f.take(b)
	}
	if b.Revision < f.until {
		return false
	}
	m.filled(f)
	return true
}

// fillLess starts the history later, or at the revision of the view if nothing
// earlier is left, and returns errLess.
func (m *Mirror) fillLess(c *attemptState, oldest store.Revision) error {
	view := m.view.Load()
	if less := view.Revision - oldest; 0 < less && less < c.backfill {
		c.backfill = less
	} else {
		c.backfill = 0
		m.filled(m.newFilling(view.history.floor, view.Revision))
	}
	return errLess
}

// filled puts the older history before the history of the view.
func (m *Mirror) filled(f *filling) {
	old := m.view.Load()
	next := *old
	next.filling = false
	next.changed = make(chan struct{})
	if len(f.batches) > 0 || f.floor < old.history.floor {
		next.history = old.history.before(f.floor, f.batches, m.cfg.Batches, m.cfg.Bytes)
	}
	m.publish(&next)
}
