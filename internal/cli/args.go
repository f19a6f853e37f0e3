package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/files"
)

// prepare translates the words of a command line: it turns the name of the program
// into a verb if it is one, replaces @file by the lines of the file, and replaces
// the Python tool's spellings of verbs.
func prepare(args []string) ([]string, error) {
	called, words := calledAs(args[0]), args[1:]
	if isCompletion(words) { // the line is incomplete, so no file is read for it
		return words, nil
	}
	if called != "confctl" {
		words = append([]string{called}, words...)
	}
	words, err := expandFiles(words)
	if err != nil {
		return nil, err
	}
	if _, wrapper := poolVerbs()[called]; wrapper {
		return wrapped(words), nil
	}
	return modern(words), nil
}

// verbFirst moves options from before a verb to after it. Each command has its own
// options, and the operator may give them before its name. In a request for
// completion, the last word stays last.
func verbFirst(root *cobra.Command, words []string) []string {
	if last := len(words) - 1; isCompletion(words[:min(1, len(words))]) && last > 0 {
		return slices.Concat(words[:1], verbFirst(root, words[1:last]), words[last:])
	}
	scan := &scanner{cmd: root}
	var verbs, options []string
	for i, word := range words {
		switch kind := scan.next(word); {
		case kind == optionWord || kind == valueWord:
			options = append(options, word)
		case kind == bareWord && !scan.args:
			verbs = append(verbs, word)
		default:
			return slices.Concat(verbs, options, words[i:])
		}
	}
	return slices.Concat(verbs, options)
}

// isCompletion reports whether words are a request from a shell's completion script.
func isCompletion(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool {
		return w == cobra.ShellCompRequestCmd || w == cobra.ShellCompNoDescRequestCmd
	})
}

// calledAs returns the verb that the program's name stands for. The name may be
// conftool-sync or that of a wrapper script: pool, depool, drain or decommission.
// For any other name, calledAs returns "confctl".
func calledAs(program string) string {
	name := filepath.Base(program)
	if name == "conftool-sync" {
		return "sync"
	}
	if _, ok := poolVerbs()[name]; ok {
		return name
	}
	return "confctl"
}

// wrapped translates the arguments of a wrapper script, after the verb: it replaces
// the service, NAME or service=NAME, by the option --service. Scripts pass an empty
// argument for all services; wrapped removes it.
func wrapped(words []string) []string {
	scan := newScanner()
	for i, word := range words {
		if kind := scan.next(word); i == 0 || kind != bareWord {
			continue
		}
		if word == "" {
			return splice(words, i)
		}
		return splice(words, i, "--service="+strings.TrimPrefix(word, "service=")) // the verb refuses any further argument
	}
	return words
}

// maxArguments is the maximum size of a file of arguments, in bytes.
const maxArguments = 1 << 20

// expandFiles replaces @file by the lines of the file, one argument each, for the
// commands that have this in the Python tool. It leaves @file as text if it is the
// value of an option, comes after --, or comes anywhere after an option whose value
// may be text: the @ is then likely part of a text that was not quoted.
func expandFiles(args []string) ([]string, error) {
	if !slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "@") }) {
		return args, nil
	}
	var words []string
	scan, isText := newScanner(), false
	for _, arg := range args {
		kind := scan.next(arg)
		isText = isText || scan.valued && !scan.has("config", "schema", "object-type", "output")
		name, isFile := strings.CutPrefix(arg, "@")
		if !isFile || name == "" || kind != bareWord || isText || !takesFiles(scan.cmd.Name()) {
			words = append(words, arg)
			continue
		}
		lines, err := argumentsOf(name)
		if err != nil {
			return nil, err
		}
		for i, line := range lines {
			if kind := scan.next(line); kind == optionWord && scan.has(overridingOptions()...) {
				return nil, &usageError{
					fmt.Sprintf("%s:%d: %s is not taken from a file of arguments", text.OneLine(name), i+1, text.OneLine(line)),
					"it overrides what protects you: type it on the command line",
				}
			}
			isText = isText || scan.valued
			words = append(words, line)
		}
	}
	return words, nil
}

// takesFiles reports whether a command expands files of arguments: the program
// itself and the commands of the Python tool do.
func takesFiles(command string) bool {
	_, poolVerb := poolVerbs()[command]
	return poolVerb || slices.Contains([]string{"confctl", "select", "tags", "sync"}, command)
}

// overridingOptions returns the options that override a safety rule, answer a
// question, or discard values that cannot be read.
func overridingOptions() []string {
	return []string{"allow", "except-refused", "gone", "emergency", "yes", "repair"}
}

// argumentsOf returns the lines of a file of arguments.
func argumentsOf(name string) ([]string, error) {
	failed := func(why any) error {
		return &usageError{fmt.Sprintf("arguments of @%s: %v", text.OneLine(name), why), "for an argument that begins with @, and is no file: -- before it"}
	}
	text, err := files.Read(name, maxArguments)
	if err == nil && strings.ContainsRune(string(text), 0) {
		err = errors.New("not a text")
	}
	if err != nil {
		return nil, failed(files.Cause(err))
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		lines = append(lines, strings.TrimRight(line, "\r\n"))
	}
	return lines, nil
}

// modern replaces the Python tool's --tags LIST by the verb tags, and
// select=SELECTOR, as runbooks write it, by the verb select. It looks only at the
// words before the first verb.
func modern(words []string) []string {
	old := func(word string) bool { return strings.HasPrefix(word, "--tags") || strings.HasPrefix(word, "select=") }
	if !slices.ContainsFunc(words, old) {
		return words
	}
	scan := newScanner()
	for i, word := range words {
		selector, isSelect := strings.CutPrefix(word, "select=")
		list, isTags := strings.CutPrefix(word, "--tags=")
		switch kind := scan.next(word); {
		case kind == valueWord:
			continue
		case isSelect:
			return splice(words, i, "select", selector)
		case isTags:
			return splice(words, i, "tags", list)
		case word == "--tags":
			return splice(words, i, "tags")
		case kind != optionWord:
			return words // the verb, or a word in its place
		}
	}
	return words
}

func splice(words []string, at int, with ...string) []string {
	spliced := append([]string{}, words[:at]...)
	return append(append(spliced, with...), words[at+1:]...)
}
