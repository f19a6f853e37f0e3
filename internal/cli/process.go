// Package cli is the command line of confctl: commands, options, exit codes and
// completion.
package cli

import (
	"context"
	"os"
	"runtime/debug"

	_ "github.com/conftool/confctl/internal/descriptors" // ends the program where it could open too few files
	"github.com/conftool/confctl/internal/term"
)

// Main runs the program as the operating system knows it, with signals and the
// standard streams, and returns the exit code. The first argument is the name
// that the program was called by.
func Main(args []string) int {
	// A run is short: collecting its garbage is mostly work for nothing. The
	// limit keeps that from costing much memory on a large fleet.
	collectGarbage(400, 160<<20)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return run(ctx, args, term.Standard(abruptEnd, cancel))
}

// abruptEnd advises an operator who has stopped the program at once.
const abruptEnd = "if a change was being made, confctl log shows whether it was"

// collectGarbage has that done when memory in use has grown by a part, in percent, or
// nears a limit in bytes, but for what the environment says of either.
func collectGarbage(percent int, limit int64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
}

// run is the program: it takes the arguments with the name it was called by,
// and returns the exit code.
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
