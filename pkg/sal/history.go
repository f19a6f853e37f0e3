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
	by := map[string]string{}
	for _, r := range records {
		if r.Refused() || r.Change.Partial || by[r.Run()] != "" {
			continue // of an undo in parts, the last one says that it is made
		}
		for _, id := range r.Change.Undoes {
			if by[id] == "" {
				by[id] = r.Run()
			}
		}
	}
	return by
}

// ObjectID names an object in the journal.
type ObjectID struct {
	Type string
	Path string // tag values and name
}

// ID names the object.
func (o Object) ID() ObjectID { return ObjectID{o.Type, o.Path} }

// LastChanges returns for each object the record that changed it last, by what
// is known of it in the newest 2,000 records; those found in none are left out.
//
// Only records up to the object's revision count, and only changes that a
// function chooses, such as those that took the object out; nil chooses all. If
// something other than confctl wrote the object since, its revision is greater
// than the record's. Errors are as of Search.
func (l *Log) LastChanges(ctx context.Context, objects []object.Object, which func(Object) bool) (map[ObjectID]Stored, error) {
	var found map[ObjectID]Stored
	if len(objects) == 0 {
		return found, nil
	}
	err := l.pages(ctx, []int{500, 2_000}, func(page []Stored) bool {
		found = LastChanges(page, objects, which)
		return len(found) == len(objects)
	})
	return found, err
}

// LastChanges is Log.LastChanges among the given records, the newest first.
func LastChanges(records []Stored, objects []object.Object, which func(Object) bool) map[ObjectID]Stored {
	wanted := make(map[ObjectID]object.Object, len(objects))
	for _, o := range objects {
		wanted[ObjectID{o.Type.Name, o.Path()}] = o
	}
	found := make(map[ObjectID]Stored, len(objects))
	for _, r := range records {
		if len(wanted) == 0 {
			break
		}
		if r.Refused() {
			continue
		}
		for _, changed := range r.Change.Objects {
			o, open := wanted[changed.ID()]
			if open && r.Revision <= o.Revision && (which == nil || which(changed)) {
				found[changed.ID()] = r
				delete(wanted, changed.ID())
			}
		}
	}
	return found
}

// Takers returns for each object the record that took it out last, by what is
// known of it in the newest 2,000 records; those found in none are left out. A
// function says which changes take an object out.
//
// An undo takes out nothing by itself: of what it took out again, the taker is who
// had taken it out before the change that it undoes. Only if that is not among the
// records, it is the undo.
//
// Only records up to the object's revision count. If something other than confctl
// wrote the object since, its revision is greater than the record's. Errors are as
// of Search.
func (l *Log) Takers(ctx context.Context, objects []object.Object, takesOut func(Object) bool) (map[ObjectID]Stored, error) {
	var found map[ObjectID]Stored
	if len(objects) == 0 {
		return found, nil
	}
	err := l.pages(ctx, []int{500, 2_000}, func(page []Stored) bool {
		var complete bool
		found, complete = takersOf(page, objects, takesOut)
		return complete
	})
	return found, err
}

// taking is the search for who took an object out, from the newest record on.
type taking struct {
	object object.Object
	undo   *Stored // the newest that took it out again
	undoes []string
	passed bool // one of the changes that the latest undo takes back
}

// takersOf is Log.Takers among the given records, the newest first. It is complete
// if nothing older could add to it.
func takersOf(records []Stored, objects []object.Object, takesOut func(Object) bool) (found map[ObjectID]Stored, complete bool) {
	open := make(map[ObjectID]*taking, len(objects))
	for _, o := range objects {
		open[ObjectID{o.Type.Name, o.Path()}] = &taking{object: o}
	}
	found = make(map[ObjectID]Stored, len(objects))
	for i, r := range records {
		if len(open) == 0 {
			return found, true
		}
		if r.Refused() {
			continue
		}
		for _, o := range r.Change.Objects {
			t := open[o.ID()]
			if t != nil && r.Revision <= t.object.Revision && t.isTakenBy(&records[i], takesOut(o)) {
				found[o.ID()] = r
				delete(open, o.ID())
			}
		}
	}
	for id, t := range open {
		if t.undo != nil {
			found[id] = *t.undo
		}
	}
	return found, len(open) == 0
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
