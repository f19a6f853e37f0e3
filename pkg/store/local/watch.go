package local

import (
	"context"
	"iter"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/conftool/confctl/pkg/store"
)

// lifeInterval is the time between two signs of life. It is also how often the
// file is read where the kernel does not tell of changes.
const lifeInterval = time.Second

// Watch implements store.Store. A revision that the store has not reached, as
// after an older file was put in its place, ends it with ErrCompacted. Another
// file that has reached it is told by its transaction of that revision.
func (s *Store) Watch(ctx context.Context, after store.Revision, prefixes ...string) iter.Seq2[store.Batch, error] {
	return func(yield func(store.Batch, error) bool) {
		s.debug("local: watch %s %q after revision %d", s.path, prefixes, after)
		bell := s.hang()
		defer bell.close()
		next, l, resumed := time.Now(), look{upTo: after}, false
		pass := func(b store.Batch) bool {
			b.Resumed, resumed = resumed, false
			return yield(b, nil)
		}
		for ctx.Err() == nil {
			before := l
			var err error
			if l, err = s.look(ctx, before.upTo, prefixes); err != nil {
				if ctx.Err() == nil {
					yield(store.Batch{}, err)
				}
				return
			}
			resumed = resumed || before.ends != "" && l.begins != before.ends
			if len(l.batches) == 0 && l.upTo == before.upTo && !resumed && time.Now().Before(next) {
				bell.wait(ctx, next)
				continue
			}
			for _, b := range l.batches {
				if ctx.Err() != nil || !pass(b) {
					return
				}
			}
			if now := time.Now(); resumed || !now.Before(next) {
				next = now.Add(lifeInterval)
				if !pass(store.Batch{Revision: l.upTo}) {
					return
				}
			}
		}
	}
}

// look is what was seen of the store at one time.
type look struct {
	batches      []store.Batch
	upTo         store.Revision // nothing up to here is missing
	begins, ends string         // marks of the revisions after which, and up to which, it goes
}

func (s *Store) look(ctx context.Context, after store.Revision, prefixes []string) (l look, err error) {
	err = s.view(ctx, func(st state) (err error) {
		if l.batches, l.upTo, err = st.changes(after, prefixes); err != nil {
			return err
		}
		if l.begins, err = st.mark(after); err == nil {
			l.ends, err = st.mark(l.upTo)
		}
		return err
	})
	return l, err
}

// bell rings when the file may have changed. It may miss that, but not for
// longer than one wait.
type bell struct {
	dir, name string
	watcher   *fsnotify.Watcher // nil if the kernel has none to spare
	debug     func(format string, args ...any)
}

// hang puts up a bell. What is heard is the directory: the file may be absent,
// or be replaced.
func (s *Store) hang() *bell {
	path := s.path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	b := &bell{dir: filepath.Dir(path), name: filepath.Base(path), debug: s.debug}
	var err error
	if b.watcher, err = fsnotify.NewWatcher(); err != nil {
		s.debug("local: watch %s: reading it every %v: %v", s.path, lifeInterval, err)
		b.watcher = nil
	}
	b.listen()
	return b
}

// listen begins to listen, or goes on: the directory may be absent too.
func (b *bell) listen() {
	if b.watcher == nil {
		return
	}
	if err := b.watcher.Add(b.dir); err != nil {
		b.debug("local: watch %s: reading it every %v: %v", filepath.Join(b.dir, b.name), lifeInterval, err)
	}
}

// wait returns when the bell has rung, at a time, or when the context ends.
func (b *bell) wait(ctx context.Context, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	var events chan fsnotify.Event
	var errs chan error
	if b.watcher != nil {
		events, errs = b.watcher.Events, b.watcher.Errors
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			b.listen()
			return
		case <-errs: //nolint:errcheck // some events were lost: look what is there
			return
		case e := <-events:
			if filepath.Base(e.Name) == b.name && e.Op != fsnotify.Chmod {
				return
			}
		}
	}
}

func (b *bell) close() {
	if b.watcher == nil {
		return
	}
	if err := b.watcher.Close(); err != nil {
		b.debug("local: watch %s: %v", filepath.Join(b.dir, b.name), err)
	}
}
