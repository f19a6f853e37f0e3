package cli

import (
	"context"
	"fmt"

	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/dump"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/value"
)

// reverts are the changes of an import that may take back what others have done
// since its source was exported.
type reverts struct {
	changes []object.Change
	why     string   // they may
	lines   []string // one a change
}

// revertsError reports an import that nobody was asked about, and that would take
// back what others have done. Nothing was written.
type revertsError struct {
	reverts
	title string // of the source
	again string // the line that does it all the same
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

// checkReverts looks for what a plan would take back. That is an error, unless
// somebody can be asked about it, has said --overwrite, or only wants to see it.
func (i *importer) checkReverts(ctx context.Context, d dump.Dump, plan object.Plan, on object.Snapshot) error {
	changes, elsewhere := d.Reverts(plan, on)
	i.reverts = reverts{}
	if i.overwrite || len(changes) == 0 {
		return nil
	}
	i.reverts = reverts{changes: changes, why: fmt.Sprintf("%s changed since it was exported, at revision %d", objects(len(changes)), d.Revision)}
	switch {
	case elsewhere:
		i.reverts.why = fmt.Sprintf("it is of another store, or this one was put back to an earlier time, so %s may have changed since", objects(len(changes)))
	case d.Revision == 0:
		i.reverts.why = fmt.Sprintf("it does not say at which revision it was exported, so %s may have changed since", objects(len(changes)))
	}
	i.reverts.lines = i.revertLines(ctx, changes, on)
	if i.asksReverts() || i.terms.dryRun {
		return nil
	}
	return &revertsError{i.reverts, i.from.title, i.again("--overwrite")}
}

// asksReverts reports whether somebody is asked about what would be taken back.
// Who has said --yes beforehand has not seen it.
func (i *importer) asksReverts() bool { return i.Interactive() && !i.yes }

// tellReverts says what would be taken back.
func (i *importer) tellReverts() {
	if len(i.reverts.changes) == 0 {
		return
	}
	i.Warn(fmt.Sprintf("%s would take back what others have changed: %s", i.from.title, i.reverts.why))
	i.Detail(i.reverts.lines...)
}

// dryReverts says what would be taken back and ends a dry run as the import would.
func (i *importer) dryReverts(err error) error {
	if !i.terms.dryRun || len(i.reverts.changes) == 0 {
		return err
	}
	i.tellReverts()
	if err == nil && !i.asksReverts() {
		return &partlyError{exitConflict}
	}
	return err
}

// revertLines returns a line for each of the first changes: what would become of
// the object, and who changed it last.
func (i *importer) revertLines(ctx context.Context, changes []object.Change, on object.Snapshot) []string {
	var shown []object.Object
	for _, c := range changes[:min(len(changes), fewLines)] {
		o := *c.Object()
		if c.Before == nil { // whoever deleted it did so by now
			o.Revision = on.Revision
		}
		shown = append(shown, o)
	}
	last, err := i.journal().LastChanges(ctx, shown, nil)
	if err != nil {
		i.Warn("who changed them may not be known: " + err.Error())
	}
	var lines []string
	for n, o := range shown {
		lines = append(lines, revertLine(changes[n])+i.since(changes[n], last[sal.ObjectID{Type: o.Type.Name, Path: o.Path()}]))
	}
	if more := len(changes) - fewLines; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return lines
}

// revertLine says what would become of an object.
func revertLine(c object.Change) string {
	name := plain(c.Object().String())
	switch {
	case c.Before == nil:
		return name + " would be created again"
	case c.After == nil:
		return name + " would be removed"
	}
	text := ""
	for _, f := range c.Fields() {
		text += fmt.Sprintf("; %s would change %s => %s", plain(f.Name), short(valueText(f.Before)), short(valueText(f.After)))
	}
	return name + text
}

// valueText is a value for people, or a dash for none.
func valueText(v value.Value) string {
	if v.IsAbsent() {
		return "-"
	}
	return cell(v)
}

// since says when an object was changed last, by whom and why, as far as a record
// of that is known.
func (i *importer) since(c object.Change, r sal.Stored) string {
	word := "; changed "
	if c.Before == nil {
		word = "; deleted "
	}
	switch {
	case r.Event.ID == "", c.Before != nil && r.Revision != c.Before.Revision:
		return ""
	case c.Before != nil && c.Before.Created == c.Before.Revision:
		word = "; created "
	}
	text := word + fmt.Sprintf("%s by %s", ago(r.Time), plain(r.User.Name))
	if why := why(r.Record); why != "" {
		text += ": " + plain(why)
	}
	return text
}

// confirmImport asks before more than one object is changed, as a set does, and
// before anything is taken back.
func (i *importer) confirmImport(p change.Proposal) func(context.Context) error {
	if len(i.reverts.changes) == 0 && (i.yes || len(p.Plan.Changes) < 2) {
		return nil
	}
	return func(ctx context.Context) error {
		i.preview(ctx, p)
		i.tellReverts()
		return i.goOn(ctx)
	}
}
