package object

import (
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// Wanted is the desired state of an object.
type Wanted struct {
	// Object has the declared fields in their order, with defaults for those
	// that are not given, and then its other fields.
	Object Object
	Given  []string // the names of the fields that are given explicitly
	Bare   []string // the given fields whose strings are not quoted, as in YAML
	// Foreign reports that the object comes from another store. It is made even
	// if it was invalid there: it has a field that its type does not declare, a
	// name that CheckName refuses, or a value that the type or a JSON schema
	// does not allow.
	Foreign bool
	// Fit refuses a Foreign object with a value that is not allowed.
	Fit bool
	// Repair overwrites an object whose stored value cannot be read. Fields
	// that are not given get their defaults.
	Repair bool
}

// Refusal is the reason why an object cannot be made as wanted.
type Refusal struct {
	Index      int                // index in want
	Violations []schema.Violation // the values that its type does not allow; nil for another reason
	// Taken reports that the object is made nevertheless, because it is
	// Foreign.
	Taken bool
	// Unreadable reports that the stored value cannot be read, and that Repair
	// is not set.
	Unreadable bool
	Err        error // an *InvalidError, or the *yamldoc.Error of a JSON schema that cannot be used
}

// Make plans to make objects as wanted, in the given order. Each object may
// occur at most once. Make creates those that are not stored. A declared field
// that is not given keeps its stored value, or gets its default in a new
// object. Any other stored key that is not wanted is removed, as by Replace.
// The snapshot must have been read for all wanted objects; Make does not change
// other objects in it.
//
// Make returns a Refusal for each object that cannot be made, and omits it from
// the plan: an object that would be invalid in what the change adds or touches,
// a new one with a name that CheckName refuses, or one whose stored value
// cannot be read. The fields of Wanted allow exceptions, which are made with a
// warning or with a Refusal that is Taken. Make never refuses a value that is
// the default of new objects, nor an object that already is as wanted.
//
// Plan.Matched is nil: only the changes of the plan count. Each warning is one
// line, whatever characters a name contains.
func Make(want []Wanted, snapshot Snapshot) (Plan, []Refusal) {
	var plan Plan
	var refusals []Refusal
	now := snapshot.ByKey()
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

// change returns the change that makes the object as wanted; now is nil if it
// is not stored.
func (w Wanted) change(now *Object) Change {
	if now == nil {
		o := New(w.Object.Type, w.Object.Tags, w.Object.Name).WithFields(w.Object.Fields)
		return Change{After: &o}
	}
	after := now.WithFields(w.merged(now))
	return Change{Before: now, After: &after}
}

// merged returns the stored fields, overwritten with the given ones.
func (w Wanted) merged(now *Object) []value.Field {
	declared := len(w.Object.Type.Fields)
	fields := slices.Clone(fieldsOf(now)[:declared])
	for i := range fields {
		if slices.Contains(w.Given, fields[i].Name) {
			fields[i].Value = w.Object.Get(fields[i].Name)
		}
	}
	return append(fields, withDeclared(w.Object.Type, w.Object.Fields)[declared:]...)
}

// judge returns a Refusal if the change would leave the object invalid.
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
		if unclear := checkUnambiguous(c, w.Bare); unclear != nil {
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

// isUnreadable reports whether an object is stored and cannot be read.
func isUnreadable(o *Object) bool { return o != nil && o.Malformed != nil }

// validateMade validates the fields that a change touches: all fields if the
// object is created, or overwritten because it cannot be read.
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

// checkKey returns an error if an object cannot be created with its tags and
// name.
func checkKey(o Object) error {
	for i, tag := range o.Type.Tags {
		if err := CheckName("tag "+tag, o.Tags[i]); err != nil {
			return err
		}
	}
	return CheckName("the name", o.Name)
}

// isSeeded reports whether a violation concerns only default values, which
// every new object has even if a JSON schema refuses them.
func isSeeded(c Change, v schema.Violation) bool {
	if v.Field == "" { // concerns the whole object
		return (c.Before == nil || isUnreadable(c.Before)) && same(c.After.Fields, c.After.Type.Defaults())
	}
	f, declared := c.After.Type.Field(v.Field)
	return declared && c.After.Get(v.Field) == f.Default
}

// Difference is an object whose stored state differs from the wanted one.
type Difference struct {
	Index  int // index in want
	Wanted Object
	Stored *Object       // nil if it is missing; it may be malformed
	Fields []FieldChange // the stored and wanted values that differ; nil if Stored is nil or malformed
}

// Differences compares the wanted objects with the stored ones value by value,
// and returns the differences in the order of want. A declared field that is
// not given may have any value. Stored objects that are not in want are no
// differences.
func Differences(want []Wanted, snapshot Snapshot) []Difference {
	var all []Difference
	now := snapshot.ByKey()
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

// String describes the difference on one line.
func (d Difference) String() string { return text.Line(d.text()) }

func (d Difference) text() string {
	switch {
	case d.Stored == nil:
		return d.Wanted.String() + " is missing"
	case d.Stored.Malformed != nil:
		return fmt.Sprintf("%s cannot be read: %v", d.Wanted, d.Stored.Malformed)
	}
	parts := make([]string, len(d.Fields))
	for i, f := range d.Fields {
		switch {
		case f.After.IsAbsent():
			parts[i] = fmt.Sprintf("%s is %s, and should not be there", f.Name, f.Before.Text())
		case f.Before.IsAbsent():
			parts[i] = fmt.Sprintf("%s is missing; it should be %s", f.Name, f.After.Text())
		default:
			parts[i] = fmt.Sprintf("%s is %s; it should be %s", f.Name, f.Before.Text(), f.After.Text())
		}
	}
	return d.Wanted.String() + ": " + strings.Join(parts, ", ")
}
