package object

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// Past is a change that was made to an object: its fields before and after the
// change. Nil fields mean that there was no object. An object without fields
// has an empty slice that is not nil.
type Past struct {
	Type          *schema.Type
	Tags          []string // one value for each of the type's tags
	Name          string
	Before, After []value.Field
	// Partial reports that Before and After lack fields that the change did not
	// modify. Undo takes the current values of these.
	Partial bool
}

// Clash is an object that changed after the changes to be undone, so that they
// cannot be undone.
type Clash struct {
	// Mine is the change that undoing would make to the object in the state
	// that those changes left it in. Before is the current object with the
	// conflicting fields as they were left; it is nil if the changes deleted
	// the object. After is nil if undoing deletes the object. At least one of
	// them is not nil.
	Mine   Change
	Theirs *Object // the current object; nil if it does not exist
}

// Undo plans to undo changes. It restores the fields that they changed to the
// values from before, deletes the objects that they created, and creates those
// that they deleted, with their former fields. It does not change other fields.
// The past must be in order, the newest change first; several changes of one
// object are undone as one. The snapshot must have been read for all objects of
// the past. The plan is a change like any other and can be undone in turn.
//
// The plan omits objects that already are as they were before. An object that
// somebody else changed since, or between the changes, in a way that conflicts
// with what Undo restores is a Clash and also omitted: a changed field with
// another value, a created object that differs in any field, a deleted object
// that exists, one that no longer exists, or a malformed one.
//
// The error is an *InvalidError if a restored field is invalid under the
// current schema, unless its value is the default of new objects. It is another
// error if a JSON schema cannot be used. On an error, the plan is empty.
func Undo(past []Past, snapshot Snapshot) (Plan, []Clash, error) {
	now := make(map[string]*Object, len(snapshot.Objects))
	for i := range snapshot.Objects {
		now[snapshot.Objects[i].Key()] = &snapshot.Objects[i]
	}
	var plan Plan
	var clashes []Clash
	for _, changes := range byObject(past, now) {
		o := changes[0].object()
		current := now[o.Key()]
		change, clash := undo(changes, o, current)
		switch {
		case current != nil:
			plan.Matched = append(plan.Matched, *current)
		case change != nil:
			plan.Matched = append(plan.Matched, *change.After) // the plan creates it again
		}
		switch {
		case clash != nil:
			clashes = append(clashes, *clash)
		case change != nil:
			warnings, err := judgeUndo(*change)
			if err != nil {
				return Plan{}, nil, err
			}
			plan.Changes = append(plan.Changes, *change)
			plan.Warnings = append(plan.Warnings, warnings...)
		}
	}
	return plan, clashes, nil
}

// byObject groups changes by object, with their fields as the current types
// declare them. Groups are in the order of their first change, and the changes
// in a group keep their order.
func byObject(past []Past, now map[string]*Object) [][]Past {
	var groups [][]Past
	at := map[string]int{}
	for _, p := range past {
		key := p.object().Key()
		if current := now[key]; p.Partial && current != nil {
			p = p.complete(current.Fields)
		}
		p.Before, p.After = withDeclared(p.Type, p.Before), withDeclared(p.Type, p.After)
		i, known := at[key]
		if !known {
			i = len(groups)
			at[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], p)
	}
	return groups
}

// complete returns a change with the fields that it lacks before and after, at
// their current values.
func (p Past) complete(now []value.Field) Past {
	before, after := index(p.Before), index(p.After)
	p.Before, p.After = slices.Clone(p.Before), slices.Clone(p.After)
	for _, f := range now {
		if before(f.Name) < 0 && after(f.Name) < 0 {
			p.Before, p.After = append(p.Before, f), append(p.After, f)
		}
	}
	return p
}

// withDeclared returns fields with those that the type declares now; nil for
// nil.
func withDeclared(t *schema.Type, fields []value.Field) []value.Field {
	if fields == nil {
		return nil
	}
	return Order(t, fields)
}

// object returns the object with the defaults of its type as fields.
func (p Past) object() Object { return New(p.Type, p.Tags, p.Name) }

// undo undoes the changes of one object, the newest first, from its current
// state. It returns nil and nil if nothing has to change.
func undo(changes []Past, o Object, now *Object) (*Change, *Clash) {
	left := changes[0].After
	previous, missed := left, (*Past)(nil)
	for _, p := range changes {
		before, expected, fits := revert(previous, p)
		if !fits && missed == nil { // somebody else changed it in between
			missed = &Past{Before: previous, After: expected}
		}
		previous = before
	}
	if same(previous, left) {
		return nil, nil
	}
	if now != nil && now.Malformed != nil {
		return nil, clash(o, left, previous, now)
	}
	current := fieldsOf(now)
	restored, expected, fits := revert(current, Past{Before: previous, After: left})
	switch {
	case same(restored, current):
		return nil, nil
	case !fits:
		return nil, clash(o, expected, restored, now)
	case missed != nil:
		return nil, clash(o, reapply(current, *missed), restored, now)
	}
	c := Change{Before: now, After: updated(now, o, restored)}
	return &c, nil
}

