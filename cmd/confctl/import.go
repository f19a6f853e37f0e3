package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/dump"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// importOptions say where the objects come from, and what is done with others.
type importOptions struct {
	fromV2       string // a URL
	etcdrc       string // of that cluster
	removeOthers bool
	verify       bool
}

func newImport(std streams, g *globals) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import {FILE|--from-v2 URL} [TYPE...]",
		Short: "Make objects what an export says, or the keys of the Python tool in an etcd v2",
		Long: `Make objects what a file says that export has made, or one like it; - is standard
input. What is missing is created, and what differs gets the values of the file. A
field that the file does not have keeps its value. Objects that the file does not
have stay, but with --remove-others. It is one change, if it fits into a commit, and
nothing is written if anything is wrong with the file.

--from-v2 reads the keys of the Python tool by the v2 API of an etcd, such as
https://conf1001.example.org:2379, below the configured namespace and version. What
does not fit the schema is named and left out, with exit code 7, and the rest is
written. The user, password and certificates are those of the etcdrc if the URL is
one of its hosts, and else those of --v2-etcdrc.

--verify reads both sides again afterwards, compares all values, and ends with exit
code 1 if they differ. With --dry-run that is all it does.`,
		Annotations: changeCodes(exitDone, exitFailed, exitUsage, exitRefused, exitConflict, exitUnavailable, exitInvalid, exitDeclined, exitUnknown),
		Example: `  confctl import fleet.yaml --dry-run
  confctl import part.jsonl discovery
  confctl import --from-v2 https://conf1001.example.org:2379 --verify`,
		ValidArgsFunction: g.completeImport,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flag("object-type").Changed {
				return &usageError{"import takes the types as words", "confctl import FILE " + quote(g.objectType)}
			}
			if err := g.noFormat("import"); err != nil {
				return err
			}
			if err := o.check(&args); err != nil {
				return err
			}
			return with(std, g, func(s *session) error { return s.runImport(cmd.Context(), o, args) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.fromV2, "from-v2", "", "read the keys of the Python tool by the etcd v2 API at `URL`")
	f.StringVar(&o.etcdrc, "v2-etcdrc", "", "`FILE` with user, password and certificates for --from-v2, as an etcdrc has them")
	f.BoolVar(&o.removeOthers, "remove-others", false, "remove the objects of these types that the source does not have")
	f.BoolVar(&o.verify, "verify", false, "compare both sides value by value afterwards")
	return cmd
}

