package safety

import (
	"fmt"

	"github.com/conftool/confctl/pkg/value"
)

// poolNeedsWeight refuses to pool an object whose weight keeps it from serving.
// An object that sync has just created usually has weight 0.
func (r *review) poolNeedsWeight(v *view, l limit) {
	v.moves(func(m *move) {
		becomes := v.fields.isPooled(m.after) && !v.fields.isPooled(m.before)
		if m.creates() || !becomes || v.fields.weighs(m.after) {
			return
		}
		weight := value.Get(m.after.Fields, weightField).Text()
		r.find(l.mode, Finding{
			Rule: PoolNeedsWeight, Type: v.typ.Name, Subject: m.after.Path(),
			Msg:     fmt.Sprintf("would be pooled with weight %s and so not serve; set a weight above 0 first, or in the same change", weight),
			Changes: []string{v.key(m)},
		})
	})
}
