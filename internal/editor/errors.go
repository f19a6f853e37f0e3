package editor

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

// ErrRemoved reports that the file did not exist when the editor had ended.
var ErrRemoved = errors.New("the editor left no file")

// ErrTooLarge reports a text larger than MaxSize.
var ErrTooLarge = errors.New("too large to edit")

func tooLarge(size int64) error {
	return fmt.Errorf("%w: %d bytes, at most %d are possible", ErrTooLarge, size, MaxSize)
}

// KeptError reports an edit that failed and whose text was kept.
type KeptError struct {
	Path string // the file with the text
	// Beside are the files that the editor left beside it, such as the swap file of vim,
	// which may contain unsaved text.
	Beside []string
	Err    error // why the edit failed
}

func (e *KeptError) Error() string {
	text := fmt.Sprintf("%v; the text is kept in %s", e.Err, e.Path)
	if len(e.Beside) > 0 {
		text += ", and what the editor left in " + strings.Join(e.Beside, ", ")
	}
	return text
}

// Unwrap returns why the edit failed.
func (e *KeptError) Unwrap() error { return e.Err }

// RejectedError reports a text that was not acceptable and that the person did not
// want to edit again.
type RejectedError struct {
	Reason error // the error of the check
}

func (e *RejectedError) Error() string {
	return fmt.Sprintf("the text was not accepted: %v", e.Reason)
}

// Unwrap returns the error of the check.
func (e *RejectedError) Unwrap() error { return e.Reason }

// CommandError reports an editor command that could not be run or failed.
type CommandError struct {
	Command string // as given to New
	Err     error  // an *exec.ExitError if it ran
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("editor %q: %s", e.Command, e.outcome())
}

// Unwrap returns the error of running the command.
func (e *CommandError) Unwrap() error { return e.Err }

// outcome describes how the command ended, and names the usual causes: the shell has
// its own exit codes for a program that it cannot run.
func (e *CommandError) outcome() string {
	exit, ok := errors.AsType[*exec.ExitError](e.Err)
	if !ok {
		return e.Err.Error()
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return fmt.Sprintf("ended by signal %d (%v)", status.Signal(), status.Signal())
	}
	code := exit.ExitCode()
	switch {
	case code == 126:
		return "exit status 126 (not executable)"
	case code == 127:
		return "exit status 127 (no such command)"
	case code > 128:
		return fmt.Sprintf("exit status %d (%v)", code, syscall.Signal(code-128))
	default:
		return fmt.Sprintf("exit status %d", code)
	}
}
