package gateway

import (
	"context"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/conftool/confctl/pkg/store"
)

func newRand() *rand.Rand { return rand.New(rand.NewPCG(7, 11)) }

// gapped is a store that forgets changes on request.
type gapped struct {
	store.Store // guarded by mu

	mu     sync.Mutex
	cancel context.CancelFunc
	gone   bool
}

// gap makes a change while the watch is interrupted, and forgets it.
func (g *gapped) gap(t testing.TB, writes ...store.Write) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone = true
	g.cancel()
	if _, err := g.Store.Commit(t.Context(), store.Txn{Writes: writes}); err != nil {
		t.Fatal(err)
	}
}

// putBack replaces the store by another one.
func (g *gapped) putBack(other store.Store) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Store = other
	g.cancel()
}

func (g *gapped) now() store.Store {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.Store
}

func (g *gapped) Read(ctx context.Context, prefixes ...string) (store.Snapshot, error) {
	return g.now().Read(ctx, prefixes...)
}

func (g *gapped) Commit(ctx context.Context, txn store.Txn) (store.Receipt, error) {
	return g.now().Commit(ctx, txn)
}

func (g *gapped) Watch(ctx context.Context, after store.Revision, prefixes ...string) iter.Seq2[store.Batch, error] {
	return func(yield func(store.Batch, error) bool) {
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		g.mu.Lock()
		g.cancel = cancel
		g.mu.Unlock()
		for b, err := range g.now().Watch(inner, after, prefixes...) {
			if inner.Err() != nil {
				break
			}
			if !yield(b, err) {
				return
			}
		}
		g.mu.Lock()
		gone := g.gone
		g.gone = false
		g.mu.Unlock()
		if gone {
			yield(store.Batch{}, store.ErrCompacted)
		}
	}
}
