// Package local keeps a store in one file, for a laptop, CI and small sites.
//
// Any number of processes on one host may use the file. Each request opens it, acts
// and closes it again, so that a process at a prompt, or a watch, blocks no other.
// The file is a bbolt database: a commit is on disk when it returns, and a process
// that is killed leaves the store as it was before or after its transaction.
// Everything read is verified, so that a disk fault causes an error and never a wrong
// answer. The file must not be on a network file system, whose locks and memory maps
// do not give the guarantees that bbolt needs.
package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/conftool/confctl/pkg/store"
)

// Options are the options of Open. The zero value is ready to use.
type Options struct {
	Timeout time.Duration                    // how long to wait for the lock of the file; 5 s if 0
	Debug   func(format string, args ...any) // called with one line for each request; may be nil
}

// Store is a store in a file.
type Store struct {
	path    string
	timeout time.Duration
	debug   func(format string, args ...any)
	keep    bounds // limits of the change log
}

var _ store.Store = (*Store)(nil)

// Open returns the store in a file. Neither Open nor reading touches the file: an
// absent file is an empty store. The first Commit creates the file, with permissions
// for its owner only, and the directories above it.
func Open(path string, opts Options) (*Store, error) {
	switch {
	case path == "":
		return nil, errors.New("the local store needs a file name")
	case strings.HasSuffix(path, "/") || strings.Contains(path, "\x00"):
		return nil, fmt.Errorf("not the name of a file: %q", path)
	}
	s := &Store{path: path, timeout: opts.Timeout, debug: opts.Debug, keep: bounds{txns: 4096, bytes: 16 << 20}}
	if s.timeout == 0 {
		s.timeout = 5 * time.Second
	}
	if s.debug == nil {
		s.debug = func(string, ...any) {}
	}
	return s, nil
}

// Close implements store.Store. It does nothing: no request leaves the file open.
func (s *Store) Close() error { return nil }

// Read implements store.Store. The entries share allocations with each other.
func (s *Store) Read(ctx context.Context, prefixes ...string) (snap store.Snapshot, err error) {
	begin := time.Now()
	err = s.view(ctx, func(st state) (err error) {
		snap.Revision = st.revision
		snap.Entries, err = st.entries(disjoint(prefixes))
		return err
	})
	if err != nil {
		s.debug("local: read %s %q: %v", s.path, prefixes, err)
		return store.Snapshot{}, err
	}
	s.debug("local: read %s %q: %d entries at revision %d in %v", s.path, prefixes, len(snap.Entries), snap.Revision, time.Since(begin))
	return snap, nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string, page store.Page) (snap store.Snapshot, err error) {
	begin := time.Now()
	err = s.view(ctx, func(st state) (err error) {
		snap.Revision = st.revision
		snap.Entries, snap.More, err = st.list(prefix, page)
		return err
	})
	if err != nil {
		s.debug("local: list %s %q: %v", s.path, prefix, err)
		return store.Snapshot{}, err
	}
	s.debug("local: list %s %q: %d entries at revision %d in %v", s.path, prefix, len(snap.Entries), snap.Revision, time.Since(begin))
	return snap, nil
}

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, txn store.Txn) (store.Receipt, error) {
	begin := time.Now()
	receipt, err := s.commit(ctx, txn)
	if err != nil {
		s.debug("local: commit %s, %d guards, %d writes: %v", s.path, len(txn.Guards), len(txn.Writes), err)
		return store.Receipt{}, err
	}
	s.debug("local: commit %s, %d guards, %d writes: revision %d in %v", s.path, len(txn.Guards), len(txn.Writes), receipt.Revision, time.Since(begin))
	return receipt, nil
}

func (s *Store) commit(ctx context.Context, txn store.Txn) (receipt store.Receipt, err error) {
	if err := check(txn); err != nil {
		return receipt, err
	}
	if len(txn.Writes) == 0 {
		return receipt, s.view(ctx, func(st state) error { return st.checkGuards(txn.Guards) })
	}
	err = s.update(ctx, txn.Once, func(st state) (changed bool, err error) {
		receipt, changed, err = st.perform(txn, s.keep)
		return changed, err
	})
	return receipt, err
}

