package seed

import (
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Queries returns the queries that planning needs: all objects of all types.
func (d Data) Queries() []catalog.Query {
	queries := make([]catalog.Query, len(d.Types))
	for i, t := range d.Types {
		queries[i].Type = t.Type
	}
	return queries
}

// Plan plans to create the missing objects, types in the given order, and then to
// delete the objects that are certainly extra, types in reverse order.
func (c Comparison) Plan() object.Plan {
	var plan object.Plan
	for _, t := range c.Types {
		for _, o := range t.Missing {
			plan.Changes = append(plan.Changes, object.Change{After: &o})
		}
	}
	for _, t := range slices.Backward(c.Types) {
		if !t.Complete() {
			continue
		}
		for _, o := range t.Extra {
			if o.Malformed == nil { // a person must decide about an object that cannot be read
				plan.Changes = append(plan.Changes, object.Change{Before: &o})
			}
		}
	}
	return plan
}

// Faults returns all faults of the files, by type.
func (c Comparison) Faults() []*yamldoc.Error {
	var all []*yamldoc.Error
	for _, t := range c.Types {
		all = append(append(all, t.Faults...), t.Gaps...)
	}
	return all
}

// Left is something that cannot be fully synced.
type Left struct {
	Msg string // what cannot be synced, and why
	// Type and Object are what only a person can decide to delete: one object or, if
	// Object is nil, all objects of the type. Both are nil if there is nothing to
	// delete.
	Type   *schema.Type
	Object *object.Object
}

// LeftUndone returns each type and each object that cannot be fully synced.
func (c Comparison) LeftUndone() []Left {
	var all []Left
	for _, t := range c.Types {
		all = append(all, t.leftUndone()...)
	}
	return all
}

func (t TypeComparison) leftUndone() []Left {
	name, extra := t.Type.Type.Name, len(t.Extra)
	switch {
	case len(t.Faults) > 0:
		return []Left{{Msg: fmt.Sprintf("type %s is left as it is: mend its files first", name)}}
	case len(t.Gaps) > 0 && extra > 0:
		return []Left{{Msg: fmt.Sprintf("type %s: nothing is removed; the other files do not declare %d of the %d that the store has", name, extra, t.Stored)}}
	case extra > 0 && !t.Complete():
		return []Left{{Msg: fmt.Sprintf("type %s: %s has no files, but the store has %d objects; nothing is removed", name, t.Dir, extra), Type: t.Type.Type}}
	}
	var all []Left
	for _, o := range t.Extra {
		if o.Malformed != nil {
			all = append(all, Left{Msg: fmt.Sprintf("%s is not removed: what is stored cannot be read (%v)", o, o.Malformed), Type: o.Type, Object: &o})
		}
	}
	return all
}
