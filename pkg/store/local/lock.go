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

// open opens the file and locks it: for this process alone to write, shared
// with others to read. The lock is bbolt's own, which lies on the file itself,
// so a reader needs no more than to be able to read it. bbolt asks for it every
// 50 ms, too seldom for short turns; here it is asked for until it is there,
// and bbolt finds it taken by itself.
//
// To read a file that is absent or empty, nil is returned; to write, it is
// made.
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
		// While waiting, the file may have been replaced or removed. What would
		// be written to it then, nobody would find.
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

// openFile opens the file, and makes it first if it is to be written.
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

// makeDir makes a directory and those above it, to stay after a power cut.
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
	case errors.Is(err, fs.ErrExist): // if it is no directory, opening the file will say so
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

// lock waits for its turn. A wait in the kernel would be fairer among many,
// but could not be given up; and readers who overlap would keep a writer out
// for as long as they like. So whoever waits for the file first has to pass a
// door, which a waiting writer keeps shut behind itself.
func (s *Store) lock(ctx context.Context, file *os.File, exclusive bool, deadline time.Time) error {
	how, pass := syscall.LOCK_SH, int16(syscall.F_RDLCK)
	if exclusive {
		how, pass = syscall.LOCK_EX, syscall.F_WRLCK
	}
	if err := s.poll(ctx, deadline, func() error { return door(file, pass) }); err != nil {
		return err
	}
	err := s.poll(ctx, deadline, func() error { return syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB) })
	return errors.Join(err, door(file, syscall.F_UNLCK))
}

// poll asks for a lock until it is there.
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
