// Package editor lets a person change a text in an editor of their choice, and does
// not lose what they typed.
//
// It treats the text as bytes; the caller's check decides whether a text is
// acceptable. A text that fails the check is opened again with the reason on top, as
// often as the person wants. Whatever else happens (the editor crashes, a signal
// arrives, the person gives up, or the change cannot be written later), the text
// stays in a file, whose path is in the error, until the caller calls Discard.
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

// MaxSize is the size limit in bytes of a text, both when it is opened and when it
// is read back.
const MaxSize = 16 << 20

// Editor opens texts with one command. It has no state: any number of buffers may be
// open, and an Editor may be copied and reused.
type Editor struct {
	command string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
}

// New returns an Editor that runs command as git runs $EDITOR: through the shell,
// with the file as the last argument, so that spaces, quotes and variables in it
// have their meaning in the shell.
//
// The streams are passed to the command. An editor that needs a terminal requires
// them to be the *os.File of that terminal. From any other reader, the command may
// read ahead, and unused input is lost.
func New(command string, stdin io.Reader, stdout, stderr io.Writer) *Editor {
	return &Editor{command: command, stdin: stdin, stdout: stdout, stderr: stderr}
}

// Open writes text to a new file that only this user can read, in its own directory,
// and returns the buffer for it. It does not run the editor. The file is named after
// name, which may be any string, with the extension .yaml.
//
// The caller must call Discard for every buffer, unless the person who typed the
// text may still need it.
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

// Buffer is a text that is being edited, and the file that holds it.
type Buffer struct {
	editor  Editor
	path    string
	initial []byte
	block   block // the lines that this package has added on top of the text in the file
}

// Path returns the name of the file.
func (b *Buffer) Path() string { return b.path }

// Discard removes the file and everything that the editor has left beside it. It may
// be called more than once.
func (b *Buffer) Discard() error { return discard(b.path) }

// Edit runs the editor on the buffer until the text is accepted, and returns the
// text exactly as the editor left it, including line ends and byte order mark.
//
// A text that is equal to the one given to Open is returned without being checked.
// Any other returned text is valid UTF-8 and was accepted by check. If check fails,
// Edit calls again with its error, once each time that the editor has ended; if
// again returns true, the editor is opened once more on the text as the person left
// it, below a block of comment lines that give the reason. check never sees that
// block.
//
// If Edit fails and the text still exists, the error is a *KeptError, which has the
// path of the file; the file then contains the text without the block, unless it
// could not be read or the editor was interrupted. It wraps
//
//   - a *CommandError if the command could not be run or failed; a text that was not
//     changed is not kept in that case, and the error is not wrapped, unless the
//     editor has left another file beside it: an editor that loses its terminal saves
//     its unsaved text there;
//   - a *RejectedError if again returned false, or the error of again;
//   - ErrTooLarge, or the error of reading or writing the file;
//   - the error of ctx if it ended. The editor then receives SIGTERM and is given a
//     moment to end. In a terminal, ^C reaches both the editor and this process: a
//     caller that wants ^C to affect only the editor passes a ctx that ^C does not
//     cancel.
//
// If the editor has removed the file, the error is ErrRemoved, wrapped in a
// *KeptError only if there is another file beside it.
//
// Edit may be called again on the same buffer, for instance to change a text that
// was accepted but could not be applied.
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
		// The editor may still be running, so the file is not changed.
		return nil, b.kept(failed)
	case err == nil && bytes.Equal(text, b.initial) && len(beside(b.path)) == 0:
		return nil, errors.Join(failed, b.Discard())
	case err == nil:
		return nil, b.giveUp(text, failed)
	}
	return nil, b.kept(failed) // the file exists, but cannot be read
}

// judge returns the reason why text cannot be accepted, or nil.
func (b *Buffer) judge(text []byte, check func([]byte) error) error {
	if bytes.Equal(text, b.initial) {
		return nil
	}
	if i := firstInvalid(text); i >= 0 {
		return fmt.Errorf("line %d: not valid UTF-8", 1+bytes.Count(text[:i], []byte("\n")))
	}
	return check(text)
}

// firstInvalid returns the offset of the first byte that is not UTF-8, or -1.
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

// explain writes the reason and then text to the file.
func (b *Buffer) explain(reason error, text []byte) error {
	block := newBlock(reason)
	if err := replacePrivate(b.path, block.above(text)); err != nil {
		return err
	}
	b.block = block
	return nil
}

// settle writes only text to the file: a block of an earlier round would confuse
// whoever finds the file later.
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

// giveUp settles the file and returns the error why, with the path.
func (b *Buffer) giveUp(text []byte, why error) error {
	return errors.Join(b.kept(why), b.settle(text))
}

func (b *Buffer) kept(err error) error {
	return &KeptError{Path: b.path, Beside: beside(b.path), Err: err}
}

// removed returns the error for a file that no longer exists, including the error of
// the editor if it failed. Files that the editor left beside it are kept.
func (b *Buffer) removed(failed error) error {
	err := errors.Join(fmt.Errorf("%w: %s", ErrRemoved, b.path), failed)
	if len(beside(b.path)) > 0 {
		return b.kept(err)
	}
	removeEmptyDir(b.path)
	return err
}
