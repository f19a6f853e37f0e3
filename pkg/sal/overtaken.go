package sal

import (
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/store"
)

// Runs returns the ids of the runs that records belong to, each once, in the order
// of the records.
func Runs(records []Stored) []string {
	var ids []string
	have := map[string]bool{}
	for _, r := range records {
		if id := r.Run(); !have[id] {
			have[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

// RunSet returns the ids of the runs that records belong to.
func RunSet(records []Stored) map[string]bool {
	set := make(map[string]bool, len(records))
	for _, r := range records {
		set[r.Run()] = true
	}
	return set
}

// InEffect returns, of records with the newest first, those whose changes are still
// in effect: not refused, not undone, and not an undo of nothing but changes among
// the records.
func InEffect(records []Stored) []Stored {
	undone, runs := Undone(records), RunSet(records)
	return slices.DeleteFunc(slices.Clone(records), func(r Stored) bool {
		return r.Refused() || undone[r.Run()] != "" || r.UndoesOnly(runs)
	})
}

// UndoesOnly reports whether a record is of an undo, and of none but these runs.
func (r Record) UndoesOnly(runs map[string]bool) bool {
	return len(r.Change.Undoes) > 0 && !slices.ContainsFunc(r.Change.Undoes, func(id string) bool { return !runs[id] })
}

// FieldsChanged has the fields that some changes were about, by object, and the
// revision of the first change of each.
type FieldsChanged struct {
	first    map[ObjectID]map[string]store.Revision
	compared int // number of fields looked up; a test bounds it
}

// NewFieldsChanged returns the fields that the changes in records were about.
func NewFieldsChanged(records []Stored) *FieldsChanged {
	c := &FieldsChanged{first: map[ObjectID]map[string]store.Revision{}}
	for _, r := range records {
		for _, o := range r.Change.Objects {
			fields := c.first[o.ID()]
			if fields == nil {
				fields = map[string]store.Revision{}
				c.first[o.ID()] = fields
			}
			for _, f := range o.Fields() {
				if first, ok := fields[f.Name]; !ok || r.Revision < first {
					fields[f.Name] = r.Revision
				}
			}
		}
	}
	return c
}

// ChangedAgain reports whether a change of an object, made at a revision, was about
// a field that one of the changes had changed before.
func (c *FieldsChanged) ChangedAgain(o Object, at store.Revision) bool {
	fields, ok := c.first[o.ID()]
	if !ok {
		return false
	}
	return slices.ContainsFunc(o.Fields(), func(f object.FieldChange) bool {
		c.compared++
		first, ok := fields[f.Name]
		return ok && first < at
	})
}
