package local

import (
	"context"
	"iter"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/conftool/confctl/pkg/store"
)

// lifeInterval is the time between two signs of life. It is also the time between two
// reads of the file where the kernel does not report changes.
const lifeInterval = time.Second

// Watch implements store.Store. If the store is behind the watch's revision, as after
// the file was replaced by an older one, it yields ErrCompacted. It detects another
// file that has reached the revision by the transaction of that revision, which
// differs.
func (s *Store) Watch(ctx context.Context, after store.Revision, prefixes ...string) iter.Seq2[store.Batch, error] {
	return func(yield func(store.Batch, error) bool) {
		s.debug("local: watch %s %q after revision %d", s.path, prefixes, after)
		n := s.newNotifier()
		defer n.close()
		next, l, resumed := time.Now(), look{upTo: after}, false
		send := func(b store.Batch) bool {
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
				n.wait(ctx, next)
				continue
			}
			for _, b := range l.batches {
				if ctx.Err() != nil || !send(b) {
					return
				}
			}
			if now := time.Now(); resumed || !now.Before(next) {
				next = now.Add(lifeInterval)
				if !send(store.Batch{Revision: l.upTo}) {
					return
				}
			}
		}
	}
}

// look is the result of one read of the change log.
type look struct {
	batches      []store.Batch
	upTo         store.Revision // the batches are complete up to here
	begins, ends string         // the marks of the revision before the batches and of upTo
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

// notifier reports when the file may have changed. It may miss a change, but wait
// returns at its time limit nevertheless.
type notifier struct {
	dir, name string
	watcher   *fsnotify.Watcher // nil if the kernel has no more watches
	debug     func(format string, args ...any)
}

// newNotifier returns a notifier. It watches the directory, since the file may be
// absent or be replaced.
func (s *Store) newNotifier() *notifier {
	path := s.path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	n := &notifier{dir: filepath.Dir(path), name: filepath.Base(path), debug: s.debug}
	var err error
	if n.watcher, err = fsnotify.NewWatcher(); err != nil {
		s.debug("local: watch %s: reading it every %v: %v", s.path, lifeInterval, err)
		n.watcher = nil
	}
	n.watchDir()
	return n
}

// watchDir adds the directory to the watcher. wait calls it repeatedly, since the
// directory may be absent, too.
func (n *notifier) watchDir() {
	if n.watcher == nil {
		return
	}
	if err := n.watcher.Add(n.dir); err != nil {
		n.debug("local: watch %s: reading it every %v: %v", filepath.Join(n.dir, n.name), lifeInterval, err)
	}
}

// wait returns when the file may have changed, at the time until, or when the context
// ends.
func (n *notifier) wait(ctx context.Context, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	var events chan fsnotify.Event
	var errs chan error
	if n.watcher != nil {
		events, errs = n.watcher.Events, n.watcher.Errors
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			n.watchDir()
			return
		case <-errs: //nolint:errcheck // events were lost: read the file
			return
		case e := <-events:
			if filepath.Base(e.Name) == n.name && e.Op != fsnotify.Chmod {
				return
			}
		}
	}
}

func (n *notifier) close() {
	if n.watcher == nil {
		return
	}
	if err := n.watcher.Close(); err != nil {
		n.debug("local: watch %s: %v", filepath.Join(n.dir, n.name), err)
	}
}
