package safety

import (
	"fmt"

	"github.com/conftool/confctl/pkg/store"
)

// massRemoval refuses that files remove a great part of a type: most likely
// the files are not all there.
//
// What was created after all that would go, and has not served yet, does not
// count: the files of another site would bring enough of it to make what they
// remove look small, if not at once then the next time.
func (r *review) massRemoval(v *view, l limit) {
	removed := 0
	v.moves(func(m *move) {
		if m.deletes() {
			removed++
		}
	})
	fresh := v.fresh()
	there := v.objects - fresh
	if removed < l.atLeast || !l.share.isBelow(removed, there) {
		return
	}
	besides := ""
	if fresh > 0 {
		besides = fmt.Sprintf(" (besides %d created since that have not served)", fresh)
	}
	r.find(l.mode, Finding{
		Rule: MassRemoval, Type: v.typ.Name, Subject: v.typ.Name,
		Msg: fmt.Sprintf("%d of %d%s would be removed, %s; at most %s at once",
			removed, there, besides, percent(removed, there), l.share),
		Changes: v.keys(v.dirs, (*move).deletes),
	})
}

// fresh returns how many objects were created after all that the plan deletes,
// and are as they were created, and do not serve. In a type whose objects never
// serve that says nothing, so there it is none.
func (v *view) fresh() int {
	var newest store.Revision
	v.moves(func(m *move) {
		if m.deletes() {
			newest = max(newest, m.before.Created)
		}
	})
	n := 0
	for _, d := range v.dirs {
		for i := range d.objects {
			o := &d.objects[i]
			if v.fields.pooled && o.Created > newest && o.Created == o.Revision && !v.fields.serves(o) {
				n++
			}
		}
	}
	return n
}
