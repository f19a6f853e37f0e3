package safety

import (
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// view is the objects of one type, as they are and as a plan makes them. Which
// rule counts an object depends on its tags alone, so it is counted here by
// directory, once for all rules.
type view struct {
	typ     *schema.Type
	fields  meaning
	dirs    []*dir // by path
	byPath  map[string]*dir
	path    []byte // of the directory that is looked for
	objects int    // there are
	planned bool   // only what the plan changes is of interest
}

// dir is the objects that have all tags in common.
type dir struct {
	tags    []string
	path    string
	objects []object.Object // there are
	moves   []move          // what the plan changes, by name
	changes bool            // what serves
	members int
	before  int // that serve
	after   int // that serve
	left    int // members after the plan
}

// move is what a plan does to an object.
type move struct {
	dir            *dir
	name           string
	key            string         // once that was asked for
	before, after  *object.Object // nil if it is created, deleted
	counted        bool           // with what there is
	served, serves bool
}

func (m *move) leaves() bool  { return m.served && !m.serves }
func (m *move) enters() bool  { return !m.served && m.serves }
func (m *move) deletes() bool { return m.after == nil }
func (m *move) creates() bool { return m.before == nil }

// viewOf takes what is in the snapshot for what there is, and the plan for what
// becomes of it.
func viewOf(t *schema.Type, plan object.Plan, on object.Snapshot) *view {
	v := &view{typ: t, fields: meaningOf(t), byPath: map[string]*dir{}, planned: len(plan.Changes) > 0}
	v.plan(plan.Changes)
	v.count(on.Objects)
	for _, d := range v.dirs {
		v.settle(d)
	}
	slices.SortFunc(v.dirs, func(a, b *dir) int { return strings.Compare(a.path, b.path) })
	return v
}

// plan adds the changes of objects of the type. Those of a directory mostly
// follow each other.
func (v *view) plan(changes []object.Change) {
	for len(changes) > 0 {
		first, n := changes[0].Object(), 1
		for n < len(changes) && inSameDir(first, changes[n].Object()) {
			n++
		}
		if first.Type == v.typ {
			v.planRun(v.dir(first.Tags), changes[:n])
		}
		changes = changes[n:]
	}
	for _, d := range v.dirs {
		slices.SortFunc(d.moves, func(a, b move) int { return strings.Compare(a.name, b.name) })
	}
}

func (v *view) planRun(d *dir, changes []object.Change) {
	d.moves = slices.Grow(d.moves, len(changes))
	for _, c := range changes {
		d.moves = append(d.moves, move{dir: d, name: c.Object().Name, before: c.Before, after: c.After})
	}
}

// inSameDir compares two objects. Those that were read together share their
// tags.
func inSameDir(a, b *object.Object) bool {
	return a.Type == b.Type && (len(a.Tags) == 0 || &a.Tags[0] == &b.Tags[0] || slices.Equal(a.Tags, b.Tags))
}

// count adds the objects there are. They are in key order, so those of a
// directory follow each other.
func (v *view) count(objects []object.Object) {
	for len(objects) > 0 {
		first, n := &objects[0], 1
		for n < len(objects) && inSameDir(first, &objects[n]) {
			n++
		}
		if first.Type == v.typ {
			v.countRun(v.dir(first.Tags), objects[:n])
		}
		objects = objects[n:]
	}
}

func (v *view) countRun(d *dir, objects []object.Object) {
	if d.objects == nil {
		d.objects = objects
	} else {
		d.objects = slices.Concat(d.objects, objects)
	}
	for i := range objects {
		o := &objects[i]
		serves := v.add(d, o)
		if m := d.move(o.Name); m != nil {
			m.before, m.counted, m.served = o, true, serves
		}
	}
}

// dir returns the directory of some tags.
func (v *view) dir(tags []string) *dir {
	v.path = v.path[:0]
	for i, tag := range tags {
		if i > 0 {
			v.path = append(v.path, '/')
		}
		v.path = append(v.path, tag...)
	}
	d := v.byPath[string(v.path)] // which allocates nothing
	if d == nil {
		d = &dir{tags: tags, path: string(v.path)}
		v.dirs, v.byPath[d.path] = append(v.dirs, d), d
	}
	return d
}

// add counts an object there is, and reports whether it serves.
func (v *view) add(d *dir, o *object.Object) bool {
	v.objects++
	serves := v.fields.serves(o)
	if serves {
		d.before++
	}
	if v.fields.isMember(o, serves) {
		d.members++
	}
	return serves
}

// move returns what the plan does to an object, nil if nothing.
func (d *dir) move(name string) *move {
	if len(d.moves) == 0 {
		return nil
	}
	i, found := slices.BinarySearchFunc(d.moves, name, func(m move, name string) int { return strings.Compare(m.name, name) })
	if !found {
		return nil
	}
	return &d.moves[i]
}

// settle finds what serves after the plan. An object that the plan has seen is
// there, whether or not it is in the snapshot.
func (v *view) settle(d *dir) {
	for i := range d.moves {
		if m := &d.moves[i]; !m.counted && !m.creates() {
			m.served = v.add(d, m.before)
		}
	}
	d.after, d.left = d.before, d.members
	for i := range d.moves {
		m := &d.moves[i]
		m.serves = v.fields.serves(m.after)
		if m.before != nil && v.fields.isMember(m.before, m.served) {
			d.left--
		}
		if m.after != nil && (m.before != nil || v.fields.isMember(m.after, m.serves)) { // changed, it is not as it was seeded
			d.left++
		}
		switch {
		case m.leaves():
			d.after--
			d.changes = true
		case m.enters():
			d.after++
			d.changes = true
		}
	}
}

// moves calls f with all that the plan does.
func (v *view) moves(f func(*move)) {
	for _, d := range v.dirs {
		for i := range d.moves {
			f(&d.moves[i])
		}
	}
}

// keys returns the keys of those moves that f chooses, in key order within
// each directory.
func (v *view) keys(dirs []*dir, f func(*move) bool) []string {
	n := 0
	for _, d := range dirs {
		n += len(d.moves)
	}
	all := make([]string, 0, n)
	for _, d := range dirs {
		for i := range d.moves {
			if m := &d.moves[i]; f(m) {
				all = append(all, v.key(m))
			}
		}
	}
	return all
}

// key returns the object's. Those of a directory are made together, as parts
// of one text: when one is asked for, the others are.
func (v *view) key(m *move) string {
	if m.key != "" {
		return m.key
	}
	prefix := v.typ.Path + "/"
	if m.dir.path != "" {
		prefix += m.dir.path + "/"
	}
	moves := m.dir.moves
	var b strings.Builder
	b.Grow(len(moves) * (len(prefix) + 2*len(m.name))) // about
	for i := range moves {
		b.WriteString(prefix)
		b.WriteString(moves[i].name)
	}
	text := b.String()
	for i := range moves {
		n := len(prefix) + len(moves[i].name)
		moves[i].key, text = text[:n], text[n:]
	}
	return m.key
}
