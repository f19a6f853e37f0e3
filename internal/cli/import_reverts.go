package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/conftool/confctl/internal/dump"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
)

// reverts are the changes of an import that may revert changes that others have
// made since the source was exported.
type reverts struct {
	changes []object.Change
	why     string   // the reason why they may revert something
	lines   []string // one for each shown change, and one that counts the rest
}

// revertsError reports an import that would revert changes that others have made,
// and that no operator could confirm. Nothing was written.
type revertsError struct {
	reverts
	title string // the name of the source in messages
	again string // the command line that imports with --overwrite
}

func (e *revertsError) Error() string {
	return fmt.Sprintf("importing %s would take back what others have changed: %s; nothing was written", e.title, e.why)
}

func explainReverts(e *revertsError, err error) (code int, msg, hint string) {
	for _, line := range e.lines {
		hint += line + "\n"
	}
	return exitConflict, err.Error(), hint + "make it what the file says all the same:  " + e.again
}

// checkReverts looks for changes in a plan that may revert changes by others, and
// stores them in i.reverts. It returns a revertsError if there are any, unless the
// operator will be asked, --overwrite is given, or this is a dry run.
func (i *importer) checkReverts(ctx context.Context, d dump.Dump, plan object.Plan, on object.Snapshot) error {
	changes, elsewhere := d.Reverts(plan, on)
	i.reverts = reverts{}
	if i.overwrite || len(changes) == 0 {
		return nil
	}
	i.reverts = reverts{changes: changes, why: fmt.Sprintf("%s changed since it was exported, at revision %d", text.Count(len(changes), "object"), d.Revision)}
	switch {
	case elsewhere:
		i.reverts.why = fmt.Sprintf("it is of another store, or this one was put back to an earlier time, so %s may have changed since", text.Count(len(changes), "object"))
	case d.Revision == 0:
		i.reverts.why = fmt.Sprintf("it does not say at which revision it was exported, so %s may have changed since", text.Count(len(changes), "object"))
	}
	i.reverts.lines = i.revertLines(ctx, changes, on)
	if i.asksReverts() || i.opts.terms.DryRun {
		return nil
	}
	return &revertsError{i.reverts, i.from.title, i.changes.hints.again("--overwrite")}
}

// asksReverts reports whether the operator is asked to confirm reverts. With --yes
// there is no question: the operator gave it before seeing the reverts.
func (i *importer) asksReverts() bool { return i.Interactive() && !i.opts.yes }

// warnReverts warns of the changes by others that the import would revert.
func (i *importer) warnReverts() {
	if len(i.reverts.changes) == 0 {
		return
	}
	i.Warn(fmt.Sprintf("%s would take back what others have changed: %s", i.from.title, i.reverts.why))
	i.Detail(i.reverts.lines...)
}

// dryReverts warns of the reverts at the end of a dry run. If the import itself
// would fail because of them, it returns an error with exitConflict; otherwise it
// returns err.
func (i *importer) dryReverts(err error) error {
	if !i.opts.terms.DryRun || len(i.reverts.changes) == 0 {
		return err
	}
	i.warnReverts()
	if err == nil && !i.asksReverts() {
		return &partlyError{exitConflict}
	}
	return err
}

// revertLines returns a line for each of the first render.MaxLines changes, with
// the effect on the object and who changed it last, and a line that counts the
// rest.
func (i *importer) revertLines(ctx context.Context, changes []object.Change, on object.Snapshot) []string {
	var shown []object.Object
	for _, c := range changes[:min(len(changes), render.MaxLines)] {
		o := *c.Object()
		if c.Before == nil { // the object was deleted at or before this revision
			o.Revision = on.Revision
		}
		shown = append(shown, o)
	}
	last, err := i.Journal().LastChanges(ctx, shown, nil)
	if err != nil {
		i.Warn("who changed them may not be known: " + err.Error())
	}
	var lines []string
	for n, o := range shown {
		lines = append(lines, render.Revert(changes[n], last[render.ObjectID(o)], time.Now()))
	}
	if more := len(changes) - render.MaxLines; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return lines
}

// confirmImport returns a function that asks for confirmation, or nil if none is
// needed. It asks before more than one object changes, as set does, unless --yes is
// given, and before any change by others is reverted.
func (i *importer) confirmImport(p change.Proposal) func(context.Context) error {
	if len(i.reverts.changes) == 0 && (i.opts.yes || len(p.Plan.Changes) < 2) {
		return nil
	}
	return func(ctx context.Context) error {
		i.changes.display.preview(ctx, p)
		i.warnReverts()
		return i.changes.ask.confirmContinue(ctx)
	}
}
