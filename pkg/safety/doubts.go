package safety

import (
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// The rules of Doubts.
const (
	RuleNeverMatches     = "safety-never-matches"     // only cannot choose any object
	RuleSelectsNothing   = "safety-selects-nothing"   // only chooses none that there should be
	RuleUnreachableFloor = "safety-unreachable-floor" // at_least is more than a group has
	RuleMaxWithoutMin    = "safety-max-without-min"   // what serves could not be moved
	RuleDefaultsServe    = "safety-defaults-serve"    // more serve when they are created than may
)

// Doubts returns what is allowed in the rules that are declared for a type, and
// cannot be meant, each with the place in its file: an only that no object could
// ever fit or with parts that Python reads differently, and, given the objects of the type that should exist, an only that
// fits none of them, a floor that a group could never reach, a max-pooled that
// leaves no way to move what serves from one object to the other, and one that
// objects break as soon as they are created. Without
// objects only the first two are looked for.
func (r *Rules) Doubts(t *schema.Type, objects []object.Object) []*yamldoc.Error {
	set := r.of(t)
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

// doubter gathers doubts about the rules of a type.
type doubter struct {
	typ   *schema.Type
	set   *ruleSet
	view  *view // of the objects that should exist
	found []*yamldoc.Error
}

func (q *doubter) doubt(pos yamldoc.Pos, rule, format string, args ...any) {
	e := yamldoc.Errorf(pos, format, args...)
	e.Rule = rule
	q.found = append(q.found, e)
}

// chooses reports whether the rule is for any group there should be.
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

// reachable looks for groups with fewer objects than have to serve.
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

// movable looks for groups in which neither may one more serve for a moment,
// for max-pooled, nor one fewer, for the built-in min-pooled.
func (q *doubter) movable(rule *poolRule) {
	usual := builtInMin(q.typ)
	for _, p := range q.view.group(rule, q.set) {
		floor := 0
		for _, d := range p.dirs {
			if n := len(d.objects); usual.counts(d, q.set) && usual.modeFor(n) == Refuse {
				floor += usual.floor(q.typ, n)
			}
		}
		if floor >= rule.atMost {
			q.doubt(rule.pos, RuleMaxWithoutMin, "with at_most %d of rule %s and the built-in floor of %d, what serves in %s could not be moved to another: neither one more nor one fewer may serve",
				rule.atMost, MaxPooled, floor, rule.label(q.typ, p.dirs[0]))
			return
		}
	}
}

// creatable looks for groups of objects that serve with the defaults of their
// type, more of them than may.
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

// objects returns how many there are in the pool, members or not.
func (p *pool) objects() int {
	n := 0
	for _, d := range p.dirs {
		n += len(d.objects)
	}
	return n
}
