package safety

import "fmt"

// maxPooled refuses a change that increases the number of serving objects in a
// group above the limit of a declared rule.
func (r *review) maxPooled(v *view, p *pool, rule *poolRule, c *Capacity) {
	mode := min(rule.mode, r.terms.Mode)
	if p.after <= p.before {
		return
	}
	r.count(MaxPooled, mode, c.Label, p.guarded())
	if p.after <= rule.atMost {
		return
	}
	r.find(mode, Finding{
		Rule: MaxPooled, Type: p.typ.Name, Subject: c.Label,
		Msg:      fmt.Sprintf("%d -> %d of %d, at most %d", p.before, p.after, p.members, rule.atMost),
		Changes:  v.keys(p.dirs, (*move).enters),
		Capacity: c,
	})
}
