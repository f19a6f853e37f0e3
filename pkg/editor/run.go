package editor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// grace is how long an editor has to save and to set the terminal right when it
// is asked to end.
const grace = 2 * time.Second

// run runs the command on the file and waits for its end.
//
// The command stays in our process group. That makes it the foreground of the
// terminal as we are: it may read from it, and ^C and ^Z reach both of us, so
// that the shell sees one job.
func (e *Editor) run(ctx context.Context, path string) error {
	// The trap is for a shell that stays and waits for the editor: an interrupt
	// is the editor's business, and whether it ended is for it to say.
	script := "trap : INT; " + e.command + ` "$@"`
	// By its path: without PATH in the environment no name would be found, while a
	// shell has a standard one.
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", script, e.command, path) //nolint:gosec // running it is the point
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.stdin, e.stdout, e.stderr
	cmd.WaitDelay = grace + time.Second // for what is left when the kill did not help
	ended := make(chan struct{})
	cmd.Cancel = func() error {
		go killAfter(grace, ended, cmd.Process.Pid)
		return signalEditor(cmd.Process.Pid, syscall.SIGTERM)
	}
	err := cmd.Run()
	close(ended)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted while editing: %w", ctx.Err())
	}
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		// ErrWaitDelay: the command ended well, but something it started, or
		// our side of a pipe to it, is still busy.
		return nil
	}
	return &CommandError{Command: e.command, Err: err}
}

// killAfter ends an editor that did not end when it was asked to: two programs
// cannot share a terminal.
func killAfter(wait time.Duration, ended <-chan struct{}, shell int) {
	select {
	case <-ended:
	case <-time.After(wait):
		_ = signalEditor(shell, syscall.SIGKILL) // it may have ended just now
	}
}

// signalEditor sends a signal to what the shell has started, or to the shell when
// that is nothing: some shells become the editor, others stay and wait for it, and
// a shell that ends first would make us believe that the editor has.
func signalEditor(shell int, signal syscall.Signal) error {
	started := descendants(shell)
	if len(started) == 0 {
		started = []int{shell}
	}
	var errs []error
	for _, pid := range started {
		if err := syscall.Kill(pid, signal); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == len(started) {
		return errors.Join(errs...)
	}
	return nil
}

// descendants returns the processes below pid, as far as the system tells: on
// other systems than Linux it does not.
func descendants(pid int) []int {
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var found []int
	for word := range strings.FieldsSeq(string(list)) {
		if child, err := strconv.Atoi(word); err == nil {
			found = append(append(found, child), descendants(child)...)
		}
	}
	return found
}
