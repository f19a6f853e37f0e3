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

// prepare turns the words of a command line into those of this program: the
// name it was called by may be a verb, @file stands for the lines of a file,
// and the original's spellings of verbs are accepted.
func prepare(args []string) ([]string, error) {
	called, words := calledAs(args[0]), args[1:]
	if isCompletion(words) { // of a line that is not typed to its end: no file is read for it
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

// verbFirst moves options from before a verb to behind it: each command has
// options of its own, and may be given them before its name, too. The last word
// of a request for completion stays the last.
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

// isCompletion reports whether words are the request of a shell's completion
// script.
func isCompletion(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool {
		return w == cobra.ShellCompRequestCmd || w == cobra.ShellCompNoDescRequestCmd
	})
}

// calledAs returns the verb that the program's name stands for: conftool-sync,
// or one of the wrapper scripts pool, depool, drain and decommission. It is
// confctl for none.
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

// wrapped returns the words of a wrapper script's call, which begin with the
// verb: it takes one service, bare or as service=NAME. Scripts call it with an
// empty argument for all services.
func wrapped(words []string) []string {
	scan := newScanner()
	for i, word := range words {
		if kind := scan.next(word); i == 0 || kind != bareWord {
			continue
		}
		if word == "" {
			return splice(words, i)
		}
		return splice(words, i, "--service="+strings.TrimPrefix(word, "service=")) // one more is too many, which the verb says
	}
	return words
}

// maxArguments is the size in bytes of the largest file of arguments.
const maxArguments = 1 << 20

// expandFiles replaces @file by the file's lines, an argument each, where the
// original's commands have an argument. It is text, and no file, as the value of
// an option, after --, and after an option whose value may be text: an @ there is
// the rest of a text that was not quoted.
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

// takesFiles reports whether a command takes files of arguments: those of the
// original do, and the program itself.
func takesFiles(command string) bool {
	_, poolVerb := poolVerbs()[command]
	return poolVerb || slices.Contains([]string{"confctl", "select", "tags", "sync"}, command)
}

// overridingOptions are the options that override a rule, answer a question, or give up
// what cannot be read.
func overridingOptions() []string {
	return []string{"allow", "except-refused", "gone", "emergency", "yes", "repair"}
}

// argumentsOf returns the lines of a file.
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

// modern replaces --tags LIST, before any other verb, by the verb tags, and
// select=SELECTOR, as runbooks print it, by the verb select.
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
			return words // the verb, or whatever stands in its place
		}
	}
	return words
}

func splice(words []string, at int, with ...string) []string {
	spliced := append([]string{}, words[:at]...)
	return append(append(spliced, with...), words[at+1:]...)
}
