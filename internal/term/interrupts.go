package term

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// Interrupts handles the signals that ask the program to end. Its methods do
// nothing on a nil receiver.
type Interrupts struct {
	asked  chan struct{} // closed by the first signal
	paused atomic.Bool
	abrupt atomic.Bool
}

// handle calls cancel after the first signal. A second signal of any kind ends
// the program immediately, after a message with the advice.
func (i *Interrupts) handle(s Streams, advice string, cancel func()) {
	signals := notify()
	go func() {
		for first := true; ; {
			signum := <-signals
			fromTerminal := signum == os.Interrupt || signum == syscall.SIGQUIT
			if fromTerminal && i.paused.Load() {
				continue
			}
			if first && !i.abrupt.Load() {
				first = false
				close(i.asked)
				cancel()
				continue
			}
			if !first {
				s.Say("stopped at once; %s", advice)
			}
			exitBy(signum)
		}
	}()
}

// notify returns a channel of the signals that ask the program to end.
func notify() <-chan os.Signal {
	signals := make(chan os.Signal, 8) // has room for signals that follow each other quickly
	signal.Notify(signals, syscall.SIGTERM)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGQUIT, syscall.SIGHUP} {
		if !signal.Ignored(s) { // nohup ignores SIGHUP
			signal.Notify(signals, s)
		}
	}
	// Without this, SIGPIPE would end a change before it is announced when the
	// reader of the output ends. Now the write returns an error. Child processes
	// keep the default.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return signals
}

// exitBy ends the program by a signal, so that the parent process sees which one it
// was. For SIGQUIT it exits with the status that a shell reports for it: the Go runtime
// would print a dump of all goroutines.
func exitBy(signum os.Signal) {
	number, ok := signum.(syscall.Signal)
	if !ok {
		os.Exit(1)
	}
	if number != syscall.SIGQUIT {
		signal.Reset(number)
		_ = syscall.Kill(os.Getpid(), number) // if this fails, os.Exit ends the process
		time.Sleep(time.Second)               // lets the signal arrive first
	}
	os.Exit(128 + int(number))
}

// EndAtOnce makes the first signal end the program immediately. It is for
// commands that change nothing and may stop anywhere.
func (i *Interrupts) EndAtOnce() {
	if i != nil {
		i.abrupt.Store(true)
	}
}

// Pause ignores ^C and ^\ while another program uses the terminal.
func (i *Interrupts) Pause() {
	if i != nil {
		i.paused.Store(true)
	}
}

// Resume handles ^C and ^\ again.
func (i *Interrupts) Resume() {
	if i != nil {
		i.paused.Store(false)
	}
}