// check returns an error for a transaction beyond the limits of every store or those
// of bbolt.
func check(txn store.Txn) error {
	if err := txn.Check(); err != nil {
		return err
	}
	for _, w := range txn.Writes {
		if len(w.Key) > bolt.MaxKeySize {
			return fmt.Errorf("malformed transaction: a key has %d bytes, of at most %d", len(w.Key), bolt.MaxKeySize)
		}
	}
	return nil
}

// perform applies a transaction to the store, unless its once key exists. It reports
// whether the store changed.
func (st state) perform(txn store.Txn, keep bounds) (receipt store.Receipt, changed bool, err error) {
	if txn.Once != "" {
		earlier, err := st.entry(txn.Once)
		if err != nil {
			return receipt, false, err
		}
		if earlier != nil {
			return store.Receipt{Revision: earlier.Created, Stored: earlier.Value}, false, nil
		}
	}
	if err := st.checkGuards(txn.Guards); err != nil {
		return receipt, false, err
	}
	now := st.revision
	events, err := st.apply(txn.Writes, now+1)
	if err != nil {
		return receipt, false, err
	}
	if len(events) == 0 { // it only deleted absent keys
		return store.Receipt{Revision: now}, false, nil
	}
	for _, w := range txn.Writes {
		if txn.Once != "" && w.Key == txn.Once {
			receipt.Stored = bytes.Clone(w.Value)
		}
	}
	receipt.Revision = now + 1
	return receipt, true, st.advance(now+1, events, keep)
}

// checkGuards returns a *store.ConflictError unless all guards hold.
func (st state) checkGuards(guards []store.Guard) error {
	var failed []store.FailedGuard
	for _, g := range guards {
		f, err := st.guard(g)
		if err != nil {
			return err
		}
		if f != nil {
			failed = append(failed, *f)
		}
	}
	if len(failed) > 0 {
		return &store.ConflictError{Failed: failed}
	}
	return nil
}

// guard returns the failure of a guard, or nil if it holds.
func (st state) guard(g store.Guard) (*store.FailedGuard, error) {
	if !g.Prefix {
		found, err := st.entry(g.Key)
		if err != nil || found == nil && g.Revision == 0 || found != nil && found.Modified == g.Revision {
			return nil, err
		}
		return &store.FailedGuard{Guard: g, Found: found}, nil
	}
	newer := errors.New("newer")
	err := st.scan(g.Key, func(_ []byte, r record) error {
		if r.modified > g.Revision {
			return newer
		}
		return nil
	})
	if errors.Is(err, newer) {
		return &store.FailedGuard{Guard: g}, nil
	}
	return nil, err
}

// apply performs writes and returns their events in key order. It performs deletions
// last, and in reverse key order: within a transaction they leave empty pages, across
// which bbolt finds no previous key.
func (st state) apply(writes []store.Write, at store.Revision) ([]store.Event, error) {
	byKey := func(a, b store.Write) int { return strings.Compare(a.Key, b.Key) }
	sorted := slices.SortedFunc(slices.Values(writes), byKey)
	events := make([]store.Event, 0, len(writes))
	add := func(w store.Write) error {
		e, err := st.write(w, at)
		if e != nil {
			events = append(events, *e)
		}
		return err
	}
	for _, w := range sorted {
		if w.Delete {
			continue
		}
		if err := add(w); err != nil {
			return nil, err
		}
	}
	for _, w := range slices.Backward(sorted) {
		if !w.Delete {
			continue
		}
		if err := add(w); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(events, func(a, b store.Event) int { return strings.Compare(a.Key, b.Key) })
	return events, nil
}

// write performs a write and returns its event, or nil if it deletes an absent key.
func (st state) write(w store.Write, at store.Revision) (*store.Event, error) {
	key := []byte(w.Key)
	old, err := st.find(key)
	switch {
	case err != nil, w.Delete && old == nil:
		return nil, err
	case w.Delete:
		return &store.Event{Entry: store.Entry{Key: w.Key, Modified: at}, Deleted: true}, st.remove(key, *old)
	}
	e := store.Entry{Key: w.Key, Value: w.Value, Created: at, Modified: at}
	if old != nil {
		e.Created = old.created
	}
	return &store.Event{Entry: e}, st.put(key, record{created: e.Created, modified: at, value: w.Value}, old)
}
