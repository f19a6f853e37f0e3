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

// refusalError is a change that rules refuse, in the words for the operator.
type refusalError struct {
	msg  string
	hint string
}

func (e *refusalError) Error() string { return e.msg }

// refusal puts a refusal into words: each group with its numbers and who is
// out of it, what would be fine, and the lines that go on from here.
func (s *session) refusal(ctx context.Context, e *change.RefusedError) error {
	if len(e.Idle) > 0 && len(e.Plan.Changes) == 0 {
		return s.refusalNotServing(ctx, e)
	}
	lines := render.Refusal(e, s.removedBy(ctx, render.Out(e.Refused)), time.Now())
	lines = append(lines, s.waysOut(e.Refused, e.Plan.Changes, len(e.Allowed.Changes) > 0)...)
	if err := s.ruled(types(e.Plan.Changes)...); err != nil {
		lines = append(lines, "and its declared rules have to be mended first: "+err.Error())
	}
	msg := fmt.Sprintf("refused by %s, nothing changed", render.RuleNames(e.Refused))
	if s.terms.dryRun {
		msg = fmt.Sprintf("would be refused by %s", render.RuleNames(e.Refused))
		shown := s.Lines(render.Changes(e.Plan.Changes, term.Colored(s.Out))...)
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

// sayHeldBack says what rules hold back of a change that does the rest.
func (s *session) sayHeldBack(ctx context.Context, word string, held []object.Change, refused []safety.Finding) {
	if len(held) == 0 {
		return
	}
	line := fmt.Sprintf("refused by %s, %s %s", render.RuleNames(refused), text.Count(len(held), "object"), word)
	s.Say("%s", line)
	s.SayOnOutput(line)
	s.Detail(render.Findings(refused, s.removedBy(ctx, render.Out(refused)), time.Now())...)
}

// waysOut returns the command lines that do what was refused, or as much of it
// as may be.
func (s *session) waysOut(refused []safety.Finding, changes []object.Change, partly bool) []string {
	override := allowOptions(s.terms.allow, refused)
	if s.terms.reason == "" {
		override = append(override, "--reason", fillIn)
	}
	if s.editing {
		return s.waysOutOfEdit(changes, override)
	}
	var ways [][2]string
	add := func(label string, options ...string) { ways = append(ways, [2]string{label, s.again(options...)}) }
	if partly && len(s.terms.allow) == 0 && !s.undoing {
		add("only what is allowed:", "--except-refused")
	}
	if s.mayBeGone {
		add("the host is down anyway:", "--gone")
	}
	ways = append(ways, s.moves(refused, changes)...)
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

// waysOutOfEdit returns the command lines that do what an edit was refused: each
// sets the fields that were edited, on what is there then. What no line can set
// has to be edited again.
func (s *session) waysOutOfEdit(changes []object.Change, override []string) []string {
	var lines []string
	for _, c := range changes {
		words := assigning(c)
		if words == nil {
			return []string{"edit again and override: " + s.again(override...)}
		}
		lines = append(lines, "override: "+s.command(append(words, override...)...))
	}
	return lines
}

// overrideLabel labels the line that makes a refused change.
func overrideLabel(changes []object.Change) string {
	switch len(changes) {
	case 0, 1:
		return "override:"
	case 2:
		return "override both:"
	}
	return "override all:"
}
