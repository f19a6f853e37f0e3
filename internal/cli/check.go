package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/readers"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
)

// newCheck returns the parent command of the checks for a monitoring system. A
// monitoring system reads exit codes as those of a plugin, where 2 is CRITICAL and
// not a usage error. So whatever prevents a check, even a mistake in its command
// line, is reported as UNKNOWN.
func newCheck(std term.Streams, g *globals) *cobra.Command {
	check := &cobra.Command{
		Use:         "check",
		Short:       "Check the readers of the store, for monitoring",
		Annotations: map[string]string{exitNote: pluginCodes},
		Args:        cobra.ArbitraryArgs, // RunE refuses them
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			return unknownAtWorst(std, cmd.Root().PersistentPreRunE(cmd, args))
		},
		RunE: func(_ *cobra.Command, args []string) error {
			wrong := &usageError{"check what?", "confctl check readers"}
			if len(args) > 0 {
				wrong = &usageError{fmt.Sprintf("no check %q", args[0]), "confctl check readers"}
			}
			return unknownAtWorst(std, wrong)
		},
	}
	check.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return unknownAtWorst(std, wrongOption(cmd, err))
	})
	check.AddCommand(newCheckReaders(std, g))
	return check
}

// pluginCodes describes the exit codes of a monitoring plugin.
const pluginCodes = "0 OK · 1 WARNING · 2 CRITICAL · 3 UNKNOWN, also if the check itself fails"

// unknownAtWorst reports an error as a monitoring plugin does: on one line of
// standard output, with the exit code of UNKNOWN. It returns nil if err is nil.
func unknownAtWorst(std term.Streams, err error) error {
	if err == nil {
		return nil
	}
	_, msg, hint := explain(err)
	var words []string
	for _, line := range slices.Concat(text.Lines(msg), text.Lines(hint)) {
		words = append(words, strings.TrimSpace(line))
	}
	text := strings.ReplaceAll(text.OneLine(strings.Join(words, "; ")), "|", "/") // a | starts the performance data
	return printLevel(std, readers.Unknown.String()+": "+text+"\n", readers.Unknown)
}

// printLevel prints the output of a monitoring plugin and returns the error that
// ends the command with the exit code of its level. The level is UNKNOWN if the
// output cannot be written.
func printLevel(std term.Streams, text string, level readers.Level) error {
	if err := std.Print("%s", text); err != nil {
		std.Say("%v", err)
		level = readers.Unknown // the level was not reported
	}
	if level == readers.OK {
		return nil
	}
	return &partlyError{int(level)}
}
