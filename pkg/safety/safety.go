// Package safety checks what a change does to the capacity of a fleet before
// the change is made. It is pure: its input is a plan and the snapshot that the
// plan was made on.
//
// An object serves if its type has a field pooled with the value yes or true
// and its weight, if the type has a field weight, is above 0. Rules refuse only
// what reduces capacity: they never refuse to pool an object, create one, or
// raise a weight, with two exceptions. Those are max-pooled, which applies only
// where it is declared, and pool-needs-weight.
package safety

import (
	"cmp"
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// The names of the rules.
const (
	MinPooled       = "min-pooled"
	MaxPooled       = "max-pooled"
	MassChange      = "mass-change"
	PoolNeedsWeight = "pool-needs-weight"
	LastOfType      = "last-of-type"
	MassRemoval     = "mass-removal"
	RemovePooled    = "remove-pooled"
)

// Names returns the names of all rules.
func Names() []string {
	return []string{MinPooled, MaxPooled, MassChange, PoolNeedsWeight, LastOfType, MassRemoval, RemovePooled}
}

// Mode is the consequence of breaking a rule. A greater mode is stricter.
type Mode int

// The modes.
const (
	None   Mode = iota // the rule is off
	Warn               // the operator is warned
	Refuse             // the change is not made
)

// Terms are the conditions under which a change is judged.
type Terms struct {
	Mode Mode // the strictest mode that any rule can have
	// Allow lists the rules that are overridden for this change: RULE, or
	// RULE@POOL to override it only for findings for which Finding.Pool returns
	// POOL.
	Allow    []string
	AllowAll bool // all rules are overridden
	Seeds    bool // the plan makes the store match files, so the rules about removals apply
}

// Level is the severity of a finding. A greater level is more severe.
type Level int

// The levels.
const (
	Warned     Level = iota // a warning; the change can be made
	Overridden              // a refusal that the operator has overridden
	Refused                 // the change must not be made
)

// Finding is the result of a rule that a plan breaks.
type Finding struct {
	Rule    string // the rule's name, such as min-pooled
	Type    string // the type of the objects
	Subject string // the group's Capacity.Label, the type's name, or the object's path
	Msg     string // one line, with numbers: 5 -> 4 of 8, floor 5
	Level   Level
	// Changes are the keys, as returned by object.Object.Key, of the changes
	// that break the rule. The plan without them does not.
	Changes []string
	// Capacity is the capacity of the group; nil unless the rule is min-pooled
	// or max-pooled.
	Capacity *Capacity
}

// Capacity is the number of serving objects in a group before and after a plan,
// and its limits.
type Capacity struct {
	Type    *schema.Type
	Label   string // the values of the tags it is grouped by: eqiad/cache_text/cdn
	Members int    // before the change, without objects that are unchanged since sync created them
	Before  int    // serving members before the change
	After   int    // serving members after the change
	Left    int    // members after the change
	Floor   int    // the least number of members that must serve
	Next    int    // the floor after the change, for the members that remain; it applies to the next change
	Ceiling int    // maximum of serving members; 0 if unlimited
	Mode    Mode   // the mode of min-pooled for the group
	// Out lists the members that do not serve before the change.
	Out []object.Object
	// Fixed reports whether rules refuse both one more and one fewer serving
	// member. Then one change must depool a member and pool another.
	Fixed   bool
	Serving []object.Object // the objects that serve before the change; set only if Fixed
}

// Slack returns how many more members can stop serving after the change without
// breaking the floor. It is negative if fewer members serve than the floor
// after the change.
func (c Capacity) Slack() int { return c.After - c.Next }

// Excess returns by how many the serving members after the change exceed the
// ceiling of a declared max-pooled rule. It is never negative.
func (c Capacity) Excess() int {
	if c.Ceiling == 0 {
		return 0
	}
	return max(c.After-c.Ceiling, 0)
}

// Violated reports whether fewer members serve after the change than the floor
// after it, or more than the ceiling.
func (c Capacity) Violated() bool { return c.Slack() < 0 || c.Excess() > 0 }

// Compare orders capacities by urgency: violated ones first, then by slack, the
// least first.
func (c Capacity) Compare(other Capacity) int {
	return cmp.Or(boolCompare(other.Violated(), c.Violated()), cmp.Compare(c.Slack(), other.Slack()))
}

// Group is a set of objects that were counted together: the objects of a type
// whose first tags have the given values. Without tags, it is all objects of
// the type.
type Group struct {
	Type *schema.Type
	Tags []string
	// Deletions reports that only deletions affect the count. The commit is
	// then guarded against the deletion of any object of the type, and against
	// no other change.
	Deletions bool
}

// Verdict is the result of all rules for a plan.
type Verdict struct {
	Findings []Finding // the most severe level first, then by rule in the order of Names, type and subject
	// Capacity lists every group in which the plan changes which objects serve,
	// sorted by type and label.
	Capacity []Capacity
	// Counted lists the groups that the verdict depends on. The commit is
	// guarded against concurrent changes of them: two changes that are allowed
	// separately may not be allowed together.
	Counted []Group
}

// Refusals returns the findings that forbid the change.
func (v Verdict) Refusals() []Finding { return v.withLevel(Refused) }

// Overrides returns the findings that the operator has overridden.
func (v Verdict) Overrides() []Finding { return v.withLevel(Overridden) }

func (v Verdict) withLevel(level Level) []Finding {
	var all []Finding
	for _, f := range v.Findings {
		if f.Level == level {
			all = append(all, f)
		}
	}
	return all
}

// NewSince reports whether the verdict has a finding that an earlier verdict
// lacks. Two findings are the same if they have the same rule, type, subject
// and level; the numbers in Msg may differ.
func (v Verdict) NewSince(earlier Verdict) bool {
	return slices.ContainsFunc(v.Findings, func(f Finding) bool {
		return !slices.ContainsFunc(earlier.Findings, func(e Finding) bool {
			return e.Rule == f.Rule && e.Type == f.Type && e.Subject == f.Subject && e.Level == f.Level
		})
	})
}
