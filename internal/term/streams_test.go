package term

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

// TestMessagesAreOneLine: any message is written as one clean line.
func TestMessagesAreOneLine(t *testing.T) {
	var b bytes.Buffer
	s := Streams{Out: io.Discard, Err: &b}
	s.Say("%s", "a\nb\x1b[2J")
	s.Warn("c")
	s.Note("d\n")
	s.Detail("e", "f\tg")
	s.SayOnOutput("not seen")
	want := "confctl: a; b\\u001b[2J\nconfctl: warning: c\nd\n  e\n  f\\tg\n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// TestQuestion: an answer is one line, and later lines remain for the next
// question.
func TestQuestion(t *testing.T) {
	var b bytes.Buffer
	in := strings.NewReader("y\r\nno\nlast")
	s := Streams{In: in, Out: &b, Err: io.Discard}
	for _, want := range []string{"y", "no", "last"} {
		if got, err := s.Question(t.Context(), "Ok?\n"); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if _, err := s.Question(t.Context(), ""); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if want := strings.Repeat("Ok?\nconfctl>", 3) + "confctl>"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	s.In = strings.NewReader(strings.Repeat("x", 5000))
	if _, err := s.ReadLine(t.Context()); err == nil || !strings.Contains(err.Error(), "longer than 4096 bytes") {
		t.Error(err)
	}
}

// TestQuestionIsInterrupted: a question without an answer ends with its context.
func TestQuestionIsInterrupted(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = w.Close(), r.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Streams{In: r, Out: io.Discard}).Question(ctx, "?"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestWhoSeesMessages: a message is repeated on Out only if Out is a terminal and
// Err is not.
func TestWhoSeesMessages(t *testing.T) {
	screen, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = screen.Close(), terminal.Close() }()
	Streams{Out: terminal, Err: terminal}.SayOnOutput("twice")
	Streams{Out: terminal, Err: io.Discard}.SayOnOutput("once,\n  in a line")
	got := make([]byte, 100)
	n, err := screen.Read(got)
	if want := "confctl: once, in a line\r\n"; err != nil || string(got[:n]) != want {
		t.Errorf("%q, %v; want %q", got[:n], err, want)
	}
}

// TestWriteErrors: an error of the output has no file name, and ErrWriter keeps
// the first error.
func TestWriteErrors(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	var failed *OutputError
	if err := (Streams{Out: w}).Print("x"); !errors.As(err, &failed) || !errors.Is(err, syscall.EPIPE) || strings.Contains(err.Error(), "|1") {
		t.Error(err)
	}
	keeping := ErrWriter{W: w}
	if n, err := keeping.Write([]byte("x")); n != 1 || err != nil || !errors.Is(keeping.Err, syscall.EPIPE) {
		t.Error(n, err, keeping.Err)
	}
	_ = w.Close()
}
