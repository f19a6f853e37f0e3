package main

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/seed"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

func newDrift(std streams, g *globals) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "drift --directory DIR",
		Short: "Report where the store is not what files declare and the schema allows",
		Long: `Report where the store is not what files declare and the schema allows.

  missing   an object that the files declare and the store has not
  extra     an object that the store has and the files do not declare
  invalid   an object with a value that today's schema does not allow
  stray     a key below namespace and version that belongs to no object

It writes nothing: sync mends what is missing and extra, set and edit mend what
is invalid. With a fault in the files it reports on all it can compare, and ends
with exit code 7.`,
		Annotations: map[string]string{exitNote: "Exit codes: 0 no drift · 1 drift, or failed · 2 usage · 6 store unavailable · 7 faults in the files or the schema."},
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
	seed.Comparison
	revision store.Revision
	invalid  []seed.Invalid
	strays   []string
	faults   []string // why it is not known of all
}

func (s *session) runDrift(ctx context.Context, dir, format string) error {
	declared, err := s.declared(dir)
	if err != nil {
		return err
	}
	snapshot, err := s.catalog.ReadAll(ctx, s.schema.InDependencyOrder()...)
	if err != nil {
		return err
	}
	d := drift{Comparison: declared.Compare(snapshot), revision: snapshot.Revision, strays: snapshot.Strays}
	if problems := s.schema.Problems(); len(problems) > 0 {
		// What is in the path of a type that cannot be used may well be its objects.
		var paths []string
		for _, t := range s.schema.Declared() {
			paths = append(paths, t.Path)
		}
		d.strays = s.catalog.Outside(snapshot.Strays, paths...)
		for _, p := range problems {
			d.faults = append(d.faults, p.Err.Error())
		}
	}
	if d.invalid, err = seed.Check(snapshot); err != nil {
		d.faults = append(d.faults, lines(err.Error())...)
	}
	for _, t := range d.Types {
		for _, f := range slices.Concat(t.Faults, t.Gaps) {
			d.faults = append(d.faults, f.Error())
		}
	}
	return s.tellDrift(d, format)
}

// tellDrift prints what was found, and returns the error that says which sort
// it is.
func (s *session) tellDrift(d drift, format string) error {
	missing, extra := d.objects()
	n := len(missing) + len(extra) + len(d.invalid) + len(d.strays)
	err := s.write(func(w *bufio.Writer) {
		switch {
		case format == "json":
			fmt.Fprintln(w, d.document(n > 0).Text())
		case n > 0:
			d.write(w, colored(s.out))
		case len(d.faults) == 0:
			fmt.Fprintln(w, "no drift")
		}
	})
	if err != nil {
		return err
	}
	for _, f := range d.faults {
		s.say("%s", f)
	}
	if n > 0 {
		s.say("drift: %d missing, %d extra, %d invalid, %s", len(missing), len(extra), len(d.invalid), count(len(d.strays), "stray key"))
	}
	switch {
	case len(d.faults) > 0:
		return &partlyError{exitInvalid}
	case n > 0:
		return &partlyError{exitFailed}
	}
	return nil
}

// objects returns what is missing and extra of all types.
func (d drift) objects() (missing, extra []object.Object) {
	for _, t := range d.Types {
		missing = append(missing, t.Missing...)
		extra = append(extra, t.Extra...)
	}
	return missing, extra
}

// place is where an object is declared.
func (d drift) place(o object.Object) string {
	for _, t := range d.Types {
		if pos, ok := t.Places[o.Path()]; ok && t.Type.Type == o.Type {
			return pos.String()
		}
	}
	return ""
}

// write writes a line for each finding.
func (d drift) write(w *bufio.Writer, color bool) {
	tell := func(code, word string, texts []string) {
		for _, text := range texts {
			line := fmt.Sprintf("%-8s %s", word, visible(text))
			if color {
				line = "\x1b[" + code + "m" + line + "\x1b[0m"
			}
			fmt.Fprintln(w, line)
		}
	}
	missing, extra := d.objects()
	tell(green, "missing", eachOrGroups(missing, func(o object.Object) string { return o.String() + ", declared at " + d.place(o) }))
	tell(red, "extra", eachOrGroups(extra, func(o object.Object) string { return o.String() + " " + fieldsText(o.Fields) }))
	for _, i := range d.invalid {
		tell(yellow, "invalid", []string{i.Object.String() + ": " + strings.Join(i.Reasons, "; ")})
	}
	tell(yellow, "stray", d.strays)
}

// eachOrGroups returns a line for each object, or if they are many for each
// group of them, with how many it has.
func eachOrGroups(all []object.Object, each func(object.Object) string) []string {
	if len(all) > mostDiffs {
		return objectGroups(all)
	}
	texts := make([]string, len(all))
	for i, o := range all {
		texts[i] = each(o)
	}
	return texts
}

// objectGroups counts objects by type and tags, a line each.
func objectGroups(objects []object.Object) []string {
	var names []string
	counts := map[string]int{}
	for _, o := range objects {
		name := strings.TrimSpace(o.Type.Name + " " + o.Dir())
		if counts[name]++; counts[name] == 1 {
			names = append(names, name)
		}
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%s: %d", name, counts[name])
	}
	return names
}

// document is the report for programs.
func (d drift) document(drifted bool) value.Value {
	all, gone := d.objects()
	var missing, extra, invalid []value.Value
	for _, o := range all {
		missing = append(missing, value.OfMap(append(identity(o), value.Field{Name: "declared", Value: value.OfString(d.place(o))})...))
	}
	for _, o := range gone {
		extra = append(extra, document(o))
	}
	for _, i := range d.invalid {
		invalid = append(invalid, value.OfMap(append(identity(i.Object), value.Field{Name: "reasons", Value: texts(i.Reasons)})...))
	}
	return value.OfMap(
		value.Field{Name: "drift", Value: value.OfBool(drifted)},
		value.Field{Name: "revision", Value: value.OfInt(int64(d.revision))},
		value.Field{Name: "missing", Value: value.OfList(missing...)},
		value.Field{Name: "extra", Value: value.OfList(extra...)},
		value.Field{Name: "invalid", Value: value.OfList(invalid...)},
		value.Field{Name: "strays", Value: texts(d.strays)},
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
