package term

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// output is standard output or standard error. A write to a full pipe blocks
// until its reader continues, which may be never. A program that must end does
// not wait for such a write.
type output struct {
	file       *os.File
	interrupts *Interrupts
	abandoned  atomic.Bool // a write may still be running
}

// writeTimeout limits a write after the program was asked to end.
const writeTimeout = 100 * time.Millisecond

// interruptedError is the error of an abandoned write.
type interruptedError struct{}

func (interruptedError) Error() string { return "interrupted" }
func (interruptedError) Unwrap() error { return context.Canceled }

func (o *output) Write(p []byte) (int, error) {
	if o.abandoned.Load() {
		return 0, interruptedError{}
	}
	var n int
	var err error
	done, own := make(chan struct{}), bytes.Clone(p) // an abandoned write continues after the caller reuses p
	go func() {
		defer close(done)
		n, err = o.file.Write(own)
	}()
	select {
	case <-done:
		return n, err
	case <-o.interrupts.asked:
	}
	select {
	case <-done:
		return n, err
	case <-time.After(writeTimeout):
		o.abandoned.Store(true)
		return 0, interruptedError{}
	}
}

// fileOf returns the file of a stream; nil if the stream has none.
func fileOf(stream any) *os.File {
	switch s := stream.(type) {
	case *os.File:
		return s
	case *output:
		return s.file
	}
	return nil
}

// Bare returns the file of a stream, to be passed to another program, or the
// stream itself if it has no file.
func Bare(w io.Writer) io.Writer {
	if f := fileOf(w); f != nil {
		return f
	}
	return w
}

// Screen returns the stream for an editor: the terminal, if Out is redirected.
func (s Streams) Screen() io.Writer {
	if s.Interactive() && !IsTerminal(s.Out) && IsTerminal(s.Err) {
		return Bare(s.Err)
	}
	return Bare(s.Out)
}

// ErrWriter keeps the first error of writes to W, for callers that do not return
// errors of writes.
type ErrWriter struct {
	W   io.Writer
	Err error
}

// Write always reports success.
func (w *ErrWriter) Write(p []byte) (int, error) {
	if w.Err == nil {
		_, w.Err = w.W.Write(p)
	}
	return len(p), nil
}

// WhileRead returns a context that ends when no process reads Out any more, as
// after "| head -1". A command that writes nothing for a while would not notice
// otherwise. The cause is the error that a write would return.
func (s Streams) WhileRead(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if f := fileOf(s.Out); f != nil {
		go func() {
			if readerGone(ctx, f) {
				cancel(WriteError(syscall.EPIPE))
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}

// readerGone waits until no process reads from the other end of a pipe or socket.
// It returns false if the context ends first or if it cannot find out.
func readerGone(ctx context.Context, f *os.File) bool {
	info, err := f.Stat()
	conn, connErr := f.SyscallConn()
	if err != nil || connErr != nil || info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) == 0 {
		return false
	}
	const gone = unix.POLLERR | unix.POLLHUP | unix.POLLNVAL
	for ctx.Err() == nil {
		p := []unix.PollFd{{Events: unix.POLLHUP}} // macOS reports only requested events
		controlErr := conn.Control(func(fd uintptr) {
			p[0].Fd = int32(fd)
			_, err = unix.Poll(p, 1000) // checks the context every second
		})
		switch {
		case controlErr != nil, err != nil && !errors.Is(err, unix.EINTR):
			return false
		case p[0].Revents&gone != 0:
			return true
		}
	}
	return false
}
