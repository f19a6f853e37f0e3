package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/conftool/confctl/internal/text"
)

// prompt follows a question.
const prompt = "confctl>"

// NoTerminalError reports that a question cannot be shown to a person because
// there is no terminal.
type NoTerminalError struct{}

func (NoTerminalError) Error() string {
	return "there is a question to answer, and no terminal to show it on"
}

// Question writes a question and the prompt, and reads one line. It returns
// io.EOF if there is no answer.
func (s Streams) Question(ctx context.Context, question string) (answer string, err error) {
	if err := s.Ask(question + prompt); err != nil {
		return "", err
	}
	return s.ReadLine(ctx)
}

// Ask writes a question, or text that follows an answer.
func (s Streams) Ask(question string) error {
	return s.Asking(func(w io.Writer) error {
		_, err := io.WriteString(w, text.Sanitize(question))
		return WriteError(err)
	})
}

// Asking calls f with the writer for questions: Out, as in the Python tool, or
// the terminal if Out is redirected and a person must answer.
func (s Streams) Asking(f func(io.Writer) error) error {
	switch {
	case !s.Interactive() || IsTerminal(s.Out):
		return f(s.Out)
	case IsTerminal(s.Err):
		return f(s.Err)
	}
	tty, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0)
	if err != nil {
		return NoTerminalError{}
	}
	return errors.Join(f(tty), tty.Close())
}

// ReadLine reads one line of In and returns it without its line end. It reads
// nothing after the line, so that the next question can read the next line. It
// returns io.EOF if there is no line.
func (s Streams) ReadLine(ctx context.Context) (string, error) {
	type answer struct {
		line string
		err  error
	}
	c := make(chan answer, 1)
	go func() {
		line, err := readLine(s.In)
		c <- answer{line, err}
	}()
	select {
	case a := <-c:
		return a.line, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// readLine reads single bytes, because buffered bytes would be lost to later
// readers.
func readLine(in io.Reader) (string, error) {
	const maxLine = 4096
	var line strings.Builder
	for one := make([]byte, 1); ; {
		n, err := in.Read(one)
		switch {
		case line.Len() == maxLine:
			return "", fmt.Errorf("reading the answer: longer than %d bytes", maxLine)
		case n > 0 && one[0] == '\n':
			return strings.TrimSuffix(line.String(), "\r"), nil
		case n > 0:
			line.WriteByte(one[0])
		case err != nil && line.Len() > 0 && errors.Is(err, io.EOF):
			return line.String(), nil
		case errors.Is(err, io.EOF):
			return "", io.EOF
		case err != nil:
			return "", fmt.Errorf("reading the answer: %w", err)
		}
	}
}
