package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/term"
)

// importOptions are the options of import: the source of the objects, and how to
// treat objects that are invalid, missing from the source or changed since.
type importOptions struct {
	fromV2       string // a URL
	etcdrc       string // file with the credentials for fromV2
	skipInvalid  bool
	strict       bool // exit code 7 if an imported object does not fit the schema
	removeOthers bool
	overwrite    bool
	verify       bool
}

func newImport(std term.Streams, g *globals) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import {FILE|--from-v2 URL} [TYPE...]",
		Short: "Import objects from an export or an etcd v2 store",
		Long: `Import objects from an export file, or from the etcd v2 store of the Python
tool. FILE may be - for standard input.

Objects that are missing are created; others get the values of the file. Fields
and objects that are not in the file are kept, unless --remove-others is given
(needs a complete export). The import is one commit if it fits. If anything in
the file is wrong, nothing is written. Changes that others have made since the
file was exported are listed: on a terminal the import asks whether to
overwrite them; without one it is a conflict (exit code 5) unless --overwrite
is given.

An exported object that does not fit the schema did not fit it in the store
either: it is named, and imported as it is. --strict makes that exit code 7,
and --skip-invalid leaves the object out. In a file without the header of an
export, objects that do not fit the schema are errors, and so are unknown
fields.

--from-v2 reads the keys below the configured namespace and version, through
the etcd v2 API of a server such as https://conf1001.example.org:2379, and
imports them like an export. Keys that cannot be read or are not objects are
named and left out, with exit code 7. User and password are those of
--v2-etcdrc, or of the etcdrc if the URL is one of its endpoints.

--verify reads both sides again afterwards and compares all values; a
difference is exit code 1, unless the import has another. With --dry-run it
only compares.`,
		Annotations: changeCodes(exitDone, exitFailed, exitUsage, exitRefused, exitNoMatch, exitConflict, exitUnavailable, exitInvalid, exitDeclined, exitUnknown),
		Example: `  confctl import fleet.yaml --dry-run
  confctl import part.jsonl discovery
  confctl import --from-v2 https://conf1001.example.org:2379 --verify`,
		ValidArgsFunction: completer{g}.completeImport,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flag("object-type").Changed {
				return &usageError{"import takes the types as words", commandLine(append([]string{"confctl", "import"}, operands("FILE", g.objectType)...))}
			}
			if err := g.noFormat("import"); err != nil {
				return err
			}
			if err := o.check(&args); err != nil {
				return err
			}
			return with(std, g, func(a *app.App) error { return runImport(cmd.Context(), std, g, a, o, args) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.fromV2, "from-v2", "", "import the keys of the Python tool from the etcd v2 API at `URL`")
	f.StringVar(&o.etcdrc, "v2-etcdrc", "", "etcdrc `FILE` with user, password and certificates for --from-v2")
	f.BoolVar(&o.skipInvalid, "skip-invalid", false, "leave out objects that do not fit the schema")
	f.BoolVar(&o.strict, "strict", false, "end with exit code 7 if an imported object does not fit the schema")
	f.BoolVar(&o.removeOthers, "remove-others", false, "remove objects of these types that are not in the source")
	f.BoolVar(&o.overwrite, "overwrite", false, "overwrite what others have changed since the file was exported")
	f.BoolVar(&o.verify, "verify", false, "compare source and store afterwards, value by value")
	return cmd
}

// completeImport completes FILE, unless --from-v2 is given, and then types.
func (g completer) completeImport(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 && !cmd.Flag("from-v2").Changed {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return g.completeType(cmd, args, word)
}

// check checks the options. With --from-v2 it inserts an empty FILE before the
// types in args.
func (o importOptions) check(args *[]string) error {
	switch {
	case o.fromV2 == "" && len(*args) == 0:
		return &usageError{"import what?", "confctl import FILE, or confctl import --from-v2 URL"}
	case o.fromV2 == "" && o.etcdrc != "":
		return &usageError{"--v2-etcdrc is for --from-v2 URL", ""}
	case o.fromV2 != "" && o.overwrite:
		return &usageError{"--overwrite is for FILE", "--from-v2 reads what is there now"}
	case o.fromV2 != "":
		*args = slices.Insert(*args, 0, "")
	}
	return nil
}

func runImport(ctx context.Context, std term.Streams, g *globals, a *app.App, o importOptions, args []string) error {
	if o.fromV2 != "" {
		if err := refuseFileAndURL(a.Schema, args[1:]); err != nil {
			return err
		}
	}
	types, broken, err := typesNamed(a.Schema, args[1:])
	if err != nil {
		return err
	}
	i := &importer{Streams: std, App: a, opts: g, changes: newChanger(std, g, a), importOptions: o, words: args[1:], told: map[string]bool{}}
	if i.from = fileSource(std, a, args[0], types); o.fromV2 != "" {
		if i.from, err = v2Source(std, a, o, types, len(i.words) == 0); err != nil {
			return err
		}
	}
	i.from.strict = i.from.strict && !o.skipInvalid
	for _, line := range broken {
		std.Warn(line + "; its type is left out")
	}
	if o.verify && g.terms.DryRun {
		return i.compare(ctx)
	}
	return i.run(ctx)
}
