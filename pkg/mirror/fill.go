package mirror

import "github.com/conftool/confctl/pkg/store"

// filling is the history from before the first view: as much of its end as the
// bounds allow.
type filling struct {
	history
	until store.Revision
	last  map[string]*store.Entry // what a key was at the latest batch that wrote it; nil: deleted

	mostBatches, mostBytes int
}

func (m *Mirror) newFilling(from, until store.Revision) *filling {
	return &filling{
		history: history{floor: from}, until: until, last: make(map[string]*store.Entry),
		mostBatches: m.cfg.Batches, mostBytes: m.cfg.Bytes,
	}
}

// take takes a batch. What was there before is known of what an earlier batch
// wrote, and of what is created.
func (f *filling) take(b store.Batch) {
	added := &Batch{Revision: b.Revision, Events: make([]Event, len(b.Events))}
	for i, e := range b.Events {
		before, known := f.last[e.Key]
		created := !e.Deleted && e.Created == e.Modified
		added.Events[i] = Event{Event: e, Before: before, Unknown: !known && !created}
		f.last[e.Key] = nil
		if !e.Deleted {
			entry := e.Entry // alone: what was before it is not to be kept as long
			f.last[e.Key] = &entry
		}
	}
	f.history = f.add(added, f.mostBatches, f.mostBytes)
}

// fill has a filling take what is of its time, and reports whether that was all.
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

// fillLess has the history begin later, and in the end where the view is.
func (m *Mirror) fillLess(c *course, oldest store.Revision) error {
	view := m.view.Load()
	if less := view.Revision - oldest; 0 < less && less < c.backfill {
		c.backfill = less
	} else {
		c.backfill = 0
		m.filled(m.newFilling(view.history.floor, view.Revision))
	}
	return errLess
}

// filled puts older history before what there is.
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
