package main

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// interrupts are the ways in which the program is asked to end.
type interrupts struct {
	paused atomic.Bool
}

// watch cancels what is under way when the program is asked to end. Asked again,
// it ends at once.
func (i *interrupts) watch(cancel func()) {
	asked := make(chan os.Signal, 1)
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
		for signum := range asked {
			fromTerminal := signum == os.Interrupt || signum == syscall.SIGQUIT
			if fromTerminal && i.paused.Load() {
				continue
			}
			cancel()
			for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
				if !signal.Ignored(s) {
					signal.Reset(s)
				}
			}
			return
		}
	}()
}

// pause leaves ^C and ^\ to whoever has the terminal.
func (i *interrupts) pause() { i.paused.Store(true) }

// resume takes them back.
func (i *interrupts) resume() { i.paused.Store(false) }
