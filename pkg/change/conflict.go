package change

import (
	"fmt"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// ConflictError reports a change that was not made because of other changes.
// There are three cases: objects that the operator decided about have changed;
// other changes kept conflicting until the time for attempts was over; or
// somebody resolved the change, whose outcome was unknown, as not made.
type ConflictError struct {
	Objects []Conflict
	Busy    *store.ConflictError // the conflict of the last attempt; nil if Objects or Void is set
	Void    *sal.VoidError       // set if somebody resolved the change as not made
}

// Conflict is an object that somebody else changed: the planned change, and the
// current object.
type Conflict struct {
	Mine   object.Change
	Theirs *object.Object // nil if it was deleted
}

// Other returns the change that somebody else made to the object.
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

// checkStale returns the conflict of an Intent with Stop if objects in the snapshot
// differ from those in its plan.
func (r *run) checkStale(plan object.Plan, snapshot object.Snapshot) error {
	if !r.Stop {
		return nil
	}
	there := snapshot.ByKey()
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
