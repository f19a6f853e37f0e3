package term

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// interruptible is the name by which this test binary acts as a program whose
// request ignores signals.
const interruptible = "interruptible"

// TestMain runs that program or the tests.
func TestMain(m *testing.M) {
	if os.Args[0] == interruptible {
		beInterrupted()
		return
	}
	os.Exit(m.Run())
}

// beInterrupted reports when it is ready and when it was interrupted, and
// continues. With an argument it is a command that may stop anywhere.
func beInterrupted() {
	ctx, cancel := context.WithCancel(context.Background())
	s := Standard("look before you repeat it", cancel)
	if len(os.Args) > 1 {
		s.Interrupts.EndAtOnce()
	}
	fmt.Println("ready")
	<-ctx.Done()
	fmt.Println("asked")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends
}

// TestSecondInterrupt: the first signal lets the current request finish, and any
// second one ends the program immediately, without a dump of goroutines.
func TestSecondInterrupt(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		first, second os.Signal // second is nil for a command that may stop anywhere
		want          string
	}{
		{os.Interrupt, os.Interrupt, "signal: interrupt"},
		{os.Interrupt, syscall.SIGTERM, "signal: terminated"},
		{os.Interrupt, syscall.SIGQUIT, "exit status 131"},
		{syscall.SIGQUIT, syscall.SIGQUIT, "exit status 131"},
		{syscall.SIGQUIT, os.Interrupt, "signal: interrupt"},
		{syscall.SIGTERM, syscall.SIGQUIT, "exit status 131"},
		{syscall.SIGTERM, syscall.SIGTERM, "signal: terminated"},
		{syscall.SIGHUP, os.Interrupt, "signal: interrupt"},
		{syscall.SIGHUP, syscall.SIGHUP, "signal: hangup"},
		{os.Interrupt, nil, "signal: interrupt"},
		{syscall.SIGQUIT, nil, "exit status 131"},
		{syscall.SIGTERM, nil, "signal: terminated"},
	} {
		t.Run(fmt.Sprint(c.first, " then ", c.second), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // fails if a signal is lost
			defer cancel()
			cmd := exec.CommandContext(ctx, self)
			cmd.Args[0] = interruptible
			var talk bytes.Buffer
			cmd.Stderr = &talk
			if c.second == nil {
				cmd.Args = append(cmd.Args, "at once")
			}
			in, inErr := cmd.StdinPipe()
			out, outErr := cmd.StdoutPipe()
			if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
				t.Fatal(err)
			}
			defer in.Close() //nolint:errcheck // it is the end of the program
			said := bufio.NewScanner(out)
			signals := map[string]os.Signal{"ready": c.first, "asked": c.second}
			for said.Scan() {
				if s := signals[said.Text()]; s != nil {
					if err := cmd.Process.Signal(s); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := cmd.Wait(); err == nil || err.Error() != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
			if strings.Contains(talk.String(), "goroutine") {
				t.Error(talk.String())
			}
			if told := strings.Contains(talk.String(), "stopped at once; look before you repeat it"); told != (c.second != nil) {
				t.Errorf("said %q", talk.String())
			}
		})
	}
}
