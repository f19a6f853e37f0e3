package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/dump"
	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
)

func newExport(std term.Streams, g *globals) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "export [TYPE...]",
		Short: "Print the objects of all or some types as one file",
		Long: `Print the objects of all or some types as one file, for import, lint --against
or git.

The file is a snapshot at one revision, sorted, with all values. Its header has
the revision of the last change, so that import can tell what has changed
since. Two exports are equal if nothing has changed. Objects that cannot be
read are left out and named, and the exit code is 7. Objects that do not fit
the schema are exported with a warning, and import takes them as they are.`,
		Annotations: exitCodes(exitDone, exitFailed, exitUsage, exitUnavailable, exitInvalid),
		Example: `  confctl export >fleet.yaml
  confctl export --format jsonl node discovery >part.jsonl`,
		ValidArgsFunction: completer{g}.completeType,
		RunE: func(cmd *cobra.Command, names []string) error {
			if cmd.Flag("object-type").Changed {
				return &usageError{"export takes the types as words", commandLine(append([]string{"confctl", "export"}, operands(g.objectType)...))}
			}
			if err := g.noFormat("export"); err != nil {
				return err
			}
			if !slices.Contains(dump.Formats(), format) {
				return &usageError{fmt.Sprintf("export has no format %q%s", format, nearest.Suggest(format, dump.Formats())), "formats: " + strings.Join(dump.Formats(), ", ")}
			}
			return with(std, g, func(a *app.App) error { return runExport(cmd.Context(), std, a, names, dump.Format(format)) })
		},
	}
	cmd.Flags().StringVar(&format, "format", dump.Formats()[0], "`FORMAT` of the file: "+strings.Join(dump.Formats(), " or "))
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(dump.Formats(), cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// exportComment is the comment at the beginning of a YAML file.
const exportComment = "Objects as they were when confctl export wrote this file. To make them so again:\n  confctl import FILE"

func runExport(ctx context.Context, std term.Streams, a *app.App, names []string, format dump.Format) error {
	types, broken, err := typesNamed(a.Schema, names)
	if err != nil {
		return err
	}
	snapshot, err := readToExport(ctx, a, types)
	if err != nil {
		return err
	}
	// The objects are written in the order of the types and, within a type, of keys.
	var fit []object.Object
	for _, t := range types {
		for _, o := range snapshot.Objects {
			if o.Type == t && dump.Unwritable(o) == "" {
				fit = append(fit, o)
			}
		}
	}
	header := dump.Header{Revision: dump.Newest(types, snapshot), LeftOut: len(snapshot.Objects) - len(fit), Comment: exportComment}
	var failed error
	err = std.Write(func(w *bufio.Writer) { failed = dump.Write(w, format, types, fit, header) })
	if err != nil || failed != nil {
		return cmp.Or(err, failed)
	}
	warnMisfits(std, a, types, fit)
	return reportLeftOut(std, snapshot, broken)
}

// readToExport reads all objects of some types, and their fences, which record
// deletions. It reads only the objects if the user may not read the fences.
func readToExport(ctx context.Context, a *app.App, types []*schema.Type) (object.Snapshot, error) {
	snapshot, _, err := a.Catalog.ReadToChange(ctx, nil, queries(types)...)
	if errors.As(err, new(*store.DeniedError)) {
		return a.Catalog.Read(ctx, queries(types)...)
	}
	return snapshot, err
}

// warnMisfits warns about exported objects that do not fit the schema or that import
// would refuse, so that nobody relies on an incomplete backup.
func warnMisfits(std term.Streams, a *app.App, types []*schema.Type, exported []object.Object) {
	d, _ := dump.Of(a.Schema, types, object.Snapshot{Objects: exported}, a.Catalog.Key)
	_, faults := d.Plan(object.Snapshot{}, dump.Terms{Unfit: unfit(a.Catalog)})
	left, taken := dump.Left(faults)
	var misfits, refused limited
	for _, f := range taken {
		if f.Pos.Line > 0 { // a fault of a JSON schema
			misfits.add("%v", f)
		} else {
			misfits.add("%s; import would take it over as it is", f.Msg)
		}
	}
	for _, f := range left {
		refused.add("import would refuse %s", f.Msg)
	}
	misfits.warn(std)
	if refused.warn(std); refused.count() > 0 {
		std.Say("import --skip-invalid would leave out what it refuses")
	}
}

// queries returns the queries for all objects of some types.
func queries(types []*schema.Type) []catalog.Query {
	all := make([]catalog.Query, len(types))
	for i, t := range types {
		all[i].Type = t
	}
	return all
}

// typesNamed returns the types with the given names. Without names, it returns all
// types that can be used, and one line for each error in the schema.
func typesNamed(s *schema.Schema, names []string) (types []*schema.Type, broken []string, err error) {
	for _, name := range names {
		t, err := s.Type(name)
		if err != nil {
			return nil, nil, err
		}
		if !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	if len(names) > 0 {
		return types, nil, nil
	}
	for _, p := range s.Problems() {
		broken = append(broken, p.Err.Error())
	}
	return s.Types(), broken, nil
}

// reportLeftOut warns about what the export does not contain. It returns a
// *partlyError if objects or types are missing.
func reportLeftOut(std term.Streams, snapshot object.Snapshot, broken []string) error {
	var strays limited
	for _, key := range snapshot.Strays {
		strays.add("key %s is no object of any type; left out", key)
	}
	strays.warn(std)
	for _, line := range broken {
		std.Warn(line + "; its type is left out")
	}
	lost := len(broken)
	for _, o := range snapshot.Objects {
		if reason := dump.Unwritable(o); reason != "" {
			std.Warn(fmt.Sprintf("%s is left out: %s", o, reason))
			lost++
		}
	}
	if lost > 0 {
		return &partlyError{exitInvalid}
	}
	return nil
}
