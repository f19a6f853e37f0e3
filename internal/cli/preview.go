package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
)

// A display shows the effects of a change and the findings of the safety rules.
type display struct {
	term.Streams
	*app.App
	opts  *globals
	hints *hints
	shown bool // a dry run has shown its changes
}

// preview prints a proposal to standard error: the changes, recent changes of the
// same objects by others, the findings of the rules, the changes that would be held
// back, the objects that do not serve, and last a summary.
func (d *display) preview(ctx context.Context, p change.Proposal) {
	d.showChanges(p.Plan.Changes)
	d.warnRecent(ctx, concerned(p.Plan.Changes))
	d.warnFindings(p.Verdict.Findings)
	d.sayHeldBack(ctx, "would be held back", p.Held, p.Refused)
	d.sayNotServing(ctx, p.Idle)
	d.Note(render.Summary(p))
}

// showChanges prints the changes to standard error.
func (d *display) showChanges(changes []object.Change) {
	for _, line := range render.Changes(changes, term.Colored(d.Err)) {
		fmt.Fprintln(d.Err, line)
	}
}

// showDryRun prints a proposal for a dry run: the changes on standard output, and
// the warnings, the findings and the summary as messages.
func (d *display) showDryRun(ctx context.Context, p change.Proposal) error {
	d.shown = true
	if err := checkRulesFor(d.Streams, d.opts, d.App, p.Plan.Changes); err != nil {
		return err
	}
	err := d.Lines(render.Changes(p.Plan.Changes, term.Colored(d.Out))...)
	d.warnRecent(ctx, concerned(p.Plan.Changes))
	d.warnFindings(p.Verdict.Findings)
	d.sayHeldBack(ctx, "would be held back", p.Held, p.Refused)
	if len(p.Held) > 0 {
		d.printWaysOut(p.Refused, p.Held)
	}
	d.sayNotServing(ctx, p.Idle)
	d.Note("dry run, nothing is written: " + render.Summary(p))
	return err
}

// warnFindings prints the findings that do not refuse the change.
func (d *display) warnFindings(findings []safety.Finding) {
	var notes limited
	for _, f := range render.WidestFirst(findings) {
		notes.add("%s", render.Notice(f))
	}
	notes.warn(d.Streams)
}

// concerned returns the objects of the changes.
func concerned(changes []object.Change) []object.Object {
	all := make([]object.Object, len(changes))
	for i, c := range changes {
		all[i] = *c.Object()
	}
	return all
}

// warnRecent warns of changes by others that are at most justNow old and among the
// latest records of the journal.
const (
	justNow = 5 * time.Minute
	latest  = 100
)

// warnRecent warns if somebody else has changed any of the objects just now.
func (d *display) warnRecent(ctx context.Context, concerned []object.Object) {
	recent, err := d.Journal().Newest(ctx, latest)
	if n := len(recent); n > 0 && time.Since(recent[n-1].Time) > justNow && errors.As(err, new(*sal.CutError)) {
		err = nil // the records not read are older than justNow
	}
	if err != nil {
		d.Warn("whether somebody else was at these just now may not be known: " + err.Error())
	}
	me, now := d.opts.whoami(), time.Now()
	mine := make(map[sal.ObjectID]bool, len(concerned))
	for _, o := range concerned {
		mine[render.ObjectID(o)] = true
	}
	for _, r := range recent {
		n := 0
		for _, o := range r.Change.Objects {
			if mine[o.ID()] {
				n++
			}
		}
		if n == 0 || now.Sub(r.Time) > justNow || r.Refused() || r.User.Name == me.Name {
			continue
		}
		d.Warn(render.Recent(r, text.Count(n, "object"), now))
	}
}
