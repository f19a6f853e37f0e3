package sal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// File is a file of JSON lines, one a change. It is opened for each, so it may
// be moved away at any time, and any number of processes may append to it.
type File struct {
	Label string // the sink's name; file if empty
	Path  string
}

var _ Sink = File{}

// Name is the sink's name in the outbox.
func (f File) Name() string { return cmp.Or(f.Label, "file") }

// Kind says that each host has its own.
func (File) Kind() Kind { return PerHost }

// Send appends one line and returns when it is on disk.
func (f File) Send(ctx context.Context, d Delivery) error {
	line, err := d.document()
	if err == nil {
		err = f.append(ctx, line)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", f.Name(), f.Path, short(err))
	}
	return nil
}

func (f File) append(ctx context.Context, line []byte) (err error) {
	file, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer func() { // which also unlocks it
		if e := file.Close(); err == nil {
			err = e
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() { // a pipe, a terminal: nothing that ends, or lasts
		_, err = file.Write(line)
		return err
	}
	last := []byte{'\n'}
	if info.Size() > 0 {
		if _, err := file.ReadAt(last, info.Size()-1); err != nil {
			return err
		}
	}
	if last[0] != '\n' { // somebody died while writing
		line = append([]byte{'\n'}, line...)
	}
	if _, err := file.Write(line); err != nil {
		return err
	}
	if err := file.Sync(); err != nil || info.Size() > 0 {
		return err
	}
	return syncDirectory(filepath.Dir(f.Path)) // where the file is new
}

// open returns the file that is at the path now, locked against others that
// append.
func (f File) open(ctx context.Context) (*os.File, error) {
	for {
		//nolint:gosec // readable for the group: those who collect logs
		file, err := os.OpenFile(f.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o640)
		if err != nil {
			return nil, err
		}
		if err := lock(ctx, file); err != nil {
			return nil, closeAfter(file, err)
		}
		mine, err := file.Stat()
		if err != nil {
			return nil, closeAfter(file, err)
		}
		if now, err := os.Stat(f.Path); err == nil && os.SameFile(mine, now) {
			return file, nil
		}
		if err := errors.Join(file.Close(), ctx.Err()); err != nil { // it was moved away meanwhile
			return nil, err
		}
	}
}

// lock waits until nobody else has the file locked.
func lock(ctx context.Context, file *os.File) error {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return errors.New("locked by somebody else")
		}
	}
}

func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := dir.Sync(); err != nil {
		return closeAfter(dir, err)
	}
	return dir.Close()
}
