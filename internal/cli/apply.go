package cli

import (
	"context"
	"errors"
	"time"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
)

// An asker returns the function that asks the operator about a proposal, or nil if
// no question is needed.
type asker func(change.Proposal) func(context.Context) error

// apply makes a change through change.Applier and reports its outcome. All commands
// that change objects use it. If ask is nil, apply asks only what confirmed asks by
// itself.
func (c *changer) apply(ctx context.Context, in change.Intent, ask asker, report func(change.Done)) error {
	if err := c.needMode(); err != nil {
		return err
	}
	c.opts.warnExposed(c.Streams, c.Settings)
	a := &change.Applier{
		Catalog:  c.Catalog,
		Log:      c.Journal(),
		Rules:    c.Rules,
		Confirm:  func(ctx context.Context, p change.Proposal) error { return c.confirmed(ctx, p, ask) },
		Show:     func(p change.Proposal) error { return c.display.showDryRun(ctx, p) },
		Progress: progressOn(c.Streams),
		Report:   report,
		Warn:     c.warnError,
		Now:      time.Now,
		Who:      c.opts.whoami(),
		Where:    sal.Host{Name: app.Hostname()},
		Process:  sal.Process{CommandLine: commandLine(c.opts.words)},
		Terms:    c.opts.changeTerms(c.Settings.SafetyMode),
	}
	done, err := a.Apply(ctx, in)
	var refused *change.RefusedError
	switch {
	case errors.As(err, &refused) && done.ID == "":
		return c.display.refusal(ctx, refused)
	case err != nil && done.ID == "":
		return &unwrittenError{err, c.opts.where()}
	case c.opts.terms.DryRun && len(done.Held)+len(done.Idle) > 0:
		return &partlyError{exitRefused}
	case done.ID != "":
		return errors.Join(err, c.display.printOutcome(ctx, done, a.Terms))
	case c.opts.terms.DryRun && c.display.shown:
		return nil
	}
	return c.Print("no change\n")
}

// warnError warns about an error that does not stop a change.
func (c *changer) warnError(err error) {
	hint := ""
	if errors.As(err, new(*sal.AsideError)) {
		hint = "; " + asideHint
	}
	c.Warn(err.Error() + hint)
}

// needMode returns an *unwrittenError if safety_mode has a mistake, because the
// change could then not be checked as the site requires. A mistake does not stop a
// change with --gone or --emergency, or an undo.
func (c *changer) needMode() error {
	if c.opts.terms.Gone || c.opts.terms.Emergency || c.hints.undoing {
		return nil
	}
	if err := c.Settings.Need("safety_mode", "a change"); err != nil {
		return &unwrittenError{err, nil}
	}
	return nil
}

// progressOn returns the function that reports the progress of a change made in
// parts, or nil if standard error is not a terminal.
func progressOn(std term.Streams) func(done, left int) {
	if !term.IsTerminal(std.Err) {
		return nil
	}
	return func(done, left int) { std.Say("%d of %d are done", done, done+left) }
}

// confirmed asks the operator about a proposal if a question is needed, and prints
// the warnings of the safety rules. It returns an error if the change must not be
// made.
func (c *changer) confirmed(ctx context.Context, p change.Proposal, ask asker) error {
	if err := checkRulesFor(c.Streams, c.opts, c.App, p.Plan.Changes); err != nil {
		return err
	}
	if ask != nil {
		if question := ask(p); question != nil {
			if err := question(ctx); err != nil {
				return err
			}
			return c.ask.confirmWords(ctx, p.Plan.Ambiguities)
		}
	}
	if err := c.ask.confirmWords(ctx, p.Plan.Ambiguities); err != nil {
		return err
	}
	if losses := c.losses(p); losses != "" {
		return c.confirmLosses(ctx, p, losses)
	}
	if c.hints.editing { // the operator confirmed the selection before the edit, but has not seen the resulting changes
		c.display.showChanges(p.Plan.Changes)
	}
	c.display.warnFindings(p.Verdict.Findings)
	return nil
}

// printOutcome prints what follows the report of a change: its announcement, how
// many more members may be depooled, the command that undoes it, and what was not
// done. It returns a *partlyError if something was not done.
func (d *display) printOutcome(ctx context.Context, done change.Done, terms change.Terms) error {
	if !terms.Quiet {
		d.Note(done.Message)
	}
	after := "undo: " + d.opts.command("undo", done.ID)
	if tightest := render.CapacityAfter(done.Verdict.Capacity); tightest != "" {
		after = tightest + "; " + after
	}
	d.Note(after)
	if len(done.Held)+len(done.Idle) == 0 {
		return nil
	}
	if len(done.Held) > 0 {
		d.sayHeldBack(ctx, "held back", done.Held, done.Refused)
		d.printWaysOut(done.Refused, done.Held)
	}
	d.sayNotServing(ctx, done.Idle)
	return &partlyError{exitRefused}
}

// printWaysOut prints the command lines that would make the changes that were held
// back.
func (d *display) printWaysOut(refused []safety.Finding, held []object.Change) {
	d.Detail(d.hints.waysOut(refused, held, false)...)
}
