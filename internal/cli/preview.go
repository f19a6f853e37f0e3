package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// mostDiffs is how many objects are shown one by one before a question. More
// are counted, a line a group.
const mostDiffs = 50

// preview shows on stderr what would change and what there is to know about
// it: the changes, who else was at the same objects just now, what the rules
// say, and last a summary.
func (s *session) preview(ctx context.Context, p change.Proposal) {
	writeChanges(s.Err, p.Plan.Changes, term.Colored(s.Err))
	s.tellRecent(ctx, concerned(p.Plan.Changes))
	s.tellFindings(p.Verdict.Findings)
	s.tellHeld(ctx, "would be held back", p.Held, p.Refused)
	s.tellIdle(ctx, p.Idle)
	s.Note(summaryOf(p))
}

// showDryRun shows what a change would do, and whether it may.
func (s *session) showDryRun(ctx context.Context, p change.Proposal) error {
	s.shown = true
	if err := s.judged(p.Plan.Changes); err != nil {
		return err
	}
	err := s.Write(func(w *bufio.Writer) { writeChanges(w, p.Plan.Changes, term.Colored(s.Out)) })
	s.tellRecent(ctx, concerned(p.Plan.Changes))
	s.tellFindings(p.Verdict.Findings)
	s.tellHeld(ctx, "would be held back", p.Held, p.Refused)
	if len(p.Held) > 0 {
		s.tellWaysOut(p.Refused, p.Held)
	}
	s.tellIdle(ctx, p.Idle)
	s.Note("dry run, nothing is written: " + summaryOf(p))
	return err
}

// summaryOf is a plan in one line: how many objects change, and what that
// leaves of the pool that it leaves the least of.
func summaryOf(p change.Proposal) string {
	n := map[string]int{}
	for _, c := range p.Plan.Changes {
		n[outcome(c)]++
	}
	var parts []string
	for _, what := range []string{"created", "removed"} {
		if n[what] > 0 {
			parts = append(parts, fmt.Sprintf("%s would be %s", objects(n[what]), what))
		}
	}
	switch matched := len(p.Plan.Matched); {
	case len(p.Plan.Changes) == 0 && len(p.Held) > 0:
		return "nothing would change"
	case matched > len(p.Plan.Changes) && parts == nil:
		parts = []string{fmt.Sprintf("%d of %s would change", n["changed"], objects(matched))}
	case n["changed"] > 0:
		parts = append(parts, objects(n["changed"])+" would change")
	}
	text := strings.Join(parts, ", ")
	if after := capacityAfter(p.Verdict.Capacity); after != "" {
		text += "; then " + after
	}
	return text
}

// outcome is what becomes of an object: created, removed or changed.
func outcome(c object.Change) string {
	switch {
	case c.Before == nil:
		return "created"
	case c.After == nil:
		return "removed"
	}
	return "changed"
}

// tellFindings says what rules have to say that does not forbid the change.
func (s *session) tellFindings(findings []safety.Finding) {
	var notes limited
	for _, f := range widestFirst(findings) {
		word := ""
		if f.Level == safety.Overridden {
			word = ", overridden"
		}
		notes.add("%s%s: %s %s", f.Rule, word, subject(f), f.Msg)
	}
	notes.warn(s.Streams)
}

// writeChanges writes what changes, an object at a time, or if they are many
// by group.
func writeChanges(w io.Writer, changes []object.Change, color bool) {
	paint := func(code, line string) {
		line = text.OneLine(line)
		if color {
			line = "\x1b[" + code + "m" + line + "\x1b[0m"
		}
		fmt.Fprintln(w, line)
	}
	if len(changes) > mostDiffs {
		for _, g := range changesByGroup(changes) {
			paint(g.color, g.String())
		}
		return
	}
	for _, c := range changes {
		switch {
		case c.Before == nil:
			paint(green, "+ "+c.After.String()+" "+fieldsText(c.After.Fields))
		case c.After == nil:
			paint(red, "- "+c.Before.String()+" "+fieldsText(c.Before.Fields))
		default:
			for _, f := range c.Fields() {
				writeField(paint, c.Object().Path(), f)
			}
		}
	}
}

// fieldsText is an object's fields as they are stored, cut if they are long.
func fieldsText(fields []value.Field) string { return short(value.OfMap(fields...).Text()) }

