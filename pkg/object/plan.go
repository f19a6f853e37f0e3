package object

import (
	"slices"

	"github.com/conftool/confctl/pkg/value"
)

// Plan is a change as a value: what would happen, to be shown and judged
// before it does.
type Plan struct {
	Matched  []Object // what was asked for, whether it changes or not
	Changes  []Change // in the order they are to be made
	Warnings []string // what the operator should know, a line each
	Asked    []string // of a set: the fields that all of Matched were to get a value for
	// Ambiguities are words that may be meant otherwise than they are planned.
	Ambiguities []Ambiguity
}

// Change is what happens to one object.
type Change struct {
	Before *Object // nil if it is created
	After  *Object // nil if it is deleted
}

// FieldChange is what happens to one field.
type FieldChange struct {
	Name          string
	Before, After value.Value // absent if the object has no such field
}

// Object returns the object the change is about, before it if there is one.
func (c Change) Object() *Object {
	if c.Before != nil {
		return c.Before
	}
	return c.After
}

// Fields returns the fields that change. Of an object that is created or
// deleted, these are all it has.
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

// Diff returns the fields that differ: those there are afterwards in their
// order, and then those that are gone.
func Diff(before, after []value.Field) []FieldChange {
	var changed []FieldChange
	was, is := getter(before), getter(after)
	for _, f := range after {
		if was := was(f.Name); was != f.Value {
			changed = append(changed, FieldChange{f.Name, was, f.Value})
		}
	}
	for _, f := range before {
		if is(f.Name).IsAbsent() {
			changed = append(changed, FieldChange{f.Name, f.Value, value.Value{}})
		}
	}
	return changed
}

// isNothing reports whether the change would leave the object as it is.
func (c Change) isNothing() bool {
	return c.Before != nil && c.After != nil && c.Before.Malformed == nil && len(c.Fields()) == 0
}

// Covers reports whether every change of another plan is in this one too: the
// same values for the same objects or for fewer.
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

// covers reports whether another change to the same object is of the same sort
// and gives fields the same values, or fewer of them.
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
