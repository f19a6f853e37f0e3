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

// prompt ends a question.
const prompt = "confctl>"

// NoTerminalError means that there is a question for a person, and no terminal to
// show it on.
type NoTerminalError struct{}

func (NoTerminalError) Error() string {
	return "there is a question to answer, and no terminal to show it on"
}

// Question writes a question and the prompt, and reads one line. io.EOF means that
// there is no answer.
func (s Streams) Question(ctx context.Context, question string) (answer string, err error) {
	if err := s.Ask(question + prompt); err != nil {
		return "", err
	}
	return s.ReadLine(ctx)
}

// Ask writes a question, or a text that follows its answer.
func (s Streams) Ask(question string) error {
	return s.Asking(func(w io.Writer) error {
		_, err := io.WriteString(w, text.Sanitize(question))
		return WriteError(err)
	})
}

// Asking calls f with a writer for a question: Out, which is where the Python tool
// writes it. If a person is to answer who does not see Out, as after ">file", it is
// the terminal.
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

// ReadLine reads one line of In and returns it without its end. It reads nothing
// beyond, so that the next line is left for the next question. io.EOF means that there
// is no line.
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

// readLine reads byte by byte: anything buffered would be lost to others.
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
