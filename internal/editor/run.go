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

// grace is how long an editor has to save and to restore the terminal after SIGTERM.
const grace = 2 * time.Second

// run runs the command on the file and waits until it ends.
//
// The command stays in the process group of this process. So it is in the foreground
// of the terminal and may read from it, and ^C and ^Z reach both processes, so that
// the shell sees one job.
func (e *Editor) run(ctx context.Context, path string) error {
	// The trap is for a shell that waits for the editor: the editor handles an
	// interrupt, and its exit status decides the result.
	script := "trap : INT; " + e.command + ` "$@"`
	// Use the path of the shell: without PATH in the environment its name could not be
	// resolved, but the shell itself has a default PATH.
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", script, e.command, path) //nolint:gosec // running it is the point
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.stdin, e.stdout, e.stderr
	cmd.WaitDelay = grace + time.Second // in case the kill does not end everything
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
		// ErrWaitDelay: the command succeeded, but a process that it started, or this side
		// of a pipe to it, is still active.
		return nil
	}
	return &CommandError{Command: e.command, Err: err}
}

// killAfter kills an editor that did not end after SIGTERM: two programs cannot
// share a terminal.
func killAfter(wait time.Duration, ended <-chan struct{}, shell int) {
	select {
	case <-ended:
	case <-time.After(wait):
		_ = signalEditor(shell, syscall.SIGKILL) // it may have just ended
	}
}

// signalEditor sends a signal to the processes that the shell has started, or to the
// shell if there are none: some shells replace themselves by the editor, others wait
// for it, and if a shell ended first, the editor would seem to have ended.
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

// descendants returns the processes below pid. It returns none on systems other than
// Linux.
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
