package safety

import (
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// The names of the checks that Doubts makes.
const (
	RuleNeverMatches     = "safety-never-matches"     // only cannot match any object
	RuleSelectsNothing   = "safety-selects-nothing"   // only matches none of the declared objects
	RuleUnreachableFloor = "safety-unreachable-floor" // at_least is larger than a group
	RuleMaxWithoutMin    = "safety-max-without-min"   // no serving object can be replaced by another
	RuleDefaultsServe    = "safety-defaults-serve"    // objects with default values exceed at_most
)

// Doubts returns declared rules that are valid but probably not intended, each
// with its position in its file. It reports an only that no object can match,
// or that has parts which Python interprets differently. If objects lists the
// objects of the type that should exist, it also reports an only that matches
// none of them, a min-pooled floor that a group cannot reach, a max-pooled rule
// that prevents replacing one serving object by another, and a max-pooled rule
// that new objects break with the defaults of their type. Without objects, it
// checks only the first two.
func (r *Rules) Doubts(t *schema.Type, objects []object.Object) []*yamldoc.Error {
	set := r.forType(t)
	q := doubter{typ: t, set: set, view: viewOf(t, object.Plan{}, object.Snapshot{Objects: objects})}
	for _, rule := range set.min {
		if q.chooses(MinPooled, rule) && rule.mode != None {
			q.reachable(rule)
		}
	}
	for _, rule := range set.max {
		if q.chooses(MaxPooled, rule) && rule.mode == Refuse {
			q.movable(rule)
			q.creatable(rule)
		}
	}
	return q.found
}

// doubter collects the doubts about the rules of a type.
type doubter struct {
	typ   *schema.Type
	set   *ruleSet
	view  *view // the objects that should exist
	found []*yamldoc.Error
}

func (q *doubter) doubt(pos yamldoc.Pos, rule, format string, args ...any) {
	e := yamldoc.Errorf(pos, format, args...)
	e.Rule = rule
	q.found = append(q.found, e)
}

// chooses reports whether the rule matches any of the objects that should
// exist. It adds doubts about the rule's selector.
func (q *doubter) chooses(name string, rule *poolRule) bool {
	if !rule.only.CanMatch() {
		q.doubt(rule.onlyPos, RuleNeverMatches, "only: %q of rule %s cannot match any object of type %s", rule.only, name, q.typ.Name)
		return false
	}
	for _, doubt := range rule.only.Doubts() {
		q.doubt(rule.onlyPos, schema.RuleRegex, "only: %q of rule %s: %s", rule.only, name, doubt)
	}
	if len(q.view.dirs) == 0 {
		return false
	}
	if !slices.ContainsFunc(q.view.dirs, func(d *dir) bool { return rule.counts(d, q.set) }) {
		q.doubt(rule.onlyPos, RuleSelectsNothing, "only: %q of rule %s selects none of the objects of type %s that the data declares", rule.only, name, q.typ.Name)
		return false
	}
	return true
}

// reachable adds a doubt if groups have fewer objects than at_least.
func (q *doubter) reachable(rule *poolRule) {
	var small []*pool
	for _, p := range q.view.group(rule, q.set) {
		if p.objects() < rule.atLeast {
			small = append(small, p)
		}
	}
	if len(small) == 0 {
		return
	}
	first, others := small[0], ""
	if n := len(small) - 1; n > 0 {
		others = fmt.Sprintf(", and in %d more", n)
	}
	q.doubt(rule.atLeastPos, RuleUnreachableFloor, "at_least %d of rule %s cannot be reached in %s, where the data declares %d%s",
		rule.atLeast, MinPooled, rule.label(q.typ, first.dirs[0]), first.objects(), others)
}

// movable adds a doubt if a group cannot change which of its objects serve:
// max-pooled refuses one more, and the built-in min-pooled refuses one fewer.
func (q *doubter) movable(rule *poolRule) {
	builtInRule := builtInMin(q.typ)
	for _, p := range q.view.group(rule, q.set) {
		floor := 0
		for _, d := range p.dirs {
			if n := len(d.objects); builtInRule.counts(d, q.set) && builtInRule.modeFor(n) == Refuse {
				floor += builtInRule.floor(q.typ, n)
			}
		}
		if floor >= rule.atMost {
			q.doubt(rule.pos, RuleMaxWithoutMin, "with at_most %d of rule %s and the built-in floor of %d, what serves in %s could not be moved to another: neither one more nor one fewer may serve",
				rule.atMost, MaxPooled, floor, rule.label(q.typ, p.dirs[0]))
			return
		}
	}
}

// creatable adds a doubt if objects serve with the defaults of their type and a
// group has more of them than at_most.
func (q *doubter) creatable(rule *poolRule) {
	if !Serves(object.New(q.typ, nil, "")) {
		return
	}
	for _, p := range q.view.group(rule, q.set) {
		if n := p.objects(); n > rule.atMost {
			q.doubt(rule.pos, RuleDefaultsServe, "with the defaults of type %s objects serve as soon as they are created: all %d in %s, where at_most %d of rule %s may",
				q.typ.Name, n, rule.label(q.typ, p.dirs[0]), rule.atMost, MaxPooled)
			return
		}
	}
}

// objects returns the number of objects in the pool, including those that are
// not members.
func (p *pool) objects() int {
	n := 0
	for _, d := range p.dirs {
		n += len(d.objects)
	}
	return n
}
