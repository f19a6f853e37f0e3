package sal

import (
	"cmp"
	"context"
	"slices"

	"github.com/conftool/confctl/pkg/object"
)

// Run returns the id that all parts of the change share.
func (r Record) Run() string { return cmp.Or(r.Change.Run, r.Event.ID) }

// Undone returns which changes are undone, and by which: both are ids of runs.
// An undo that was itself undone takes nothing back. The records are the
// newest first; a change undone by one that is not among them is not known as
// such. Refused changes count for nothing.
func Undone(records []Stored) map[string]string {
	by := Undoing{}
	for _, r := range records {
		by.Add(r)
	}
	return by
}

// Undoing is Undone of the records that were added so far.
type Undoing map[string]string

// Add adds the next older record.
func (u Undoing) Add(r Stored) {
	if r.Refused() || r.Change.Partial || u[r.Run()] != "" {
		return // of an undo in parts, the last one says that it is made
	}
	for _, id := range r.Change.Undoes {
		if u[id] == "" {
			u[id] = r.Run()
		}
	}
}

// ObjectID names an object in the journal.
type ObjectID struct {
	Type string
	Path string // tag values and name
}

// ID names the object.
func (o Object) ID() ObjectID { return ObjectID{o.Type, o.Path} }

// latest is the query for what is known of objects without reading much.
func latest() Query { return Query{Most: 2_000, Recent: true} }

// LastChanges returns for each object the record that changed it last, by what
// is known of it in the newest 2,000 records, or as many as fit into one page of
// the store; those found in none are left out.
//
// Only records up to the object's revision count, and only changes that a
// function chooses, such as those that took the object out; nil chooses all. If
// something other than confctl wrote the object since, its revision is greater
// than the record's. Errors are as of Search.
func (l *Log) LastChanges(ctx context.Context, objects []object.Object, which func(Object) bool) (map[ObjectID]Stored, error) {
	if len(objects) == 0 {
		return nil, nil //nolint:nilnil // there is nothing to be found
	}
	c := newChangings(objects, which)
	err := collect(l.Stream(ctx, latest()), c.add)
	return c.found, err
}

// changings is the search for who changed objects last, from the newest record on.
type changings struct {
	which func(Object) bool // nil for all
	open  map[ObjectID]object.Object
	found map[ObjectID]Stored
}

func newChangings(objects []object.Object, which func(Object) bool) *changings {
	c := &changings{which, make(map[ObjectID]object.Object, len(objects)), make(map[ObjectID]Stored, len(objects))}
	for _, o := range objects {
		c.open[ObjectID{o.Type.Name, o.Path()}] = o
	}
	return c
}

// add looks at the next older record, and reports whether still older ones could
// add to what is found.
func (c *changings) add(r Stored) bool {
	for _, changed := range r.made() {
		o, wanted := c.open[changed.ID()]
		if wanted && r.Revision <= o.Revision && (c.which == nil || c.which(changed)) {
			c.found[changed.ID()] = r
			delete(c.open, changed.ID())
		}
	}
	return len(c.open) > 0
}

// made returns what was changed of objects: nothing by a change that was refused.
func (r Record) made() []Object {
	if r.Refused() {
		return nil
	}
	return r.Change.Objects
}

// Takers returns for each object the record that took it out last, by what is
// known of it in the records that LastChanges looks at; those found in none are
// left out. A function says which changes take an object out.
//
// An undo takes out nothing by itself: of what it took out again, the taker is who
// had taken it out before the change that it undoes. Only if that is not among the
// records, it is the undo.
//
// Only records up to the object's revision count. If something other than confctl
// wrote the object since, its revision is greater than the record's. Errors are as
// of Search.
func (l *Log) Takers(ctx context.Context, objects []object.Object, takesOut func(Object) bool) (map[ObjectID]Stored, error) {
	if len(objects) == 0 {
		return nil, nil //nolint:nilnil // there is nobody to be found
	}
	t := newTakings(objects, takesOut)
	err := collect(l.Stream(ctx, latest()), t.add)
	return t.takers(), err
}

// takings is the search for who took objects out, from the newest record on.
type takings struct {
	takesOut func(Object) bool
	open     map[ObjectID]*taking
	found    map[ObjectID]Stored
}

// taking is the search for one object.
type taking struct {
	object object.Object
	undo   *Stored // the newest that took it out again
	undoes []string
	passed bool // one of the changes that the latest undo takes back
}

func newTakings(objects []object.Object, takesOut func(Object) bool) *takings {
	t := &takings{takesOut, make(map[ObjectID]*taking, len(objects)), make(map[ObjectID]Stored, len(objects))}
	for _, o := range objects {
		t.open[ObjectID{o.Type.Name, o.Path()}] = &taking{object: o}
	}
	return t
}

// add looks at the next older record, and reports whether still older ones could
// add to what is found.
func (t *takings) add(r Stored) bool {
	for _, o := range r.made() {
		one := t.open[o.ID()]
		if one != nil && r.Revision <= one.object.Revision && one.isTakenBy(&r, t.takesOut(o)) {
			t.found[o.ID()] = r
			delete(t.open, o.ID())
		}
	}
	return len(t.open) > 0
}

// takers returns who was found.
func (t *takings) takers() map[ObjectID]Stored {
	for id, one := range t.open {
		if one.undo != nil {
			t.found[id] = *one.undo
		}
	}
	return t.found
}

// isTakenBy reports whether a record of the object is the one that is looked for.
func (t *taking) isTakenBy(r *Stored, out bool) bool {
	switch {
	case slices.Contains(t.undoes, r.Run()):
		t.passed = true
		return false
	case t.undoes != nil && !t.passed: // it came after what is undone, and stands
		return false
	case out && len(r.Change.Undoes) > 0:
		t.undo, t.undoes, t.passed = cmp.Or(t.undo, r), r.Change.Undoes, false
		return false
	}
	return out
}
