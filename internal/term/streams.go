// Package term connects the program with the person or script that runs it:
// standard streams, questions and answers, and signals that ask it to end.
// Package internal/text cleans all output unless a method says otherwise.
package term

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/conftool/confctl/internal/text"
)

// Streams are the streams of the program. Results are written to Out, and messages
// to Err.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	// Interrupts is paused while another program uses the terminal. If it is
	// nil, signals are not handled.
	Interrupts *Interrupts
}

// Standard returns the standard streams of the process. It handles signals as
// described for Interrupts.handle.
func Standard(advice string, cancel func()) Streams {
	i := &Interrupts{asked: make(chan struct{})}
	s := Streams{In: os.Stdin, Out: &output{file: os.Stdout, interrupts: i}, Err: &output{file: os.Stderr, interrupts: i}, Interrupts: i}
	i.handle(s, advice, cancel)
	return s
}

// Discard returns streams that have no input and discard all output.
func Discard() Streams {
	return Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}
}

// Say writes a message in one line, after the name of the program.
func (s Streams) Say(format string, args ...any) { say(s.Err, fmt.Sprintf(format, args...)) }

// Warn writes a message about a problem that does not end the command.
func (s Streams) Warn(msg string) { s.Say("warning: %s", msg) }

// Note writes a line to Err, without the name of the program.
func (s Streams) Note(line string) { fmt.Fprintln(s.Err, text.OneLine(line)) }

// Detail writes indented lines that belong to the message before them.
func (s Streams) Detail(lines ...string) {
	for _, line := range lines {
		s.Note("  " + line)
	}
}

// SayOnOutput writes a message to Out if Err does not reach the reader of Out, as
// when a script runs the program with 2>/dev/null.
func (s Streams) SayOnOutput(msg string) {
	if IsTerminal(s.Out) && !IsTerminal(s.Err) {
		say(s.Out, strings.Join(strings.Fields(msg), " "))
	}
}

// say writes a message. It ignores errors, because there is no other place to
// report them.
func say(w io.Writer, msg string) { fmt.Fprintln(w, "confctl: "+text.OneLine(msg)) }

// Print writes a result of one or more lines. An error is an *OutputError.
func (s Streams) Print(format string, args ...any) error {
	_, err := io.WriteString(s.Out, text.Sanitize(fmt.Sprintf(format, args...)))
	return WriteError(err)
}

// Lines writes lines of a result without cleaning them. An error is an
// *OutputError.
func (s Streams) Lines(lines ...string) error {
	return s.Write(func(w *bufio.Writer) {
		for _, line := range lines {
			fmt.Fprintln(w, line)
		}
	})
}

// Write calls f with a buffered writer to Out that does not clean its input. An
// error is an *OutputError; f need not check for errors.
func (s Streams) Write(f func(*bufio.Writer)) error {
	w := bufio.NewWriterSize(s.Out, 64<<10)
	f(w)
	return WriteError(w.Flush())
}

// OutputError is an error of a write of results.
type OutputError struct{ Err error }

func (e *OutputError) Error() string { return "the output could not be written: " + e.Err.Error() }

// Unwrap returns the error of the write.
func (e *OutputError) Unwrap() error { return e.Err }

// WriteError converts an error of a write to an *OutputError without the name of
// the file. It returns nil for nil.
func WriteError(err error) error {
	if err == nil {
		return nil
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return &OutputError{err}
}

// Interactive reports whether a person can answer a question.
func (s Streams) Interactive() bool { return IsTerminal(s.In) }

// Colored reports whether a stream displays colours.
func Colored(stream io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && IsTerminal(stream)
}

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f := fileOf(stream)
	return f != nil && term.IsTerminal(int(f.Fd()))
}
