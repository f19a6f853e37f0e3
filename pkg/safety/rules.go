package safety

import (
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Rules are the safety rules of a site: the built-in rules and those it
// declares. The zero Rules and a nil *Rules contain only the built-in rules.
// Rules do not change once loaded.
type Rules struct {
	declared map[string]*ruleSet // by type name
}

// ruleSet is the rules for the objects of one type.
type ruleSet struct {
	min, max []*poolRule      // the declared rules
	limits   map[string]limit // the other rules, by name
}

// poolRule is one min-pooled or max-pooled rule.
type poolRule struct {
	builtIn bool
	mode    Mode
	by      []int             // indices of the type's tags that it groups by, sorted
	lead    int               // the number of the type's first tags in by, without a gap
	only    selector.Selector // selects by tags the objects that the rule counts
	partly  bool              // the selector uses a tag that the rule does not group by
	atLeast int               // of min-pooled; 0 if not given
	share   ratio             // of min-pooled; zero if not given
	atMost  int               // of max-pooled
	pos     yamldoc.Pos
	// The positions of only and at_least; zero if not given.
	onlyPos, atLeastPos yamldoc.Pos
}

// limit is a rule other than min-pooled and max-pooled.
type limit struct {
	mode    Mode
	atLeast int   // the rule applies to at least this many objects
	share   ratio // the rule applies above this share of all objects
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

// forType returns the rules for the objects of a type.
func (r *Rules) forType(t *schema.Type) *ruleSet {
	if r != nil {
		if set, ok := r.declared[t.Name]; ok {
			return set
		}
	}
	return builtIn()
}

// Depth returns how many of a type's first tags have the same values in every
// object of a group, for every group of every active rule.
func (r *Rules) Depth(t *schema.Type) int {
	set, depth := r.forType(t), len(t.Tags)
	for _, rule := range slices.Concat(set.min, set.max) {
		if rule.mode != None {
			depth = min(depth, rule.lead)
		}
	}
	return depth
}

// builtInMin returns the built-in min-pooled rule, for objects that no declared
// rule selects.
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

// groupBy sets the tags that the rule groups by.
func (p *poolRule) groupBy(tags []int) {
	p.by, p.lead = slices.Sorted(slices.Values(tags)), 0
	for p.lead < len(p.by) && p.by[p.lead] == p.lead {
		p.lead++
	}
}

// label returns the name of the group that contains a directory: the values of
// the tags it is grouped by if those are the type's first tags, and otherwise
// TAG=VALUE for each of them. It includes the rule's selector if that uses
// other tags.
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
