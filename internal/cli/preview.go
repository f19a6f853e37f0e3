package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
)

// preview shows on stderr what would change and what there is to know about
// it: the changes, who else was at the same objects just now, what the rules
// say, and last a summary.
func (s *session) preview(ctx context.Context, p change.Proposal) {
	s.showChanges(p.Plan.Changes)
	s.warnRecent(ctx, concerned(p.Plan.Changes))
	s.warnFindings(p.Verdict.Findings)
	s.sayHeldBack(ctx, "would be held back", p.Held, p.Refused)
	s.sayNotServing(ctx, p.Idle)
	s.Note(render.Summary(p))
}

// showChanges shows on stderr what would change.
func (s *session) showChanges(changes []object.Change) {
	for _, line := range render.Changes(changes, term.Colored(s.Err)) {
		fmt.Fprintln(s.Err, line)
	}
}

// showDryRun shows what a change would do, and whether it may.
func (s *session) showDryRun(ctx context.Context, p change.Proposal) error {
	s.shown = true
	if err := s.judged(p.Plan.Changes); err != nil {
		return err
	}
	err := s.Lines(render.Changes(p.Plan.Changes, term.Colored(s.Out))...)
	s.warnRecent(ctx, concerned(p.Plan.Changes))
	s.warnFindings(p.Verdict.Findings)
	s.sayHeldBack(ctx, "would be held back", p.Held, p.Refused)
	if len(p.Held) > 0 {
		s.printWaysOut(p.Refused, p.Held)
	}
	s.sayNotServing(ctx, p.Idle)
	s.Note("dry run, nothing is written: " + render.Summary(p))
	return err
}

// warnFindings says what rules have to say that does not forbid the change.
func (s *session) warnFindings(findings []safety.Finding) {
	var notes limited
	for _, f := range render.WidestFirst(findings) {
		notes.add("%s", render.Notice(f))
	}
	notes.warn(s.Streams)
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
func (s *session) warnRecent(ctx context.Context, concerned []object.Object) {
	recent, err := s.Journal().Newest(ctx, latest)
	if n := len(recent); n > 0 && time.Since(recent[n-1].Time) > justNow && errors.As(err, new(*sal.CutError)) {
		err = nil // what was not looked at is older still
	}
	if err != nil {
		s.Warn("whether somebody else was at these just now may not be known: " + err.Error())
	}
	me, now := s.whoami(), time.Now()
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
		s.Warn(render.Recent(r, text.Count(n, "object"), now))
	}
}
