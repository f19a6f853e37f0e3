package mirror

import (
	"context"

	"github.com/conftool/confctl/pkg/store"
)

// proof is what the store holds, and what the watch has brought since it was
// resumed. A store that was put back from a backup meanwhile, and written to until
// it was past where the watch goes on, looks like one that was away: only what it
// holds tells. Until that is known nothing is published, or there would be views
// of both.
type proof struct {
	holds store.Snapshot
	held  []store.Batch
	bytes int
}

// renew reads the store, once a resumed watch has said something. What an earlier
// proof has held back stays so.
func (m *Mirror) renew(ctx context.Context, p *proof) (*proof, error) {
	snap, err := m.cfg.Store.Read(ctx, m.cfg.Prefixes...)
	switch {
	case err != nil:
		return nil, err
	case snap.Revision < m.view.Load().Revision:
		return nil, store.ErrCompacted // it has never been where the mirror is
	case p == nil:
		p = &proof{}
	}
	p.holds = snap
	return p, nil
}

// settled takes a batch, and reports whether it is known by now which store this
// is. If there is more to hold back than the history would keep, it is taken for
// another one, which is never wrong.
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

// apply makes the tree of a view as it is at the revision of the proof, if the
// store is the same.
func (p *proof) apply(v *View) tree {
	t := v.tree
	for _, b := range p.held {
		if v.Revision < b.Revision && b.Revision <= p.holds.Revision {
			t, _ = t.apply(b.Events)
		}
	}
	return t
}
