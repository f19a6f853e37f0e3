package safety

import (
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// pool is a group of objects that the rules min-pooled and max-pooled count
// together.
type pool struct {
	typ        *schema.Type
	rule       *poolRule   // the group's min-pooled rule, or a max-pooled rule if there is none
	max        []*poolRule // the max-pooled rules that are checked with this pool
	dirs       []*dir
	members    int
	before     int  // members that serve before the plan
	after      int  // members that serve after the plan
	left       int  // members after the plan
	changes    bool // whether the plan changes which objects serve
	mode       Mode
	floor      int
	floorAfter int // the floor for the members after the plan
	ceiling    int // 0 if no max-pooled rule applies
	fixed      bool
}

// pools returns the groups that the rules min-pooled and max-pooled count:
// those of min-pooled, and those of max-pooled that differ from them.
func (v *view) pools(set *ruleSet, terms Terms) []*pool {
	if !v.fields.pooled {
		return nil
	}
	var all []*pool
	for _, rule := range append(slices.Clone(set.min), builtInMin(v.typ)) {
		for _, p := range v.group(rule, set) {
			p.mode = min(rule.modeFor(p.members), terms.Mode)
			if p.mode != None {
				p.floor, p.floorAfter = rule.floor(v.typ, p.members), rule.floor(v.typ, p.left)
			}
			all = append(all, p)
		}
	}
	return v.withCeilings(all, set, terms)
}

// withCeilings adds the max-pooled rules to the pools with the same objects, or
// to new pools if there are none.
func (v *view) withCeilings(all []*pool, set *ruleSet, terms Terms) []*pool {
	for _, rule := range set.max {
		if min(rule.mode, terms.Mode) == None {
			continue
		}
		for _, mine := range v.group(rule, set) {
			same := sameObjects(all, mine)
			if len(same) == 0 {
				all, same = append(all, mine), []*pool{mine}
			}
			same[0].max = append(same[0].max, rule)
			for _, p := range same {
				if p.ceiling == 0 || rule.atMost < p.ceiling {
					p.ceiling = rule.atMost
				}
				if min(p.mode, rule.mode) == Refuse && rule.atMost <= p.floor {
					p.fixed = true
				}
			}
		}
	}
	return all
}

// sameObjects returns the pools that have the same objects and the same
// grouping as another.
func sameObjects(all []*pool, other *pool) []*pool {
	var same []*pool
	for _, p := range all {
		if p.dirs[0] == other.dirs[0] && slices.Equal(p.rule.by, other.rule.by) && slices.Equal(p.dirs, other.dirs) {
			same = append(same, p)
		}
	}
	return same
}

// group returns the groups of a rule. If the view has a plan, it returns only
// the groups in which the plan changes which objects serve.
func (v *view) group(rule *poolRule, set *ruleSet) []*pool {
	if len(rule.by) == len(v.typ.Tags) {
		return v.groupEach(rule, set)
	}
	var all []*pool
	byValues := map[string]*pool{}
	for _, d := range v.dirs {
		if !rule.counts(d, set) {
			continue
		}
		values := rule.values(d.tags)
		p := byValues[values]
		if p == nil {
			p = &pool{typ: v.typ, rule: rule}
			all, byValues[values] = append(all, p), p
		}
		p.add(d)
	}
	return slices.DeleteFunc(all, func(p *pool) bool { return v.planned && !p.changes })
}

// groupEach returns one group for each directory.
func (v *view) groupEach(rule *poolRule, set *ruleSet) []*pool {
	var all []*pool
	for i, d := range v.dirs {
		if (v.planned && !d.changes) || !rule.counts(d, set) {
			continue
		}
		p := &pool{typ: v.typ, rule: rule, dirs: v.dirs[i : i : i+1]} // capacity for one directory
		p.add(d)
		all = append(all, p)
	}
	return all
}

func (p *pool) add(d *dir) {
	p.dirs = append(p.dirs, d)
	p.members += d.members
	p.before += d.before
	p.after += d.after
	p.left += d.left
	p.changes = p.changes || d.changes
}

// counts reports whether the rule counts the objects of a directory. The
// built-in rule counts the objects that no declared min-pooled rule counts.
func (p *poolRule) counts(d *dir, set *ruleSet) bool {
	if p.builtIn {
		return !slices.ContainsFunc(set.min, func(declared *poolRule) bool { return declared.counts(d, set) })
	}
	return p.only.Match(d.tags, "")
}

// values returns the key of the rule's group for the given tag values.
func (p *poolRule) values(tags []string) string {
	values := make([]string, len(p.by))
	for i, tag := range p.by {
		values[i] = tags[tag]
	}
	return strings.Join(values, "/")
}

// guarded returns the objects to guard at commit: the group itself if it is
// grouped by the type's first tags, and otherwise the smallest set of objects
// selected by first tags that contains it.
func (p *pool) guarded() Group {
	return Group{Type: p.typ, Tags: p.dirs[0].tags[:p.rule.lead]}
}

func (p *pool) capacity() Capacity {
	c := Capacity{
		Type: p.typ, Label: p.rule.label(p.typ, p.dirs[0]),
		Members: p.members, Before: p.before, After: p.after, Left: p.left,
		Floor: p.floor, Next: p.floorAfter, Ceiling: p.ceiling, Mode: p.mode,
		Out: p.notServing(), Fixed: p.fixed,
	}
	if p.fixed {
		c.Serving = p.serving()
	}
	return c
}

// serving returns the objects that serve before the plan.
func (p *pool) serving() []object.Object {
	fields := capacityFieldsOf(p.typ)
	var all []object.Object
	for _, d := range p.dirs {
		for i := range d.objects {
			if fields.serves(&d.objects[i]) {
				all = append(all, d.objects[i])
			}
		}
	}
	return all
}

// notServing returns the members that do not serve before the plan.
func (p *pool) notServing() []object.Object {
	if p.members == p.before {
		return nil
	}
	fields := capacityFieldsOf(p.typ)
	out := make([]object.Object, 0, p.members-p.before)
	for _, d := range p.dirs {
		for i := range d.objects {
			if o := &d.objects[i]; !fields.serves(o) && !fields.isSeeded(o) {
				out = append(out, *o)
			}
		}
	}
	return out
}
