package safety

import (
	"cmp"
	"fmt"
)

// removePooled refuses that files remove what still serves: it is depooled
// first, by a person.
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
			Msg: fmt.Sprintf("%d of %d that serve would be removed: %s", len(names), d.before, few(names)),
			Changes: v.keys([]*dir{d}, func(m *move) bool {
				return m.deletes() && m.served
			}),
		})
	}
}

// name names a directory: by its path, or by the type if that has no tags.
func (v *view) name(d *dir) string {
	return cmp.Or(d.path, v.typ.Name)
}
