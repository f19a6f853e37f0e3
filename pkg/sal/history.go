package sal

import (
	"cmp"
	"context"
	"slices"

	"github.com/conftool/confctl/pkg/object"
)

// Run returns the id that all parts of the change share.
func (r Record) Run() string { return cmp.Or(r.Change.Run, r.Event.ID) }

// Undone returns the changes that are undone, with the changes that undo them;
// both are ids as returned by Run. An undo that was itself undone does not count,
// nor do refused changes. The records must be ordered newest first. Only undos
// among the records are known.
func Undone(records []Stored) map[string]string {
	by := Undoing{}
	for _, r := range records {
		by.Add(r)
	}
	return by
}

// Undoing is the result of Undone for the records that were added so far.
type Undoing map[string]string

// Add adds the next older record.
func (u Undoing) Add(r Stored) {
	if r.Refused() || r.Change.Partial || u[r.Run()] != "" {
		return // only the last part of an undo in parts completes it
	}
	for _, id := range r.Change.Undoes {
		if u[id] == "" {
			u[id] = r.Run()
		}
	}
}

// An ObjectID identifies an object in the journal.
type ObjectID struct {
	Type string
	Path string // tag values and name
}

// ID returns the identity of the object.
func (o Object) ID() ObjectID { return ObjectID{o.Type, o.Path} }

// latest returns a query for the newest records, which reads at most one page.
func latest() Query { return Query{Most: 2_000, Recent: true} }

// LastChanges returns for each object the record that changed it last. It looks
// at the newest 2,000 records, or as many as fit into one page of the store.
// Objects without a record there are left out.
//
// Only records up to the object's revision count, and only changes for which
// which returns true, such as those that depooled the object; nil accepts all. If
// another program wrote the object since, its revision is greater than the
// record's. Errors are those of Search.
func (l *Log) LastChanges(ctx context.Context, objects []object.Object, accept func(Object) bool) (map[ObjectID]Stored, error) {
	if len(objects) == 0 {
		return nil, nil //nolint:nilnil // the result has no entries
	}
	c := newChangeSearch(objects, accept)
	err := collect(l.Stream(ctx, latest()), c.add)
	return c.found, err
}

// changeSearch is the state of LastChanges.
type changeSearch struct {
	accept func(Object) bool // nil for all
	open   map[ObjectID]object.Object
	found  map[ObjectID]Stored
}

func newChangeSearch(objects []object.Object, accept func(Object) bool) *changeSearch {
	c := &changeSearch{accept, make(map[ObjectID]object.Object, len(objects)), make(map[ObjectID]Stored, len(objects))}
	for _, o := range objects {
		c.open[ObjectID{o.Type.Name, o.Path()}] = o
	}
	return c
}

// add handles the next older record and reports whether older ones are needed.
func (c *changeSearch) add(r Stored) bool {
	for _, changed := range r.changed() {
		o, wanted := c.open[changed.ID()]
		if wanted && r.Revision <= o.Revision && (c.accept == nil || c.accept(changed)) {
			c.found[changed.ID()] = r
			delete(c.open, changed.ID())
		}
	}
	return len(c.open) > 0
}

// changed returns the objects that the change changed; none if it was refused.
func (r Record) changed() []Object {
	if r.Refused() {
		return nil
	}
	return r.Change.Objects
}

// Takers returns for each object the record that took it out last. It looks at
// the same records as LastChanges. Objects without such a record are left out.
// The function takesOut reports whether a change takes an object out.
//
// If an undo took the object out, the result is the record that took it out
// before the change that was undone. If that is not among the records, it is the
// record of the undo.
//
// Only records up to the object's revision count. If another program wrote the
// object since, its revision is greater than the record's. Errors are those of
// Search.
func (l *Log) Takers(ctx context.Context, objects []object.Object, takesOut func(Object) bool) (map[ObjectID]Stored, error) {
	if len(objects) == 0 {
		return nil, nil //nolint:nilnil // the result has no entries
	}
	t := newTakerSearch(objects, takesOut)
	err := collect(l.Stream(ctx, latest()), t.add)
	return t.result(), err
}

// takerSearch is the state of Takers.
type takerSearch struct {
	takesOut func(Object) bool
	open     map[ObjectID]*objectSearch
	found    map[ObjectID]Stored
}

// objectSearch is the state of Takers for one object.
type objectSearch struct {
	object object.Object
	undo   *Stored // the newest undo that took the object out
	undoes []string
	passed bool // one of the changes that the latest undo reverts was found
}

func newTakerSearch(objects []object.Object, takesOut func(Object) bool) *takerSearch {
	t := &takerSearch{takesOut, make(map[ObjectID]*objectSearch, len(objects)), make(map[ObjectID]Stored, len(objects))}
	for _, o := range objects {
		t.open[ObjectID{o.Type.Name, o.Path()}] = &objectSearch{object: o}
	}
	return t
}

// add handles the next older record and reports whether older ones are needed.
func (t *takerSearch) add(r Stored) bool {
	for _, o := range r.changed() {
		one := t.open[o.ID()]
		if one != nil && r.Revision <= one.object.Revision && one.isTaker(&r, t.takesOut(o)) {
			t.found[o.ID()] = r
			delete(t.open, o.ID())
		}
	}
	return len(t.open) > 0
}

// result returns the result.
func (t *takerSearch) result() map[ObjectID]Stored {
	for id, one := range t.open {
		if one.undo != nil {
			t.found[id] = *one.undo
		}
	}
	return t.found
}

// isTaker reports whether a record of the object is the result.
func (t *objectSearch) isTaker(r *Stored, out bool) bool {
	switch {
	case slices.Contains(t.undoes, r.Run()):
		t.passed = true
		return false
	case t.undoes != nil && !t.passed: // made after the change that was undone
		return false
	case out && len(r.Change.Undoes) > 0:
		t.undo, t.undoes, t.passed = cmp.Or(t.undo, r), r.Change.Undoes, false
		return false
	}
	return out
}
