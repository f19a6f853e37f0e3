package safety

import (
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/value"
)

// Idle is an object that a plan asks to pool and that is already pooled, but
// does not serve because of its weight.
type Idle struct {
	Object  object.Object
	Finding Finding // of pool-needs-weight; its Changes are empty, because the plan has no change to leave out
}

// Weighs reports whether an object's weight lets it serve: the weight is above
// 0, or the type has no field weight.
func Weighs(o object.Object) bool { return capacityFieldsOf(o.Type).weighs(&o) }

// Idle returns the objects that the plan asks to pool and that are pooled
// before and after it, but do not serve because of their weight. It returns
// nothing if the plan also sets the weight. The findings have the level that
// pool-needs-weight gives them.
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
		m, now := capacityFieldsOf(o.Type), o
		if changed, ok := after[o.Key()]; ok {
			now = changed
		}
		if now == nil || !m.weight || !m.isPooled(o) || !m.isPooled(now) || m.weighs(now) {
			continue
		}
		v := review{terms: terms}
		v.find(r.forType(o.Type).limits[PoolNeedsWeight].mode, Finding{
			Rule: PoolNeedsWeight, Type: o.Type.Name, Subject: o.Path(),
			Msg: fmt.Sprintf("is pooled already, and does not serve: its weight is %s", value.Get(now.Fields, weightField).Text()),
		})
		for _, f := range v.Findings {
			all = append(all, Idle{*o, f})
		}
	}
	return all
}
