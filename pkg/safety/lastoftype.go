package safety

import "fmt"

// lastOfType refuses to delete the last objects of a type: readers of the whole
// type fail if its path is empty.
func (r *review) lastOfType(v *view, l limit) {
	deleted, created := 0, 0
	v.moves(func(m *move) {
		switch {
		case m.deletes():
			deleted++
		case m.creates():
			created++
		}
	})
	if deleted == 0 {
		return
	}
	r.count(LastOfType, min(l.mode, r.terms.Mode), v.typ.Name, Group{Type: v.typ, Deletions: true})
	if v.objects-deleted+created > 0 {
		return
	}
	r.find(l.mode, Finding{
		Rule: LastOfType, Type: v.typ.Name, Subject: v.typ.Name,
		Msg:     fmt.Sprintf("%d -> 0 objects; what reads the type whole would fail", v.objects),
		Changes: v.keys(v.dirs, (*move).deletes),
	})
}
