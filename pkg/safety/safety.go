// Package safety judges what a change does to the capacity of a fleet, before
// it is made. It is pure: it sees a plan and the snapshot it was made on.
package safety

import (
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// Rule judges one aspect of a plan. It returns what it has to say, and the
// groups of objects it counted to say so.
type Rule func(object.Plan, object.Snapshot) ([]Finding, []Group)

// Finding is what a rule has to say about a plan.
type Finding struct {
	Rule    string // its name, such as min-pooled
	Subject string // the group or type it is about
	Msg     string // one line, with the numbers
	Refuses bool   // the change must not be made
}

// Group is objects that were counted together: those of a type whose first
// tags have the given values. No tags means all objects of the type.
type Group struct {
	Type *schema.Type
	Tags []string
}

// Verdict is what all rules together say about a plan.
type Verdict struct {
	Findings []Finding
	// Counted are the groups whose members the verdict rests on. The commit is
	// guarded against anybody changing them in between: two changes that are
	// fine one by one may not be fine together.
	Counted []Group
}

// Review asks all rules about a plan.
func Review(rules []Rule, plan object.Plan, snapshot object.Snapshot) Verdict {
	var v Verdict
	for _, rule := range rules {
		findings, counted := rule(plan, snapshot)
		v.Findings = append(v.Findings, findings...)
		v.Counted = append(v.Counted, counted...)
	}
	return v
}

// Refusals returns the findings that forbid the change.
func (v Verdict) Refusals() []Finding {
	var refusals []Finding
	for _, f := range v.Findings {
		if f.Refuses {
			refusals = append(refusals, f)
		}
	}
	return refusals
}

// NewSince reports whether there is a finding that an earlier verdict did not
// have. Numbers in the words may differ: what matters is which rule has
// something to say about what.
func (v Verdict) NewSince(earlier Verdict) bool {
	return slices.ContainsFunc(v.Findings, func(f Finding) bool {
		return !slices.ContainsFunc(earlier.Findings, func(e Finding) bool {
			return e.Rule == f.Rule && e.Subject == f.Subject && e.Refuses == f.Refuses
		})
	})
}
