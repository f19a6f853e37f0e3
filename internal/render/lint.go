package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/lint"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Lint returns each finding in the format of compilers, so that editors can jump
// to its position, followed by advice. It shows at most 100 findings of one rule,
// because so many usually have one cause.
func Lint(findings []lint.Finding, color bool) []string {
	const maxOfRule = 100
	var lines []string
	seen := map[string]int{}
	for _, f := range findings {
		if seen[f.Rule]++; seen[f.Rule] > maxOfRule {
			continue
		}
		code := yellow
		if f.Severity == lint.Error {
			code = red
		}
		lines = append(lines, fmt.Sprintf("%s: %s: %s [%s]", text.OneLine(f.Pos.String()), paint(f.Severity.String(), code, color), text.OneLine(f.Msg), f.Rule))
		for _, line := range text.Lines(f.Advice) {
			lines = append(lines, "    "+text.OneLine(line))
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(seen)) {
		if n := seen[rule] - maxOfRule; n > 0 {
			lines = append(lines, fmt.Sprintf("and %d more [%s]", n, rule))
		}
	}
	return lines
}

// LintRules returns a table of the rules of lint.
func LintRules(rules []lint.Rule) []string {
	rows := [][]string{{"RULE", "SEVERITY", "SAYS"}}
	for _, r := range rules {
		rows = append(rows, []string{r.Name, r.Severity.String(), r.Says})
	}
	return Columns(rows)
}

// Severities returns the number of errors and of warnings.
func Severities(findings []lint.Finding) (errs, warnings int) {
	for _, f := range findings {
		switch f.Severity {
		case lint.Error:
			errs++
		case lint.Warning:
			warnings++
		}
	}
	return errs, warnings
}

// LintDocument returns the report as a value, for the formats json and yaml. If m
// is nil, it has no merge.
func LintDocument(r lint.Result, m *Merge) value.Value {
	findings := make([]value.Value, len(r.Findings))
	for i, f := range r.Findings {
		findings[i] = value.OfMap(
			textField("file", f.Pos.File), numberField("line", f.Pos.Line), numberField("column", f.Pos.Column),
			textField("rule", f.Rule), textField("severity", f.Severity.String()), textField("message", f.Msg), textField("advice", f.Advice),
		)
	}
	errs, warnings := Severities(r.Findings)
	fields := []value.Field{
		{Name: "findings", Value: value.OfList(findings...)},
		numberField("errors", errs), numberField("warnings", warnings), numberField("files", r.Files), numberField("objects", r.Objects),
	}
	if m != nil {
		fields = append(fields, value.Field{Name: "merge", Value: m.document()})
	}
	return value.OfMap(fields...)
}

// Merge is the result that a sync of the checked data would have.
type Merge struct {
	change.Proposal
	Left    []string // lines that say what would not be done
	Unknown []string // types that the export does not contain
	Again   string   // a command line that would make the held changes
}

func (m *Merge) document() value.Value {
	var created, removed, held, refused []value.Value
	identity := func(o *object.Object) value.Value { return value.OfMap(Identity(*o)...) }
	for _, c := range m.Plan.Changes {
		if c.Before == nil {
			created = append(created, identity(c.After))
		} else {
			removed = append(removed, identity(c.Before))
		}
	}
	for _, c := range m.Held {
		held = append(held, identity(c.Object()))
	}
	for _, f := range m.Refused {
		refused = append(refused, value.OfMap(textField("rule", f.Rule), textField("type", f.Type), textField("subject", f.Subject), textField("message", f.Msg)))
	}
	return value.OfMap(
		value.Field{Name: "create", Value: value.OfList(created...)},
		value.Field{Name: "remove", Value: value.OfList(removed...)},
		value.Field{Name: "held_back", Value: value.OfList(held...)},
		value.Field{Name: "refused", Value: value.OfList(refused...)},
		value.Field{Name: "left_undone", Value: textList(m.Left)},
		value.Field{Name: "not_compared", Value: textList(m.Unknown)},
	)
}

// Annotation is a workflow command of GitHub Actions, which displays it at a line
// of a file.
type Annotation struct {
	Level string       // notice, warning or error
	Pos   *yamldoc.Pos // nil if it has no position
	Title string
	Msg   string
}

func (a Annotation) String() string {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	place := ""
	if a.Pos != nil {
		place = fmt.Sprintf("file=%s,line=%d,col=%d,", property.Replace(text.Sanitize(a.Pos.File)), a.Pos.Line, a.Pos.Column)
	}
	return fmt.Sprintf("::%s %stitle=%s::%s", a.Level, place, property.Replace(text.Sanitize(a.Title)), data.Replace(text.Sanitize(a.Msg)))
}
