package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/schema"
)

// refusalError reports a change that safety rules refuse, in the text for the
// operator.
type refusalError struct {
	msg  string
	hint string
}

func (e *refusalError) Error() string { return e.msg }

// refusal returns the error for a refusal. Its hint has each group with its numbers
// and the members that are out, what would be allowed, and the commands to continue
// with. In a dry run it prints the changes first.
func (d *display) refusal(ctx context.Context, e *change.RefusedError) error {
	if len(e.Idle) > 0 && len(e.Plan.Changes) == 0 {
		return d.refusalNotServing(ctx, e)
	}
	lines := render.Refusal(e, removedBy(ctx, d.Streams, d.App, render.Out(e.Refused)), time.Now())
	lines = append(lines, d.hints.waysOut(e.Refused, e.Plan.Changes, len(e.Allowed.Changes) > 0)...)
	if err := checkRules(d.opts, d.App, types(e.Plan.Changes)...); err != nil {
		lines = append(lines, "and its declared rules have to be mended first: "+err.Error())
	}
	msg := fmt.Sprintf("refused by %s, nothing changed", render.RuleNames(e.Refused))
	if d.opts.terms.DryRun {
		msg = fmt.Sprintf("would be refused by %s", render.RuleNames(e.Refused))
		shown := d.Lines(render.Changes(e.Plan.Changes, term.Colored(d.Out))...)
		if shown != nil {
			return shown
		}
	}
	return &refusalError{msg, strings.Join(lines, "\n")}
}

// types returns the types of the objects that change.
func types(changes []object.Change) []*schema.Type {
	var all []*schema.Type
	for _, c := range changes {
		if !slices.Contains(all, c.Object().Type) {
			all = append(all, c.Object().Type)
		}
	}
	return all
}

// sayHeldBack prints the number of changes that rules hold back, followed by word,
// and the findings.
func (d *display) sayHeldBack(ctx context.Context, word string, held []object.Change, refused []safety.Finding) {
	if len(held) == 0 {
		return
	}
	line := fmt.Sprintf("refused by %s, %s %s", render.RuleNames(refused), text.Count(len(held), "object"), word)
	d.Say("%s", line)
	d.SayOnOutput(line)
	d.Detail(render.Findings(refused, removedBy(ctx, d.Streams, d.App, render.Out(refused)), time.Now())...)
}

// waysOut returns the command lines that make the refused changes, or the part of
// them that is allowed, with a label each.
func (h *hints) waysOut(refused []safety.Finding, changes []object.Change, partly bool) []string {
	override := allowOptions(h.terms.Allow, refused)
	if h.terms.Reason == "" {
		override = append(override, "--reason", fillIn)
	}
	if h.editing {
		return h.waysOutOfEdit(changes, override)
	}
	var ways [][2]string
	add := func(label string, options ...string) { ways = append(ways, [2]string{label, h.again(options...)}) }
	if partly && len(h.terms.Allow) == 0 && !h.undoing {
		add("only what is allowed:", "--except-refused")
	}
	if h.mayBeGone {
		add("the host is down anyway:", "--gone")
	}
	ways = append(ways, h.moves(refused, changes)...)
	add(overrideLabel(changes), override...)
	wide := 0
	for _, w := range ways {
		wide = max(wide, len(w[0]))
	}
	lines := make([]string, len(ways))
	for i, w := range ways {
		lines[i] = fmt.Sprintf("%-*s  %s", wide, w[0], w[1])
	}
	return lines
}

// waysOutOfEdit returns the command lines that make the refused changes of an edit.
// Each sets the edited fields on the values that the object has by then. If no
// command line can make a change, the only way is to edit again.
func (h *hints) waysOutOfEdit(changes []object.Change, override []string) []string {
	var lines []string
	for _, c := range changes {
		words := assigning(c)
		if words == nil {
			return []string{"edit again and override: " + h.again(override...)}
		}
		lines = append(lines, "override: "+h.command(append(words, override...)...))
	}
	return lines
}

// overrideLabel returns the label of the command line that overrides a refusal.
func overrideLabel(changes []object.Change) string {
	switch len(changes) {
	case 0, 1:
		return "override:"
	case 2:
		return "override both:"
	}
	return "override all:"
}
