// Package cli is the command line of confctl: commands, options, exit codes and
// completion.
package cli

import (
	"context"
	"os"
	"runtime/debug"

	_ "github.com/conftool/confctl/internal/descriptors" // ends the program if it can open too few files
	"github.com/conftool/confctl/internal/term"
)

// Main runs the program with signal handling and the standard streams, and returns
// the exit code. The first argument is the name by which the program was called.
func Main(args []string) int {
	// A run is short, so collecting garbage often is mostly wasted work. The limit
	// bounds the memory on a large fleet.
	collectGarbage(400, 160<<20)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return run(ctx, args, term.Standard(abruptEnd, cancel))
}

// abruptEnd is the advice to an operator who has stopped the program abruptly.
const abruptEnd = "if a change was being made, confctl log shows whether it was"

// collectGarbage sets the garbage collection target, in percent of heap growth, unless
// GOGC is set, and the memory limit, in bytes, unless GOMEMLIMIT is set.
func collectGarbage(percent int, limit int64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
}

// run runs the command line args, whose first element is the name by which the
// program was called, reports errors, and returns the exit code.
func run(ctx context.Context, args []string, std term.Streams) int {
	words, err := prepare(args)
	if err != nil {
		return report(std, err)
	}
	root := newRoot(std, words, calledAs(args[0]))
	root.SetArgs(verbFirst(root, words))
	help := &term.ErrWriter{W: std.Out}
	root.SetOut(help)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = term.WriteError(help.Err)
	}
	if cmd.Annotations[changing] != "" {
		reportAlso(std, err)
	}
	return report(std, err)
}
