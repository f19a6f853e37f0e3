package object

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// Past is a change that was made to an object: its fields before and after.
// Nil is no object; one without fields is empty and not nil.
type Past struct {
	Type          *schema.Type
	Tags          []string // one value for each of the type's tags
	Name          string
	Before, After []value.Field
	// Partial says that Before and After lack fields that the change left as they
	// were. What is known of those is what the object has now.
	Partial bool
}

// Clash is an object that is not as the changes to be undone have left it.
type Clash struct {
	// Mine is what undoing would do, were the object as it was left. Before is
	// the object as it is now, but for what is not as it was left; nil if it was
	// deleted. After is nil if it would be deleted. One of them is not nil.
	Mine   Change
	Theirs *Object // the object as it is now; nil if it is gone
}

// Undo plans to take changes back: to give exactly the fields that they changed
// the values from before, to delete what they created, and to create what they
// deleted with what it had. All other fields stay as they are. The past is the
// newest change first; several changes of one object are taken back as one. The
// snapshot must have been read for all objects of the past. Applying the plan is
// a change like any other, which can be undone.
//
// What is as it was before already is left out of the plan. An object that
// somebody else has changed since, or in between, in what is to be restored is
// a Clash, and left out too: a created object that differs in any field, a
// deleted one that exists, one that is gone or malformed.
//
// The error is an *InvalidError if a restored field would not be valid under
// today's schema, unless it is the default that every new object has, or says why a JSON schema cannot be used. Nothing is planned
// then.
func Undo(past []Past, on Snapshot) (Plan, []Clash, error) {
	now := make(map[string]*Object, len(on.Objects))
	for i := range on.Objects {
		now[on.Objects[i].Key()] = &on.Objects[i]
	}
	var plan Plan
	var clashes []Clash
	for _, changes := range byObject(past, now) {
		o := changes[0].object()
		is := now[o.Key()]
		change, clash := undo(changes, o, is)
		switch {
		case is != nil:
			plan.Matched = append(plan.Matched, *is)
		case change != nil:
			plan.Matched = append(plan.Matched, *change.After) // it is created again
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

// byObject groups changes, with their fields as today's types have them. Both
// the groups and what is in them stay in order.
func byObject(past []Past, now map[string]*Object) [][]Past {
	var groups [][]Past
	at := map[string]int{}
	for _, p := range past {
		key := p.object().Key()
		if is := now[key]; p.Partial && is != nil {
			p = p.complete(is.Fields)
		}
		p.Before, p.After = today(p.Type, p.Before), today(p.Type, p.After)
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

// complete returns a change with the fields that it lacks before and after, as
// they are now.
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

// today gives fields those that the type declares by now.
func today(t *schema.Type, fields []value.Field) []value.Field {
	if fields == nil {
		return nil
	}
	return Order(t, fields)
}

// object is the object without what it held.
func (p Past) object() Object { return New(p.Type, p.Tags, p.Name) }

// undo takes the changes of one object back, the newest first, from what it is
// now. Both results are nil if nothing is to be done.
func undo(changes []Past, o Object, now *Object) (*Change, *Clash) {
	left := changes[0].After
	was, missed := left, (*Past)(nil)
	for _, p := range changes {
		before, expected, fits := takeBack(was, p)
		if !fits && missed == nil { // somebody else was in between
			missed = &Past{Before: was, After: expected}
		}
		was = before
	}
	if same(was, left) {
		return nil, nil
	}
	if now != nil && now.Malformed != nil {
		return nil, clash(o, left, was, now)
	}
	is := fieldsOf(now)
	restored, expected, fits := takeBack(is, Past{Before: was, After: left})
	switch {
	case same(restored, is):
		return nil, nil
	case !fits:
		return nil, clash(o, expected, restored, now)
	case missed != nil:
		return nil, clash(o, carry(is, *missed), restored, now)
	}
	c := Change{Before: now, After: of(now, o, restored)}
	return &c, nil
}

// takeBack returns what an object with the given fields becomes when a change
// is taken back. If the change does not fit, for the object is neither as the
// change left it nor as it was before, expected is what it would have to be.
func takeBack(is []value.Field, p Past) (was, expected []value.Field, fits bool) {
	switch {
	case p.Before == nil && p.After == nil:
		return is, is, true
	case p.Before == nil:
		return nil, p.After, is == nil || same(is, p.After)
	case p.After == nil:
		return p.Before, nil, is == nil || same(is, p.Before)
	case is == nil:
		return p.Before, p.After, false
	}
	var back, missing []FieldChange
	now := getter(is)
	for _, f := range Diff(p.Before, p.After) {
		back = append(back, FieldChange{f.Name, f.After, f.Before})
		if v := now(f.Name); v != f.After && v != f.Before {
			missing = append(missing, f)
		}
	}
	return apply(is, back, p.Before), apply(is, missing, p.After), missing == nil
}

// carry does to fields what a change did to others; nil is absent.
func carry(is []value.Field, p Past) []value.Field {
	if is == nil || p.Before == nil || p.After == nil {
		return p.After
	}
	return apply(is, Diff(p.Before, p.After), p.After)
}

// apply returns fields with changes made to them. Those that are added find the
// place they have in the model.
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
		place := index(model) // what is not there comes last
		slices.SortStableFunc(changed, func(a, b value.Field) int {
			return cmp.Compare(uint(place(a.Name)), uint(place(b.Name)))
		})
	}
	return changed
}

// same reports whether two objects have the same fields, in whatever order, or
// are both absent.
func same(a, b []value.Field) bool { return (a == nil) == (b == nil) && len(Diff(a, b)) == 0 }

func fieldsOf(o *Object) []value.Field {
	if o == nil {
		return nil
	}
	return today(o.Type, append([]value.Field{}, o.Fields...))
}

// of returns the object with the fields, as a change of what it is now; nil
// without any.
func of(now *Object, o Object, fields []value.Field) *Object {
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
	c := Clash{Mine: Change{Before: of(now, o, expected), After: of(now, o, restored)}, Theirs: now}
	if c.Mine.Object() == nil { // it was deleted, and would be again
		c.Mine.Before = now
	}
	return &c
}

// judgeUndo refuses what Set would refuse, were it to set what is restored. Of
// an object that is created, that is all.
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
		case declared && c.After.Get(v.Field) == f.Default: // which every new object has, whatever its schema says
			warnings = append(warnings, fmt.Sprintf("%s is as it was created again: %s", c.After, v))
		case !declared && v.Rule == "": // what is stored besides the schema survives changes, and so their undoing
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
