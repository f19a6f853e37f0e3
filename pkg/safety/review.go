package safety

import (
	"cmp"
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// review is a verdict in the making.
type review struct {
	terms Terms
	Verdict
}

// Review judges a plan. The snapshot is what it was made on, and holds at least
// the whole of every group of the objects that change; of a type of which
// something is deleted, all objects.
func (r *Rules) Review(plan object.Plan, on object.Snapshot, terms Terms) Verdict {
	if terms.Mode == None {
		return Verdict{}
	}
	v := review{terms: terms}
	for _, t := range changed(plan) {
		v.judge(viewOf(t, plan, on), r.of(t))
	}
	v.sort()
	return v.Verdict
}

// changed returns the types of which a plan changes something.
func changed(plan object.Plan) []*schema.Type {
	var types []*schema.Type
	for _, c := range plan.Changes {
		if t := c.Object().Type; !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return types
}

// judge asks all rules about one type.
func (r *review) judge(v *view, set *ruleSet) {
	pools := v.pools(set, r.terms)
	r.Capacity = slices.Grow(r.Capacity, len(pools))
	for _, p := range pools {
		if p.mode == None && p.ceiling == 0 {
			continue
		}
		c := p.capacity()
		r.Capacity = append(r.Capacity, c)
		r.minPooled(v, p, &c)
		for _, rule := range p.max {
			r.maxPooled(v, p, rule, &c)
		}
	}
	r.massChange(v, set.limits[MassChange])
	r.poolNeedsWeight(v, set.limits[PoolNeedsWeight])
	r.lastOfType(v, set.limits[LastOfType])
	if r.terms.Seeds {
		r.massRemoval(v, set.limits[MassRemoval])
		r.removePooled(v, set.limits[RemovePooled])
	}
}

// find adds a finding of a rule with that mode. A rule that is not asked finds
// nothing.
func (r *review) find(mode Mode, f Finding) {
	switch mode = min(mode, r.terms.Mode); {
	case mode == None:
		return
	case mode == Warn:
		f.Level = Warned
	case r.terms.overrides(f.Rule, f.Type, f.Subject):
		f.Level = Overridden
	default:
		f.Level = Refused
	}
	r.Findings = append(r.Findings, f)
}

// count adds a group to those the verdict rests on, if it does: a rule that
// cannot refuse does not need to have counted right.
func (r *review) count(rule string, mode Mode, subject string, g Group) {
	if mode == Refuse && !r.terms.overrides(rule, g.Type.Name, subject) {
		r.Counted = append(r.Counted, g)
	}
}

// sort puts all in the order that is promised, and takes out what is there
// twice.
func (r *review) sort() {
	rules := Names()
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		if a.Level != b.Level || a.Rule != b.Rule {
			return cmp.Or(cmp.Compare(b.Level, a.Level), cmp.Compare(slices.Index(rules, a.Rule), slices.Index(rules, b.Rule)))
		}
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Subject, b.Subject))
	})
	slices.SortStableFunc(r.Capacity, func(a, b Capacity) int {
		return cmp.Or(cmp.Compare(a.Type.Name, b.Type.Name), cmp.Compare(a.Label, b.Label))
	})
	slices.SortStableFunc(r.Counted, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Type.Name, b.Type.Name), slices.Compare(a.Tags, b.Tags), boolCompare(a.Deletions, b.Deletions))
	})
	r.Counted = slices.CompactFunc(r.Counted, func(a, b Group) bool {
		return a.Type == b.Type && a.Deletions == b.Deletions && slices.Equal(a.Tags, b.Tags)
	})
}

// boolCompare puts false before true.
func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Permit returns the plan without the changes that rules refuse, those that it
// left out, and the verdict on what remains, which refuses nothing. The plan's
// Matched and Warnings stay.
//
// A finding about a whole type holds back everything it names, even if little
// enough would be left without what other findings name: what looks like an
// accident is not made in part.
func (r *Rules) Permit(plan object.Plan, on object.Snapshot, terms Terms) (allowed object.Plan, held []object.Change, verdict Verdict) {
	out := map[string]bool{}
	for allowed = plan; ; allowed.Changes = without(plan.Changes, out) {
		verdict = r.Review(allowed, on, terms)
		refusals := verdict.Refusals()
		if len(refusals) == 0 {
			break
		}
		before := len(out)
		for _, f := range refusals {
			for _, key := range f.Changes {
				out[key] = true
			}
		}
		if len(out) == before { // a finding that names none of what is left is about all of it
			for _, c := range plan.Changes {
				out[c.Object().Key()] = true
			}
		}
	}
	for _, c := range plan.Changes {
		if out[c.Object().Key()] {
			held = append(held, c)
		}
	}
	return allowed, held, verdict
}

func without(changes []object.Change, out map[string]bool) []object.Change {
	var rest []object.Change
	for _, c := range changes {
		if !out[c.Object().Key()] {
			rest = append(rest, c)
		}
	}
	return rest
}

// Capacities returns that of all groups in a snapshot, as it is, which hold an
// object that is wanted: the most urgent first, as Capacity.Compare has it, then by
// type and label. Those that min-pooled is not asked about are there too, with the mode
// None and no floor.
func (r *Rules) Capacities(on object.Snapshot, wanted func(object.Object) bool) []Capacity {
	var all []Capacity
	for _, t := range types(on) {
		for _, p := range viewOf(t, object.Plan{}, on).pools(r.of(t), Terms{Mode: Refuse}) {
			if slices.ContainsFunc(p.dirs, func(d *dir) bool { return slices.ContainsFunc(d.objects, wanted) }) {
				all = append(all, p.capacity())
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Capacity) int {
		return cmp.Or(a.Compare(b), cmp.Compare(a.Type.Name, b.Type.Name), cmp.Compare(a.Label, b.Label))
	})
	return all
}

// types returns those of the objects in a snapshot that can serve.
func types(on object.Snapshot) []*schema.Type {
	var all []*schema.Type
	for i := range on.Objects {
		if t := on.Objects[i].Type; !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return slices.DeleteFunc(all, func(t *schema.Type) bool { return !HasCapacity(t) })
}
