package object

import (
	"slices"

	"github.com/conftool/confctl/pkg/value"
)

// Plan is a set of changes as a value, which can be shown and judged before it
// is applied.
type Plan struct {
	Matched  []Object // the objects that the operator selected, whether they change or not
	Changes  []Change // in the order in which they are made
	Warnings []string // for the operator, one line each
	Asked    []string // the fields that Set assigns to all of Matched; nil for other plans
	// Ambiguities lists values that may be meant differently.
	Ambiguities []Ambiguity
}

// Change is the change of one object.
type Change struct {
	Before *Object // nil if it is created
	After  *Object // nil if it is deleted
}

// FieldChange is the change of one field.
type FieldChange struct {
	Name          string
	Before, After value.Value // absent if the object does not have the field
}

// Object returns the changed object: Before if it is not nil, and otherwise
// After.
func (c Change) Object() *Object {
	if c.Before != nil {
		return c.Before
	}
	return c.After
}

// Fields returns the fields that change: all of them if the object is created
// or deleted.
func (c Change) Fields() []FieldChange {
	var before, after []value.Field
	if c.Before != nil {
		before = c.Before.Fields
	}
	if c.After != nil {
		after = c.After.Fields
	}
	return Diff(before, after)
}

// Diff returns the fields that differ: first those in after, in their order,
// and then those that are only in before.
func Diff(before, after []value.Field) []FieldChange {
	var changed []FieldChange
	previous, current := getter(before), getter(after)
	for _, f := range after {
		if previous := previous(f.Name); previous != f.Value {
			changed = append(changed, FieldChange{f.Name, previous, f.Value})
		}
	}
	for _, f := range before {
		if current(f.Name).IsAbsent() {
			changed = append(changed, FieldChange{f.Name, f.Value, value.Value{}})
		}
	}
	return changed
}

// isNothing reports whether the change leaves the object as it is. It is false
// if Before is malformed.
func (c Change) isNothing() bool {
	return c.Before != nil && c.After != nil && c.Before.Malformed == nil && len(c.Fields()) == 0
}

// Covers reports whether the plan includes every change of another plan: the
// other changes the same objects or fewer, and gives the same values to the
// same fields or fewer.
func (p Plan) Covers(other Plan) bool {
	seen := make(map[string]Change, len(p.Changes))
	for _, c := range p.Changes {
		seen[c.Object().Key()] = c
	}
	return !slices.ContainsFunc(other.Changes, func(c Change) bool {
		mine, ok := seen[c.Object().Key()]
		return !ok || !mine.covers(c)
	})
}

// covers reports whether another change of the same object also creates,
// changes or deletes it, and gives the same values to the same fields or fewer.
func (c Change) covers(other Change) bool {
	if (c.Before == nil) != (other.Before == nil) || (c.After == nil) != (other.After == nil) {
		return false
	}
	if c.After == nil {
		return true
	}
	mine := map[string]value.Value{}
	for _, f := range c.Fields() {
		mine[f.Name] = f.After
	}
	return !slices.ContainsFunc(other.Fields(), func(f FieldChange) bool {
		after, changes := mine[f.Name]
		return !changes || after != f.After
	})
}
