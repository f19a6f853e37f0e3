package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"syscall"

	bolt "go.etcd.io/bbolt"

	"github.com/conftool/confctl/pkg/store"
)

// errUnsure marks a failure after which the transaction may or may not be in the
// file.
var errUnsure = errors.New("the change may be in the file")

// view calls a function with the current state, which is empty if there is no file.
func (s *Store) view(ctx context.Context, f func(state) error) error {
	file, err := s.open(ctx, false)
	if err != nil {
		return s.explain(ctx, err)
	}
	if file == nil {
		return f(state{header: &header{}})
	}
	err = use(file, true, func(db *bolt.DB) error {
		return db.View(func(tx *bolt.Tx) error {
			st, err := load(tx)
			if err != nil {
				return err
			}
			return f(st)
		})
	})
	return s.explain(ctx, err)
}

// update calls a function with the current state, and commits if it returns true.
func (s *Store) update(ctx context.Context, once string, f func(state) (changed bool, err error)) error {
	file, err := s.open(ctx, true)
	if err != nil {
		return s.explain(ctx, err)
	}
	err = use(file, false, func(db *bolt.DB) error { return transact(db, f) })
	if errors.Is(err, errUnsure) {
		return &store.UnknownError{Once: once, Err: fmt.Errorf("%s: %w", s.path, err)}
	}
	return s.explain(ctx, err)
}

// transact performs one transaction on a database that is locked by this process.
func transact(db *bolt.DB, f func(state) (changed bool, err error)) (err error) {
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	committing := false
	defer func() {
		if committing {
			return
		}
		if e := tx.Rollback(); err == nil {
			err = e
		}
	}()
	st, err := load(tx)
	switch {
	case err == nil && st.meta == nil:
		st, err = create(tx)
	case err == nil && st.plain:
		st, err = st.upgrade(tx)
	}
	if err != nil {
		return err
	}
	before := st.revision
	if changed, err := f(st); err != nil || !changed {
		return err
	}
	// Until here the file may belong to another program. It was opened so that bbolt
	// writes nothing by itself; from here on, commits write the list of free pages.
	db.NoFreelistSync = false
	committing = true
	return settle(db, before, commit(tx))
}

func commit(tx *bolt.Tx) error {
	defer func() {
		if p := recover(); p != nil {
			panic(fmt.Errorf("%w: %v", errUnsure, p))
		}
	}()
	return tx.Commit()
}

// settle returns the meaning of the error of a commit. The last page that a commit
// writes makes it valid. If the transaction is not visible, nothing was written; if
// it is, it may or may not be on disk.
func settle(db *bolt.DB, before store.Revision, failed error) error {
	if failed == nil {
		return nil
	}
	now := before
	err := db.View(func(tx *bolt.Tx) error {
		st, err := load(tx)
		now = st.revision
		return err
	})
	if err != nil || now != before {
		return fmt.Errorf("%w: %w", errUnsure, failed)
	}
	return failed
}

// use opens a locked file as a database, calls a function with it and closes both.
// Contents that bbolt did not write may make it panic or read beyond the end of the
// file, which is a fault: use turns both into errors.
func use(file *os.File, readOnly bool, f func(*bolt.DB) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	var db *bolt.DB
	defer func() {
		if p := recover(); p != nil {
			// The database may hold its own mutexes, so it cannot be closed: release
			// its resources here.
			fail := errors.Join(release(file, db, readOnly, p), file.Close())
			if e, ok := p.(error); ok && errors.Is(e, errUnsure) {
				err = e
			} else {
				err = damaged("%v", p)
			}
			err = errors.Join(err, fail)
		}
	}()
	if err := inspect(file); err != nil {
		return errors.Join(err, file.Close())
	}
	db, err = bolt.Open(file.Name(), 0o600, &bolt.Options{
		ReadOnly:       readOnly,
		NoFreelistSync: true,
		NoStatistics:   true,
		OpenFile:       func(string, int, os.FileMode) (*os.File, error) { return file, nil },
	})
	if err != nil {
		_ = file.Close() // bbolt may have closed it
		var number syscall.Errno
		if errors.As(err, &number) {
			return err
		}
		return fmt.Errorf("not a file of confctl, or damaged: %w", err)
	}
	err = f(db)
	if e := db.Close(); err == nil && readOnly { // after a commit the transaction is on disk in any case
		err = e
	}
	return err
}

// release removes the memory map of a database that panicked, and its lock, which the
// map would keep. While a file is locked for writing, no other request of this
// process has it mapped. The map remains in two cases. If opening the file for
// reading panicked, because it was truncated at that moment, the address of the map
// is not known. If bbolt was looking for free pages, it does so in a goroutine that
// may still read the map; files of this package list their free pages.
func release(file *os.File, db *bolt.DB, readOnly bool, panicked any) error {
	var err error
	switch {
	case strings.Contains(fmt.Sprint(panicked), "freepages:"):
	case !readOnly:
		err = unmap(file, 0)
	case db != nil:
		err = unmap(file, db.Info().Data)
	}
	return errors.Join(err, syscall.Flock(int(file.Fd()), syscall.LOCK_UN))
}

// explain returns an error of the file as a *store.UnavailableError.
func (s *Store) explain(ctx context.Context, err error) error {
	var conflict *store.ConflictError
	switch {
	case err == nil || errors.As(err, &conflict) || errors.Is(err, store.ErrCompacted):
		return err
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return ctx.Err()
	}
	var path *fs.PathError
	if errors.As(err, &path) { // its text would repeat the file name
		err = fmt.Errorf("cannot %s it: %w", path.Op, path.Err)
	}
	return &store.UnavailableError{Tried: []store.Endpoint{{Address: s.path, Err: err}}}
}
