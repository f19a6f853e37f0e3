package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/conftool/confctl/internal/nearest"
)

// wrongOption returns the usage error for err, an error of the option parser.
func wrongOption(cmd *cobra.Command, err error) error {
	hint := "see " + cmd.CommandPath() + " --help"
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return &usageError{err.Error(), hint}
	}
	name := unknown.GetSpecifiedName()
	if slices.Contains(changeOptions(), name) || name == "m" || name == "y" {
		return notForChanges(cmd, name)
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if near, ok := nearest.To(name, known); ok {
		hint = "did you mean --" + near + "?"
	}
	return &usageError{fmt.Sprintf("%s has no option %s", cmd.CommandPath(), dashed(name)), hint}
}

// notForChanges returns the error for an option of changes that is given to a
// command that does not change objects.
func notForChanges(cmd *cobra.Command, name string) error {
	return &usageError{
		fmt.Sprintf("%s does not take the option %s, which is for commands that change objects", cmd.CommandPath(), dashed(name)),
		"see " + cmd.CommandPath() + " --help",
	}
}

// dashed returns the name of an option with its leading dashes.
func dashed(name string) string {
	if utf8.RuneCountInString(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// checkOptions returns an error if an option is empty, as in a script whose variable
// is not set, if it is given twice, or if --yaml and --output contradict each other.
func checkOptions(cmd *cobra.Command, words []string) error {
	var empty, repeated []string
	times := timesGiven(cmd.Root(), words)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		// An alias often sets these; the last one on the command line applies.
		place := slices.Contains([]string{"config", "schema", "output"}, f.Name)
		_, isList := f.Value.(pflag.SliceValue)
		if f.Value.Type() != "bool" && !isList && !place && times[f.Name] > 1 {
			repeated = append(repeated, "--"+f.Name)
		}
		if f.Value.Type() == "string" && f.Value.String() == "" {
			empty = append(empty, "--"+f.Name)
		}
	})
	if len(empty) > 0 {
		return &usageError{strings.Join(empty, ", ") + " is empty", "give it a value, or leave it out"}
	}
	if len(repeated) > 0 {
		return &usageError{strings.Join(repeated, ", ") + " is given twice", "one value can be meant; which?"}
	}
	if yaml, output := cmd.Flag("yaml"), cmd.Flag("output"); yaml.Changed && output.Changed && output.Value.String() != "yaml" {
		return &usageError{"--yaml and -o " + output.Value.String() + " contradict each other", ""}
	}
	return nil
}

// timesGiven returns the number of times that each option is given, by its name.
func timesGiven(root *cobra.Command, words []string) map[string]int {
	times, scan := map[string]int{}, &scanner{cmd: root}
	for _, w := range words {
		scan.next(w)
		for _, name := range scan.options {
			times[name]++
		}
	}
	return times
}

// verbOf returns the first argument that is not an option or its value, or nil.
func verbOf(root *cobra.Command, words []string) []string {
	scan := &scanner{cmd: root}
	for _, w := range words {
		if kind := scan.next(w); kind == bareWord || kind == literalWord {
			return []string{w}
		}
	}
	return nil
}

// must panics if err is not nil. It is for errors that only a bug in this program
// can cause, in code that every run executes.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// unknownVerb returns an error if the first argument is not a command below cmd.
func unknownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 || slices.ContainsFunc(cmd.Commands(), func(c *cobra.Command) bool { return c.Name() == args[0] }) {
		return nil
	}
	hint := "see confctl --help"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean: " + strings.Join(near, ", ") + "?"
	} else if strings.Contains(args[0], "=") {
		hint = "to choose objects: " + commandLine([]string{"confctl", "select", args[0], "get"})
	}
	return &usageError{fmt.Sprintf("no command %q", args[0]), hint}
}

// arguments returns a check that a command has at least least and at most most
// arguments. If most is negative, there is no upper limit.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		usage := "usage: " + strings.Replace(cmd.UseLine(), " [flags]", "", 1)
		switch {
		case len(args) < least:
			return &usageError{cmd.Name() + ": something is missing", usage}
		case most >= 0 && len(args) > most:
			return &usageError{fmt.Sprintf("%s: unexpected %q", cmd.Name(), args[most]), usage}
		}
		return nil
	}
}