// completeImport completes a file, and after it types.
func (g *globals) completeImport(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 && !cmd.Flag("from-v2").Changed {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return g.completeType(cmd, args, word)
}

// check checks the options, and for --from-v2 puts the missing FILE before the
// types.
func (o importOptions) check(args *[]string) error {
	switch {
	case o.fromV2 == "" && len(*args) == 0:
		return &usageError{"import what?", "confctl import FILE, or confctl import --from-v2 URL"}
	case o.fromV2 == "" && o.etcdrc != "":
		return &usageError{"--v2-etcdrc is for --from-v2 URL", ""}
	case o.fromV2 != "":
		*args = slices.Insert(*args, 0, "")
	}
	return nil
}

// source is where imported objects come from.
type source struct {
	name   string // for the journal
	strict bool   // nothing is written if anything is wrong with it
	// read returns the objects, and what is wrong with those that are left out.
	read func(context.Context) (dump.Dump, []*yamldoc.Error, error)
}

func (s *session) runImport(ctx context.Context, o importOptions, args []string) error {
	types, broken, err := s.typesNamed(args[1:])
	if err != nil {
		return err
	}
	from := s.fileSource(args[0], types)
	if o.fromV2 != "" {
		if from, err = s.v2Source(o, types); err != nil {
			return err
		}
	}
	for _, line := range broken {
		s.warn(line + "; its type is left out")
	}
	if o.verify && s.terms.dryRun {
		return s.verify(ctx, from, types)
	}
	if err := s.importFrom(ctx, from, types, o.removeOthers); err != nil || !o.verify || s.terms.dryRun {
		return err
	}
	return s.verify(ctx, from, types)
}

// importFrom makes the objects what the source says.
func (s *session) importFrom(ctx context.Context, from source, types []*schema.Type, removeOthers bool) error {
	d, left, err := from.read(ctx)
	if err != nil {
		return &unwrittenError{err, ""}
	}
	if removeOthers && len(left) > 0 {
		s.tellLeftOut(left)
		return &usageError{"--remove-others is not possible while objects of the source are left out: they would be removed", "mend them, or do without it"}
	}
	var refused []*yamldoc.Error
	in := change.Intent{
		Read:    queries(types),
		Action:  "import " + from.name,
		Summary: summary,
		Split:   true,
		Deletes: removeOthers,
		Seeds:   removeOthers,
		Plan: func(snapshot object.Snapshot) (object.Plan, error) {
			plan, faults := d.Plan(snapshot, removeOthers)
			if from.strict && len(faults) > 0 {
				return object.Plan{}, &dump.FaultsError{Faults: faults}
			}
			refused = faults
			return plan, nil
		},
	}
	err = s.apply(ctx, in, s.confirmImport, s.tellImported)
	left = append(left, refused...)
	s.tellLeftOut(left)
	if err == nil && len(left) > 0 {
		return &partlyError{exitInvalid}
	}
	return err
}

// confirmImport asks before more than one object is changed, as a set does.
func (s *session) confirmImport(p change.Proposal) func(context.Context) error {
	if s.yes || len(p.Plan.Changes) < 2 {
		return nil
	}
	return func(ctx context.Context) error {
		s.preview(ctx, p)
		return s.goOn(ctx)
	}
}

// tellImported tells what changed: object by object if they are few.
func (s *session) tellImported(done change.Done) {
	if len(done.Objects) <= mostDiffs {
		s.tellChanged(done)
		return
	}
	s.tell(summary(done.Objects))
}

// tellLeftOut says what of the source does not fit.
func (s *session) tellLeftOut(left []*yamldoc.Error) {
	var lines limited
	for _, f := range left {
		lines.add("left out: %v", f)
	}
	lines.say(s.streams)
}

// verify compares the source, read again, with the store, value by value.
func (s *session) verify(ctx context.Context, from source, types []*schema.Type) error {
	d, left, err := from.read(ctx)
	if err != nil {
		return err
	}
	snapshot, err := s.catalog.Read(ctx, queries(types)...)
	if err != nil {
		return err
	}
	differences := object.Differences(d.Wanted(snapshot), snapshot)
	err = s.write(func(w *bufio.Writer) {
		for _, difference := range differences {
			fmt.Fprintln(w, visible(difference.String()))
		}
		fmt.Fprintf(w, "%d of %s of the source are the same in the store\n", len(d.Objects)-len(differences), objects(len(d.Objects)+len(left)))
	})
	if err != nil {
		return err
	}
	missing := 0
	for _, difference := range differences {
		if difference.Stored == nil {
			missing++
		}
	}
	if others := len(snapshot.Objects) - len(d.Objects) + missing; others > 0 {
		s.say("the store has %s that the source has not", objects(others))
	}
	s.tellLeftOut(left)
	if len(differences)+len(left) > 0 {
		return &partlyError{exitFailed}
	}
	return nil
}

// fileSource is a file, or standard input.
func (s *session) fileSource(file string, types []*schema.Type) source {
	read := func(context.Context) (dump.Dump, []*yamldoc.Error, error) {
		d, err := dump.Read(file, s.schema)
		return of(d, types), nil, err
	}
	if file != "-" {
		return source{name: file, strict: true, read: read}
	}
	var text []byte
	var err error
	once := sync.OnceFunc(func() { text, err = io.ReadAll(io.LimitReader(s.in, yamldoc.MaxBytes+1)) })
	return source{name: file, strict: true, read: func(context.Context) (dump.Dump, []*yamldoc.Error, error) {
		if once(); err != nil {
			return dump.Dump{}, nil, fmt.Errorf("reading standard input: %w", err)
		}
		d, err := dump.Parse("standard input", text, s.schema)
		return of(d, types), nil, err
	}}
}

// of returns a dump without the objects of other types.
func of(d dump.Dump, types []*schema.Type) dump.Dump {
	other := func(t *schema.Type) bool { return !slices.Contains(types, t) }
	d.Types = slices.DeleteFunc(d.Types, other)
	d.Objects = slices.DeleteFunc(d.Objects, func(i dump.Item) bool { return other(i.Object.Type) })
	return d
}
