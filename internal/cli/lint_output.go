package cli

import (
	"bufio"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/lint"
	"github.com/conftool/confctl/pkg/value"
)

// tell prints the findings and what a merge would do, and says in a line how it
// stands.
func (l *linter) tell(r lint.Result, m *merge) error {
	err := l.Write(func(w *bufio.Writer) {
		switch l.format {
		case "json":
			fmt.Fprintln(w, lintDocument(r, m).Text())
		case "github":
			writeAnnotations(w, r, m)
		default:
			writeFindings(w, r.Findings, term.Colored(l.Out))
			if m != nil {
				writeChanges(w, m.Plan.Changes, term.Colored(l.Out))
			}
		}
	})
	if err != nil {
		return err
	}
	if m != nil {
		l.tellMerge(m)
	}
	errs, warnings := severities(r.Findings)
	data := objects(r.Objects)
	if r.Data.Dir == "" {
		data = "no data directory"
	}
	l.Say("lint: %s, %s in %s with %s", text.Count(errs, "error"), text.Count(warnings, "warning"), text.Count(r.Files, "file"), data)
	return nil
}

// mostFindings is how many findings of one rule a person is shown: more come of
// one mistake.
const mostFindings = 100

// writeFindings writes each finding as compilers do, for editors that jump to
// it, and below it what to do.
func writeFindings(w *bufio.Writer, findings []lint.Finding, color bool) {
	seen := map[string]int{}
	for _, f := range findings {
		if seen[f.Rule]++; seen[f.Rule] > mostFindings {
			continue
		}
		word := f.Severity.String()
		if color {
			code := yellow
			if f.Severity == lint.Error {
				code = red
			}
			word = "\x1b[" + code + "m" + word + "\x1b[0m"
		}
		fmt.Fprintf(w, "%s: %s: %s [%s]\n", text.OneLine(f.Pos.String()), word, text.OneLine(f.Msg), f.Rule)
		for _, line := range text.Lines(f.Advice) {
			fmt.Fprintf(w, "    %s\n", text.OneLine(line))
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(seen)) {
		if more := seen[rule] - mostFindings; more > 0 {
			fmt.Fprintf(w, "and %d more [%s]\n", more, rule)
		}
	}
}

// lintDocument is the report for programs.
func lintDocument(r lint.Result, m *merge) value.Value {
	text := func(name, s string) value.Field { return value.Field{Name: name, Value: value.OfString(s)} }
	number := func(name string, n int) value.Field { return value.Field{Name: name, Value: value.OfInt(int64(n))} }
	findings := make([]value.Value, len(r.Findings))
	for i, f := range r.Findings {
		findings[i] = value.OfMap(
			text("file", f.Pos.File), number("line", f.Pos.Line), number("column", f.Pos.Column),
			text("rule", f.Rule), text("severity", f.Severity.String()), text("message", f.Msg), text("advice", f.Advice),
		)
	}
	errs, warnings := severities(r.Findings)
	fields := []value.Field{
		{Name: "findings", Value: value.OfList(findings...)},
		number("errors", errs), number("warnings", warnings), number("files", r.Files), number("objects", r.Objects),
	}
	if m != nil {
		fields = append(fields, value.Field{Name: "merge", Value: m.document()})
	}
	return value.OfMap(fields...)
}

// writeAnnotations writes findings as workflow commands of GitHub Actions, which
// shows them beside the lines they are about.
func writeAnnotations(w *bufio.Writer, r lint.Result, m *merge) {
	escaped := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	data := func(s string) string {
		return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text.Sanitize(s))
	}
	property := func(s string) string { return escaped.Replace(text.Sanitize(s)) }
	for _, f := range r.Findings {
		msg := f.Msg
		if f.Advice != "" {
			msg += "\n" + f.Advice
		}
		level := f.Severity.String()
		if f.Severity == lint.Note {
			level = "notice"
		}
		fmt.Fprintf(w, "::%s file=%s,line=%d,col=%d,title=%s::%s\n",
			level, property(f.Pos.File), f.Pos.Line, f.Pos.Column, property("confctl lint: "+f.Rule), data(msg))
	}
	if m == nil {
		return
	}
	for _, g := range changesByGroup(m.Plan.Changes) {
		fmt.Fprintf(w, "::notice title=confctl sync would::%s\n", data(g.String()))
	}
	for _, line := range m.left {
		fmt.Fprintf(w, "::error title=confctl sync could not::%s\n", data(line))
	}
	for _, f := range m.Refused {
		fmt.Fprintf(w, "::error title=%s::%s\n", property("confctl sync would be refused: "+f.Rule), data(subject(f)+" "+f.Msg))
	}
}

// listRules lists what lint looks for.
func (l *linter) listRules() error {
	return l.Write(func(w *bufio.Writer) {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "RULE\tSEVERITY\tSAYS")
		for _, r := range lint.Rules() {
			fmt.Fprintf(table, "%s\t%s\t%s\n", r.Name, r.Severity, r.Says)
		}
		table.Flush() //nolint:errcheck // the flush of w reports it
	})
}
