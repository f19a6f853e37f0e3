package mirror

import (
	"context"

	"github.com/conftool/confctl/pkg/store"
)

// proof compares the content of the store with what a resumed watch has yielded. A
// store that was restored from a backup in the meantime, and written to until it
// passed the revision at which the watch resumes, looks like a store that was
// unreachable; only its content shows the difference. Until that is decided nothing
// is published, because the views would mix both stores.
type proof struct {
	holds store.Snapshot
	held  []store.Batch
	bytes int
}

// renew reads the store, after a resumed watch has yielded its first batch. Batches
// that an earlier proof held back are kept.
func (m *Mirror) renew(ctx context.Context, p *proof) (*proof, error) {
	snap, err := m.cfg.Store.Read(ctx, m.cfg.Prefixes...)
	switch {
	case err != nil:
		return nil, err
	case snap.Revision < m.view.Load().Revision:
		return nil, store.ErrCompacted // it has never reached the revision of the mirror
	case p == nil:
		p = &proof{}
	}
	p.holds = snap
	return p, nil
}

// settled adds a batch, and reports whether it is decided which store this is. If
// more must be held back than the history would keep, it is treated as another
// store, which is always correct.
func (m *Mirror) settled(p *proof, b store.Batch) bool {
	if len(b.Events) > 0 {
		p.held = append(p.held, b)
		for _, e := range b.Events {
			p.bytes += size(e)
		}
	}
	view := m.view.Load()
	switch {
	case b.Revision >= p.holds.Revision:
		if len(difference(p.apply(view), p.holds)) > 0 {
			m.reload(view, p.holds)
		}
	case len(p.held) > m.cfg.Batches || p.bytes > m.cfg.Bytes:
		m.reload(view, p.holds)
	default:
		return false
	}
	for _, held := range p.held {
		m.take(held)
	}
	m.take(store.Batch{Revision: b.Revision})
	return true
}

// apply returns the tree of the view at the revision of the proof, if the store is
// the same.
func (p *proof) apply(v *View) tree {
	t := v.tree
	for _, b := range p.held {
		if v.Revision < b.Revision && b.Revision <= p.holds.Revision {
			t, _ = t.apply(b.Events)
		}
	}
	return t
}
