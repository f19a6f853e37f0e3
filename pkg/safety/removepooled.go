package safety

import "fmt"

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
		subject := d.path
		if subject == "" {
			subject = v.typ.Name
		}
		r.find(l.mode, Finding{
			Rule: RemovePooled, Type: v.typ.Name, Subject: subject,
			Msg: fmt.Sprintf("%d of %d that serve would be removed: %s", len(names), d.before, few(names)),
			Changes: v.keys([]*dir{d}, func(m *move) bool {
				return m.deletes() && m.served
			}),
		})
	}
}
