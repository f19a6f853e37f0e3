package readers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// The fields that readers of some kinds show.
const (
	pooledField = "pooled"
	weightField = "weight"
	ttlField    = "ttl" // how long resolvers may cache the addresses of a place, in seconds
)

// shown describes what a reader shows of the objects, by key.
type shown struct {
	keys []string // of the objects in the answer; the store may not have them
	// differs describes how the reader's state of an object differs from the stored
	// value, which is absent for an object that is not stored. It returns "" if they
	// agree.
	differs func(key string, stored value.Value) string
	// shows reports whether the answer shows a field of an object.
	shows func(key, field string) bool

	current string // the message if nothing differs
	problem string // why the answer cannot be compared
	doubt   string // why an answer without differences is not sufficient
	hint    string // added to a difference that is Critical
	note    string
}

// difference is an object whose state in a reader differs from the store.
type difference struct {
	key, what string
	revision  store.Revision // of the object; 0 if it is not stored
}

// compare returns the result for a reader that shows objects.
func (j judgement) compare(s shown) Result {
	wrong, problem := j.differences(s)
	problem = cmp.Or(problem, s.problem)
	if len(j.Since) > 0 && problem == "" {
		if len(j.asked) == 0 {
			return j.notAbout()
		}
		wrong = slices.DeleteFunc(wrong, func(d difference) bool {
			return !slices.ContainsFunc(j.asked, func(c change) bool { return c.key == d.key })
		})
		if hidden := j.hidden(s); len(hidden) > 0 {
			s.doubt = fmt.Sprintf("%s; whether it has seen %s does not show in that", s.current, printable(strings.Join(hidden, ", ")))
		}
		s.current = "has what is in the change as it is in the store"
	}
	if problem == "" && len(wrong) == 0 {
		problem = s.doubt
	}
	var result Result
	switch {
	case problem != "":
		result = j.unknown(j.Reader, problem)
	case len(wrong) == 0:
		result = j.current(j.Reader, "%s", s.current)
	default:
		if result = j.late(j.lagOf(s, wrong)); result.Level == Critical {
			result.Msg += oneLine(s.hint)
		}
	}
	result.Note = s.note
	return result
}

// differences returns the differences between the answer and the store: first those
// of stored objects, then those of other objects. Objects that cannot be read are
// left out.
func (j judgement) differences(s shown) (wrong []difference, problem string) {
	known := map[string]bool{}
	add := func(key string, stored value.Value, rev store.Revision) {
		if what := s.differs(key, stored); what != "" {
			wrong = append(wrong, difference{key, what, rev})
		}
	}
	for _, o := range j.stored {
		key := j.key(o.Tags, o.Name)
		if known[key] {
			return nil, fmt.Sprintf("several of %s are called %s: choose one with only, or tell them apart by their tags", j.selection(), printable(key))
		}
		if known[key] = true; o.Malformed == nil {
			add(key, value.OfMap(o.Fields...), o.Revision)
		}
	}
	for _, key := range slices.Compact(slices.Sorted(slices.Values(s.keys))) {
		if !known[key] {
			add(key, value.Value{}, 0)
		}
	}
	return wrong, ""
}

// lagOf combines differences into one lag, which is as old as the oldest of them.
func (j judgement) lagOf(s shown, wrong []difference) lag {
	const maxNamed = 3 // the number of differences to name
	var l lag
	var names []string
	for _, d := range wrong {
		since, by := j.missedSince(s, d)
		switch {
		case since.IsZero():
			l.unknown = true
		case l.since.IsZero(), since.Before(l.since):
			l.since, l.by = since, by
		}
		names = append(names, d.what)
	}
	l.what = strings.Join(names[:min(maxNamed, len(names))], ", ")
	if more := len(names) - maxNamed; more > 0 {
		l.what += fmt.Sprintf(" and %d more", more)
	}
	return l
}

// missedSince returns when the stored object began to differ from what the reader
// shows, and the change that caused it. It goes back through the changes of the
// object to one before which the two agreed. Without a record, it returns the age of
// the object's revision.
func (j judgement) missedSince(s shown, d difference) (since time.Time, by string) {
	for _, c := range j.changes { // newest first
		if c.key != d.key {
			continue
		}
		if s.differs(d.key, c.After) == "" {
			break
		}
		since, by = c.record.Time, c.record.Event.ID
		if c.Raw == nil && s.differs(d.key, c.Before) == "" {
			break
		}
	}
	if since.IsZero() && d.revision > 0 {
		return j.age(d.revision)
	}
	return since, by
}

// hidden names the fields that the checked change sets and the reader does not show.
// A record is one transaction: a reader that shows the new value of one field in the
// transaction has also seen the others.
func (j judgement) hidden(s shown) []string {
	var hidden []string
	for _, c := range j.asked {
		if c.Deleted() {
			continue
		}
		for _, f := range j.fieldsSet(c) {
			shownIn := func(other change) bool {
				return other.record.Revision == c.record.Revision && s.shows(other.key, f.Name) && slices.ContainsFunc(j.fieldsSet(other),
					func(set object.FieldChange) bool { return set.Name == f.Name && set.After == f.After })
			}
			if slices.ContainsFunc(j.asked, shownIn) {
				continue
			}
			what := "the " + f.Name + " of " + c.key
			if f.Name == pooledField && isPooled(c.After) {
				what = c.key + " pooled"
			}
			hidden = append(hidden, what)
		}
	}
	slices.Sort(hidden)
	return slices.Compact(hidden)
}

// fieldsSet returns the fields whose values a change changes. The previous value of
// a field that was not stored is its default.
func (j judgement) fieldsSet(c change) []object.FieldChange {
	return slices.DeleteFunc(c.Fields(), func(f object.FieldChange) bool {
		declared, has := j.Type.Field(f.Name)
		return has && !c.Before.IsAbsent() && f.Before.IsAbsent() && f.After == declared.Default
	})
}

// fieldOr returns a field of a stored object, or its default.
func (r Reader) fieldOr(v value.Value, name string) value.Value {
	stored := value.Get(v.Fields(), name)
	if f, has := r.Type.Field(name); has && stored.IsAbsent() && !v.IsAbsent() {
		return f.Default
	}
	return stored
}

func isPooled(v value.Value) bool {
	pooled := value.Get(v.Fields(), pooledField)
	text, _ := pooled.Str()
	return pooled.True() || text == "yes"
}

// isInactive reports whether a stored object is inactive, which readers treat as
// deleted.
func isInactive(v value.Value) bool {
	text, _ := value.Get(v.Fields(), pooledField).Str()
	return text == "inactive"
}
