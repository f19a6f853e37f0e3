// Package mirror keeps what is under some prefixes of a store in memory, by
// one watch, for any number of readers.
//
// A View is all of it at one revision, with what changed last before that. It
// costs nothing to take and never changes. While the store is out of reach the
// views stay what they are, and Status says for how long.
package mirror

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// Config says what to mirror. Store and Prefixes are needed.
type Config struct {
	Store    store.Store
	Prefixes []string // as of store.Store.Read

	// Batches and Bytes bound the history: what is beyond either is forgotten,
	// but never the latest batch. Bytes counts keys and values, those before a
	// change too. 4,096 and 16 MiB if 0.
	Batches int
	Bytes   int
	// Backfill is how many revisions before the first read the history should
	// begin, as far as the store remembers them: who asked another mirror, or
	// the one before a restart, goes on as if nothing had been. 4,096 if 0,
	// none if negative.
	Backfill int

	// Report, if set, is told of each failure, and with nil that it is over.
	// The same failure again is told once.
	Report func(err error)
	// Reloaded, if set, is told of each time that everything was taken anew after
	// the first, and how many keys were different.
	Reloaded func(different int)
	// Now is the time; time.Now if nil.
	Now func() time.Time
}

// Defaults of the configuration.
const (
	defaultBatches  = 4096
	defaultBytes    = 16 << 20
	defaultBackfill = 4096
)

// Mirror is the copy. Its methods may be used by several goroutines.
type Mirror struct {
	cfg    Config
	view   atomic.Pointer[View]
	loaded chan struct{} // closed with the first view

	mu     sync.Mutex
	status Status
}

// Status is how a mirror is. The zero Heard means never.
type Status struct {
	Loaded  bool      // there is a view
	Heard   time.Time // when the store last gave a sign of life: at least every two seconds, while it can be reached
	Reloads int       // how often all was taken anew, since the store had forgotten the changes, or was another
	Err     error     // why the store cannot be followed now; nil if it can
	Since   time.Time // when Err, or another before it, began
}

// New returns a mirror that has nothing yet: Run fills it.
func New(cfg Config) *Mirror {
	if cfg.Batches <= 0 {
		cfg.Batches = defaultBatches
	}
	if cfg.Bytes <= 0 {
		cfg.Bytes = defaultBytes
	}
	if cfg.Backfill == 0 {
		cfg.Backfill = defaultBackfill
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Report == nil {
		cfg.Report = func(error) {}
	}
	if cfg.Reloaded == nil {
		cfg.Reloaded = func(int) {}
	}
	return &Mirror{cfg: cfg, loaded: make(chan struct{})}
}

// Prefixes is what is mirrored.
func (m *Mirror) Prefixes() []string { return m.cfg.Prefixes }

// View returns the latest view, nil before the store was read for the first
// time.
func (m *Mirror) View() *View { return m.view.Load() }

// Loaded is closed when there is a view.
func (m *Mirror) Loaded() <-chan struct{} { return m.loaded }

// Status says how the mirror is.
func (m *Mirror) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status
}

// Age is how long ago the store gave a sign of life, and whether it ever did.
func (m *Mirror) Age() (age time.Duration, ever bool) {
	heard := m.Status().Heard
	if heard.IsZero() {
		return 0, false
	}
	return max(0, m.cfg.Now().Sub(heard)), true
}

// How long a pause between two attempts may come to be, after failures that pass
// by themselves, and after those that a person has to put right.
const (
	mostPause = time.Second
	longPause = 15 * time.Second
)

// Run keeps the mirror until the context ends, and returns its error. It is
// called once in a mirror's life, also when it has ended. Whatever the store says,
// Run goes on: with what is in memory while it cannot be reached, from the last
// revision when it can again, and from all there is when that revision is
// forgotten or was never reached, or when the store turns out to be another one,
// as after a backup was put back.
func (m *Mirror) Run(ctx context.Context) error {
	var pauses store.Backoff
	for c := (course{reload: true, backfill: store.Revision(max(0, m.cfg.Backfill))}); ; {
		err := m.attempt(ctx, &c)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if c.heard {
			c.heard = false
			pauses.Reset()
		}
		switch {
		case errors.Is(err, errLess):
			continue
		case errors.Is(err, store.ErrCompacted):
			c.reload = true
		default:
			m.failed(err)
			c.unsure = true
		}
		if !pauses.Wait(ctx, longest(err)) {
			return ctx.Err()
		}
	}
}

// longest is how long a pause after an error may come to be.
func longest(err error) time.Duration {
	if err == nil || errors.Is(err, store.ErrCompacted) || errors.As(err, new(*store.UnavailableError)) {
		return mostPause
	}
	return longPause
}

// heard notes a sign of life.
func (m *Mirror) heard() {
	m.mu.Lock()
	was := m.status.Err
	m.status.Heard, m.status.Err, m.status.Since = m.cfg.Now(), nil, time.Time{}
	m.mu.Unlock()
	if was != nil {
		m.cfg.Report(nil)
	}
}

// errEnded is a watch that ends without saying why.
var errEnded = errors.New("the watch has ended")

func (m *Mirror) failed(err error) {
	if err == nil {
		err = errEnded
	}
	m.mu.Lock()
	known := m.status.Err != nil && m.status.Err.Error() == err.Error()
	if m.status.Err == nil {
		m.status.Since = m.cfg.Now()
	}
	m.status.Err = err
	m.mu.Unlock()
	if !known {
		m.cfg.Report(err)
	}
}
