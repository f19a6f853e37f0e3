package safety

import (
	"cmp"
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// review builds a Verdict.
type review struct {
	terms Terms
	Verdict
}

// Review applies the rules to a plan. The snapshot is the one that the plan was
// made on. It must contain every group with an object that changes, complete;
// and all objects of each type of which the plan deletes objects.
//
// Review returns an empty verdict if the mode of the terms is None.
func (r *Rules) Review(plan object.Plan, snapshot object.Snapshot, terms Terms) Verdict {
	if terms.Mode == None {
		return Verdict{}
	}
	v := review{terms: terms}
	for _, t := range changed(plan) {
		v.judge(viewOf(t, plan, snapshot), r.forType(t))
	}
	v.sort()
	return v.Verdict
}

// changed returns the types of the objects that a plan changes.
func changed(plan object.Plan) []*schema.Type {
	var types []*schema.Type
	for _, c := range plan.Changes {
		if t := c.Object().Type; !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return types
}

// judge applies all rules to one type.
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

// find adds a finding of a rule with the given mode. It adds nothing if the
// mode is None.
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

// count adds a group to Counted if the rule can refuse the change. Otherwise
// the commit does not depend on the count.
func (r *review) count(rule string, mode Mode, subject string, g Group) {
	if mode == Refuse && !r.terms.overrides(rule, g.Type.Name, subject) {
		r.Counted = append(r.Counted, g)
	}
}

// sort sorts the verdict as documented in Verdict, and removes duplicates from
// Counted.
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

// boolCompare orders false before true.
func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Permit splits a plan: it returns the plan without the changes that the rules
// refuse, the changes that it removed, and the verdict on the remaining plan,
// which contains no refusal. Matched and Warnings of the plan do not change.
//
// A finding about a whole type removes every change that it names, even if the
// removal of changes that other findings name would resolve it: a change that
// looks like an accident must not be made in part.
func (r *Rules) Permit(plan object.Plan, snapshot object.Snapshot, terms Terms) (allowed object.Plan, held []object.Change, verdict Verdict) {
	out := map[string]bool{}
	for allowed = plan; ; allowed.Changes = without(plan.Changes, out) {
		verdict = r.Review(allowed, snapshot, terms)
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
		if len(out) == before { // the findings name none of the remaining changes, so they refuse the whole plan
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

// Capacities returns the capacity of each group in a snapshot that contains an
// object for which wanted returns true. It sorts them by urgency, as
// Capacity.Compare does, then by type and label. Groups for which min-pooled is
// off are included, with the mode None and a floor of 0.
func (r *Rules) Capacities(snapshot object.Snapshot, wanted func(object.Object) bool) []Capacity {
	var all []Capacity
	for _, t := range types(snapshot) {
		for _, p := range viewOf(t, object.Plan{}, snapshot).pools(r.forType(t), Terms{Mode: Refuse}) {
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

// types returns the types of the objects in a snapshot that have capacity.
func types(snapshot object.Snapshot) []*schema.Type {
	var all []*schema.Type
	for i := range snapshot.Objects {
		if t := snapshot.Objects[i].Type; !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return slices.DeleteFunc(all, func(t *schema.Type) bool { return !HasCapacity(t) })
}
