package sal

import (
	"cmp"
	"context"

	"github.com/conftool/confctl/pkg/object"
)

// run returns the id that all parts of the change share.
func (r Record) run() string { return cmp.Or(r.Change.Run, r.Event.ID) }

// Undone returns which changes are undone, and by which: both are ids of runs.
// An undo that was itself undone takes nothing back. The records are the
// newest first; a change undone by one that is not among them is not known as
// such. Refused changes count for nothing.
func Undone(records []Stored) map[string]string {
	by := map[string]string{}
	for _, r := range records {
		if r.Refused() || r.Change.Partial || by[r.run()] != "" {
			continue // of an undo in parts, the last one says that it is made
		}
		for _, id := range r.Change.Undoes {
			if by[id] == "" {
				by[id] = r.run()
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
