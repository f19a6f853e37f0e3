package safety

import (
	"fmt"

	"github.com/conftool/confctl/pkg/schema"
)

// minPooled refuses a change that reduces the number of serving objects in a
// group below its floor. It accepts a change that does not reduce the number in
// a group that is already below its floor.
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

// modeFor returns the rule's mode for a group with the given number of members.
// The built-in rule only warns about a group with a single member, because it
// cannot know whether the group may be empty.
func (p *poolRule) modeFor(members int) Mode {
	if p.builtIn && members == 1 {
		return min(p.mode, Warn)
	}
	return p.mode
}

// floor returns how many of the given number of members must serve. It is 0 for
// a group without members: nothing in it has been put into service.
func (p *poolRule) floor(t *schema.Type, members int) int {
	switch {
	case members == 0:
		return 0
	case p.atLeast == 0 && p.share == ratio{}:
		return builtInFloor(t, members)
	}
	return max(p.atLeast, p.share.apply(members))
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
