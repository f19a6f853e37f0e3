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

// output is standard output or standard error. A write to a full pipe blocks until
// somebody reads it, which may be never: a program that is asked to end does not wait
// for that.
type output struct {
	file       *os.File
	interrupts *Interrupts
	abandoned  atomic.Bool // a write may still be under way
}

// writeTimeout is how long a write may take once the program is asked to end.
const writeTimeout = 100 * time.Millisecond

// interruptedError ends a write that was abandoned.
type interruptedError struct{}

func (interruptedError) Error() string { return "interrupted" }
func (interruptedError) Unwrap() error { return context.Canceled }

func (o *output) Write(p []byte) (int, error) {
	if o.abandoned.Load() {
		return 0, interruptedError{}
	}
	var n int
	var err error
	done, own := make(chan struct{}), bytes.Clone(p) // the caller may reuse p after an abandoned write
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

// fileOf returns the file that a stream writes to or reads from; nil if there is none.
func fileOf(stream any) *os.File {
	switch s := stream.(type) {
	case *os.File:
		return s
	case *output:
		return s.file
	}
	return nil
}

// Bare returns the file of a stream, for another program to use; the stream itself if
// it has none.
func Bare(w io.Writer) io.Writer {
	if f := fileOf(w); f != nil {
		return f
	}
	return w
}

// Screen returns the stream on which an editor is shown: the terminal that a person
// sees, if results go elsewhere.
func (s Streams) Screen() io.Writer {
	if s.Interactive() && !IsTerminal(s.Out) && IsTerminal(s.Err) {
		return Bare(s.Err)
	}
	return Bare(s.Out)
}

// ErrWriter keeps the first error of writing to W, for callers that do not report one.
type ErrWriter struct {
	W   io.Writer
	Err error
}

// Write reports success even if writing fails.
func (w *ErrWriter) Write(p []byte) (int, error) {
	if w.Err == nil {
		_, w.Err = w.W.Write(p)
	}
	return len(p), nil
}

// WhileRead returns a context that ends when nobody reads Out any more, as after
// "| head -1": a command with nothing to write would not notice. The cause is the
// error that a write would return.
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

// readerGone waits until nobody reads from the other end of a pipe or a socket. It
// returns false if the context ends first, or if it cannot know.
func readerGone(ctx context.Context, f *os.File) bool {
	info, err := f.Stat()
	conn, connErr := f.SyscallConn()
	if err != nil || connErr != nil || info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) == 0 {
		return false
	}
	const gone = unix.POLLERR | unix.POLLHUP | unix.POLLNVAL
	for ctx.Err() == nil {
		p := []unix.PollFd{{Events: unix.POLLHUP}} // macOS reports only what it is asked for
		controlErr := conn.Control(func(fd uintptr) {
			p[0].Fd = int32(fd)
			_, err = unix.Poll(p, 1000) // so that the context is looked at each second
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
