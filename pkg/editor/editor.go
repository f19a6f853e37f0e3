// Package editor lets a person change a text in the editor of their choice,
// and does not lose what they typed.
//
// It knows bytes only: what makes a text acceptable is the caller's check. A
// text that fails it is opened again with the reason on top, as often as the
// person wants. Whatever else happens (the editor crashes, a signal arrives, the
// person gives up, or later the change cannot be written) the text stays in a
// file of its own, whose path the error names, until the caller says with
// Discard that it is needed no more.
package editor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// MaxSize is the size in bytes of the largest text that is opened or read back.
const MaxSize = 16 << 20

// Editor opens texts with one command. It holds no state: any number of buffers
// may be open, and it may be copied and used again.
type Editor struct {
	command string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
}

// New returns an Editor that runs command as git runs $EDITOR: through the
// shell, with the file as the last argument, so that words, quotes and variables
// in it mean what they mean there.
//
// The streams are handed to the command. For an editor that wants a terminal
// they must be the *os.File of that terminal; a reader of another kind is read
// ahead by the command, and what it leaves is lost.
func New(command string, stdin io.Reader, stdout, stderr io.Writer) *Editor {
	return &Editor{command: command, stdin: stdin, stdout: stdout, stderr: stderr}
}

// Open puts text into a file that only this user can read, in a directory of its
// own, and returns the buffer for it; nothing is shown yet. The file is called
// after name, which may be anything, with .yaml at its end.
//
// The caller ends every buffer with Discard, unless the text is still of use to
// the person who typed it.
func (e *Editor) Open(name string, text []byte) (*Buffer, error) {
	if strings.TrimSpace(e.command) == "" {
		return nil, errors.New("no editor is set")
	}
	if len(text) > MaxSize {
		return nil, tooLarge(int64(len(text)))
	}
	path, err := createPrivate(fileName(name), text)
	if err != nil {
		return nil, err
	}
	return &Buffer{editor: *e, path: path, initial: bytes.Clone(text)}, nil
}

// Buffer is a text under edit, and the file that holds it.
type Buffer struct {
	editor  Editor
	path    string
	initial []byte
	block   block // the lines this package has put on top of the text in the file
}

// Path returns the name of the file.
func (b *Buffer) Path() string { return b.path }

// Discard removes the file and all that the editor has left beside it. It may be
// called more than once.
func (b *Buffer) Discard() error { return discard(b.path) }

// Edit runs the editor on the buffer until the text is accepted, and returns the
// text as it was left: line ends, byte order mark and all.
//
// A text that is the one given to Open is returned without being checked: nothing
// was changed. Any other is valid UTF-8 and was accepted by check. When check
// fails, again is called with its error, once for every time the editor has ended;
// if it says yes, the editor is opened once more on the text as the person left
// it, below a block of comment lines that give the reason. check never sees that
// block.
//
// When Edit fails and the text is still there, the error is a *KeptError, which
// names the file; the file then holds the text without the block, unless it could
// not be read or the editor was interrupted. It wraps
//
//   - a *CommandError if the command could not be run or did not end well; a text
//     that was not changed is not kept then, and the error stands alone, unless the
//     editor has left another file beside it: an editor that loses its terminal
//     puts there what was not saved;
//   - a *RejectedError if again said no, or the error of again if that failed;
//   - ErrTooLarge, or the error met when reading or writing the file;
//   - the error of ctx if that ended. The editor is then asked to end, with
//     SIGTERM, and given a moment for it. In a terminal ^C reaches the editor as
//     well as this process: a caller that wants ^C to be the editor's alone passes
//     a ctx that it does not end.
//
// If the editor has removed the file, the error is ErrRemoved, in a *KeptError only
// if there is another file beside it.
//
// Edit may be called again on the same buffer, for instance to change a text that
// was accepted and then turned out not to fit.
func (b *Buffer) Edit(ctx context.Context, check func([]byte) error, again func(reason error) (bool, error)) ([]byte, error) {
	for {
		text, err := b.open(ctx)
		if err != nil {
			return nil, err
		}
		reason := b.judge(text, check)
		if reason == nil {
			return text, b.settle(text)
		}
		yes, err := again(reason)
		if err != nil {
			return nil, b.giveUp(text, err)
		}
		if !yes {
			return nil, b.giveUp(text, &RejectedError{Reason: reason})
		}
		if err := b.explain(reason, text); err != nil {
			return nil, b.kept(err)
		}
	}
}

// open runs the editor once and returns the text it has left.
func (b *Buffer) open(ctx context.Context) ([]byte, error) {
	failed := b.editor.run(ctx, b.path)
	text, err := b.read()
	switch {
	case failed == nil && err == nil:
		return text, nil
	case errors.Is(err, os.ErrNotExist):
		return nil, b.removed(failed)
	case failed == nil:
		return nil, b.kept(err)
	case ctx.Err() != nil:
		// The editor may be at work still, so the file is left to it.
		return nil, b.kept(failed)
	case err == nil && bytes.Equal(text, b.initial) && len(beside(b.path)) == 0:
		return nil, errors.Join(failed, b.Discard())
	case err == nil:
		return nil, b.giveUp(text, failed)
	}
	return nil, b.kept(failed) // what is there cannot be read, but it is there
}

// judge returns why text cannot be accepted, or nil.
func (b *Buffer) judge(text []byte, check func([]byte) error) error {
	if bytes.Equal(text, b.initial) {
		return nil
	}
	if i := firstInvalid(text); i >= 0 {
		return fmt.Errorf("line %d: not valid UTF-8", 1+bytes.Count(text[:i], []byte("\n")))
	}
	return check(text)
}

// firstInvalid returns where text ceases to be UTF-8, or -1.
func firstInvalid(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// read returns the text in the file, without the block on top.
func (b *Buffer) read() ([]byte, error) {
	text, err := readPrivate(b.path)
	if err != nil {
		return nil, err
	}
	return b.block.strip(text), nil
}

// explain puts the reason on top of text in the file.
func (b *Buffer) explain(reason error, text []byte) error {
	block := newBlock(reason)
	if err := replacePrivate(b.path, block.above(text)); err != nil {
		return err
	}
	b.block = block
	return nil
}

// settle leaves nothing but text in the file: a block of an earlier round would
// only puzzle who finds it later.
func (b *Buffer) settle(text []byte) error {
	if b.block == nil {
		return nil
	}
	if err := replacePrivate(b.path, text); err != nil {
		return b.kept(err)
	}
	b.block = nil
	return nil
}

// giveUp settles the file and returns why, with its path.
func (b *Buffer) giveUp(text []byte, why error) error {
	return errors.Join(b.kept(why), b.settle(text))
}

func (b *Buffer) kept(err error) error {
	return &KeptError{Path: b.path, Beside: beside(b.path), Err: err}
}

// removed reports that the file is gone, and what the editor said if it failed.
// What the editor may have left beside the file is kept.
func (b *Buffer) removed(failed error) error {
	err := errors.Join(fmt.Errorf("%w: %s", ErrRemoved, b.path), failed)
	if len(beside(b.path)) > 0 {
		return b.kept(err)
	}
	removeEmptyDir(b.path)
	return err
}
