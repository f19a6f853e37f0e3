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

// wrongOption explains what is wrong with an option of a command.
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

// notForChanges refuses an option of a change for a command that makes none.
func notForChanges(cmd *cobra.Command, name string) error {
	return &usageError{
		fmt.Sprintf("%s does not take the option %s, which is for commands that change objects", cmd.CommandPath(), dashed(name)),
		"see " + cmd.CommandPath() + " --help",
	}
}

// dashed is an option as it is typed.
func dashed(name string) string {
	if utf8.RuneCountInString(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// checkOptions refuses options that are empty, as those of a script whose
// variable is not set, those that are there twice, and such as contradict each
// other.
func checkOptions(cmd *cobra.Command, words []string) error {
	var empty, repeated []string
	times := timesGiven(cmd.Root(), words)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		// Where to look is often in an alias, which the later one overrides.
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

// timesGiven returns how often each option is given, by its name.
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

// verbOf returns the first of some words that is no option or its value; none
// if there is none.
func verbOf(root *cobra.Command, words []string) []string {
	scan := &scanner{cmd: root}
	for _, w := range words {
		if kind := scan.next(w); kind == bareWord || kind == literalWord {
			return []string{w}
		}
	}
	return nil
}

// must is for errors that only a mistake in this program can cause, at a point
// every run passes.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// unknownVerb is the error for a word that is no command.
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

// arguments returns a check for the number of words after a verb; most < 0
// means any number.
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
