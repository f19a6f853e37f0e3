package cli

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// interrupts are the ways in which the program is asked to end.
type interrupts struct {
	asked  chan struct{} // closed when the program is asked to end
	paused atomic.Bool
	hasty  atomic.Bool
}

func newInterrupts() *interrupts { return &interrupts{asked: make(chan struct{})} }

// watch cancels what is under way when the program is asked to end. Asked again,
// by the same signal or another, it ends at once, and says so.
func (i *interrupts) watch(talk io.Writer, cancel func()) {
	asked := make(chan os.Signal, 8) // so that a second signal on the heels of the first is not lost
	signal.Notify(asked, syscall.SIGTERM)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGQUIT, syscall.SIGHUP} {
		if !signal.Ignored(s) { // as nohup has it
			signal.Notify(asked, s)
		}
	}
	// A reader that goes away must not end a change half announced: writing to
	// it is an error instead. What this program starts is not concerned.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		for first := true; ; {
			signum := <-asked
			fromTerminal := signum == os.Interrupt || signum == syscall.SIGQUIT
			if fromTerminal && i.paused.Load() {
				continue
			}
			if first && !i.hasty.Load() {
				first = false
				close(i.asked)
				cancel()
				continue
			}
			if !first {
				fmt.Fprintln(talk, "confctl: stopped at once; if a change was being made, confctl log shows whether it was")
			}
			endBy(signum)
		}
	}()
}

// endBy ends the program so that whoever started it sees which signal it was. The
// exception is SIGQUIT, of which the Go runtime makes a dump of all goroutines: a
// shell would report the same status for it.
func endBy(signum os.Signal) {
	number, ok := signum.(syscall.Signal)
	if !ok {
		os.Exit(exitFailed)
	}
	if number != syscall.SIGQUIT {
		signal.Reset(number)
		_ = syscall.Kill(os.Getpid(), number) // if that fails, the next line ends it
		time.Sleep(time.Second)               // the signal comes first
	}
	os.Exit(128 + int(number))
}

// atOnce has the first signal end the program at once, for a command that writes
// nothing and may stop anywhere.
func (i *interrupts) atOnce() { i.hasty.Store(true) }

// pause leaves ^C and ^\ to whoever has the terminal.
func (i *interrupts) pause() { i.paused.Store(true) }

// resume takes them back.
func (i *interrupts) resume() { i.paused.Store(false) }
