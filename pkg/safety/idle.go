package safety

import (
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/value"
)

// Idle is an object that was to be pooled, is so already, and does not serve.
type Idle struct {
	Object  object.Object
	Finding Finding // of pool-needs-weight; it names no change, since there is none to leave out
}

// Weighs reports whether an object's weight lets it serve: it is above 0, or its
// type has none.
func Weighs(o object.Object) bool { return meaningOf(o.Type).weighs(&o) }

// Idle returns what a plan leaves as it is although more was asked for: of
// objects that a set pools, those that are pooled before and after it with a
// weight that keeps them from serving. A set that gives the weight itself asks
// for that. The findings have the level that pool-needs-weight has for them.
func (r *Rules) Idle(plan object.Plan, terms Terms) []Idle {
	if !slices.Contains(plan.Asked, pooledField) || slices.Contains(plan.Asked, weightField) {
		return nil
	}
	after := make(map[string]*object.Object, len(plan.Changes))
	for _, c := range plan.Changes {
		after[c.Object().Key()] = c.After
	}
	var all []Idle
	for i := range plan.Matched {
		o := &plan.Matched[i]
		m, now := meaningOf(o.Type), o
		if changed, ok := after[o.Key()]; ok {
			now = changed
		}
		if now == nil || !m.weight || !m.isPooled(o) || !m.isPooled(now) || m.weighs(now) {
			continue
		}
		v := review{terms: terms}
		v.find(r.of(o.Type).limits[PoolNeedsWeight].mode, Finding{
			Rule: PoolNeedsWeight, Type: o.Type.Name, Subject: o.Path(),
			Msg: fmt.Sprintf("is pooled already, and does not serve: its weight is %s", value.Get(now.Fields, weightField).Text()),
		})
		for _, f := range v.Findings {
			all = append(all, Idle{*o, f})
		}
	}
	return all
}
