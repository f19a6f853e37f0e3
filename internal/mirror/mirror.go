// Package mirror keeps a copy of everything under some prefixes of a store in
// memory, for any number of readers, with a single watch.
//
// A View is the content at one revision, together with the latest changes before it.
// It is immutable and costs nothing to get. While the store cannot be reached, the
// view stays the same, and Status reports since when.
package mirror

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// Config describes what to mirror. Store and Prefixes are required.
type Config struct {
	Store    store.Store
	Prefixes []string // as in store.Store.Read

	// Batches and Bytes limit the history: the oldest batches beyond either are dropped,
	// but never the latest one. Bytes counts keys and values, including the values
	// before a change. 0 means 4,096 and 16 MiB.
	Batches int
	Bytes   int
	// Backfill is how many revisions before the first read the history should begin, as
	// far as the store has them: a client of another mirror, or of this one before a
	// restart, can then continue without a gap. 0 means 4,096; a negative value means no
	// backfill.
	Backfill int

	// Report, if not nil, is called with each failure, and with nil when the store can
	// be followed again. It is called once for consecutive failures with the same
	// message.
	Report func(err error)
	// Reloaded, if not nil, is called after each time that everything was read again,
	// with the number of keys that were different.
	Reloaded func(different int)
	// Now returns the current time; nil means time.Now.
	Now func() time.Time
}

// Defaults of Config.
const (
	defaultBatches  = 4096
	defaultBytes    = 16 << 20
	defaultBackfill = 4096
)

// Mirror is the copy. Its methods may be called concurrently.
type Mirror struct {
	cfg    Config
	view   atomic.Pointer[View]
	loaded chan struct{} // closed when there is a view

	mu     sync.Mutex
	status Status
}

// Status is the state of a mirror. A zero Heard means never.
type Status struct {
	Loaded  bool      // there is a view
	Heard   time.Time // when the store last responded; while it can be reached, that is at least every two seconds
	Reloads int       // how often everything was read again, because the store had compacted the changes or was another one
	Err     error     // why the store cannot be followed; nil if it can
	Since   time.Time // when the current series of errors began
}

// New returns a mirror without content. Run fills it.
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

// Prefixes returns the mirrored prefixes.
func (m *Mirror) Prefixes() []string { return m.cfg.Prefixes }

// View returns the latest view, or nil before the store has been read for the first
// time.
func (m *Mirror) View() *View { return m.view.Load() }

// Loaded returns a channel that is closed when there is a view.
func (m *Mirror) Loaded() <-chan struct{} { return m.loaded }

// Status returns the state of the mirror.
func (m *Mirror) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status
}

// Age returns the time since the store last responded, and whether it ever did.
func (m *Mirror) Age() (age time.Duration, ever bool) {
	lastContact := m.Status().Heard
	if lastContact.IsZero() {
		return 0, false
	}
	return max(0, m.cfg.Now().Sub(lastContact)), true
}

// The longest pauses between two attempts: after failures that end by themselves,
// and after failures that need a person.
const (
	maxPause  = time.Second
	longPause = 15 * time.Second
)

// Run keeps the mirror current until the context ends, and returns the context's
// error. It may be called only once for a mirror. Run continues after every error of
// the store: while it cannot be reached, the view stays the same; then Run resumes
// from the last revision. It reads everything again if that revision was compacted
// or never reached, or if the store turns out to be another one, such as a restored
// backup.
func (m *Mirror) Run(ctx context.Context) error {
	var pauses store.Backoff
	for c := (attemptState{reload: true, backfill: store.Revision(max(0, m.cfg.Backfill))}); ; {
		err := m.attempt(ctx, &c)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if c.answered {
			c.answered = false
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

// longest returns the longest pause after an error.
func longest(err error) time.Duration {
	if err == nil || errors.Is(err, store.ErrCompacted) || errors.As(err, new(*store.UnavailableError)) {
		return maxPause
	}
	return longPause
}

// noteContact records that the store responded.
func (m *Mirror) noteContact() {
	m.mu.Lock()
	was := m.status.Err
	m.status.Heard, m.status.Err, m.status.Since = m.cfg.Now(), nil, time.Time{}
	m.mu.Unlock()
	if was != nil {
		m.cfg.Report(nil)
	}
}

// errEnded is the error of a watch that ends without one.
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
