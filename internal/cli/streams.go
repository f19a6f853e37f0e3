package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/conftool/confctl/internal/text"
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

// oneLine joins the lines of a message, and escapes what may not be shown: it may
// come from a key or a value that somebody else has written.
func oneLine(msg string) string {
	return text.Line(strings.ReplaceAll(strings.TrimRight(msg, "\n"), "\n", "; "))
}

// unheard reports whether a person sees the results and not the talk, as where a
// wrapper script runs the program with 2>/dev/null.
func (s streams) unheard() bool { return isTerminal(s.out) && !isTerminal(s.err) }

// sayAlso writes a line to a person who does not see the talk.
func (s streams) sayAlso(parts ...string) {
	if s.unheard() {
		line := strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
		fmt.Fprintln(s.out, "confctl: "+oneLine(line)) // if that fails, nobody is there
	}
}

// warn writes what is wrong but stops nothing.
func (s streams) warn(msg string) { s.say("warning: %s", msg) }

// print writes a result, of which what may not be shown is escaped.
func (s streams) print(format string, args ...any) error {
	_, err := io.WriteString(s.out, text.Sanitize(fmt.Sprintf(format, args...)))
	return outputError(err)
}

// write hands a buffered writer of results to a function.
func (s streams) write(f func(*bufio.Writer)) error {
	w := bufio.NewWriterSize(s.out, 64<<10)
	f(w)
	return outputError(w.Flush())
}

// whileRead returns a context that ends when nobody reads the results any more, as
// after "| head -1": whoever has nothing to write would not notice. The cause is
// what writing would fail with.
func (s streams) whileRead(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if f := fileOf(s.out); f != nil {
		go func() {
			if readerGone(ctx, f) {
				cancel(outputError(syscall.EPIPE))
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}

// readerGone waits until nobody reads from the other end of a pipe or a socket. It
// returns false if the context ends first, or if that cannot be known.
func readerGone(ctx context.Context, f *os.File) bool {
	info, err := f.Stat()
	conn, connErr := f.SyscallConn()
	if err != nil || connErr != nil || info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) == 0 {
		return false
	}
	const gone = unix.POLLERR | unix.POLLHUP | unix.POLLNVAL
	for ctx.Err() == nil {
		p := []unix.PollFd{{Events: unix.POLLHUP}} // macOS tells nothing that it is not asked for
		controlErr := conn.Control(func(fd uintptr) {
			p[0].Fd = int32(fd)
			_, err = unix.Poll(p, 1000) // so that it ends some time after the context
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

// asking hands f what a question is written to. It stands among the results, as
// in the original, unless a person is to answer it and does not see these, as
// after ">file": then it goes where they do.
func (s streams) asking(f func(io.Writer) error) error {
	switch {
	case !s.interactive() || isTerminal(s.out):
		return f(s.out)
	case isTerminal(s.err):
		return f(s.err)
	}
	tty, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0)
	if err != nil {
		return &usageError{"there is a question to answer, and no terminal to show it on", "leave standard output or standard error on the terminal; --yes answers with yes"}
	}
	return errors.Join(f(tty), tty.Close())
}

// screen returns what an editor is shown on: the terminal that a person sees, if
// the results go elsewhere.
func (s streams) screen() io.Writer {
	if s.interactive() && !isTerminal(s.out) && isTerminal(s.err) {
		return bare(s.err)
	}
	return bare(s.out)
}

// ask writes a question, or what is said of its answer.
func (s streams) ask(question string) error {
	return s.asking(func(w io.Writer) error {
		_, err := io.WriteString(w, text.Sanitize(question))
		return outputError(err)
	})
}

// interactive reports whether a person can answer a question.
func (s streams) interactive() bool { return isTerminal(s.in) }

// colored reports whether what is written to a stream may be coloured.
func colored(stream io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(stream)
}

func isTerminal(stream any) bool {
	f := fileOf(stream)
	return f != nil && term.IsTerminal(int(f.Fd()))
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

// longestAnswer is the most bytes that are read for an answer.
const longestAnswer = 4096

func readLine(in io.Reader) (string, error) {
	var line strings.Builder
	for one := make([]byte, 1); ; {
		n, err := in.Read(one)
		switch {
		case line.Len() == longestAnswer:
			return "", fmt.Errorf("longer than %d bytes", longestAnswer)
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
