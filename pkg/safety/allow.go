package safety

import (
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// PoolName returns the name that identifies the subject of a finding across
// types: the subject alone if the type is node or equals the subject, and
// otherwise the type, a space and the subject.
func PoolName(typ, subject string) string {
	if typ == schema.Node || typ == subject {
		return subject
	}
	return typ + " " + subject
}

// Pool returns the name of the finding's subject across types, as PoolName
// does.
func (f Finding) Pool() string { return PoolName(f.Type, f.Subject) }

// overrides reports whether the operator has overridden a rule for a subject of
// a type.
func (t Terms) overrides(rule, typ, subject string) bool {
	return t.AllowAll || slices.ContainsFunc(t.Allow, func(allowed string) bool {
		name, pool, hasPool := strings.Cut(allowed, "@")
		return name == rule && (!hasPool || pool == PoolName(typ, subject))
	})
}

// UnknownPoolError reports an override of a rule for a pool that the rule
// cannot apply to.
type UnknownPoolError struct {
	Rule, Pool string
	Known      []string // the names that the rule can apply to, sorted
}

func (e *UnknownPoolError) Error() string {
	return e.Rule + " is not about anything called " + e.Pool + " in this change"
}

// CheckAllowed returns an *UnknownPoolError if allow overrides a rule for a
// pool, as RULE@POOL, that is neither in the plan nor in the snapshot.
func (r *Rules) CheckAllowed(plan object.Plan, snapshot object.Snapshot, allow []string) error {
	for _, allowed := range allow {
		rule, pool, hasPool := strings.Cut(allowed, "@")
		if !hasPool {
			continue
		}
		var known []string
		for _, t := range concerned(plan, snapshot) {
			for _, subject := range r.subjects(rule, viewOf(t, plan, snapshot)) {
				known = append(known, PoolName(t.Name, subject))
			}
		}
		slices.Sort(known)
		if known = slices.Compact(known); !slices.Contains(known, pool) {
			return &UnknownPoolError{Rule: rule, Pool: pool, Known: known}
		}
	}
	return nil
}

// concerned returns the types of the objects that a plan changes and of the
// objects in the snapshot.
func concerned(plan object.Plan, snapshot object.Snapshot) []*schema.Type {
	all := changed(plan)
	for i := range snapshot.Objects {
		if t := snapshot.Objects[i].Type; !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}

// subjects returns the subjects that findings of a rule can have in one type.
func (r *Rules) subjects(rule string, v *view) []string {
	v.planned = false // include objects that the plan does not change
	var all []string
	switch rule {
	case MinPooled, MaxPooled:
		for _, p := range v.pools(r.forType(v.typ), Terms{Mode: Refuse}) {
			if rule == MinPooled && p.mode != None || rule == MaxPooled && len(p.max) > 0 {
				all = append(all, p.rule.label(v.typ, p.dirs[0]))
			}
		}
	case PoolNeedsWeight:
		for _, d := range v.dirs {
			for i := range d.objects {
				all = append(all, d.objects[i].Path())
			}
		}
	case RemovePooled:
		for _, d := range v.dirs {
			all = append(all, v.name(d))
		}
	default:
		all = append(all, v.typ.Name)
	}
	return all
}
