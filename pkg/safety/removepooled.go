package safety

import (
	"cmp"
	"fmt"
)

// removePooled refuses a sync that removes serving objects: an operator must
// depool them first.
func (r *review) removePooled(v *view, l limit) {
	for _, d := range v.dirs {
		var names []string
		for i := range d.moves {
			if m := &d.moves[i]; m.deletes() && m.served {
				names = append(names, m.name)
			}
		}
		if len(names) == 0 {
			continue
		}
		r.find(l.mode, Finding{
			Rule: RemovePooled, Type: v.typ.Name, Subject: v.name(d),
			Msg: fmt.Sprintf("%d of %d that serve would be removed: %s", len(names), d.before, abbreviate(names)),
			Changes: v.keys([]*dir{d}, func(m *move) bool {
				return m.deletes() && m.served
			}),
		})
	}
}

// name returns the path of a directory, or the type's name if the type has no
// tags.
func (v *view) name(d *dir) string {
	return cmp.Or(d.path, v.typ.Name)
}
