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
	var stored map[string]object.Object // made when it is needed, which is seldom
	want := make([]object.Wanted, len(d.Objects))
	for i, item := range d.Objects {
		want[i] = object.Wanted{Object: item.Object, Given: item.Given, Foreign: item.foreign}
		if item.written == nil {
			continue
		}
		if stored == nil {
			stored = byKey(on)
		}
		if now, ok := stored[item.Object.Key()]; ok {
			want[i].Object = asStored(item, now)
		}
	}
	return want
}

func byKey(on object.Snapshot) map[string]object.Object {
	all := make(map[string]object.Object, len(on.Objects))
	for _, o := range on.Objects {
		all[o.Key()] = o
	}
	return all
}

// asStored returns the item's object with those values that are stored just as
// they are written.
func asStored(item Item, now object.Object) object.Object {
	fields := slices.Clone(item.Object.Fields)
	for _, w := range item.written {
		i := slices.IndexFunc(fields, func(f value.Field) bool { return f.Name == w.Name })
		if i >= 0 && now.Get(w.Name) == w.Value {
			fields[i].Value = w.Value
		}
	}
	return item.Object.WithFields(fields)
}

// Plan plans to make the objects what the file says, as object.Make has it,
// types in dependency order. With removeOthers, objects of the file's types
// that the file does not have are deleted at the end, types in reverse; one
// that cannot be read never is, which is a warning. Types of which the file has
// no object are not touched. The snapshot must have been read for all objects
// of the file and, with removeOthers, for all of its types.
//
// The errors are the objects that cannot be made so, with their places in the
// order of the file: they are left as they are, and all else is in the plan.
// Of a JSON schema that cannot be used there is one, for all objects it is
// about.
func (d Dump) Plan(on object.Snapshot, removeOthers bool) (object.Plan, []*yamldoc.Error) {
	plan, refusals := object.Make(d.Wanted(on), on)
	faults := d.faults(refusals)
	if removeOthers {
		d.removeOthers(on, &plan)
	}
	return plan, faults
}

func (d Dump) faults(refusals []object.Refusal) []*yamldoc.Error {
	var faults []*yamldoc.Error
	unusable := map[string]int{} // by what is wrong with a JSON schema: how many objects
	var schemas []*yamldoc.Error
	for _, r := range refusals {
		item := d.Objects[r.Index]
		var at *yamldoc.Error
		switch {
		case errors.As(r.Err, &at):
			if unusable[at.Error()]++; unusable[at.Error()] == 1 {
				schemas = append(schemas, at)
			}
		case r.Violations == nil:
			faults = append(faults, yamldoc.Errorf(item.Pos, "%v", r.Err))
		}
		for _, v := range r.Violations {
			faults = append(faults, yamldoc.Errorf(item.place(v.Field), "%s: %s", item.Object, v))
		}
	}
	sortFaults(faults)
	for _, at := range schemas {
		counted := *at
		counted.Msg += fmt.Sprintf(" (needed for %s)", objects(unusable[at.Error()]))
		faults = append(faults, &counted)
	}
	return faults
}

// removeOthers adds to a plan the deletion of what the dump does not have.
func (d Dump) removeOthers(on object.Snapshot, plan *object.Plan) {
	mine := make(map[string]bool, len(d.Objects))
	for _, item := range d.Objects {
		mine[item.Object.Key()] = true
	}
	for _, t := range slices.Backward(d.Types) {
		for i := range on.Objects {
			o := &on.Objects[i]
			switch {
			case o.Type != t || mine[o.Key()]:
			case o.Malformed != nil:
				plan.Warnings = append(plan.Warnings, fmt.Sprintf("%s is not removed: what is stored cannot be read: %v", o, o.Malformed))
			default:
				plan.Changes = append(plan.Changes, object.Change{Before: o})
			}
		}
	}
}
