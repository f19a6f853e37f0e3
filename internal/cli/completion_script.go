package cli

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/term"
)

func newCompletion(std term.Streams) *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the completion script for a shell",
		Long: `Print the completion script for a shell. It completes commands, object types,
tags and their values, fields and hosts. make install puts the scripts where
shells look for them.

Only words of letters, digits and ._:/@%+=,- are completed, because a shell
might act on others: type those in quotes. Nothing is completed after a word
that the shell would expand, such as $NAME.`,
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
			return std.Print("%s", script)
		},
	}
}

func completionScript(root *cobra.Command, shell string) (string, error) {
	var script bytes.Buffer
	var err error
	var edits []edit
	switch shell {
	case "bash":
		edits, err = bashEdits(), root.GenBashCompletionV2(&script, true)
	case "zsh":
		edits, err = zshEdits(), root.GenZshCompletion(&script)
	case "fish":
		edits, err = fishEdits(), root.GenFishCompletion(&script, true)
	default:
		return "", &usageError{fmt.Sprintf("no completion for %q", shell), "known: bash, zsh, fish"}
	}
	if err != nil {
		return "", err
	}
	return edited(script.String(), edits)
}

// An edit is a change to a script that cobra generates. Cobra's scripts evaluate the
// line as it is typed, so Tab would run a command substitution in it.
type edit struct{ before, after string }

// edited applies edits to a script. It returns an error unless the script contains
// the text of each edit exactly once: another version of cobra may generate a
// different script.
func edited(script string, edits []edit) (string, error) {
	for _, e := range edits {
		if n := strings.Count(script, e.before); n != 1 {
			return "", fmt.Errorf("the completion script has %q %d times, not once", e.before, n)
		}
		script = strings.Replace(script, e.before, e.after, 1)
	}
	return script, nil
}

// harmless is code for the bash and zsh scripts. It ends the completion unless
// evaluating the typed line only removes its quotes.
const harmless = `    # Evaluate nothing but words, quotes, and patterns for file names.
    local harmless='^([][A-Za-z0-9._:/@%+=,~*?^[:blank:]-]|\\[[:graph:][:blank:]]|'"'[^']*'"'|"[^"$` + "`" + `\\]*")*$'
    [[ ${requestComp} =~ ${harmless} ]] || return 1
`

func bashEdits() []edit {
	const call = `    out=$(eval "${requestComp}" 2>/dev/null)` + "\n"
	return []edit{
		{call, harmless + call},
		{"    __confctl_get_completion_results\n    __confctl_process", "    __confctl_get_completion_results || return\n    __confctl_process"},
		// The script needs neither the bash-completion package nor Bash's own word breaks.
		{
			"    if declare -F _init_completion >/dev/null 2>&1; then\n        _init_completion -n =: || return\n    else\n        __confctl_init_completion -n =: || return\n    fi\n",
			"    __confctl_init_completion\n",
		},
		{`    _get_comp_words_by_ref "$@" cur prev words cword` + "\n", `    local line=${COMP_LINE:0:COMP_POINT}
    IFS=$' \t\n' read -ra words <<<"${line}"
    [[ ${line} == *[[:blank:]] ]] && words+=("")
    cword=$((${#words[@]} - 1))
    cur=${words[cword]} prev=${words[cword - 1]}
`},
		{`        filteringCmd="_filedir $fullFilter"`, `        filteringCmd="__confctl_filedir $fullFilter"`},
		{`>/dev/null 2>&1 && _filedir -d && popd`, `>/dev/null 2>&1 && __confctl_filedir -d && popd`},
		{"            _filedir -d\n", "            __confctl_filedir -d\n"},
		{"                    _filedir\n", "                    __confctl_filedir\n"},
		{"__start_confctl()\n", `__confctl_filedir()
{
    if declare -F _filedir >/dev/null 2>&1; then
        _filedir "$@"
    elif [[ $1 == -d && $(type -t compopt) == builtin ]]; then
        compopt -o dirnames
    fi
}

__start_confctl()
`},
		// Bash quotes what it inserts, including commas, and then does not recognize the
		// part of a selector that is already typed. A comma needs no quotes there.
		{`COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]}")`, `COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]}"); COMPREPLY[0]=${COMPREPLY[0]//\\,/,}`},
		{`COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]%%$tab*}")`, `COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]%%$tab*}"); COMPREPLY[0]=${COMPREPLY[0]//\\,/,}`},
	}
}

func zshEdits() []edit {
	const call = "    out=$(eval ${requestComp} 2>/dev/null)\n"
	return []edit{
		{call, harmless + call},
		{`[[ "${lastParam}" =~ '-.*=' ]]`, `[[ "${lastParam}" =~ '^-.*=' ]]`}, // dc=a-b,name= is not an option
	}
}

// fishEdits returns the edits of the fish script. Fish has already removed the
// quotes, and would evaluate what was in them.
func fishEdits() []edit {
	return []edit{
		{"    set -l args (commandline -opc)\n", `    set -l args (commandline -opc)
    set args[1] (string replace -r -- '^~/' "$HOME/" $args[1])
    set args (string escape -- $args)
`},
		{`(string match -r -- '-.*=' "$lastArg")`, `(string match -r -- '^-.*=' "$lastArg")`},
	}
}
