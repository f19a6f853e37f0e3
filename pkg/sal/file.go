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
		if deadline, ok := ctx.Deadline(); ok {
			_ = file.SetWriteDeadline(deadline) // where nobody reads; a terminal knows none
		}
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
		file, err := openToAppend(f.Path)
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

// openToAppend opens a file, or a pipe that somebody reads from: what is written to
// any other would be gone, and count as delivered.
func openToAppend(path string) (*os.File, error) {
	const anyFile, pipe = os.O_RDWR | os.O_CREATE, os.O_WRONLY
	for {
		how := anyFile
		if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
			how = pipe
		}
		//nolint:gosec // readable for the group: those who collect logs
		file, err := os.OpenFile(path, how|os.O_APPEND|syscall.O_NONBLOCK, 0o640)
		if how == pipe && errors.Is(err, syscall.ENXIO) {
			return nil, errors.New("nobody reads from this pipe")
		}
		if err != nil {
			return nil, err
		}
		info, err := file.Stat()
		if err != nil {
			return nil, closeAfter(file, err)
		}
		if isPipe := info.Mode()&os.ModeNamedPipe != 0; isPipe == (how == pipe) {
			return file, nil
		}
		if err := file.Close(); err != nil { // it has become another meanwhile
			return nil, err
		}
	}
}

// lock waits until nobody else has the file locked.
func lock(ctx context.Context, file *os.File) error {
	conn, err := file.SyscallConn() // Fd would have writes to a pipe wait for ever
	if err != nil {
		return err
	}
	for {
		var err error
		if errControl := conn.Control(func(fd uintptr) { err = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) }); errControl != nil {
			return errControl
		}
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
