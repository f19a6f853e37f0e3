package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
)

// RuleNames returns the names of the rules of findings, each once.
func RuleNames(findings []safety.Finding) string {
	var names []string
	for _, f := range findings {
		if !slices.Contains(names, f.Rule) {
			names = append(names, f.Rule)
		}
	}
	return strings.Join(names, ", ")
}

// Subject returns the subject of a finding, with its type unless that is node.
func Subject(f safety.Finding) string { return Plain(safety.PoolName(f.Type, f.Subject)) }

// PoolName returns the name of a pool, with its type unless that is node.
func PoolName(c safety.Capacity) string { return Plain(safety.PoolName(c.Type.Name, c.Label)) }

// WidestFirst returns the findings about whole types before those about pools and
// objects, because there may be very many of the latter.
func WidestFirst(findings []safety.Finding) []safety.Finding {
	var types, others []safety.Finding
	for _, f := range findings {
		if f.Capacity == nil && f.Subject == f.Type {
			types = append(types, f)
		} else {
			others = append(others, f)
		}
	}
	return append(types, others...)
}

// shown returns the findings that fit into MaxLines, widest first.
func shown(findings []safety.Finding) []safety.Finding {
	return WidestFirst(findings)[:min(len(findings), MaxLines)]
}

// Out returns the objects that do not serve in the pools that Findings shows.
// Findings needs the records of who took them out.
func Out(findings []safety.Finding) []object.Object {
	var out []object.Object
	for _, f := range shown(findings) {
		if f.Capacity != nil {
			out = append(out, f.Capacity.Out...)
		}
	}
	return out
}

// Findings returns a line for each finding, in columns. For a pool it includes
// the objects that are out already.
func Findings(findings []safety.Finding, by RemovedBy, now time.Time) []string {
	subjects, messages := 0, 0
	for _, f := range shown(findings) {
		if subjects = max(subjects, len(Subject(f))); f.Capacity != nil {
			messages = max(messages, len(f.Msg))
		}
	}
	var lines []string
	for _, f := range shown(findings) {
		line := fmt.Sprintf("%-*s    %-*s", subjects, Subject(f), messages, f.Msg)
		if f.Rule == safety.MinPooled && len(f.Capacity.Out) > 0 {
			line += "    out: " + by.list(f.Capacity.Out, 5, now)
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	if n := len(findings) - MaxLines; n > 0 {
		lines = append(lines, more(n))
	}
	return lines
}

// Notice returns a finding that does not refuse the change.
func Notice(f safety.Finding) string {
	overridden := ""
	if f.Level == safety.Overridden {
		overridden = ", overridden"
	}
	return fmt.Sprintf("%s%s: %s %s", f.Rule, overridden, Subject(f), f.Msg)
}

// Refusal returns why a change is refused, and the pools in which it would be
// allowed.
func Refusal(e *change.RefusedError, by RemovedBy, now time.Time) []string {
	lines := Findings(e.Refused, by, now)
	for _, f := range e.Verdict.Findings {
		if f.Level == safety.Warned && len(lines) < 2*MaxLines {
			lines = append(lines, fmt.Sprintf("%s would only warn: %s %s", f.Rule, Subject(f), f.Msg))
		}
	}
	fine := withoutFinding(e.Verdict.Capacity, e.Verdict.Findings)
	if len(fine) > MaxLines {
		return append(lines, fmt.Sprintf("%d other pools would be fine", len(fine)))
	}
	for _, c := range fine {
		lines = append(lines, fmt.Sprintf("%s would be fine (%d -> %d of %d, floor %d)", PoolName(c), c.Before, c.After, c.Members, c.Floor))
	}
	return lines
}

// withoutFinding returns the pools without a finding.
func withoutFinding(pools []safety.Capacity, findings []safety.Finding) []safety.Capacity {
	return slices.DeleteFunc(slices.Clone(pools), func(c safety.Capacity) bool {
		return c.Mode == safety.None || slices.ContainsFunc(findings, func(f safety.Finding) bool {
			return f.Type == c.Type.Name && f.Subject == c.Label
		})
	})
}

// NotServing returns a line for each object that is pooled but does not serve:
// the reason, and the change that caused it if it is known.
func NotServing(idle []safety.Idle, causes map[sal.ObjectID]sal.Stored, now time.Time) []string {
	width := 0
	for _, i := range idle {
		width = max(width, len(Subject(i.Finding)))
	}
	var lines []string
	for _, i := range idle {
		line := fmt.Sprintf("%-*s    %s", width, Subject(i.Finding), i.Finding.Msg)
		if r, known := causes[ObjectID(i.Object)]; known {
			line += fmt.Sprintf(", for %s, by %s", Age(now.Sub(r.Time)), What(r, Plain(r.User.Name)))
		}
		lines = append(lines, line)
	}
	return Limit(lines)
}

// ObjectID returns the identity of an object in the journal.
func ObjectID(o object.Object) sal.ObjectID { return sal.ObjectID{Type: o.Type.Name, Path: o.Path()} }

// Recent returns a line which says that somebody else has just changed some of
// the objects.
func Recent(r sal.Stored, count string, now time.Time) string {
	front := fmt.Sprintf("%s changed %s of these", Plain(r.User.Name+"@"+r.Host.Name), count)
	return Ago(r.Time, now) + " " + What(r, front)
}

// What returns front, followed by the action and the reason of a change.
func What(r sal.Stored, front string) string {
	line := front + ": " + Short(r.Event.Action)
	if why := Why(r.Record); why != "" {
		line += " - " + why
	}
	return line
}
