package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is the maximum width of a line of help, in columns.
const helpWidth = 80

// uses is the annotation of a command with the names of the global options that it
// uses, besides those that every command uses. Its help lists them.
const uses = "global options"

// using adds the names of the global options that a command uses to its annotations.
func using(options string, annotations map[string]string) map[string]string {
	annotations[uses] = options
	return annotations
}

// The groups of commands in the help of confctl itself, in order.
const (
	groupChange  = "change"
	groupLook    = "look"
	groupCheck   = "check"
	groupData    = "data"
	groupService = "service"
)

func commandGroups() []*cobra.Group {
	return []*cobra.Group{
		{ID: groupChange, Title: "Change objects:"},
		{ID: groupLook, Title: "Look at what is there:"},
		{ID: groupCheck, Title: "Check:"},
		{ID: groupData, Title: "Move data:"},
		{ID: groupService, Title: "Set up and serve:"},
	}
}

// writeUsage writes the usage of a command, which --help prints below its
// description.
func writeUsage(cmd *cobra.Command) error {
	var b strings.Builder
	section := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%s\n%s\n\n", title, strings.TrimRight(text, "\n"))
		}
	}
	usage := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		usage += "\n" + cmd.CommandPath() + " COMMAND"
	}
	section("Usage:", wrapText("  ", usage))
	section("Examples:", cmd.Example)
	for _, g := range cmd.Groups() {
		section(g.Title, commandList(cmd, g.ID))
	}
	if len(cmd.Groups()) == 0 {
		section("Commands:", commandList(cmd, ""))
	}
	own, change, global := optionGroups(cmd)
	section("Options:", own.FlagUsagesWrapped(helpWidth))
	section("Options for a change:", change.FlagUsagesWrapped(helpWidth))
	section("Global options:", global.FlagUsagesWrapped(helpWidth))
	section("Exit codes:", wrapText("  ", cmd.Annotations[exitNote]))
	_, err := io.WriteString(cmd.OutOrStderr(), strings.TrimSuffix(b.String(), "\n"))
	return err
}

// commandList returns the list of the commands in a group, one line each.
func commandList(cmd *cobra.Command, group string) string {
	var b strings.Builder
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.GroupID == group {
			fmt.Fprintf(&b, "  %-*s  %s\n", c.NamePadding(), c.Name(), c.Short)
		}
	}
	return b.String()
}

// optionGroups divides the options of a command into its own, with the global ones
// that it uses, those that every change takes, and those that every command takes.
func optionGroups(cmd *cobra.Command) (own, change, global *pflag.FlagSet) {
	own, change, global = new(pflag.FlagSet), new(pflag.FlagSet), new(pflag.FlagSet)
	used := strings.Fields(cmd.Annotations[uses])
	isChange := cmd.Annotations[changing] != ""
	cmd.InitDefaultHelpFlag()
	add := func(f *pflag.Flag) {
		_, ofChange := f.Annotations[changing]
		switch {
		case ofChange && isChange:
			change.AddFlag(f)
		case slices.Contains([]string{"config", "schema", "debug", "version", "help"}, f.Name):
			global.AddFlag(f)
		case cmd.LocalNonPersistentFlags().Lookup(f.Name) != nil, slices.Contains(used, f.Name):
			own.AddFlag(f)
		}
	}
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return own, change, global
}

// wrapText breaks lines between words so that they fit into the help, and indents
// them. Continuation lines are indented further.
func wrapText(indent, text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		current := indent
		for i, word := range strings.Fields(line) {
			switch {
			case i == 0:
				current += word
			case len([]rune(current+" "+word)) > helpWidth:
				lines = append(lines, current)
				current = indent + "  " + word
			default:
				current += " " + word
			}
		}
		lines = append(lines, strings.TrimRight(current, " "))
	}
	return strings.Join(lines, "\n")
}
