package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/dump"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// An importer runs one import.
type importer struct {
	term.Streams
	*app.App
	importOptions
	opts    *globals
	changes *changer
	from    source
	words   []string        // the types to import; empty for all
	told    map[string]bool // lines that have been printed already

	reverts reverts // the reverts in the latest plan
}

// run imports the source. With --verify it then compares source and store, unless
// the import failed or was a dry run.
func (i *importer) run(ctx context.Context) error {
	err := i.commit(ctx)
	var faulty *faultyError
	partly := errors.As(err, new(*partlyError)) || errors.As(err, &faulty) && faulty.err == nil
	if !i.verify || i.opts.terms.DryRun || (err != nil && !partly) {
		return err
	}
	compared := i.compare(ctx)
	if err == nil {
		return compared
	}
	if compared != nil && compared.Error() != "" { // an empty message has been printed already
		i.Say("%v", compared)
	}
	return err
}

// read reads the source. It returns an error if there is nothing to import, or if
// --remove-others is given and the file is not a complete export.
func (i *importer) read(ctx context.Context) (dump.Dump, []*yamldoc.Error, error) {
	d, left, err := i.from.read(ctx)
	if err != nil {
		return dump.Dump{}, nil, err
	}
	file := i.fromV2 == ""
	switch {
	case file && i.removeOthers && !d.Whole:
		return d, nil, &usageError{"--remove-others takes only a file with the header of an export that names its types and left nothing out: any other may be a part of what there is", "export it anew, or do without it"}
	case len(d.Objects)+len(left) > 0, file && i.removeOthers && len(d.Types) > 0:
		return d, left, nil
	case len(i.words) > 0:
		return d, nil, &noMatchError{fmt.Sprintf("%s has no object of type %s", i.from.title, strings.Join(i.words, ", ")), ""}
	}
	return d, nil, &noMatchError{i.from.title + " has no object", ""}
}

// misfitError reports objects of a file that cannot be written with the values in
// the file. The other objects of the file may be valid.
type misfitError struct{ faults *dump.FaultsError }

func (e *misfitError) Error() string { return e.faults.Error() }

// Unwrap returns the faults.
func (e *misfitError) Unwrap() error { return e.faults }

// commit reads the source and applies its values to the objects in the store.
func (i *importer) commit(ctx context.Context) error {
	d, left, err := i.read(ctx)
	if err != nil {
		return &unwrittenError{err, nil}
	}
	if err := i.checkRemovable(left); err != nil {
		return err
	}
	var refused, taken []*yamldoc.Error
	var first *object.Snapshot // the state that the operator saw
	in := change.Intent{
		Read:    queries(d.Types),
		Action:  "import " + i.from.name,
		Summary: summary,
		Stop:    true,
		Split:   true,
		Deletes: i.removeOthers,
		Seeds:   i.removeOthers,
		Plan: func(on object.Snapshot) (object.Plan, error) {
			plan, all := d.Plan(on, i.dumpTerms())
			var faults []*yamldoc.Error
			if faults, taken = dump.Left(all); len(taken) > 0 {
				plan.Warnings = append(plan.Warnings, tookOver(taken))
			}
			if i.from.strict && len(faults) > 0 {
				return object.Plan{}, &misfitError{&dump.FaultsError{Faults: faults}}
			}
			if i.removeOthers && len(faults) > 0 { // some may be about objects that cannot be removed
				_, all := d.Plan(on, dump.Terms{Fit: i.skipInvalid, Repair: i.opts.repair, Unfit: unfit(i.Catalog)})
				kept, _ := dump.Left(all)
				if err := i.checkRemovable(kept); err != nil {
					return object.Plan{}, err
				}
			}
			if refused = faults; first == nil {
				first = &on
			}
			if err := changedSince(*first, plan); err != nil {
				return plan, err
			}
			return plan, i.checkReverts(ctx, d, plan, on)
		},
	}
	err = i.changes.apply(ctx, in, i.confirmImport, i.printImported)
	err = i.dryReverts(err)
	i.sayConflict(err)
	left = append(left, refused...)
	i.sayTaken(taken, err == nil && !i.opts.terms.DryRun)
	i.sayLeftOut(left)
	if (len(left) > 0 || i.strict && len(taken) > 0) && (err == nil || isRefusal(err)) {
		return &faultyError{err}
	}
	return err
}

