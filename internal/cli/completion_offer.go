package cli

import (
	"slices"
	"strings"
)

// Limits of what is offered for one completion.
const (
	maxOffers      = 1000
	maxOffer       = 255 // bytes of a word
	maxDescription = 100 // bytes of its description
)

// offered returns what a shell is told for a completion, of what cobra printed:
// a line for each word, with its description after a tab, and a last line with a
// colon and a number for the script.
//
// Shells insert words into the command line as they are, bash also what several
// lines have in common, descriptions included. Terminals get what is listed. So
// both are made of inert characters alone, whatever they come from, and each
// word is offered once.
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
	if len(words) > maxOffers { // too many to look through, so the shell's own ways of matching do not matter
		words = slices.DeleteFunc(words, func(word string) bool { return !strings.HasPrefix(word, typed) })
		words = words[:min(len(words), maxOffers)]
	}
	return strings.Join(append(words, lines[last]), "\n") + "\n"
}

// mayOffer reports whether a word can be inserted into a command line, and is
// then what it looks like. One that begins with a dash is an option, with an @ a
// file of arguments, with a colon the last line for the script; =, % and + mean
// something to a shell there.
func mayOffer(word string, option bool) bool {
	if !isInert(word) || len(word) > maxOffer {
		return false
	}
	if word[0] == '-' {
		return option
	}
	return !strings.ContainsRune("@:=%+,", rune(word[0]))
}

// describe returns a description in inert characters.
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
