package cli

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
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
		return s.idleRefusal(ctx, e)
	}
	lines := s.findingLines(ctx, e.Refused)
	for _, f := range e.Verdict.Findings {
		if f.Level == safety.Warned && len(lines) < 2*fewLines {
			lines = append(lines, fmt.Sprintf("%s would only warn: %s %s", f.Rule, subject(f), f.Msg))
		}
	}
	if others := fine(e.Verdict.Capacity, e.Verdict.Findings); len(others) > fewLines {
		lines = append(lines, fmt.Sprintf("%d other pools would be fine", len(others)))
	} else {
		for _, c := range others {
			lines = append(lines, fmt.Sprintf("%s would be fine (%d -> %d of %d, floor %d)", poolName(c), c.Before, c.After, c.Members, c.Floor))
		}
	}
	lines = append(lines, s.waysOut(e.Refused, e.Plan.Changes, len(e.Allowed.Changes) > 0)...)
	if err := s.ruled(types(e.Plan.Changes)...); err != nil {
		lines = append(lines, "and its declared rules have to be mended first: "+err.Error())
	}
	msg := fmt.Sprintf("refused by %s, nothing changed", ruleNames(e.Refused))
	if s.terms.dryRun {
		msg = fmt.Sprintf("would be refused by %s", ruleNames(e.Refused))
		shown := s.Write(func(w *bufio.Writer) { writeChanges(w, e.Plan.Changes, term.Colored(s.Out)) })
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

// fewLines is how many lines of one sort are shown.
const fewLines = 20

// tellHeld says what rules hold back of a change that does the rest.
func (s *session) tellHeld(ctx context.Context, word string, held []object.Change, refused []safety.Finding) {
	if len(held) == 0 {
		return
	}
	line := fmt.Sprintf("refused by %s, %s %s", ruleNames(refused), objects(len(held)), word)
	s.Say("%s", line)
	s.SayOnOutput(line)
	s.Detail(s.findingLines(ctx, refused)...)
}

// fine returns the groups that no finding is about.
func fine(groups []safety.Capacity, findings []safety.Finding) []safety.Capacity {
	return slices.DeleteFunc(slices.Clone(groups), func(c safety.Capacity) bool {
		return c.Mode == safety.None || slices.ContainsFunc(findings, func(f safety.Finding) bool {
			return f.Type == c.Type.Name && f.Subject == c.Label
		})
	})
}

// findingLines returns a line for each finding, in columns, and of those of a
// pool who is out of it already.
func (s *session) findingLines(ctx context.Context, findings []safety.Finding) []string {
	more := len(findings) - fewLines
	findings = widestFirst(findings)[:min(len(findings), fewLines)]
	takers := s.takers(ctx, outOf(findings))
	wide, wider := 0, 0
	for _, f := range findings {
		if wide = max(wide, len(subject(f))); f.Capacity != nil {
			wider = max(wider, len(f.Msg))
		}
	}
	var lines []string
	for _, f := range findings {
		line := fmt.Sprintf("%-*s    %-*s", wide, subject(f), wider, f.Msg)
		if f.Rule == safety.MinPooled && len(f.Capacity.Out) > 0 {
			line += "    out: " + takers.list(f.Capacity.Out, 5)
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more like these", more))
	}
	return lines
}

// widestFirst puts findings about a whole type before those about single groups
// and objects, of which there may be very many.
func widestFirst(findings []safety.Finding) []safety.Finding {
	whole := func(f safety.Finding) bool { return f.Capacity == nil && f.Subject == f.Type }
	sorted := slices.Clone(findings)
	slices.SortStableFunc(sorted, func(a, b safety.Finding) int {
		switch {
		case whole(a) == whole(b):
			return 0
		case whole(a):
			return -1
		}
		return 1
	})
	return sorted
}

// subject names what a finding is about.
func subject(f safety.Finding) string { return withType(f.Type, f.Subject) }

// withType is a name within a type, with the type where that is not plain.
func withType(typ, name string) string { return plain(safety.PoolName(typ, name)) }

func outOf(findings []safety.Finding) []object.Object {
	var out []object.Object
	for _, f := range findings {
		if f.Capacity != nil {
			out = append(out, f.Capacity.Out...)
		}
	}
	return out
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
	add(really(changes), override...)
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
			return []string{"to edit it again, and have it done: " + s.again(override...)}
		}
		lines = append(lines, "do it all the same: "+s.command(append(words, override...)...))
	}
	return lines
}

func really(changes []object.Change) string {
	switch len(changes) {
	case 0, 1:
		return "do it all the same:"
	case 2:
		return "really both:"
	}
	return "really all:"
}

// age is how long ago something was, in one unit.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(int(d.Seconds()), 0))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// ago says when something was, by a clock that may be wrong.
func ago(t time.Time) string {
	d := time.Since(t)
	if d < -sal.Skew {
		return t.Local().Format(time.RFC3339) + ", which is in the future,"
	}
	return age(d) + " ago"
}
