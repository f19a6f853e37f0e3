package term

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// Interrupts are the signals that ask the program to end. The methods work on a nil
// receiver, too, and then do nothing.
type Interrupts struct {
	asked  chan struct{} // closed when the program is asked to end
	paused atomic.Bool
	abrupt atomic.Bool
}

// handle calls cancel when the program is asked to end. A second signal, the same or
// another, ends the program at once, after a message with the advice.
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
	signals := make(chan os.Signal, 8) // so that a second signal right after the first is not lost
	signal.Notify(signals, syscall.SIGTERM)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGQUIT, syscall.SIGHUP} {
		if !signal.Ignored(s) { // nohup ignores SIGHUP
			signal.Notify(signals, s)
		}
	}
	// A reader that goes away must not end a change before it is announced: writing
	// to it returns an error instead. The default stays for child processes.
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
		_ = syscall.Kill(os.Getpid(), number) // if that fails, os.Exit ends it
		time.Sleep(time.Second)               // the signal comes first
	}
	os.Exit(128 + int(number))
}

// EndAtOnce has the first signal end the program at once: for a command that changes
// nothing and may stop anywhere.
func (i *Interrupts) EndAtOnce() {
	if i != nil {
		i.abrupt.Store(true)
	}
}

// Pause leaves ^C and ^\ to another program that has the terminal.
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
