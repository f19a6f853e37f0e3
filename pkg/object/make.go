package object

import (
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// Wanted is an object as it should be.
type Wanted struct {
	// Object has the declared fields in their order, with defaults for those
	// that are not given, and then all others it should have.
	Object Object
	Given  []string // the fields that are said to be so
	Bare   []string // those of them whose text is given without quotes, as in YAML
	// Foreign says that another store has the object so. What is wrong with it was
	// there before, so it is taken over as it is: a field that its type does not
	// have, a name that CheckName refuses, a value that the type or a JSON schema
	// does not allow.
	Foreign bool
	// Fit has a Foreign object refused in which a value is not allowed.
	Fit bool
	// Repair has the object overwritten if what is stored cannot be read. A field
	// that is not given has its default then.
	Repair bool
}

// Refusal is why an object cannot be made as it is wanted.
type Refusal struct {
	Index      int                // of what was wanted
	Violations []schema.Violation // what its type does not allow; nil if it is something else
	// Taken says that the object is made all the same, as it was like that before.
	Taken bool
	// Unreadable says that what is stored cannot be read, and Repair is not set.
	Unreadable bool
	Err        error // an *InvalidError, or the *yamldoc.Error of a JSON schema that cannot be used
}

// Make plans to make objects what they should be, in the order they are given
// in, each at most once. Those that are not stored are created. A declared
// field that is not given keeps its stored value, or has its default in a new
// object. Any other key that is stored and not wanted is removed, as Replace
// does it. The snapshot must have been read for all objects that are wanted;
// nothing else in it is touched.
//
// An object that cannot be made so is a Refusal, and left out of the plan: one
// that would be left invalid in what the change adds or touches, a new one with
// a name that CheckName refuses, one of which the store has what cannot be
// read. Wanted says what of that is made all the same, with a warning, or with a
// Refusal that is Taken. The default that every new object has is never refused; nor is an object that is
// as wanted already, whatever it has.
//
// Plan.Matched is nil: the plan is taken by what it changes. Each of its
// warnings is one line, whatever is in a name.
func Make(want []Wanted, on Snapshot) (Plan, []Refusal) {
	var plan Plan
	var refusals []Refusal
	now := on.ByKey()
	for i, w := range want {
		c := w.change(now[w.Object.Key()])
		if c.isNothing() {
			continue
		}
		warnings, refusal := w.judge(c)
		if refusal != nil {
			refusal.Index = i
			refusals = append(refusals, *refusal)
			if !refusal.Taken {
				continue
			}
		}
		plan.Changes = append(plan.Changes, c)
		for _, warning := range warnings {
			plan.Warnings = append(plan.Warnings, text.Line(warning))
		}
	}
	return plan, refusals
}

// change is what makes of an object what is wanted; now is nil if there is
// none.
func (w Wanted) change(now *Object) Change {
	if now == nil {
		o := New(w.Object.Type, w.Object.Tags, w.Object.Name).WithFields(w.Object.Fields)
		return Change{After: &o}
	}
	after := now.WithFields(w.over(now))
	return Change{Before: now, After: &after}
}

// over returns the fields an object is to have: what it has, and over it what
// is given.
func (w Wanted) over(now *Object) []value.Field {
	declared := len(w.Object.Type.Fields)
	fields := slices.Clone(fieldsOf(now)[:declared])
	for i := range fields {
		if slices.Contains(w.Given, fields[i].Name) {
			fields[i].Value = w.Object.Get(fields[i].Name)
		}
	}
	return append(fields, today(w.Object.Type, w.Object.Fields)[declared:]...)
}

// judge refuses what would be left invalid.
func (w Wanted) judge(c Change) (warnings []string, not *Refusal) {
	if isUnreadable(c.Before) && !w.Repair {
		refusal := refuse(c, fmt.Sprintf("what is stored cannot be read: %v", c.Before.Malformed))
		refusal.Unreadable = true
		return nil, refusal
	}
	taken := w.Foreign && !w.Fit
	violations, warnings, err := validateMade(c)
	if err != nil && !taken {
		return nil, &Refusal{Err: err}
	}
	if c.Before == nil {
		switch err := checkKey(*c.After); {
		case err != nil && !w.Foreign:
			return nil, refuse(c, err.Error())
		case err != nil:
			warnings = append(warnings, fmt.Sprintf("%s comes along, though nobody could create it: %v", c.After, err))
		}
	}
	violations = slices.DeleteFunc(violations, func(v schema.Violation) bool {
		_, declared := c.After.Type.Field(v.Field)
		switch {
		case isSeeded(c, v):
			warnings = append(warnings, fmt.Sprintf("%s has the default that every new object has: %s", c.After, v))
		case w.Foreign && !declared && v.Rule == "":
			warnings = append(warnings, fmt.Sprintf("%s has a field that its type has not, which comes along: %s", c.After, v))
		default:
			return false
		}
		return true
	})
	if err == nil {
		if unclear := unambiguous(c, w.Bare); unclear != nil {
			return nil, &Refusal{Err: unclear}
		}
	}
	switch {
	case err != nil: // nobody can tell what the JSON schema would say
		return warnings, &Refusal{Err: err, Taken: true}
	case len(violations) > 0:
		return warnings, &Refusal{Violations: violations, Taken: taken, Err: refusal(*c.After, violations)}
	}
	return warnings, nil
}

// isUnreadable reports whether there is something stored that is no object.
func isUnreadable(o *Object) bool { return o != nil && o.Malformed != nil }

// validateMade judges what a change touches. Of an object that is created, or
// overwritten because it cannot be read, that is all of it.
func validateMade(c Change) (violations []schema.Violation, warnings []string, err error) {
	if c.Before == nil || isUnreadable(c.Before) {
		violations, err = c.After.Type.Validate(c.After.Tags, c.After.Name, c.After.Fields)
		return violations, nil, err
	}
	var touched []string
	for _, f := range c.Fields() {
		touched = append(touched, f.Name)
	}
	violations, warnings, err = judge(*c.Before, *c.After, touched)
	return violations, append(warnings, doubts(c)...), err
}

func refuse(c Change, reason string) *Refusal {
	return &Refusal{Err: &InvalidError{Object: c.After.String(), Reason: reason}}
}

// checkKey reports why an object cannot be created under its name.
func checkKey(o Object) error {
	for i, tag := range o.Type.Tags {
		if err := CheckName("tag "+tag, o.Tags[i]); err != nil {
			return err
		}
	}
	return CheckName("the name", o.Name)
}

// isSeeded reports whether a violation is of what every new object has,
// whatever its JSON schema says of it.
func isSeeded(c Change, v schema.Violation) bool {
	if v.Field == "" { // of the object as a whole
		return (c.Before == nil || isUnreadable(c.Before)) && same(c.After.Fields, c.After.Type.Defaults())
	}
	f, declared := c.After.Type.Field(v.Field)
	return declared && c.After.Get(v.Field) == f.Default
}

// Difference is a wanted object that the store has not as it should be.
type Difference struct {
	Index  int           // of what was wanted
	Wanted Object        // as it should be
	Stored *Object       // nil if it is missing; it may be malformed
	Fields []FieldChange // of one that is there and can be read: what is stored, and what should be
}

// Differences compares value by value what is wanted with what is stored, in
// the order of what is wanted. A declared field that is not given may be
// whatever it is. Objects that the store has besides are no difference.
func Differences(want []Wanted, on Snapshot) []Difference {
	var all []Difference
	now := on.ByKey()
	for i, w := range want {
		c := w.change(now[w.Object.Key()])
		d := Difference{Index: i, Wanted: *c.After, Stored: c.Before}
		if c.Before != nil && !isUnreadable(c.Before) {
			d.Fields = c.Fields()
		}
		if !c.isNothing() {
			all = append(all, d)
		}
	}
	return all
}

// String says on one line what differs.
func (d Difference) String() string { return text.Line(d.text()) }

func (d Difference) text() string {
	switch {
	case d.Stored == nil:
		return d.Wanted.String() + " is missing"
	case d.Stored.Malformed != nil:
		return fmt.Sprintf("%s cannot be read: %v", d.Wanted, d.Stored.Malformed)
	}
	words := make([]string, len(d.Fields))
	for i, f := range d.Fields {
		switch {
		case f.After.IsAbsent():
			words[i] = fmt.Sprintf("%s is %s, and should not be there", f.Name, f.Before.Text())
		case f.Before.IsAbsent():
			words[i] = fmt.Sprintf("%s is missing; it should be %s", f.Name, f.After.Text())
		default:
			words[i] = fmt.Sprintf("%s is %s; it should be %s", f.Name, f.Before.Text(), f.After.Text())
		}
	}
	return d.Wanted.String() + ": " + strings.Join(words, ", ")
}
