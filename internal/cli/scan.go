package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/conftool/confctl/internal/term"
)

// A wordKind is the kind of a word on a command line.
type wordKind int

const (
	bareWord   wordKind = iota // a command or an argument
	optionWord                 // one or more options, with a value or without
	valueWord                  // the value of the option before it
	endOfOptions
	literalWord // an argument after the end of options
)

// A scanner classifies the words of a command line as the parser does, for code that
// reads a command line before it is parsed, or composes one. It takes the options
// from the commands, so that there is no second table to keep current.
type scanner struct {
	cmd     *cobra.Command // whose options the next word may be
	args    bool           // the arguments of the command have begun
	waits   bool           // the last option has its value in the next word
	ended   bool           // there are no more options
	options []string       // names of the options in the last word
	valued  bool           // one of these takes a value
}

// newScanner returns a scanner for the words after the program's name.
func newScanner() *scanner {
	return &scanner{cmd: newRoot(term.Discard(), nil, "confctl")}
}

// next reads the next word and returns its kind.
func (s *scanner) next(word string) wordKind {
	s.options, s.valued = nil, false
	switch {
	case s.ended:
		return literalWord
	case s.waits:
		s.waits = false
		return valueWord
	case word == "--":
		s.ended = true
		return endOfOptions
	case strings.HasPrefix(word, "--"):
		s.long(word[2:])
		return optionWord
	case strings.HasPrefix(word, "-") && word != "-":
		s.short(word[1:])
		return optionWord
	}
	s.descend(word)
	return bareWord
}

func (s *scanner) long(word string) {
	name, _, hasValue := strings.Cut(word, "=")
	s.options, s.valued = []string{name}, takesValue(s.option(func(f *pflag.FlagSet) *pflag.Flag { return f.Lookup(name) }))
	s.waits = s.valued && !hasValue
}

// short reads a word of one-letter options: the first that takes a value has the
// rest of the word, or the next word.
func (s *scanner) short(letters string) {
	for i, letter := range letters {
		f := s.option(func(f *pflag.FlagSet) *pflag.Flag { return shorthand(f, string(letter)) })
		if f != nil {
			s.options = append(s.options, f.Name)
		}
		if takesValue(f) {
			s.valued, s.waits = true, i+len(string(letter)) == len(letters)
			return
		}
	}
}

func shorthand(f *pflag.FlagSet, letter string) *pflag.Flag {
	if len(letter) != 1 {
		return nil
	}
	return f.ShorthandLookup(letter)
}

// option finds an option: one of the command, or of a command below it that may
// still follow, or a global one.
func (s *scanner) option(in func(*pflag.FlagSet) *pflag.Flag) *pflag.Flag {
	for commands := []*cobra.Command{s.cmd}; len(commands) > 0; commands = commands[1:] {
		if f := in(commands[0].Flags()); f != nil {
			return f
		}
		commands = append(commands, commands[0].Commands()...)
	}
	for c := s.cmd; c != nil; c = c.Parent() {
		if f := in(c.PersistentFlags()); f != nil {
			return f
		}
	}
	return nil
}

// takesValue reports whether an option takes a value. One that is not known is
// taken for one that does, as by the parser.
func takesValue(f *pflag.Flag) bool { return f == nil || f.NoOptDefVal == "" }

// descend moves to the subcommand of that name, if arguments have not begun.
func (s *scanner) descend(word string) {
	if s.args {
		return
	}
	at := slices.IndexFunc(s.cmd.Commands(), func(c *cobra.Command) bool { return c.Name() == word || c.HasAlias(word) })
	if at < 0 {
		s.args = true
		return
	}
	s.cmd = s.cmd.Commands()[at]
}

// has reports whether the last word has an option of one of these names.
func (s *scanner) has(names ...string) bool {
	return slices.ContainsFunc(s.options, func(o string) bool { return slices.Contains(names, o) })
}
