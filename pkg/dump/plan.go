package dump

import (
	"errors"
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Wanted returns the objects as they are to be made on what is stored, for
// object.Make and object.Differences; one for each of d.Objects.
//
// A value that the type would understand otherwise, such as a number in a text
// field, is left as it is where the store has just that.
func (d Dump) Wanted(on object.Snapshot) []object.Wanted {
	var stored map[string]*object.Object // made when it is needed, which is seldom
	want := make([]object.Wanted, len(d.Objects))
	for i, item := range d.Objects {
		want[i] = object.Wanted{Object: item.Object, Given: item.Given, Bare: item.Bare, Foreign: item.foreign}
		if item.written == nil {
			continue
		}
		if stored == nil {
			stored = on.ByKey()
		}
		if now := stored[item.Object.Key()]; now != nil {
			want[i].Object = asStored(item, now)
		}
	}
	return want
}

// asStored returns the item's object with those values that are stored just as
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

// RuleTaken is of faults, as yamldoc.Error.Rule has it, for which no object is left
// out.
const RuleTaken = "taken-over"

// Left returns the faults for which objects are left out, and then those of
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

// Terms are how a store is to be made what a dump says.
type Terms struct {
	RemoveOthers bool // objects of the dump's types that it does not have are deleted
	Fit          bool // an object that another store had, and that does not fit the schema, is not made
	Repair       bool // what is stored and cannot be read is overwritten or deleted, as the dump has it
	// Unfit, if set, says why a change cannot be made; it is empty if it can.
	Unfit func(object.Change) string
}

// Plan plans to make the objects what the file says, as object.Make has it,
// types in dependency order. With RemoveOthers, objects of the file's types
// that the file does not have are deleted at the end, types in reverse; one
// that cannot be read is only with Repair, else that is an error. Other types
// are not touched. The snapshot must have been read for all objects of the file
// and, with RemoveOthers, for all of its types.
//
// The errors are the objects that cannot be made so, with their places in the
// order of the file, and those that cannot be deleted: they are left as they
// are, and all else is in the plan. Those of RuleTaken are of objects that do not
// fit the schema, as they did not where they come from: they are in the plan, unless
// the terms are Fit. Of a JSON schema that cannot be used there
// is one, for all objects it is about.
func (d Dump) Plan(on object.Snapshot, terms Terms) (object.Plan, []*yamldoc.Error) {
	want := d.Wanted(on)
	for i := range want {
		want[i].Repair, want[i].Fit = terms.Repair, terms.Fit
	}
	plan, refusals := object.Make(want, on)
	faults := d.faults(refusals, d.sift(&plan, terms.Unfit))
	if terms.RemoveOthers {
		faults = append(faults, d.removeOthers(on, &plan, terms)...)
	}
	return plan, faults
}

// sift takes out of a plan what cannot be made, and says why.
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

// faults adds the refusals to other faults.
func (d Dump) faults(refusals []object.Refusal, faults []*yamldoc.Error) []*yamldoc.Error {
	unusable := map[string]int{} // by what is wrong with a JSON schema: how many objects
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

// Others returns the objects of the dump's types that it does not have, types in
// reverse, and within them in the order of the snapshot.
func (d Dump) Others(on object.Snapshot) []object.Object {
	mine := make(map[string]bool, len(d.Objects))
	for _, item := range d.Objects {
		mine[item.Object.Key()] = true
	}
	var others []object.Object
	for _, t := range slices.Backward(d.Types) {
		for _, o := range on.Objects {
			if o.Type == t && !mine[o.Key()] {
				others = append(others, o)
			}
		}
	}
	return others
}

// removeOthers adds to a plan the deletion of what the dump does not have, and
// returns what cannot be deleted.
func (d Dump) removeOthers(on object.Snapshot, plan *object.Plan, terms Terms) []*yamldoc.Error {
	var faults []*yamldoc.Error
	others := d.Others(on)
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
