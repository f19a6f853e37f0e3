package cli

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/seed"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
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
			if err := g.allTypes(cmd); err != nil {
				return err
			}
			format, err := g.ownFormat("drift", "text", "json")
			if err != nil {
				return err
			}
			return with(std, g, func(s *session) error { return s.runDrift(cmd.Context(), dir, format) })
		},
	}
	addDirectory(cmd, &dir)
	return cmd
}

// drift is all in which a store differs from files and schema.
type drift struct {
	revision   store.Revision
	missing    []object.Object
	extra      []object.Object        // of types whose files are all there
	places     map[string]yamldoc.Pos // of what is missing, by key: where it is declared
	invalid    []seed.Invalid
	strays     []string
	uncompared []string // types of which it is not known what is extra, or anything
	faults     []string // why not
}

func (s *session) runDrift(ctx context.Context, dir, format string) error {
	declared, err := s.readDeclared(dir)
	if err != nil {
		return err
	}
	snapshot, err := s.catalog.ReadAll(ctx, s.schema.InDependencyOrder()...)
	if err != nil {
		return err
	}
	d := drift{revision: snapshot.Revision, strays: snapshot.Strays, places: map[string]yamldoc.Pos{}}
	for _, t := range declared.Compare(snapshot).Types {
		d.add(t)
	}
	d.faults = append(d.faults, declared.faults...)
	d.schema(s)
	if d.invalid, err = seed.Check(snapshot); err != nil {
		d.faults = append(d.faults, text.Lines(message(err))...)
	}
	slices.Sort(d.faults)
	d.faults = slices.Compact(d.faults) // a JSON schema that cannot be used was looked for before
	return s.tellDrift(d, format)
}

// add adds what the comparison of a type has found. Where files are not all
// there, nobody knows what is extra.
func (d *drift) add(t seed.TypeComparison) {
	d.missing = append(d.missing, t.Missing...)
	for _, o := range t.Missing {
		d.places[o.Key()] = t.Places[o.Path()]
	}
	name := t.Type.Type.Name
	switch {
	case t.Complete():
		d.extra = append(d.extra, t.Extra...)
		return
	case len(t.Faults)+len(t.Gaps) > 0:
		for _, f := range slices.Concat(t.Faults, t.Gaps) {
			d.faults = append(d.faults, f.Error())
		}
	case t.Stored > 0:
		d.faults = append(d.faults, fmt.Sprintf("%s: has no files, but the store has %s of type %s", t.Dir, objects(t.Stored), name))
	default:
		return // there is none, and there shall be none
	}
	d.uncompared = append(d.uncompared, name)
}

// schema adds what is wrong with the schema, its rules and its JSON schemas. What
// is in the path of a type that cannot be used may well be its objects.
func (d *drift) schema(s *session) {
	var paths []string
	for _, t := range s.schema.Declared() {
		paths = append(paths, t.Path)
	}
	for _, p := range s.schema.Problems() {
		d.faults = append(d.faults, p.Err.Error())
		if !slices.Contains(d.uncompared, p.Type) {
			d.uncompared = append(d.uncompared, p.Type)
		}
	}
	if len(s.schema.Problems()) > 0 {
		d.strays = s.catalog.Outside(d.strays, paths...)
	}
	for _, p := range s.unruled {
		d.faults = append(d.faults, p.Err.Error())
	}
	for _, t := range s.schema.Types() {
		for _, r := range t.Rules {
			if err := r.Compile(); err != nil {
				d.faults = append(d.faults, err.Error())
			}
		}
	}
}

func (d *drift) count() int { return len(d.missing) + len(d.extra) + len(d.invalid) + len(d.strays) }

