// Confctl changes the live state of a fleet: which hosts are pooled and with
// what weight, which datacenter is master, whether the site is read-only.
package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

func main() { os.Exit(process(os.Args)) }

// process runs the program as the operating system knows it: with signals and
// the standard streams.
func process(args []string) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	std := streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, editing: new(atomic.Bool)}
	go std.handleSignals(cancel)
	return run(ctx, args, std)
}

// handleSignals cancels what is under way when the program is asked to end. An
// interrupt while an editor has the terminal is meant for the editor.
func (s streams) handleSignals(cancel func()) {
	signal.Ignore(syscall.SIGPIPE) // a reader that goes away must not end a change half announced
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	for got := range signals {
		if got != os.Interrupt || !s.editing.Load() {
			cancel()
		}
	}
}

// run is the program: it takes the arguments with the name it was called by,
// and returns the exit code.
func run(ctx context.Context, args []string, std streams) int {
	words, err := prepare(args)
	if err != nil {
		return report(std, err)
	}
	root := newRoot(std)
	root.SetArgs(words)
	return report(std, root.ExecuteContext(ctx))
}
