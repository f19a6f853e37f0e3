package cli

import (
	"github.com/conftool/confctl/internal/lint"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// print prints the findings, the result that a sync would have if m is not nil,
// and the number of errors and warnings.
func (l *linter) print(r lint.Result, m *render.Merge) error {
	if err := l.Lines(l.lines(r, m)...); err != nil {
		return err
	}
	if m != nil {
		l.sayMerge(m)
	}
	errs, warnings := render.Severities(r.Findings)
	data := text.Count(r.Objects, "object")
	if r.Data.Dir == "" {
		data = "no data directory"
	}
	l.Say("lint: %s, %s in %s with %s", text.Count(errs, "error"), text.Count(warnings, "warning"), text.Count(r.Files, "file"), data)
	return nil
}

// lines returns the report in the chosen format.
func (l *linter) lines(r lint.Result, m *render.Merge) []string {
	switch l.format {
	case "json":
		return []string{render.LintDocument(r, m).Text()}
	case "github":
		return annotations(r, m)
	}
	lines := render.Lint(r.Findings, term.Colored(l.Out))
	if m != nil {
		lines = append(lines, render.Changes(m.Plan.Changes, term.Colored(l.Out))...)
	}
	return lines
}

// annotations returns the report as workflow commands of GitHub Actions.
func annotations(r lint.Result, m *render.Merge) []string {
	var lines []string
	add := func(level, title, msg string, pos *yamldoc.Pos) {
		lines = append(lines, render.Annotation{Level: level, Pos: pos, Title: title, Msg: msg}.String())
	}
	for _, f := range r.Findings {
		msg, level := f.Msg, f.Severity.String()
		if f.Advice != "" {
			msg += "\n" + f.Advice
		}
		if f.Severity == lint.Note {
			level = "notice"
		}
		add(level, "confctl lint: "+f.Rule, msg, &f.Pos)
	}
	if m == nil {
		return lines
	}
	for _, line := range render.ChangeGroups(m.Plan.Changes) {
		add("notice", "confctl sync would", line, nil)
	}
	for _, line := range m.Left {
		add("error", "confctl sync could not", line, nil)
	}
	for _, f := range m.Refused {
		add("error", "confctl sync would be refused: "+f.Rule, render.Subject(f)+" "+f.Msg, nil)
	}
	return lines
}

// listRules prints the rules of lint.
func (l *linter) listRules() error { return l.Lines(render.LintRules(lint.Rules())...) }
