package dump

import (
	"errors"
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Wanted returns the objects in the form that object.Make and object.Differences
// take, one for each of d.Objects.
//
// A value that the type would convert, such as a number in a string field, is kept
// as it is if the store has exactly that value.
func (d Dump) Wanted(snapshot object.Snapshot) []object.Wanted {
	var stored map[string]*object.Object // made only if needed, which is rare
	want := make([]object.Wanted, len(d.Objects))
	for i, item := range d.Objects {
		want[i] = object.Wanted{Object: item.Object, Given: item.Given, Bare: item.Bare, Foreign: item.foreign}
		if item.written == nil {
			continue
		}
		if stored == nil {
			stored = snapshot.ByKey()
		}
		if now := stored[item.Object.Key()]; now != nil {
			want[i].Object = asStored(item, now)
		}
	}
	return want
}

// asStored returns the item's object, with the values that are stored exactly as
// they are written.
func asStored(item Item, now *object.Object) object.Object {
	fields := slices.Clone(item.Object.Fields)
	for _, w := range item.written {
		i := value.Index(fields, w.Name)
		if i >= 0 && now.Get(w.Name) == w.Value {
			fields[i].Value = w.Value
		}
	}
	return item.Object.WithFields(fields)
}

// RuleTaken is the rule (yamldoc.Error.Rule) of faults for which no object is left
// out.
const RuleTaken = "taken-over"

// Left splits faults into those for which objects are left out, and those of
// RuleTaken.
func Left(faults []*yamldoc.Error) (left, taken []*yamldoc.Error) {
	for _, f := range faults {
		if f.Rule == RuleTaken {
			taken = append(taken, f)
		} else {
			left = append(left, f)
		}
	}
	return left, taken
}

// Terms are the options of Plan.
type Terms struct {
	RemoveOthers bool // delete stored objects of the dump's types that the dump does not have
	Fit          bool // leave out an object that was exported from a store and does not fit the schema
	Repair       bool // overwrite or delete stored objects that cannot be read
	// Unfit, if not nil, returns the reason why a change cannot be made, or "" if it
	// can.
	Unfit func(object.Change) string
}

// Plan plans to make the stored objects equal to those of the dump, as object.Make
// does, types in dependency order. With RemoveOthers, stored objects of the dump's
// types that the dump does not have are deleted at the end, types in reverse order;
// one that cannot be read is deleted only with Repair, and is otherwise an error.
// Other types are not changed. The snapshot must have been read for all objects of
// the dump and, with RemoveOthers, for all objects of its types.
//
// The errors are the objects that cannot be made, in the order of the file and with
// their positions, and those that cannot be deleted: they are not changed, and
// everything else is in the plan. Errors of RuleTaken are for objects of an export
// that do not fit the schema: they are in the plan, unless Fit is set. For a JSON
// schema that cannot be used there is one error for all of its objects.
func (d Dump) Plan(snapshot object.Snapshot, terms Terms) (object.Plan, []*yamldoc.Error) {
	want := d.Wanted(snapshot)
	for i := range want {
		want[i].Repair, want[i].Fit = terms.Repair, terms.Fit
	}
	plan, refusals := object.Make(want, snapshot)
	faults := d.faults(refusals, d.sift(&plan, terms.Unfit))
	if terms.RemoveOthers {
		faults = append(faults, d.removeOthers(snapshot, &plan, terms)...)
	}
	return plan, faults
}

// sift removes from a plan the changes that cannot be made, and returns the reasons.
func (d Dump) sift(plan *object.Plan, unfit func(object.Change) string) []*yamldoc.Error {
	if unfit == nil {
		return nil
	}
	var faults []*yamldoc.Error
	plan.Changes = slices.DeleteFunc(plan.Changes, func(c object.Change) bool {
		reason := unfit(c)
		if reason != "" {
			i := slices.IndexFunc(d.Objects, func(i Item) bool { return i.Object.Key() == c.Object().Key() })
			faults = append(faults, yamldoc.Errorf(d.Objects[i].Pos, "%s: %s", c.Object(), reason))
		}
		return reason != ""
	})
	return faults
}

// faults adds the refusals to faults.
func (d Dump) faults(refusals []object.Refusal, faults []*yamldoc.Error) []*yamldoc.Error {
	unusable := map[string]int{} // the number of objects, by the error of the JSON schema
	var schemas []*yamldoc.Error
	for _, r := range refusals {
		item := d.Objects[r.Index]
		rule := ""
		if r.Taken {
			rule = RuleTaken
		}
		var at *yamldoc.Error
		switch {
		case errors.As(r.Err, &at):
			if unusable[at.Error()]++; unusable[at.Error()] == 1 {
				schema := *at
				schema.Rule = rule
				schemas = append(schemas, &schema)
			}
		case r.Violations == nil:
			if r.Unreadable {
				rule = RuleUnreadable
			}
			faults = append(faults, yamldoc.Errorf(item.Pos, "%v", r.Err).Of(rule))
		}
		for _, v := range r.Violations {
			faults = append(faults, yamldoc.Errorf(item.place(v.Field), "%s: %s", item.Object, v).Of(rule))
		}
	}
	sortFaults(faults)
	for _, at := range schemas {
		counted := *at
		counted.Msg += fmt.Sprintf(" (needed for %s)", objects(unusable[at.Error()]))
		faults = append(faults, &counted)
	}
	return oneLineEach(faults)
}

// Others returns the stored objects of the dump's types that the dump does not have,
// types in reverse order, and within a type in the order of the snapshot.
func (d Dump) Others(snapshot object.Snapshot) []object.Object {
	mine := make(map[string]bool, len(d.Objects))
	for _, item := range d.Objects {
		mine[item.Object.Key()] = true
	}
	var others []object.Object
	for _, t := range slices.Backward(d.Types) {
		for _, o := range snapshot.Objects {
			if o.Type == t && !mine[o.Key()] {
				others = append(others, o)
			}
		}
	}
	return others
}

// removeOthers adds to a plan the deletion of the objects that the dump does not
// have, and returns those that cannot be deleted.
func (d Dump) removeOthers(snapshot object.Snapshot, plan *object.Plan, terms Terms) []*yamldoc.Error {
	var faults []*yamldoc.Error
	others := d.Others(snapshot)
	for i := range others {
		c := object.Change{Before: &others[i]}
		reason, rule := "", ""
		switch {
		case c.Before.Malformed != nil && !terms.Repair:
			reason, rule = fmt.Sprintf("what is stored cannot be read: %v", c.Before.Malformed), RuleUnreadable
		case terms.Unfit != nil:
			reason = terms.Unfit(c)
		}
		if reason != "" {
			faults = append(faults, yamldoc.Errorf(yamldoc.Pos{File: "the store"}, "%s cannot be removed: %s", c.Before, reason).Of(rule))
			continue
		}
		plan.Changes = append(plan.Changes, c)
	}
	return oneLineEach(faults)
}
