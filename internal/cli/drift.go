package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/yamldoc"
)

func newDrift(std term.Streams, g *globals) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "drift --directory DIR",
		Short: "Report how the store differs from files and schema",
		Long: `Report how the store differs from what files declare and the schema allows.

  missing   an object that is declared but not in the store
  extra     an object that is in the store but not declared
  invalid   an object with a value that the schema does not allow
  stray     a key below namespace and version that is not an object

  -o text    one line a difference; the default
  -o json    one JSON object

Nothing is written: sync creates what is missing and removes what is extra; set
and edit correct invalid values. If the files or the schema have errors, drift
compares what it can, names the types that it cannot compare, and ends with
exit code 7.`,
		Annotations: using("output", map[string]string{exitNote: "0 no drift · 1 drift, or failed · 2 usage · 6 store unavailable · 7 errors in the files or the schema"}),
		Example: `  confctl drift --directory conftool-data
  confctl drift -o json | jq '.missing | length'`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := allTypes(cmd); err != nil {
				return err
			}
			format, err := g.ownFormat("drift", "text", "json")
			if err != nil {
				return err
			}
			return with(std, g, func(a *app.App) error { return runDrift(cmd.Context(), std, g, a, dir, format) })
		},
	}
	addDirectory(cmd, &dir)
	return cmd
}

// drift collects how a store differs from files and schema.
type drift struct{ render.Drift }

func runDrift(ctx context.Context, std term.Streams, g *globals, a *app.App, dir, format string) error {
	declared, err := readDeclared(std, g, a, dir)
	if err != nil {
		return err
	}
	snapshot, err := a.Catalog.ReadAll(ctx, a.Schema.InDependencyOrder()...)
	if err != nil {
		return err
	}
	d := drift{render.Drift{Revision: snapshot.Revision, Strays: snapshot.Strays, Places: map[string]yamldoc.Pos{}}}
	for _, t := range declared.Compare(snapshot).Types {
		d.add(t)
	}
	d.Faults = append(d.Faults, declared.faults...)
	d.addSchema(a)
	if d.Invalid, err = seed.Check(snapshot); err != nil {
		d.Faults = append(d.Faults, text.Lines(message(err))...)
	}
	slices.Sort(d.Faults)
	d.Faults = slices.Compact(d.Faults) // seed.Check repeats the JSON schemas that cannot be used
	return printDrift(std, d, format)
}

// add adds the comparison of one type. If the files of the type are incomplete, it
// is unknown which objects are extra.
func (d *drift) add(t seed.TypeComparison) {
	d.Missing = append(d.Missing, t.Missing...)
	for _, o := range t.Missing {
		d.Places[o.Key()] = t.Places[o.Path()]
	}
	name := t.Type.Type.Name
	switch {
	case t.Complete():
		d.Extra = append(d.Extra, t.Extra...)
		return
	case len(t.Faults)+len(t.Gaps) > 0:
		for _, f := range slices.Concat(t.Faults, t.Gaps) {
			d.Faults = append(d.Faults, f.Error())
		}
	case t.Stored > 0:
		d.Faults = append(d.Faults, fmt.Sprintf("%s: has no files, but the store has %s of type %s", t.Dir, text.Count(t.Stored, "object"), name))
	default:
		return // no objects are declared and none are stored
	}
	d.Uncompared = append(d.Uncompared, name)
}

// addSchema adds the errors in the schema, the safety rules and the JSON schemas. It
// removes strays below the path of a declared type from the list if any type cannot
// be used: they may be objects of that type.
func (d *drift) addSchema(a *app.App) {
	var paths []string
	for _, t := range a.Schema.Declared() {
		paths = append(paths, t.Path)
	}
	for _, p := range a.Schema.Problems() {
		d.Faults = append(d.Faults, p.Err.Error())
		if !slices.Contains(d.Uncompared, p.Type) {
			d.Uncompared = append(d.Uncompared, p.Type)
		}
	}
	if len(a.Schema.Problems()) > 0 {
		d.Strays = a.Catalog.Outside(d.Strays, paths...)
	}
	for _, p := range a.Unruled {
		d.Faults = append(d.Faults, p.Err.Error())
	}
	for _, t := range a.Schema.Types() {
		for _, r := range t.Rules {
			if err := r.Compile(); err != nil {
				d.Faults = append(d.Faults, err.Error())
			}
		}
	}
}

// printDrift prints the differences and the errors. It returns a *partlyError with
// the exit code for them, or nil if there are none.
func printDrift(std term.Streams, d drift, format string) error {
	var lines []string
	switch {
	case format == "json":
		lines = []string{d.Document().Text()}
	case d.Count() > 0:
		lines = d.Lines(term.Colored(std.Out))
	case len(d.Faults) == 0:
		lines = []string{"no drift"}
	}
	if err := std.Lines(lines...); err != nil {
		return err
	}
	sayLeftUndone(std, d.Faults, nil)
	if len(d.Uncompared) > 0 {
		std.Say("not compared, or not in whole: %s", strings.Join(d.Uncompared, ", "))
	}
	if d.Count() > 0 {
		std.Say("%s", d.Summary())
	}
	switch {
	case len(d.Faults) > 0:
		return &partlyError{exitInvalid}
	case d.Count() > 0:
		return &partlyError{exitFailed}
	}
	return nil
}
