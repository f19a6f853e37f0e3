package sal

import (
	"cmp"
	"slices"

	"github.com/conftool/confctl/pkg/value"
)

// fieldOf identifies a field of an object of a record.
type fieldOf struct {
	object int // index of the object in the record
	name   string
}

// unchanged is a field that a change did not change, with the bytes that its
// record saves without it.
type unchanged struct {
	fieldOf
	size int
}

// Trim returns a record without some of the fields that the change did not
// change; undo does not need them. It removes the largest first, until the record
// is about bytes shorter. It reports whether it removed any. Objects that lack
// fields have Partial set. Objects that were created or deleted stay complete, as
// do those that were not JSON objects before.
func (r Record) Trim(bytes int) (trimmed Record, ok bool) {
	all := r.unchanged()
	slices.SortStableFunc(all, func(a, b unchanged) int { return cmp.Compare(b.size, a.size) })
	without := map[fieldOf]bool{}
	for _, u := range all {
		if bytes <= 0 {
			break
		}
		without[u.fieldOf] = true
		bytes -= u.size
	}
	r.Change.Objects = slices.Clone(r.Change.Objects)
	for f := range without {
		r.Change.Objects[f.object].Partial = true
	}
	for i, o := range r.Change.Objects {
		if o.Partial {
			drop := func(f value.Field) bool { return without[fieldOf{i, f.Name}] }
			o.Before = value.OfMap(slices.DeleteFunc(o.Before.Fields(), drop)...)
			o.After = value.OfMap(slices.DeleteFunc(o.After.Fields(), drop)...)
			r.Change.Objects[i] = o
		}
	}
	return r, len(without) > 0
}

// unchanged returns the fields that Trim may remove.
func (r Record) unchanged() []unchanged {
	var all []unchanged
	for i, o := range r.Change.Objects {
		if o.Created() || o.Deleted() || o.Raw != nil {
			continue
		}
		changed := map[string]bool{}
		for _, f := range o.Fields() {
			changed[f.Name] = true
		}
		for _, f := range o.Before.Fields() {
			if !changed[f.Name] {
				field := value.OfMap(f).Text()
				all = append(all, unchanged{fieldOf{i, f.Name}, 2 * (len(field) - len(`{}`))})
			}
		}
	}
	return all
}
