package cli

import (
	"bufio"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
)

func newTypes(std term.Streams, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "types [TYPE]",
		Short: "List the object types, or describe one",
		Long: `List the object types, or describe one: its tags, fields, defaults and rules.
This reads the schema and does not need a store.`,
		Annotations: exitCodes(exitDone, exitFailed, exitUsage, exitInvalid),
		Example: `  confctl types
  confctl types node`,
		Args:              arguments(0, 1),
		ValidArgsFunction: completer{g}.completeType,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := g.noFormat("types"); err != nil {
				return err
			}
			a, err := loadApp(std, g)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return listTypes(std, a)
			}
			return explainType(std, a, args[0])
		},
	}
}

func listTypes(std term.Streams, a *app.App) error {
	rows := [][]string{{"TYPE", "PATH", "TAGS", "FIELDS"}}
	for _, t := range a.Schema.Types() {
		rows = append(rows, []string{render.Plain(t.Name), render.Plain(t.Path), words(t.Tags), words(t.FieldNames())})
	}
	err := std.Lines(render.Columns(rows)...)
	if err != nil {
		return err
	}
	for _, p := range a.Schema.Problems() {
		std.Say("%v", p.Err)
	}
	if len(a.Schema.Problems()) > 0 {
		return &partlyError{exitInvalid}
	}
	return nil
}

func words(list []string) string {
	if len(list) == 0 {
		return "-"
	}
	return render.Plain(strings.Join(list, ","))
}

func explainType(std term.Streams, a *app.App, name string) error {
	t, err := a.Schema.Type(name)
	if err != nil {
		return err
	}
	err = std.Write(func(w *bufio.Writer) { describeType(w, t, a.Settings) })
	if err != nil {
		return err
	}
	for _, r := range t.Rules {
		if err := r.Compile(); err != nil {
			return err
		}
	}
	return nil
}

// describeType writes the description of a type.
func describeType(w *bufio.Writer, t *schema.Type, s *config.Settings) {
	line := func(format string, args ...any) {
		fmt.Fprintln(w, text.OneLine(fmt.Sprintf(format, args...)))
	}
	declared := "built in"
	if t.Pos.Line > 0 {
		declared = t.Pos.String()
	}
	line("TYPE      %s (%s)", t.Name, declared)
	line("KEYS      %s/%s/%s", strings.TrimRight(s.Namespace, "/"), s.APIVersion, keyForm(t))
	line("TAGS      %s", words(t.Tags))
	if len(t.Depends) > 0 {
		line("DEPENDS   %s: objects of it are created first", strings.Join(t.Depends, ", "))
	}
	if t.FreeForm {
		line("FREE FORM objects may have further fields, of any value")
	}
	line("")
	line("FIELDS")
	for _, f := range t.Fields {
		line("  %s  <%s>  default %s", f.Name, f.Type(), f.Default.Text())
		line("      %s", f.Allowed())
	}
	if len(t.Rules) > 0 {
		line("")
		line("RULES")
	}
	for _, r := range t.Rules {
		line("  %s: objects with %s must fit the JSON schema %s", r.Name, r.Selector, r.File)
		for _, d := range text.Lines(r.Description()) {
			line("      %s", d)
		}
	}
	line("")
	tag := append(t.Tags[:len(t.Tags):len(t.Tags)], selector.Name)[0]
	line("Select them with: %s", commandLine(slices.Concat([]string{"confctl"}, option("--object-type", t.Name), []string{"select", tag + "=REGEX", "get"})))
}