// checkRemovable returns an error if objects are to be removed while parts of the
// source are left out: a part with an unreadable name or path may be one of the
// objects that would be removed.
func (i *importer) checkRemovable(left []*yamldoc.Error) error {
	if !i.removeOthers || len(left) == 0 {
		return nil
	}
	i.sayLeftOut(left)
	return &usageError{"--remove-others is not possible while something of the source is left out: it might be removed", "mend it, or do without --remove-others; nothing was written"}
}

// dumpTerms returns the terms for planning the import.
func (i *importer) dumpTerms() dump.Terms {
	return dump.Terms{RemoveOthers: i.removeOthers, Fit: i.skipInvalid, Repair: i.opts.repair, Unfit: unfit(i.Catalog)}
}

// unfit returns a function that returns the reason why a change cannot be
// committed, or an empty string if it can.
func unfit(in *catalog.Catalog) func(object.Change) string {
	return func(c object.Change) string {
		var invalid *object.InvalidError
		if errors.As(c.Storable(), &invalid) {
			return invalid.Reason
		}
		if err := change.CheckSize(in, c); err != nil {
			return err.Error()
		}
		return ""
	}
}

// changedSince returns a conflict if plan changes objects that somebody else has
// changed since the first snapshot, and nil otherwise. An import is not planned
// again on newer values, because the operator has decided to overwrite only the
// values in the first snapshot.
func changedSince(first object.Snapshot, plan object.Plan) error {
	was := first.ByKey()
	var conflicts []change.Conflict
	for _, c := range plan.Changes {
		before, now := was[c.Object().Key()], c.Before
		if (before == nil) == (now == nil) && (now == nil || now.Revision == before.Revision) {
			continue
		}
		mine := object.Change{Before: before, After: c.After}
		if mine.Object() == nil { // somebody created an object that the import removes
			mine.Before = now
		}
		conflicts = append(conflicts, change.Conflict{Mine: mine, Theirs: now})
	}
	if conflicts == nil {
		return nil
	}
	return &change.ConflictError{Objects: conflicts}
}

// sayConflict prints both sides of a conflict that stopped an import after some of
// its parts were committed.
func (i *importer) sayConflict(err error) {
	var begun *change.PartlyDoneError
	var conflict *change.ConflictError
	if errors.As(err, &begun) && errors.As(begun.Err, &conflict) && conflict.Busy == nil {
		for _, line := range text.Lines(conflictText(conflict))[1:] { // the first line says that nothing was written
			i.Say("%s", strings.TrimSpace(line))
		}
	}
}

// printImported prints each changed object if there are at most render.MaxObjects,
// otherwise a summary.
func (i *importer) printImported(done change.Done) {
	if len(done.Objects) <= render.MaxObjects {
		i.changes.display.printChanged(done)
		return
	}
	printDone(i.Streams, text.OneLine(summary(done.Objects)))
}

// sayLeftOut prints a line for every part of the source that is left out, without
// a limit, because each has to be corrected. It prints each line once per import.
func (i *importer) sayLeftOut(left []*yamldoc.Error) {
	word, strays := "left out", false
	if i.from.strict {
		word = "does not fit"
	}
	for _, f := range left {
		line := faultText(f)
		if !i.told[line] {
			i.told[line] = true
			i.Say("%s: %s", word, line)
			strays = strays || f.Rule == ruleStray
		}
	}
	if strays && i.Settings.SchemaFile == "" {
		i.Say("there is no schema file, so the type node is the only one that is known")
	}
}
