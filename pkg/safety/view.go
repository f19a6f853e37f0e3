package safety

import (
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// view is the objects of one type before and after a plan. Whether a rule
// counts an object depends only on the object's tags, so the view counts
// objects by directory, once for all rules.
type view struct {
	typ     *schema.Type
	fields  capacityFields
	dirs    []*dir // sorted by path
	byPath  map[string]*dir
	path    []byte // buffer for the path of the directory being looked up
	objects int    // before the plan
	planned bool   // rules consider only what the plan changes
}

// dir is a directory: the objects with the same value of every tag.
type dir struct {
	tags    []string
	path    string
	objects []object.Object // before the plan
	moves   []move          // the changes of the plan, sorted by name
	changes bool            // whether the plan changes which objects serve
	members int
	before  int // members that serve before the plan
	after   int // members that serve after the plan
	left    int // members after the plan
}

// move is the change that a plan makes to an object.
type move struct {
	dir            *dir
	name           string
	key            string         // empty until view.key computes it
	before, after  *object.Object // before is nil if the plan creates the object, after if it deletes it
	counted        bool           // the object is in the snapshot and already counted
	served, serves bool
}

func (m *move) leaves() bool  { return m.served && !m.serves }
func (m *move) enters() bool  { return !m.served && m.serves }
func (m *move) deletes() bool { return m.after == nil }
func (m *move) creates() bool { return m.before == nil }

// viewOf returns the view of a type: the snapshot has the objects before the
// plan.
func viewOf(t *schema.Type, plan object.Plan, snapshot object.Snapshot) *view {
	v := &view{typ: t, fields: capacityFieldsOf(t), byPath: map[string]*dir{}, planned: len(plan.Changes) > 0}
	v.plan(plan.Changes)
	v.count(snapshot.Objects)
	for _, d := range v.dirs {
		v.settle(d)
	}
	slices.SortFunc(v.dirs, func(a, b *dir) int { return strings.Compare(a.path, b.path) })
	return v
}

// plan adds the changes of objects of the type. Changes in the same directory
// usually follow each other.
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

// inSameDir reports whether two objects are in the same directory. Objects that
// were read together share their slice of tags, which makes the comparison
// fast.
func inSameDir(a, b *object.Object) bool {
	return a.Type == b.Type && (len(a.Tags) == 0 || &a.Tags[0] == &b.Tags[0] || slices.Equal(a.Tags, b.Tags))
}

// count adds the objects before the plan. They are in key order, so the objects
// of a directory follow each other.
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

// dir returns the directory with the given tag values, and creates it if
// necessary.
func (v *view) dir(tags []string) *dir {
	v.path = v.path[:0]
	for i, tag := range tags {
		if i > 0 {
			v.path = append(v.path, '/')
		}
		v.path = append(v.path, tag...)
	}
	d := v.byPath[string(v.path)] // this conversion does not allocate
	if d == nil {
		d = &dir{tags: tags, path: string(v.path)}
		v.dirs, v.byPath[d.path] = append(v.dirs, d), d
	}
	return d
}

// add counts an object before the plan, and reports whether it serves.
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

// move returns the plan's change to an object; nil if the plan does not change
// it.
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

// settle counts the serving objects and the members of a directory after the
// plan. An object that the plan changes or deletes is counted as existing
// before the plan even if the snapshot lacks it.
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
		if m.after != nil && (m.before != nil || v.fields.isMember(m.after, m.serves)) { // a changed object is no longer as sync created it
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

// moves calls f with every change of the plan.
func (v *view) moves(f func(*move)) {
	for _, d := range v.dirs {
		for i := range d.moves {
			f(&d.moves[i])
		}
	}
}

// keys returns the keys of the changes for which f returns true, in key order
// within each directory.
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

// key returns the key of the changed object. It computes the keys of all
// changes in a directory at the first call, as parts of one string, which saves
// allocations.
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
	b.Grow(len(moves) * (len(prefix) + 2*len(m.name))) // approximate
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
