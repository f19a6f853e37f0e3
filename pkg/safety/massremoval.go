package safety

import "fmt"

// massRemoval refuses that files remove a great part of a type: most likely
// the files are not all there.
func (r *review) massRemoval(v *view, l limit) {
	removed := 0
	v.moves(func(m *move) {
		if m.deletes() {
			removed++
		}
	})
	if removed < l.atLeast || !l.share.isBelow(removed, v.objects) {
		return
	}
	r.find(l.mode, Finding{
		Rule: MassRemoval, Type: v.typ.Name, Subject: v.typ.Name,
		Msg: fmt.Sprintf("%d of %d would be removed, %s; at most %s at once",
			removed, v.objects, percent(removed, v.objects), l.share),
		Changes: v.keys(v.dirs, (*move).deletes),
	})
}
