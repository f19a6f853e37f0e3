package seed

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/yamldoc"
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

// Faults returns all that is wrong with the files, by type.
func (c Comparison) Faults() []*yamldoc.Error {
	var all []*yamldoc.Error
	for _, t := range c.Types {
		all = append(append(all, t.Faults...), t.Gaps...)
	}
	return all
}

// LeftUndone returns a line for each type, and each object, that cannot be
// synced in whole, with what to do about it.
func (c Comparison) LeftUndone() []string {
	var lines []string
	for _, t := range c.Types {
		lines = append(lines, t.leftUndone()...)
	}
	return lines
}

func (t TypeComparison) leftUndone() []string {
	name, extra := t.Type.Type.Name, len(t.Extra)
	switch {
	case len(t.Faults) > 0:
		return []string{fmt.Sprintf("type %s is left as it is: mend its files first", name)}
	case len(t.Gaps) > 0 && extra > 0:
		return []string{fmt.Sprintf("type %s: nothing is removed; the other files do not declare %d of the %d that the store has", name, extra, t.Stored)}
	case extra > 0 && !t.Complete():
		return []string{fmt.Sprintf("type %s: %s has no files, but the store has %d objects; nothing is removed; if they shall go: confctl --object-type %s select 'name=.*' delete",
			name, t.Dir, extra, name)}
	}
	var lines []string
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
