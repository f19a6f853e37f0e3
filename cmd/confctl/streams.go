package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// streams are what the program talks over: results go to out, talk to err.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
	// interrupts are left to others while an editor has the terminal.
	interrupts *interrupts
}

// say writes a line of talk.
func (s streams) say(format string, args ...any) {
	fmt.Fprintln(s.err, "confctl: "+oneLine(fmt.Sprintf(format, args...)))
}

// visible is a text without characters that a terminal acts on, or that change
// the order of what is shown: they may come from a key or a value that somebody
// else has written.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// oneLine is visible for what has to stay on its line: a name with a line end in
// it could say anything on the next one.
func oneLine(text string) string {
	return strings.ReplaceAll(visible(strings.TrimRight(text, "\n")), "\n", "; ")
}

// warn writes what is wrong but stops nothing.
func (s streams) warn(msg string) { s.say("warning: %s", msg) }

// print writes a result.
func (s streams) print(format string, args ...any) error {
	_, err := fmt.Fprintf(s.out, format, args...)
	return outputError(err)
}

// write hands a buffered writer of results to a function.
func (s streams) write(f func(*bufio.Writer)) error {
	w := bufio.NewWriterSize(s.out, 64<<10)
	f(w)
	return outputError(w.Flush())
}

// errOutput is for results that could not be written.
type errOutput struct{ err error }

func (e *errOutput) Error() string { return "the output could not be written: " + e.err.Error() }
func (e *errOutput) Unwrap() error { return e.err }

func outputError(err error) error {
	if err == nil {
		return nil
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return &errOutput{err}
}

// interactive reports whether a person can answer a question.
func (s streams) interactive() bool { return isTerminal(s.in) }

// colored reports whether what is written to a stream may be coloured.
func colored(stream io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(stream)
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// readLine reads one line, without its end. It reads no further, so that what
// follows is there for the next question. io.EOF means that there is no line.
func (s streams) readLine(ctx context.Context) (string, error) {
	type answer struct {
		line string
		err  error
	}
	c := make(chan answer, 1)
	go func() {
		line, err := readLine(s.in)
		c <- answer{line, err}
	}()
	select {
	case a := <-c:
		return a.line, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func readLine(in io.Reader) (string, error) {
	var line strings.Builder
	for one := make([]byte, 1); ; {
		n, err := in.Read(one)
		switch {
		case n > 0 && one[0] == '\n':
			return strings.TrimSuffix(line.String(), "\r"), nil
		case n > 0:
			line.WriteByte(one[0])
		case err != nil && line.Len() > 0 && errors.Is(err, io.EOF):
			return line.String(), nil
		case err != nil:
			return "", err
		}
	}
}
