package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newCompletion(std streams) *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the script that makes a shell complete confctl's words",
		Long: `Print the script that makes a shell complete confctl's words: commands, object
types, tags and their values, fields, hosts. make install puts the scripts where
shells look for them.`,
		Annotations: exitCodes(exitDone, exitFailed, exitUsage),
		Example: `  source <(confctl completion bash)
  confctl completion zsh >"${fpath[1]}/_confctl"
  confctl completion fish >~/.config/fish/completions/confctl.fish`,
		Args:      arguments(1, 1),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			script, err := completionScript(cmd.Root(), args[0])
			if err != nil {
				return err
			}
			return std.print("%s", script)
		},
	}
}

func completionScript(root *cobra.Command, shell string) (string, error) {
	var script bytes.Buffer
	var err error
	switch shell {
	case "bash":
		err = root.GenBashCompletionV2(&script, true)
	case "zsh":
		err = root.GenZshCompletion(&script)
	case "fish":
		err = root.GenFishCompletion(&script, true)
	default:
		return "", &usageError{fmt.Sprintf("no completion for %q", shell), "known: bash, zsh, fish"}
	}
	if err != nil {
		return "", err
	}
	// Bash quotes what it inserts, commas too, and then does not find the part
	// of a selector again that is typed already. A comma needs no quotes there.
	return strings.NewReplacer(
		`COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]}")`,
		`COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]}"); COMPREPLY[0]=${COMPREPLY[0]//\\,/,}`,
		`COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]%%$tab*}")`,
		`COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]%%$tab*}"); COMPREPLY[0]=${COMPREPLY[0]//\\,/,}`,
	).Replace(script.String()), nil
}
