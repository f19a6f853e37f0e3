package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
)

// asker returns how to ask about a proposal; nil if there is nothing to ask.
type asker func(change.Proposal) func(context.Context) error

// apply makes a change, the one way there is, and tells the operator what came
// of it. Ask may be nil: then nothing is asked.
func (s *session) apply(ctx context.Context, in change.Intent, ask asker, report func(change.Done)) error {
	if err := s.needMode(); err != nil {
		return err
	}
	s.warnExposed(s.Streams, s.Settings)
	a := &change.Applier{
		Catalog:  s.Catalog,
		Log:      s.Journal(),
		Rules:    s.Rules,
		Confirm:  func(ctx context.Context, p change.Proposal) error { return s.confirmed(ctx, p, ask) },
		Show:     func(p change.Proposal) error { return s.showDryRun(ctx, p) },
		Progress: s.progress(),
		Report:   report,
		Warn:     s.warnError,
		Now:      time.Now,
		Who:      s.whoami(),
		Where:    sal.Host{Name: app.Hostname()},
		Process:  sal.Process{CommandLine: commandLine(s.words)},
		Terms:    s.changeTerms(),
	}
	done, err := a.Apply(ctx, in)
	var refused *change.RefusedError
	switch {
	case errors.As(err, &refused) && done.ID == "":
		return s.refusal(ctx, refused)
	case err != nil && done.ID == "":
		return &unwrittenError{err, s.where()}
	case s.terms.dryRun && len(done.Held)+len(done.Idle) > 0:
		return &partlyError{exitRefused}
	case done.ID != "":
		return errors.Join(err, s.printOutcome(ctx, done, a.Terms))
	case s.terms.dryRun && s.shown:
		return nil
	}
	return s.Print("no change\n")
}

// warnError warns of what does not end a change.
func (s *session) warnError(err error) {
	hint := ""
	if errors.As(err, new(*sal.AsideError)) {
		hint = "; " + asideHint
	}
	s.Warn(err.Error() + hint)
}

// needMode returns an error if a change cannot be judged as the site wants it,
// since safety_mode has a mistake. What takes out a host that is gone, or mends
// something, does not stop for that.
func (s *session) needMode() error {
	if s.terms.gone || s.terms.emergency || s.undoing {
		return nil
	}
	if err := s.Settings.Need("safety_mode", "a change"); err != nil {
		return &unwrittenError{err, nil}
	}
	return nil
}

// progress tells somebody at a terminal how far a change in parts has come; nobody
// else waits for it.
func (s *session) progress() func(done, left int) {
	if !term.IsTerminal(s.Err) {
		return nil
	}
	return func(done, left int) { s.Say("%d of %d are done", done, done+left) }
}

// unruledError reports mistakes in declared rules that a change would have to be
// judged by: to ignore a rule that somebody wrote down would be to break it.
type unruledError struct{ schema.InvalidError }

// ruled returns the mistakes in the rules for some types, as far as rules are
// asked at all; nil for none.
func (s *session) ruled(types ...*schema.Type) error {
	if s.Settings.SafetyMode == safety.None || s.terms.emergency || s.terms.gone {
		return nil
	}
	var wrong []schema.Problem
	for _, p := range s.Unruled {
		concerned := func(t *schema.Type) bool { return p.Type == "" || p.Type == t.Name }
		if slices.ContainsFunc(types, concerned) {
			wrong = append(wrong, p)
		}
	}
	if wrong == nil {
		return nil
	}
	return &unruledError{schema.InvalidError{Problems: wrong}}
}

// judged reports the mistakes in the rules for what a plan takes away. What
// only gives, as a repair does, goes on with a warning.
func (s *session) judged(changes []object.Change) error {
	var taken, given []*schema.Type
	for _, c := range changes {
		if c.After == nil || (c.Before != nil && safety.Serves(*c.Before) && !safety.Serves(*c.After)) {
			taken = append(taken, c.Object().Type)
		} else {
			given = append(given, c.Object().Type)
		}
	}
	if err := s.ruled(taken...); err != nil {
		return err
	}
	if err := s.ruled(given...); err != nil {
		s.Warn(err.Error())
	}
	return nil
}

// confirmed asks about a proposal where there is something to ask. What rules
// have to say is said in any case.
func (s *session) confirmed(ctx context.Context, p change.Proposal, ask asker) error {
	if err := s.judged(p.Plan.Changes); err != nil {
		return err
	}
	if ask != nil {
		if question := ask(p); question != nil {
			if err := question(ctx); err != nil {
				return err
			}
			return s.confirmWords(ctx, p.Plan.Ambiguities)
		}
	}
	if err := s.confirmWords(ctx, p.Plan.Ambiguities); err != nil {
		return err
	}
	if losses := s.losses(p); losses != "" {
		return s.confirmLosses(ctx, p, losses)
	}
	if s.editing { // what was chosen is answered for already, but not what became of it
		s.showChanges(p.Plan.Changes)
	}
	s.warnFindings(p.Verdict.Findings)
	return nil
}

// printOutcome says what came of a change after its own report: to whom it was
// told, what may still go, how to take it back, and what was not done.
func (s *session) printOutcome(ctx context.Context, done change.Done, terms change.Terms) error {
	if !terms.Quiet {
		s.Note(done.Message)
	}
	after := "undo: " + s.command("undo", done.ID)
	if tightest := render.CapacityAfter(done.Verdict.Capacity); tightest != "" {
		after = tightest + "; " + after
	}
	s.Note(after)
	if len(done.Held)+len(done.Idle) == 0 {
		return nil
	}
	if len(done.Held) > 0 {
		s.sayHeldBack(ctx, "held back", done.Held, done.Refused)
		s.printWaysOut(done.Refused, done.Held)
	}
	s.sayNotServing(ctx, done.Idle)
	return &partlyError{exitRefused}
}

// printWaysOut tells the lines that would do what is held back.
func (s *session) printWaysOut(refused []safety.Finding, held []object.Change) {
	s.Detail(s.waysOut(refused, held, false)...)
}
