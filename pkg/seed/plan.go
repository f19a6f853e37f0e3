package seed

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/selector"
)

// Queries returns what has to be read to plan: all objects of all types.
func (d Data) Queries() []catalog.Query {
	queries := make([]catalog.Query, len(d.Types))
	for i, t := range d.Types {
		queries[i].Type = t.Type
	}
	return queries
}

// Problems returns a line for everything that keeps a type from being synced
// in whole, given what the store has.
func (d Data) Problems(snapshot object.Snapshot) []string {
	var lines []string
	for _, t := range d.Types {
		for _, f := range t.Faults {
			lines = append(lines, f.Error())
		}
		for _, g := range t.Gaps {
			lines = append(lines, g.Error())
		}
		if len(t.Faults) > 0 {
			lines = append(lines, fmt.Sprintf("type %s is left as it is: mend its files first", t.Type.Name))
			continue
		}
		extra := t.undeclared(snapshot)
		switch {
		case len(extra) == 0:
		case len(t.Gaps) > 0:
			lines = append(lines, fmt.Sprintf("type %s: nothing is removed; the other files do not declare %d of the %d that the store has", t.Type.Name, len(extra), len(t.stored(snapshot))))
		case t.Files == 0:
			lines = append(lines, fmt.Sprintf("type %s: %s has no files, but the store has %d objects; nothing is removed", t.Type.Name, t.Dir, len(extra)))
		default:
			for _, o := range extra {
				if o.Malformed != nil {
					lines = append(lines, fmt.Sprintf("%s is not removed: what is stored cannot be read (%v); to delete it: confctl --object-type %s --repair select '%s' delete",
						o, o.Malformed, o.Type.Name, selectorOf(o)))
				}
			}
		}
	}
	return lines
}

// Plan plans to create what is missing, types in the given order, and then to
// remove what is not declared, types in reverse.
func (d Data) Plan(snapshot object.Snapshot) object.Plan {
	var plan object.Plan
	for _, t := range d.Types {
		for _, o := range t.missing(snapshot) {
			plan.Changes = append(plan.Changes, object.Change{After: &o})
		}
	}
	for _, t := range slices.Backward(d.Types) {
		if len(t.Faults) > 0 || len(t.Gaps) > 0 || t.Files == 0 {
			continue
		}
		for _, o := range t.undeclared(snapshot) {
			if o.Malformed == nil { // nobody knows what it was: that is for a person to delete
				plan.Changes = append(plan.Changes, object.Change{Before: &o})
			}
		}
	}
	return plan
}

// missing returns what the files declare and the store has not.
func (t Type) missing(snapshot object.Snapshot) []object.Object {
	if len(t.Faults) > 0 {
		return nil
	}
	stored := t.stored(snapshot)
	var missing []object.Object
	for _, o := range t.Objects {
		if !stored[o.Path()] {
			missing = append(missing, o)
		}
	}
	slices.SortFunc(missing, func(a, b object.Object) int { return strings.Compare(a.Path(), b.Path()) })
	return missing
}

// undeclared returns what the store has and the files do not declare.
func (t Type) undeclared(snapshot object.Snapshot) []object.Object {
	declared := make(map[string]bool, len(t.Objects))
	for _, o := range t.Objects {
		declared[o.Path()] = true
	}
	var undeclared []object.Object
	for _, o := range snapshot.Objects {
		if o.Type == t.Type && !declared[o.Path()] {
			undeclared = append(undeclared, o)
		}
	}
	return undeclared
}

// stored returns the paths of the type's objects in the store.
func (t Type) stored(snapshot object.Snapshot) map[string]bool {
	stored := map[string]bool{}
	for _, o := range snapshot.Objects {
		if o.Type == t.Type {
			stored[o.Path()] = true
		}
	}
	return stored
}

// selectorOf is the selector, literal, that chooses one object.
func selectorOf(o object.Object) string {
	values := map[string]string{selector.Name: regexp.QuoteMeta(o.Name)}
	for i, tag := range o.Type.Tags {
		values[tag] = regexp.QuoteMeta(o.Tags[i])
	}
	return selector.Exactly(o.Type.Tags, values).String()
}