// tellDrift prints what was found, and returns the error that says which sort
// it is.
func (s *session) tellDrift(d drift, format string) error {
	err := s.Write(func(w *bufio.Writer) {
		switch {
		case format == "json":
			fmt.Fprintln(w, d.document().Text())
		case d.count() > 0:
			d.write(w, term.Colored(s.Out))
		case len(d.faults) == 0:
			fmt.Fprintln(w, "no drift")
		}
	})
	if err != nil {
		return err
	}
	s.tellLeftUndone(d.faults, nil)
	if len(d.uncompared) > 0 {
		s.Say("not compared, or not in whole: %s", strings.Join(d.uncompared, ", "))
	}
	if d.count() > 0 {
		s.Say("drift: %d missing, %d extra, %d invalid, %s", len(d.missing), len(d.extra), len(d.invalid), text.Count(len(d.strays), "stray key"))
	}
	switch {
	case len(d.faults) > 0:
		return &partlyError{exitInvalid}
	case d.count() > 0:
		return &partlyError{exitFailed}
	}
	return nil
}

// write writes a line for each finding.
func (d drift) write(w *bufio.Writer, color bool) {
	tell := func(code, word string, texts []string) {
		for _, t := range texts {
			line := fmt.Sprintf("%-8s %s", word, text.OneLine(t))
			if color {
				line = "\x1b[" + code + "m" + line + "\x1b[0m"
			}
			fmt.Fprintln(w, line)
		}
	}
	tell(green, "missing", eachOrGroups(d.missing, func(o object.Object) string { return o.String() + ", declared at " + d.places[o.Key()].String() }))
	tell(red, "extra", eachOrGroups(d.extra, func(o object.Object) string {
		if o.Malformed != nil {
			return o.String() + ", which cannot be read"
		}
		return o.String() + " " + fieldsText(o.Fields)
	}))
	for _, i := range d.invalid {
		tell(yellow, "invalid", []string{i.Object.String() + ": " + strings.Join(i.Reasons, "; ")})
	}
	tell(yellow, "stray", d.strays)
}

// eachOrGroups returns a line for each object, or if they are many for each
// group of them, with how many it has.
func eachOrGroups(all []object.Object, each func(object.Object) string) []string {
	var texts []string
	if len(all) > mostDiffs {
		for _, g := range countBy(all, func(o object.Object) string { return strings.TrimSpace(o.Type.Name + " " + o.Dir()) }) {
			texts = append(texts, fmt.Sprintf("%s: %d", g.name, g.count))
		}
		return texts
	}
	for _, o := range all {
		texts = append(texts, each(o))
	}
	return texts
}

// document is the report for programs.
func (d drift) document() value.Value {
	var missing, extra, invalid []value.Value
	for _, o := range d.missing {
		missing = append(missing, value.OfMap(append(identity(o), value.Field{Name: "declared", Value: value.OfString(d.places[o.Key()].String())})...))
	}
	for _, o := range d.extra {
		if o.Malformed != nil {
			extra = append(extra, value.OfMap(identity(o)...))
		} else {
			extra = append(extra, document(o))
		}
	}
	for _, i := range d.invalid {
		invalid = append(invalid, value.OfMap(append(identity(i.Object), value.Field{Name: "reasons", Value: texts(i.Reasons)})...))
	}
	return value.OfMap(
		value.Field{Name: "drift", Value: value.OfBool(d.count() > 0)},
		value.Field{Name: "revision", Value: value.OfInt(int64(d.revision))},
		value.Field{Name: "missing", Value: value.OfList(missing...)},
		value.Field{Name: "extra", Value: value.OfList(extra...)},
		value.Field{Name: "invalid", Value: value.OfList(invalid...)},
		value.Field{Name: "strays", Value: texts(d.strays)},
		value.Field{Name: "not_compared", Value: texts(d.uncompared)},
		value.Field{Name: "faults", Value: texts(d.faults)},
	)
}

// texts is a list of strings as a value.
func texts(all []string) value.Value {
	values := make([]value.Value, len(all))
	for i, s := range all {
		values[i] = value.OfString(s)
	}
	return value.OfList(values...)
}
