package safety

import (
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// The kinds of errors in declared rules, in the Rule of a yamldoc.Error.
const (
	RuleInvalid     = "safety-rule" // the rule is invalid, or does not apply to the type
	RuleUnknownType = "safety-type" // the rules are declared for an unknown type
)

// Load compiles the rules declared beside the types of a schema, and those in a
// file of the form {type: [rules]} if the file exists. An empty name means no
// file. If both declare rules for a type, all of them apply.
//
// Load returns the errors in the rules by type, with file and line. A type with
// errors gets the built-in rules; the rules of the other types are compiled all
// the same. Load ignores the file's rules for a type that is declared with
// errors in the schema.
func Load(s *schema.Schema, file string) (*Rules, []schema.Problem) {
	doc, err := s.ReadBeside(file)
	rules, problems := compile(s, doc)
	if err != nil {
		problems = slices.Insert(problems, 0, schema.NewProblem("", err, RuleInvalid))
	}
	return rules, problems
}

// compile does what Load does, for a file that has been read.
func compile(s *schema.Schema, doc yamldoc.Node) (*Rules, []schema.Problem) {
	var problems []schema.Problem
	inFile, errs := s.ByType(doc, "a file of safety rules", RuleUnknownType)
	fail := func(typ string, errs []error) {
		for _, err := range errs {
			problems = append(problems, schema.NewProblem(typ, err, RuleInvalid))
		}
	}
	fail("", errs)
	rules := &Rules{declared: map[string]*ruleSet{}}
	for _, t := range s.Types() {
		l := loader{typ: t, set: builtIn(), seen: map[string]yamldoc.Pos{}}
		l.rules(t.Safety)
		l.rules(inFile[t.Name])
		l.contradictions()
		if fail(t.Name, l.errs); len(l.errs) == 0 {
			rules.declared[t.Name] = l.set
		}
	}
	return rules, problems
}

// loader compiles the rules of one type and collects the errors in them.
type loader struct {
	typ  *schema.Type
	set  *ruleSet
	seen map[string]yamldoc.Pos // where each rule that can be declared once was declared
	errs []error                // each is a *yamldoc.Error
}

func (l *loader) failAt(n yamldoc.Node, format string, args ...any) {
	l.errs = append(l.errs, n.Errorf(format, args...))
}

// rules reads a list of rules. An empty node is an empty list.
func (l *loader) rules(n yamldoc.Node) {
	if n.IsEmpty() {
		return
	}
	items, err := n.Items("the safety rules of type " + l.typ.Name)
	if err != nil {
		l.errs = append(l.errs, err)
		return
	}
	for _, item := range items {
		l.rule(item)
	}
}

// declaration is one rule as written in a file.
type declaration struct {
	yamldoc.Node
	rule  string
	parts map[string]yamldoc.Node
}

func (l *loader) rule(n yamldoc.Node) {
	pairs, err := n.Pairs("a safety rule")
	if err != nil {
		l.errs = append(l.errs, err)
		return
	}
	d := declaration{Node: n, parts: map[string]yamldoc.Node{}}
	for _, p := range pairs {
		d.parts[p.Name] = p.Value
	}
	name, named := d.parts["rule"]
	d.rule = name.Text()
	switch {
	case !named:
		l.failAt(n, "a safety rule has to say which: rule: %s, for one", MinPooled)
		return
	case !slices.Contains(Names(), d.rule):
		l.failAt(name, "no safety rule %s%s; rules are %s", name.Describe(), nearest.Suggest(d.rule, Names()), strings.Join(Names(), ", "))
		return
	}
	l.keys(d.rule, pairs)
	l.applies(d)
	switch d.rule {
	case MinPooled, MaxPooled:
		l.poolRule(d)
	default:
		l.limit(d)
	}
}

// keysOf returns the keys that a rule accepts.
func keysOf(rule string) []string {
	keys := []string{"rule", "mode"}
	switch rule {
	case MinPooled:
		return append(keys, "group_by", "only", "at_least", "ratio")
	case MaxPooled:
		return append(keys, "group_by", "only", "at_most")
	case MassChange:
		return append(keys, "at_least")
	case MassRemoval:
		return append(keys, "at_least", "ratio")
	}
	return keys
}

func (l *loader) keys(rule string, pairs []yamldoc.Pair) {
	known := keysOf(rule)
	for _, p := range pairs {
		if !slices.Contains(known, p.Name) {
			l.failAt(p.Key, "rule %s has no %q%s; it takes %s", rule, p.Name, nearest.Suggest(p.Name, known), strings.Join(known, ", "))
		}
	}
}

// applies adds an error if the rule can never apply to the type.
func (l *loader) applies(d declaration) {
	var needs []string
	switch d.rule {
	case MinPooled, MaxPooled, MassChange, RemovePooled:
		needs = []string{pooledField}
	case PoolNeedsWeight:
		needs = []string{pooledField, weightField}
	}
	for _, name := range needs {
		if _, ok := l.typ.Field(name); !ok {
			l.failAt(d.Node, "rule %s is of no use for type %s, which has no field %s", d.rule, l.typ.Name, name)
			return
		}
	}
	if d.rule == MassChange && len(l.typ.Tags) == 0 {
		l.failAt(d.Node, "rule %s is of no use for type %s, which has no tags", d.rule, l.typ.Name)
	}
}

func (l *loader) poolRule(d declaration) {
	p := &poolRule{mode: l.mode(d), pos: d.Pos()}
	p.groupBy(l.tags(d))
	l.only(d, p)
	if d.rule == MinPooled {
		p.atLeastPos = d.parts["at_least"].Pos()
		p.atLeast, p.share = l.number(d, "at_least", 0), l.ratio(d, ratio{})
		l.set.min = append(l.set.min, p)
		return
	}
	if _, given := d.parts["at_most"]; !given {
		l.failAt(d.Node, "rule %s needs at_most: how many may serve at once", d.rule)
	}
	p.atMost = l.number(d, "at_most", 1)
	l.set.max = append(l.set.max, p)
}

func (l *loader) limit(d declaration) {
	if was, again := l.seen[d.rule]; again {
		l.failAt(d.Node, "rule %s of type %s is declared already, at %s", d.rule, l.typ.Name, was)
		return
	}
	l.seen[d.rule] = d.Pos()
	fallback := l.set.limits[d.rule]
	l.set.limits[d.rule] = limit{l.mode(d), l.number(d, "at_least", fallback.atLeast), l.ratio(d, fallback.share)}
}

// contradictions adds an error if two rules for the same groups contradict each
// other: at_least is greater than at_most, so that no number of serving objects
// satisfies both.
func (l *loader) contradictions() {
	for _, upper := range l.set.max {
		for _, lower := range l.set.min {
			same := slices.Equal(lower.by, upper.by) && lower.only.String() == upper.only.String()
			if same && lower.mode == Refuse && upper.mode == Refuse && lower.atLeast > upper.atMost {
				l.errs = append(l.errs, yamldoc.Errorf(upper.pos, "at_most %d of %s is less than at_least %d of %s for the same groups, at %s",
					upper.atMost, MaxPooled, lower.atLeast, MinPooled, lower.pos))
			}
		}
	}
}
