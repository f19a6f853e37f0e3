package safety

import (
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// PoolName names what a finding is about, across types: its subject, after the
// name of its type unless that is node or the subject itself.
func PoolName(typ, subject string) string {
	if typ == schema.Node || typ == subject {
		return subject
	}
	return typ + " " + subject
}

// Pool returns the name of what the finding is about.
func (f Finding) Pool() string { return PoolName(f.Type, f.Subject) }

// overrides reports whether the operator has overridden a rule for what a
// finding of it would be about.
func (t Terms) overrides(rule, typ, subject string) bool {
	return t.AllowAll || slices.ContainsFunc(t.Allow, func(allowed string) bool {
		name, pool, one := strings.Cut(allowed, "@")
		return name == rule && (!one || pool == PoolName(typ, subject))
	})
}

// UnknownPoolError reports a rule that was overridden for a pool of which it
// could not say anything.
type UnknownPoolError struct {
	Rule, Pool string
	Known      []string // what it could be about, in order
}

func (e *UnknownPoolError) Error() string {
	return e.Rule + " is not about anything called " + e.Pool + " in this change"
}

// CheckAllowed returns an *UnknownPoolError if a rule is overridden for what is
// neither in the plan nor in the snapshot.
func (r *Rules) CheckAllowed(plan object.Plan, on object.Snapshot, allow []string) error {
	for _, allowed := range allow {
		rule, pool, one := strings.Cut(allowed, "@")
		if !one {
			continue
		}
		var known []string
		for _, t := range concerned(plan, on) {
			for _, subject := range r.subjects(rule, viewOf(t, plan, on)) {
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

// concerned returns the types of what a plan changes and of what is in the
// snapshot.
func concerned(plan object.Plan, on object.Snapshot) []*schema.Type {
	all := changed(plan)
	for i := range on.Objects {
		if t := on.Objects[i].Type; !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}

// subjects returns what findings of a rule can be about, of one type.
func (r *Rules) subjects(rule string, v *view) []string {
	v.planned = false // what the plan leaves alone is known, too
	var all []string
	switch rule {
	case MinPooled, MaxPooled:
		for _, p := range v.pools(r.of(v.typ), Terms{Mode: Refuse}) {
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
