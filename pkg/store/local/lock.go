package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// open opens and locks the file: exclusively to write, shared to read. The lock is
// bbolt's own lock on the file itself, so reading needs only the permission to read
// it. bbolt polls for the lock every 50 ms, which is too slow for short requests;
// open polls more often, and bbolt then gets the lock immediately because the same
// open file holds it.
//
// If the file is absent or empty, open returns nil for reading and creates it for
// writing.
func (s *Store) open(ctx context.Context, write bool) (*os.File, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	deadline := time.Now().Add(s.timeout)
	for {
		file, err := s.openOnce(ctx, write, deadline)
		if file == nil || err != nil {
			return nil, err
		}
		// While waiting, the file may have been replaced or removed. A write to the
		// old file would be lost.
		held, err := file.Stat()
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
		named, err := os.Stat(s.path)
		switch {
		case err == nil && os.SameFile(held, named):
			if held.Size() == 0 && !write {
				return nil, file.Close()
			}
			return file, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, errors.Join(err, file.Close())
		}
		if err := file.Close(); err != nil {
			return nil, err
		}
	}
}

func (s *Store) openOnce(ctx context.Context, write bool, deadline time.Time) (*os.File, error) {
	file, err := s.openFile(write)
	if file == nil || err != nil {
		return nil, err
	}
	if err := s.lock(ctx, file, write, deadline); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// openFile opens the file. For writing, it creates an absent one.
func (s *Store) openFile(write bool) (*os.File, error) {
	info, err := os.Stat(s.path)
	absent := errors.Is(err, fs.ErrNotExist)
	switch {
	case absent && !write:
		return nil, nil
	case err != nil && !absent:
		return nil, err
	case !absent && info.IsDir():
		return nil, errors.New("it is a directory, name a file in it")
	case !absent && !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case !write:
		return os.Open(s.path)
	case !absent:
		return os.OpenFile(s.path, os.O_RDWR, 0)
	}
	dir := filepath.Dir(s.path)
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syncDir(dir); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// makeDir makes a directory and its parents, and syncs them so that they survive a
// power failure.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDir(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o700)
	}
	switch {
	case err == nil:
		return syncDir(filepath.Dir(dir))
	case errors.Is(err, fs.ErrExist): // if it is not a directory, opening the file fails
		return nil
	}
	return fmt.Errorf("cannot make its directory: %w", err)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lock waits for the lock of the file. A wait in the kernel would be fairer among
// many, but could not be cancelled, and overlapping readers would starve a writer. So
// every request first passes a turnstile, which a writer keeps locked while it waits
// for the readers before it to finish.
func (s *Store) lock(ctx context.Context, file *os.File, exclusive bool, deadline time.Time) error {
	mode, turnstile := syscall.LOCK_SH, int16(syscall.F_RDLCK)
	if exclusive {
		mode, turnstile = syscall.LOCK_EX, syscall.F_WRLCK
	}
	if err := s.poll(ctx, deadline, func() error { return lockTurnstile(file, turnstile) }); err != nil {
		return err
	}
	err := s.poll(ctx, deadline, func() error { return syscall.Flock(int(file.Fd()), mode|syscall.LOCK_NB) })
	return errors.Join(err, lockTurnstile(file, syscall.F_UNLCK))
}

// poll tries a lock until it succeeds, the deadline passes or the context ends.
func (s *Store) poll(ctx context.Context, deadline time.Time, lock func() error) error {
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 500*time.Microsecond) {
		err := lock()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("cannot lock it: %w", err)
		case time.Now().After(deadline):
			return fmt.Errorf("another process has it locked and did not let go within %v (fuser tells which)", s.timeout)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("another process has it locked (fuser tells which): %w", ctx.Err())
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}
