package safety

import (
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/store"
)

// massRemoval refuses that files remove a great part of a type: most likely
// the files are not all there.
//
// What was created in bulk after most of what would go, and that nobody has put
// into service or changed yet, does not count: the files of another site would bring
// enough of it to make what they remove look small, if not at once then the next
// time.
func (r *review) massRemoval(v *view, l limit) {
	removed := 0
	v.moves(func(m *move) {
		if m.deletes() {
			removed++
		}
	})
	fresh := v.fresh(l.atLeast)
	there := v.objects - fresh
	if removed < l.atLeast || !l.share.isBelow(removed, there) {
		return
	}
	besides := ""
	if fresh > 0 {
		besides = fmt.Sprintf(" (besides %d created since and not used yet)", fresh)
	}
	r.find(l.mode, Finding{
		Rule: MassRemoval, Type: v.typ.Name, Subject: v.typ.Name,
		Msg: fmt.Sprintf("%d of %d%s would be removed, %s; at most %s at once",
			removed, there, besides, percent(removed, there), l.share),
		Changes: v.keys(v.dirs, (*move).deletes),
	})
}

// fresh returns how many objects that stay were created after most of those that
// the plan deletes, so many or more of them at once, and are as they were created or
// do not serve.
func (v *view) fresh(many int) int {
	var gone []store.Revision
	for _, d := range v.dirs {
		for i := range d.moves {
			if m := &d.moves[i]; m.deletes() {
				gone = append(gone, m.before.Created)
			}
		}
	}
	if len(gone) < many {
		return 0
	}
	slices.Sort(gone)
	median := gone[len(gone)/2]
	atOnce := map[store.Revision]int{}
	unused := map[store.Revision]int{}
	for _, d := range v.dirs {
		for i := range d.objects {
			o := &d.objects[i]
			if o.Created <= median {
				continue
			}
			atOnce[o.Created]++
			used := o.Created != o.Revision && (!v.fields.pooled || v.fields.serves(o))
			if m := d.move(o.Name); !used && (m == nil || !m.deletes()) {
				unused[o.Created]++
			}
		}
	}
	n := 0
	for created, count := range unused {
		if atOnce[created] >= many {
			n += count
		}
	}
	return n
}
