package safety

import (
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Rules are what a site wants judged: the built-in rules, and those it
// declares. The zero Rules, and nil, are the built-in ones. Rules are read-only
// once loaded.
type Rules struct {
	declared map[string]*ruleSet // by the name of the type
}

// ruleSet is what is asked of the objects of one type.
type ruleSet struct {
	min, max []*poolRule      // those that are declared
	limits   map[string]limit // of each other rule, by its name
}

// poolRule is one min-pooled or max-pooled rule.
type poolRule struct {
	builtIn bool
	mode    Mode
	by      []int             // which of the type's tags it groups by, in their order
	lead    int               // how many of these are the type's first tags
	only    selector.Selector // over the tags: what it counts
	partly  bool              // only chooses by other tags than those it groups by
	atLeast int               // of min-pooled; 0 if it is not given
	share   ratio             // of min-pooled; none if it is not given
	atMost  int               // of max-pooled
	pos     yamldoc.Pos
	// Where only and at_least are written; zero if they are not.
	onlyPos, atLeastPos yamldoc.Pos
}

// limit is any other rule.
type limit struct {
	mode    Mode
	atLeast int   // from how many objects on it speaks
	share   ratio // over which part of all objects it speaks
}

func builtIn() *ruleSet {
	return &ruleSet{limits: map[string]limit{
		MassChange:      {mode: Refuse, atLeast: 20},
		PoolNeedsWeight: {mode: Refuse},
		LastOfType:      {mode: Refuse},
		MassRemoval:     {mode: Refuse, atLeast: 20, share: ratio{20, 100}},
		RemovePooled:    {mode: Refuse},
	}}
}

// of returns what is asked of the objects of a type.
func (r *Rules) of(t *schema.Type) *ruleSet {
	if r != nil {
		if set, ok := r.declared[t.Name]; ok {
			return set
		}
	}
	return builtIn()
}

// Depth returns how many of a type's first tags all groups of its objects have
// in common: a group is never spread over two values of these.
func (r *Rules) Depth(t *schema.Type) int {
	set, depth := r.of(t), len(t.Tags)
	for _, rule := range slices.Concat(set.min, set.max) {
		if rule.mode != None {
			depth = min(depth, rule.lead)
		}
	}
	return depth
}

// builtInMin is the rule for whatever no declared one selects.
func builtInMin(t *schema.Type) *poolRule {
	rule := &poolRule{builtIn: true, mode: Refuse}
	rule.groupBy(allTags(t))
	return rule
}

func allTags(t *schema.Type) []int {
	all := make([]int, len(t.Tags))
	for i := range all {
		all[i] = i
	}
	return all
}

// groupBy sets which tags the rule groups by.
func (p *poolRule) groupBy(tags []int) {
	p.by, p.lead = slices.Sorted(slices.Values(tags)), 0
	for p.lead < len(p.by) && p.by[p.lead] == p.lead {
		p.lead++
	}
}

// label names the group that a directory is in. It is the values it is grouped
// by where that is clear, and else says which tags they are of, and what is
// counted.
func (p *poolRule) label(t *schema.Type, d *dir) string {
	label := t.Name
	switch {
	case len(p.by) > 0 && p.lead == len(t.Tags):
		label = d.path
	case len(p.by) > 0 && p.lead == len(p.by):
		label = strings.Join(d.tags[:p.lead], "/")
	case len(p.by) > 0:
		pairs := make([]string, len(p.by))
		for i, tag := range p.by {
			pairs[i] = t.Tags[tag] + "=" + d.tags[tag]
		}
		label = strings.Join(pairs, ",")
	}
	if p.partly {
		label += " (" + p.only.String() + ")"
	}
	return label
}
