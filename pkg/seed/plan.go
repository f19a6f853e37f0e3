package seed

import (
	"fmt"
	"regexp"
	"slices"

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

// Plan plans to create what is missing, types in the given order, and then to
// remove what is certain to be extra, types in reverse.
func (c Comparison) Plan() object.Plan {
	var plan object.Plan
	for _, t := range c.Types {
		for _, o := range t.Missing {
			plan.Changes = append(plan.Changes, object.Change{After: &o})
		}
	}
	for _, t := range slices.Backward(c.Types) {
		if !t.Complete() {
			continue
		}
		for _, o := range t.Extra {
			if o.Malformed == nil { // nobody knows what it was: that is for a person to delete
				plan.Changes = append(plan.Changes, object.Change{Before: &o})
			}
		}
	}
	return plan
}

// Problems returns a line for everything that keeps a type from being synced
// in whole.
func (c Comparison) Problems() []string {
	var lines []string
	for _, t := range c.Types {
		lines = append(lines, t.problems()...)
	}
	return lines
}

func (t TypeComparison) problems() []string {
	var lines []string
	for _, e := range slices.Concat(t.Faults, t.Gaps) {
		lines = append(lines, e.Error())
	}
	name, extra := t.Type.Type.Name, len(t.Extra)
	switch {
	case len(t.Faults) > 0:
		return append(lines, fmt.Sprintf("type %s is left as it is: mend its files first", name))
	case extra == 0:
		return lines
	case len(t.Gaps) > 0:
		return append(lines, fmt.Sprintf("type %s: nothing is removed; the other files do not declare %d of the %d that the store has", name, extra, t.Stored))
	case !t.Complete():
		return append(lines, fmt.Sprintf("type %s: %s has no files, but the store has %d objects; nothing is removed", name, t.Dir, extra))
	}
	for _, o := range t.Extra {
		if o.Malformed != nil {
			lines = append(lines, fmt.Sprintf("%s is not removed: what is stored cannot be read (%v); to delete it: confctl --object-type %s --repair select '%s' delete",
				o, o.Malformed, name, selectorOf(o)))
		}
	}
	return lines
}

// selectorOf is the selector, literal, that chooses one object.
func selectorOf(o object.Object) string {
	values := map[string]string{selector.Name: regexp.QuoteMeta(o.Name)}
	for i, tag := range o.Type.Tags {
		values[tag] = regexp.QuoteMeta(o.Tags[i])
	}
	return selector.Exactly(o.Type.Tags, values).String()
}
