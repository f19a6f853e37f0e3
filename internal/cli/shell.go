package cli

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/conftool/confctl/internal/text"
)

// This file composes every command line that is printed to be pasted. A word may
// come from a key, a record or a file that somebody else has written, so each is
// quoted here to reach the shell as one word.

// fillIn is a word that stands for the text that the operator has to fill in.
const fillIn = "..."

// command returns a command line of confctl for the same configuration.
func (g *globals) command(words ...string) string { return commandFor(g.where(), words...) }

// commandFor returns a command line of confctl with the options that name the
// configuration.
func commandFor(where []string, words ...string) string {
	words = append([]string{"confctl"}, words...)
	return commandLine(slices.Insert(words, optionsEnd(words), where...))
}

// where returns the options that name the configuration, if it is not the
// default one.
func (g *globals) where() []string {
	var words []string
	if g.config != "" {
		words = append(words, option("--config", g.config)...)
	}
	if g.schema != "" {
		words = append(words, option("--schema", g.schema)...)
	}
	return words
}

// hints composes the command lines to use after a refusal or a failure.
type hints struct {
	*globals
	repeat []string // the words that do what was not done yet; nil for all
	// mayBeGone says that the command is for taking out a host, which may be down.
	mayBeGone bool
	editing   bool // what is refused is kept in files
	undoing   bool // a change is taken back whole or not at all
}

// again returns the command line as it was called, with more options and
// without those that they replace or contradict.
func (h *hints) again(options ...string) string {
	var called []string
	words := h.words
	if h.repeat != nil {
		words = h.repeat
	}
	scan, drop, end := newScanner(), false, -1
	for i, word := range words {
		if i > 0 { // the first is the program
			if kind := scan.next(word); kind == endOfOptions {
				end, drop = len(called), false
			} else if kind != valueWord { // which goes or stays with its option
				drop = scan.has("dry-run", "except-refused", "allow", "config", "schema")
			}
		}
		if !drop {
			called = append(called, word)
		}
	}
	if end < 0 {
		end = len(called)
	}
	return commandLine(slices.Insert(called, end, append(options, h.where()...)...))
}

// optionsEnd returns the index up to which words may be options.
func optionsEnd(words []string) int {
	if end := slices.Index(words, "--"); end > 0 {
		return end
	}
	return len(words)
}

// option returns an option with its value as words: one word if the value could
// be taken for another option.
func option(name, value string) []string {
	if value == "" || strings.HasPrefix(value, "-") {
		return []string{name + "=" + value}
	}
	return []string{name, value}
}

// operands returns words that are no options, after -- if one looks like one.
func operands(words ...string) []string {
	if slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "-") }) {
		return append([]string{"--"}, words...)
	}
	return words
}

// commandLine returns the words of a command so that they can be pasted.
func commandLine(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = quote(a)
	}
	if len(words) > 0 {
		words[0] = quote(filepath.Base(args[0]))
	}
	return strings.Join(words, " ")
}

// inert are the characters that mean nothing to a shell inside of a word, and
// nothing to a terminal.
const inert = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%"

// isInert reports whether a word is the same to a shell with quotes and without,
// but for how it begins.
func isInert(word string) bool { return word != "" && strings.Trim(word, inert) == "" }

// quote returns a word quoted so that a POSIX shell and fish read it as one word. A word that is not plain printable text needs the $'...' of bash, ksh
// and zsh; to any other shell that is one word, too, but another one.
func quote(word string) string {
	switch {
	case word == fillIn:
		return `"` + fillIn + `"` // the same word, and it shows that it may have blanks
	case isInert(word) && word[0] != '=': // =word is a path to zsh
		return word
	case !text.IsLine(word) || strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsPrint(r) }):
		return quoteBytes(word)
	}
	var b strings.Builder
	b.WriteByte('\'')
	for i := range len(word) {
		switch c := word[i]; {
		case c == '\'':
			b.WriteString(`'\''`)
		case c == '\\' && (i+1 == len(word) || word[i+1] == '\'' || word[i+1] == '\\'):
			b.WriteString(`'\\'`) // within quotes fish takes it for an escape
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// quoteBytes returns a word within $'...', all that is not printable in octal,
// and so are quotes and backslashes: a shell that does not know $'...' finds its
// end at the same place.
func quoteBytes(word string) string {
	var b strings.Builder
	b.WriteString("$'")
	for len(word) > 0 {
		r, size := utf8.DecodeRuneInString(word)
		if unicode.IsPrint(r) && text.IsLine(word[:size]) && !strings.ContainsRune(`'\!`, r) {
			b.WriteString(word[:size])
		} else {
			for i := range size {
				fmt.Fprintf(&b, `\%03o`, word[i])
			}
		}
		word = word[size:]
	}
	b.WriteByte('\'')
	return b.String()
}