// writeField writes what becomes of one field: in a line, or if it is a large
// value line by line.
func writeField(paint func(code, line string), path string, f object.FieldChange) {
	const long = 200
	line := changedLine(path, f)
	if len(line) <= long {
		paint(yellow, "~ "+line)
		return
	}
	paint(yellow, fmt.Sprintf("~ %s: %s changed:", path, plain(f.Name)))
	for _, l := range text.Lines(udiff.Unified("before", "after", blockText(f.Before), blockText(f.After))) {
		switch {
		case strings.HasPrefix(l, "---"), strings.HasPrefix(l, "+++"):
		case strings.HasPrefix(l, "+"):
			paint(green, "    "+l)
		case strings.HasPrefix(l, "-"):
			paint(red, "    "+l)
		default:
			paint(dim, "    "+l)
		}
	}
}

// blockText is a value over several lines.
func blockText(v value.Value) string {
	if v.IsAbsent() {
		return ""
	}
	text, err := yamldoc.Encode(yamldoc.OfValue(v))
	if err != nil {
		return v.Text() + "\n"
	}
	return string(text)
}

// changeGroup is how many objects of one type and with the same tags are
// created, or removed, or changed.
type changeGroup struct {
	sign, color string
	name        string // the type and the tags
	count       int
	kinds       []string // what happens to those that change, in the order it comes
	each        map[string]int
}

// changesByGroup counts changes by what becomes of the objects, their type and
// tags, in the order they come.
func changesByGroup(changes []object.Change) []*changeGroup {
	var groups []*changeGroup
	known := map[string]*changeGroup{}
	for _, c := range changes {
		o := c.Object()
		g := &changeGroup{sign: "~", color: yellow, name: strings.TrimSpace(o.Type.Name + " " + o.Dir()), each: map[string]int{}}
		switch outcome(c) {
		case "created":
			g.sign, g.color = "+", green
		case "removed":
			g.sign, g.color = "-", red
		}
		if known[g.sign+g.name] == nil {
			known[g.sign+g.name] = g
			groups = append(groups, g)
		}
		known[g.sign+g.name].add(c)
	}
	return groups
}

func (g *changeGroup) add(c object.Change) {
	g.count++
	if outcome(c) != "changed" {
		return
	}
	kind := happening(c)
	if g.each[kind]++; g.each[kind] == 1 {
		g.kinds = append(g.kinds, kind)
	}
}

// String is the group in a line: how many, and what happens to them, where there
// is more to say than that they come or go.
func (g *changeGroup) String() string {
	line := fmt.Sprintf("%s %s: %d", g.sign, g.name, g.count)
	kinds := slices.Clone(g.kinds)
	for i, kind := range kinds {
		if len(kinds) > 1 {
			kinds[i] = fmt.Sprintf("%s (%d)", kind, g.each[kind])
		}
	}
	if few := 3; len(kinds) > few {
		kinds = append(kinds[:few:few], fmt.Sprintf("and %d other changes", len(kinds)-few))
	}
	if len(kinds) > 0 {
		line += ": " + strings.Join(kinds, "; ")
	}
	return line
}

// happening says what happens to an object that changes, in the same words for all
// to which the same happens.
func happening(c object.Change) string {
	var parts []string
	for _, f := range c.Fields() {
		parts = append(parts, short(strings.TrimPrefix(changedLine("", f), ": ")))
	}
	return strings.Join(parts, ", ")
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

// tellRecent says which of the objects somebody else has changed just now.
func (s *session) tellRecent(ctx context.Context, concerned []object.Object) {
	recent, err := s.journal().Newest(ctx, latest)
	if err != nil {
		s.Warn("whether somebody else was at these just now may not be known: " + err.Error())
	}
	me := s.whoami()
	mine := make(map[sal.ObjectID]bool, len(concerned))
	for _, o := range concerned {
		mine[sal.ObjectID{Type: o.Type.Name, Path: o.Path()}] = true
	}
	for _, r := range recent {
		n := 0
		for _, o := range r.Change.Objects {
			if mine[o.ID()] {
				n++
			}
		}
		if n == 0 || time.Since(r.Time) > justNow || r.Refused() || r.User.Name == me.Name {
			continue
		}
		text := fmt.Sprintf("%s %s changed %s of these: %s", ago(r.Time), plain(r.User.Name+"@"+r.Host.Name), objects(n), short(r.Event.Action))
		if why := whyText(r.Record); why != "" {
			text += " - " + why
		}
		s.Warn(text)
	}
}
