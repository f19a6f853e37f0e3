package safety

import (
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/store"
)

// massRemoval refuses a sync that removes a large part of a type, because the
// files are probably incomplete.
//
// The total excludes objects that were created in bulk after most of the
// removed ones and that nobody has changed or put into service. Otherwise, a
// sync with the files of another site would create enough objects to make the
// removal look small, in the same run or in the next.
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

// fresh returns the number of objects that the plan keeps and that were created
// in bulk after most of the objects that the plan deletes, and are unchanged or
// do not serve. In bulk means that at least many of them were created at the
// same revision. It returns 0 if the plan deletes fewer than many.
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
