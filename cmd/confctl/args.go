package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// prepare turns the words of a command line into those of this program: the
// name it was called by may be a verb, @file stands for the lines of a file,
// and the original's spellings of verbs are accepted.
func prepare(args []string) ([]string, error) {
	words, err := expandFiles(args[1:])
	if err != nil {
		return nil, err
	}
	switch called := calledAs(args[0]); called {
	case "confctl":
		return modern(words), nil
	case "sync":
		return append([]string{called}, words...), nil
	default:
		return wrapped(called, words), nil
	}
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

// wrapped returns the words of a wrapper script's call: it takes one service,
// bare or as service=NAME.
func wrapped(verb string, words []string) []string {
	all := append([]string{verb}, words...)
	for i, word := range all[1:] {
		isValue := takesValue(all[i]) || all[i] == "--hostname" || all[i] == "--service"
		if !strings.HasPrefix(word, "-") && !isValue {
			all[i+1] = "--service=" + strings.TrimPrefix(word, "service=")
			break // one more is too many, which the verb says
		}
	}
	return all
}

// expandFiles replaces @file by the file's lines, an argument each.
func expandFiles(args []string) ([]string, error) {
	var words []string
	for _, arg := range args {
		name, isFile := strings.CutPrefix(arg, "@")
		if !isFile || name == "" {
			words = append(words, arg)
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, &usageError{fmt.Sprintf("arguments of %s: %v", arg, cause(err)), ""}
		}
		if len(text) > 0 {
			for line := range strings.Lines(string(text)) {
				words = append(words, strings.TrimRight(line, "\r\n"))
			}
		}
	}
	return words, nil
}

// modern replaces --tags LIST, before any other verb, by the verb tags, and
// select=SELECTOR, as runbooks print it, by the verb select.
func modern(words []string) []string {
	for i, word := range words {
		selector, isSelect := strings.CutPrefix(word, "select=")
		list, isTags := strings.CutPrefix(word, "--tags=")
		switch {
		case i > 0 && takesValue(words[i-1]):
			continue
		case isSelect:
			return splice(words, i, "select", selector)
		case isTags:
			return splice(words, i, "tags", list)
		case word == "--tags":
			return splice(words, i, "tags")
		case !strings.HasPrefix(word, "-") || word == "--":
			return words // the verb, or whatever stands in its place
		}
	}
	return words
}

func splice(words []string, at int, with ...string) []string {
	spliced := append([]string{}, words[:at]...)
	return append(append(spliced, with...), words[at+1:]...)
}

// takesValue reports whether the word after a global option is its value.
func takesValue(option string) bool {
	switch option {
	case "--config", "--schema", "--object-type", "--output", "-o", "--allow", "--reason", "-m", "--task", "--expect":
		return true
	}
	return false
}
