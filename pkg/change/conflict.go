package change

import (
	"fmt"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// ConflictError reports a change that was not made because of others: either
// they changed objects that the operator decided about, or they kept changing
// something the plan rests on until patience ended, or they took it for a change
// of unknown outcome and settled that it is not made.
type ConflictError struct {
	Objects []Conflict
	Busy    *store.ConflictError // the last attempt's; nil if there are Objects
	Void    *sal.VoidError       // somebody settled meanwhile that the change is not made
}

// Conflict is an object that somebody else changed: what was to become of it,
// and what it is now.
type Conflict struct {
	Mine   object.Change
	Theirs *object.Object // nil if it was deleted
}

// Other returns what somebody else did to the object.
func (c Conflict) Other() object.Change { return object.Change{Before: c.Mine.Before, After: c.Theirs} }

func (e *ConflictError) Error() string {
	if e.Void != nil {
		return e.Void.Error()
	}
	if e.Busy != nil {
		return "others kept changing the same: " + e.Busy.Error()
	}
	return fmt.Sprintf("somebody else changed %s meanwhile", e.Objects[0].Mine.Object())
}

// stale is the conflict of an Intent to be stopped whose objects are not as its
// plan has them.
func (r *run) stale(plan object.Plan, on object.Snapshot) error {
	if !r.Stop {
		return nil
	}
	there := on.ByKey()
	var objects []Conflict
	for _, c := range plan.Changes {
		now := there[c.Object().Key()]
		if (now == nil) != (c.Before == nil) || (now != nil && now.Revision != c.Before.Revision) {
			objects = append(objects, Conflict{Mine: c, Theirs: now})
		}
	}
	if objects == nil {
		return nil
	}
	return &ConflictError{Objects: objects}
}

// conflicts returns the objects of the plan whose guards failed.
func (r *run) conflicts(conflict *store.ConflictError, plan object.Plan) []Conflict {
	var all []Conflict
	for _, failed := range conflict.Failed {
		for _, c := range plan.Changes {
			o := c.Object()
			if failed.Prefix || failed.Key != r.Catalog.Key(*o) {
				continue
			}
			found := Conflict{Mine: c}
			if failed.Found != nil {
				theirs := catalog.Object(o.Type, o.Tags, o.Name, *failed.Found)
				found.Theirs = &theirs
			}
			all = append(all, found)
		}
	}
	return all
}