// revert returns the fields of an object after a change is undone. If they
// match neither the state before the change nor the state after it, fits is
// false and expected has the fields that the object would need.
func revert(current []value.Field, p Past) (previous, expected []value.Field, fits bool) {
	switch {
	case p.Before == nil && p.After == nil:
		return current, current, true
	case p.Before == nil:
		return nil, p.After, current == nil || same(current, p.After)
	case p.After == nil:
		return p.Before, nil, current == nil || same(current, p.Before)
	case current == nil:
		return p.Before, p.After, false
	}
	var back, missing []FieldChange
	now := getter(current)
	for _, f := range Diff(p.Before, p.After) {
		back = append(back, FieldChange{f.Name, f.After, f.Before})
		if v := now(f.Name); v != f.After && v != f.Before {
			missing = append(missing, f)
		}
	}
	return apply(current, back, p.Before), apply(current, missing, p.After), missing == nil
}

// reapply applies the differences of a change to other fields. Nil fields mean
// no object.
func reapply(current []value.Field, p Past) []value.Field {
	if current == nil || p.Before == nil || p.After == nil {
		return p.After
	}
	return apply(current, Diff(p.Before, p.After), p.After)
}

// apply returns fields with changes made to them. If it adds fields, it sorts
// all of them in the order of the model.
func apply(fields []value.Field, changes []FieldChange, model []value.Field) []value.Field {
	changed := make([]value.Field, 0, len(fields)+len(changes))
	at, becomes := index(fields), make(map[string]value.Value, len(changes))
	for _, c := range changes {
		becomes[c.Name] = c.After
	}
	for _, f := range fields {
		after, changes := becomes[f.Name]
		switch {
		case !changes:
			changed = append(changed, f)
		case !after.IsAbsent():
			changed = append(changed, value.Field{Name: f.Name, Value: after})
		}
	}
	there := len(changed)
	for _, c := range changes {
		if at(c.Name) < 0 && !c.After.IsAbsent() {
			changed = append(changed, value.Field{Name: c.Name, Value: c.After})
		}
	}
	if len(changed) > there {
		place := index(model) // -1 as uint sorts last
		slices.SortStableFunc(changed, func(a, b value.Field) int {
			return cmp.Compare(uint(place(a.Name)), uint(place(b.Name)))
		})
	}
	return changed
}

// same reports whether two lists have the same fields in any order, or both are
// nil.
func same(a, b []value.Field) bool { return (a == nil) == (b == nil) && len(Diff(a, b)) == 0 }

func fieldsOf(o *Object) []value.Field {
	if o == nil {
		return nil
	}
	return withDeclared(o.Type, append([]value.Field{}, o.Fields...))
}

// updated returns the current object, or o if now is nil, with the given
// fields. It returns nil if fields is nil.
func updated(now *Object, o Object, fields []value.Field) *Object {
	if fields == nil {
		return nil
	}
	if now != nil {
		o = *now
	}
	o = o.WithFields(fields)
	return &o
}

func clash(o Object, expected, restored []value.Field, now *Object) *Clash {
	c := Clash{Mine: Change{Before: updated(now, o, expected), After: updated(now, o, restored)}, Theirs: now}
	if c.Mine.Object() == nil { // it was deleted, and undoing would delete it
		c.Mine.Before = now
	}
	return &c
}

// judgeUndo returns an error for the violations for which Set would refuse the
// restored fields, or for any violation if the object is created again.
func judgeUndo(c Change) (warnings []string, err error) {
	var refused []schema.Violation
	switch {
	case c.After == nil:
		return nil, nil
	case c.Before == nil:
		refused, err = c.After.Type.Validate(c.After.Tags, c.After.Name, c.After.Fields)
	default:
		var touched []string
		for _, f := range c.Fields() {
			touched = append(touched, f.Name)
		}
		refused, warnings, err = judge(*c.Before, *c.After, touched)
	}
	refused = slices.DeleteFunc(refused, func(v schema.Violation) bool {
		f, declared := c.After.Type.Field(v.Field)
		switch {
		case declared && c.After.Get(v.Field) == f.Default: // new objects have it, whatever the schema says
			warnings = append(warnings, fmt.Sprintf("%s is as it was created again: %s", c.After, v))
		case !declared && v.Rule == "": // changes keep undeclared fields, so undoing them does, too
			warnings = append(warnings, fmt.Sprintf("%s has a field again that its type has not: %s", c.After, v))
		default:
			return false
		}
		return true
	})
	if err == nil && len(refused) > 0 {
		err = refusal(*c.After, refused)
	}
	return warnings, err
}
