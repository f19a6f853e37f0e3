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

// A File is a sink that writes one line of JSON for each delivery. It opens the
// file each time, so the file may be rotated at any time and several processes
// may append to it.
type File struct {
	Label string // the sink's name; file if empty
	Path  string
}

var _ Sink = File{}

// Name returns the sink's name in the outbox.
func (f File) Name() string { return cmp.Or(f.Label, "file") }

// Kind returns PerHost.
func (File) Kind() Kind { return PerHost }

// Send appends one line and returns after the line is on disk.
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
	defer func() { // closing also releases the lock
		if e := file.Close(); err == nil {
			err = e
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() { // a pipe or a terminal cannot be read back or synced
		if deadline, ok := ctx.Deadline(); ok {
			_ = file.SetWriteDeadline(deadline) // bounds a write to a pipe without a reader; a terminal has no deadlines
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
	if last[0] != '\n' { // another process died while it wrote
		line = append([]byte{'\n'}, line...)
	}
	if _, err := file.Write(line); err != nil {
		return err
	}
	if err := file.Sync(); err != nil || info.Size() > 0 {
		return err
	}
	return syncDirectory(filepath.Dir(f.Path)) // makes the entry of a new file durable
}

// open opens the file at the path and locks it against other writers. It tries
// again if the file was replaced meanwhile.
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
		if err := errors.Join(file.Close(), ctx.Err()); err != nil { // the file was renamed meanwhile
			return nil, err
		}
	}
}

// openToAppend opens a file, or a pipe that a process reads from. What is written
// to a pipe without a reader would be lost and count as delivered.
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
		if err := file.Close(); err != nil { // the file was replaced meanwhile
			return nil, err
		}
	}
}

// lock waits until no other process holds the lock of the file.
func lock(ctx context.Context, file *os.File) error {
	conn, err := file.SyscallConn() // Fd would make writes to a pipe block without a deadline
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
