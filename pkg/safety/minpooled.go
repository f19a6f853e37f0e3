package safety

import (
	"fmt"

	"github.com/conftool/confctl/pkg/schema"
)

// minPooled refuses that fewer serve in a group, and fewer than its floor. What
// is below the floor already may be mended, or left as it is.
func (r *review) minPooled(v *view, p *pool, c *Capacity) {
	if p.mode == None || p.after >= p.before {
		return
	}
	r.count(MinPooled, p.mode, c.Label, p.guarded())
	if p.after >= p.floor {
		return
	}
	r.find(p.mode, Finding{
		Rule: MinPooled, Type: p.typ.Name, Subject: c.Label,
		Msg:      fmt.Sprintf("%d -> %d of %d, floor %d", p.before, p.after, p.members, p.floor),
		Changes:  v.keys(p.dirs, (*move).leaves),
		Capacity: c,
	})
}

// modeFor returns the rule's mode for a group of so many members. Of the only
// one, the built-in rule cannot know whether it may go.
func (p *poolRule) modeFor(members int) Mode {
	if p.builtIn && members == 1 {
		return min(p.mode, Warn)
	}
	return p.mode
}

// floor returns how many have to serve of so many members. Where nobody has
// taken anything into service yet, there is nothing to lose.
func (p *poolRule) floor(t *schema.Type, members int) int {
	switch {
	case members == 0:
		return 0
	case p.atLeast == 0 && p.share == ratio{}:
		return builtInFloor(t, members)
	}
	return max(p.atLeast, p.share.of(members))
}

func builtInFloor(t *schema.Type, members int) int {
	switch {
	case t.Name != schema.Node || members == 1:
		return 1
	case members <= 3:
		return members - 1
	case members <= 9:
		return (members+1)/2 + 1
	}
	return (3*members + 3) / 4
}
