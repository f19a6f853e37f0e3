package cli

import (
	"slices"
	"strings"
)

// Limits of one completion.
const (
	maxOffers      = 1000
	maxOffer       = 255 // of a word, in bytes
	maxDescription = 100 // of a description, in bytes
)

// offered filters the output of cobra's completion command before a shell gets it.
// The output has one line for each word, with its description after a tab, and a
// last line with a colon and a number for the script.
//
// Shells insert words into the command line unquoted; bash also inserts the common
// beginning of several lines, descriptions included. Terminals show the list. So
// words and descriptions consist of inert characters only, wherever they come from.
// Each word is offered once.
func offered(printed, typed string) string {
	lines := strings.Split(strings.TrimSuffix(printed, "\n"), "\n")
	last := len(lines) - 1
	option := strings.HasPrefix(typed, "-")
	if _, value, hasValue := strings.Cut(typed, "="); option && hasValue {
		option, typed = false, value
	}
	var words []string
	seen := map[string]bool{}
	for _, line := range lines[:last] {
		word, about, _ := strings.Cut(line, "\t")
		if !mayOffer(word, option) || seen[word] {
			continue
		}
		seen[word] = true
		if about = describe(about); about != "" {
			word += "\t" + about
		}
		words = append(words, word)
	}
	if len(words) > maxOffers { // too many words for a list, so only matches by prefix are kept
		words = slices.DeleteFunc(words, func(word string) bool { return !strings.HasPrefix(word, typed) })
		words = words[:min(len(words), maxOffers)]
	}
	return strings.Join(append(words, lines[last]), "\n") + "\n"
}

// mayOffer reports whether a word can be inserted into a command line and keeps its
// meaning there. At the start of a word, a dash marks an option, an @ a file of
// arguments, and a colon the last line for the script; =, % and + have a meaning to
// a shell.
func mayOffer(word string, option bool) bool {
	if !isInert(word) || len(word) > maxOffer {
		return false
	}
	if word[0] == '-' {
		return option
	}
	return !strings.ContainsRune("@:=%+,", rune(word[0]))
}

// describe returns a description with inert characters only.
func describe(text string) string {
	words := strings.FieldsFunc(strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune("`'\"()", r):
			return -1
		case r == ';':
			return ','
		case !strings.ContainsRune(inert, r):
			return ' '
		}
		return r
	}, text), func(r rune) bool { return r == ' ' })
	text = strings.Join(words, " ")
	return strings.TrimRight(text[:min(len(text), maxDescription)], " ")
}
