package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// stream is standard output or standard error. Nobody may read a pipe, or not
// go on reading it, and then it takes no more: a program that is asked to end
// does not wait for that.
type stream struct {
	file       *os.File
	interrupts *interrupts
	stuck      atomic.Bool // a write was given up, and may still be under way
}

// atTheEnd is how long a write may take in a program that was asked to end.
const atTheEnd = 100 * time.Millisecond

// interruptedError ends a write that was given up.
type interruptedError struct{}

func (interruptedError) Error() string { return "interrupted" }
func (interruptedError) Unwrap() error { return context.Canceled }

func (s *stream) Write(p []byte) (int, error) {
	if s.stuck.Load() {
		return 0, interruptedError{}
	}
	var n int
	var err error
	done, own := make(chan struct{}), bytes.Clone(p) // the caller reuses p after a write that was given up
	go func() {
		defer close(done)
		n, err = s.file.Write(own)
	}()
	select {
	case <-done:
		return n, err
	case <-s.interrupts.asked:
	}
	select {
	case <-done:
		return n, err
	case <-time.After(atTheEnd):
		s.stuck.Store(true)
		return 0, interruptedError{}
	}
}

// fileOf returns the file that a stream is, for what it can do besides; nil if
// it is none.
func fileOf(w any) *os.File {
	switch w := w.(type) {
	case *os.File:
		return w
	case *stream:
		return w.file
	}
	return nil
}

// bare returns the file of a stream for a program that is to have it.
func bare(w io.Writer) io.Writer {
	if f := fileOf(w); f != nil {
		return f
	}
	return w
}

// remembering is an output for those who do not report that writing failed:
// whoever asks is told afterwards.
type remembering struct {
	to  io.Writer
	err error
}

func (r *remembering) Write(p []byte) (int, error) {
	if r.err == nil {
		_, r.err = r.to.Write(p)
	}
	return len(p), nil
}
