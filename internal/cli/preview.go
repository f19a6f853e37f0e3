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

// display shows what a change would do or has done, and what rules say about it.
type display struct {
	term.Streams
	*app.App
	opts  *globals
	hints *hints
	shown bool // a dry run has shown something
}

// preview shows on stderr what would change and what there is to know about
// it: the changes, who else was at the same objects just now, what the rules
// say, and last a summary.
func (d *display) preview(ctx context.Context, p change.Proposal) {
	d.showChanges(p.Plan.Changes)
	d.warnRecent(ctx, concerned(p.Plan.Changes))
	d.warnFindings(p.Verdict.Findings)
	d.sayHeldBack(ctx, "would be held back", p.Held, p.Refused)
	d.sayNotServing(ctx, p.Idle)
	d.Note(render.Summary(p))
}

// showChanges shows on stderr what would change.
func (d *display) showChanges(changes []object.Change) {
	for _, line := range render.Changes(changes, term.Colored(d.Err)) {
		fmt.Fprintln(d.Err, line)
	}
}

// showDryRun shows what a change would do, and whether it may.
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

// warnFindings says what rules have to say that does not forbid the change.
func (d *display) warnFindings(findings []safety.Finding) {
	var notes limited
	for _, f := range render.WidestFirst(findings) {
		notes.add("%s", render.Notice(f))
	}
	notes.warn(d.Streams)
}

// concerned are the objects that some changes are about.
func concerned(changes []object.Change) []object.Object {
	all := make([]object.Object, len(changes))
	for i, c := range changes {
		all[i] = *c.Object()
	}
	return all
}

// justNow is how long a change by somebody else is worth a word, if it is one of
// the latest.
const (
	justNow = 5 * time.Minute
	latest  = 100
)

// warnRecent says which of the objects somebody else has changed just now.
func (d *display) warnRecent(ctx context.Context, concerned []object.Object) {
	recent, err := d.Journal().Newest(ctx, latest)
	if n := len(recent); n > 0 && time.Since(recent[n-1].Time) > justNow && errors.As(err, new(*sal.CutError)) {
		err = nil // what was not looked at is older still
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
