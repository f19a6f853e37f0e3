// Package safety judges what a change does to the capacity of a fleet, before
// it is made. It is pure: it sees a plan and the snapshot it was made on.
//
// An object of a type with a field pooled serves when that is yes or true and
// its weight, if it has one, is above 0. A rule refuses only what makes things
// worse: pooling, creating and raising a weight never count against a change,
// but for max-pooled, which is only ever declared, and pool-needs-weight.
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

// Mode is what comes of a rule that is broken. The greater one is stricter.
type Mode int

// The modes.
const (
	None   Mode = iota // it is not asked
	Warn               // the operator is told
	Refuse             // the change is not made
)

// Terms are under which a change is judged.
type Terms struct {
	Mode Mode // the strictest that any rule has
	// Allow are the rules that are overridden this once: RULE, or RULE@POOL, with
	// the name as Finding.Pool has it, for what findings of that name are about.
	Allow    []string
	AllowAll bool // all are
	Seeds    bool // the plan makes the store like files: the rules about removals apply
}

// Level is how much a finding weighs. The greater one weighs more.
type Level int

// The levels.
const (
	Warned     Level = iota // said, and that is all
	Overridden              // it would refuse, but the operator has overridden the rule
	Refused                 // the change must not be made
)

// Finding is what a rule has to say about a plan.
type Finding struct {
	Rule    string // its name, such as min-pooled
	Type    string // of the objects
	Subject string // the group, as Capacity.Label has it, the type, or the object's path
	Msg     string // one line, with the numbers: 5 -> 4 of 8, floor 5
	Level   Level
	// Changes are the keys, as object.Object.Key has them, of the changes that
	// would have to be left out for the rule to have nothing to say.
	Changes []string
	// Capacity is the group's, of a finding of min-pooled or max-pooled.
	Capacity *Capacity
}

// Capacity is what serves in a group of objects, before a plan and after it.
type Capacity struct {
	Type    *schema.Type
	Label   string // the values of the tags it is grouped by: eqiad/cache_text/cdn
	Members int    // before the change, less those still as they were seeded
	Before  int    // that serve
	After   int    // that serve
	Left    int    // members after the change
	Floor   int    // of those that serve
	Next    int    // the floor of the next change, after this one
	Ceiling int    // of those that serve; 0 is none
	Mode    Mode   // of min-pooled for the group
	// Out are the members that do not serve, before the change.
	Out []object.Object
	// Fixed says that neither one more nor one fewer may serve: rules refuse both,
	// so what serves can only be moved in one change.
	Fixed   bool
	Serving []object.Object // those that serve, before the change; only of a fixed group
}

// Slack returns how many more may go after the change; it is negative below
// the floor there is then.
func (c Capacity) Slack() int { return c.After - c.Next }

// Excess returns how many more serve after the change than a declared
// max-pooled allows; it is never negative.
func (c Capacity) Excess() int {
	if c.Ceiling == 0 {
		return 0
	}
	return max(c.After-c.Ceiling, 0)
}

// Violated reports whether fewer serve after the change than the floor, or more
// than the ceiling.
func (c Capacity) Violated() bool { return c.Slack() < 0 || c.Excess() > 0 }

// Compare orders capacities by urgency: those that are violated, then those
// with the least slack.
func (c Capacity) Compare(other Capacity) int {
	return cmp.Or(boolCompare(other.Violated(), c.Violated()), cmp.Compare(c.Slack(), other.Slack()))
}

// Group is objects that were counted together: those of a type whose first
// tags have the given values. No tags means all objects of the type.
type Group struct {
	Type *schema.Type
	Tags []string
	// Deletions says that only deletions matter to who counted: the commit is
	// guarded against those of any object of the type, and against nothing else.
	Deletions bool
}

// Verdict is what all rules together say about a plan.
type Verdict struct {
	Findings []Finding // those that refuse first, then by rule, type and subject
	// Capacity is that of every group of which the plan changes what serves, or
	// that has a finding.
	Capacity []Capacity
	// Counted are the groups whose members the verdict rests on. The commit is
	// guarded against anybody changing them in between: two changes that are
	// fine one by one may not be fine together.
	Counted []Group
}

// Refusals returns the findings that forbid the change.
func (v Verdict) Refusals() []Finding { return v.at(Refused) }

// Overrides returns the findings that the operator has overridden.
func (v Verdict) Overrides() []Finding { return v.at(Overridden) }

func (v Verdict) at(level Level) []Finding {
	var all []Finding
	for _, f := range v.Findings {
		if f.Level == level {
			all = append(all, f)
		}
	}
	return all
}

// NewSince reports whether there is a finding that an earlier verdict did not
// have. Numbers in the words may differ: what matters is which rule has
// something to say about what.
func (v Verdict) NewSince(earlier Verdict) bool {
	return slices.ContainsFunc(v.Findings, func(f Finding) bool {
		return !slices.ContainsFunc(earlier.Findings, func(e Finding) bool {
			return e.Rule == f.Rule && e.Type == f.Type && e.Subject == f.Subject && e.Level == f.Level
		})
	})
}
