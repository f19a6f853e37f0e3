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

// The fields that some kinds of readers show.
const (
	pooledField = "pooled"
	weightField = "weight"
	ttlField    = "ttl" // how long resolvers may keep the addresses of a place, in seconds
)

// shown is what a reader shows of the objects, by their keys.
type shown struct {
	keys []string // of the objects in the answer, which the store may not have
	// differs says how the reader has an object that is stored so; empty if that
	// agrees with the answer. An object that is not stored is the absent value.
	differs func(key string, stored value.Value) string
	// shows reports whether the answer shows a field of an object.
	shows func(key, field string) bool

	current string // the message if nothing differs
	problem string // why the answer cannot be compared
	doubt   string // why an answer in which nothing differs is not enough
	hint    string // added to a difference that is Critical
	note    string
}

// difference is an object that a reader has in another state than the store.
type difference struct {
	key, what string
	revision  store.Revision // of the object; 0 if it is not stored
}

// compare is the verdict on a reader that shows objects.
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

// differences returns where the answer differs from the store: first in the objects
// that are stored, then in others. Objects that cannot be read are left out.
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

// lagOf is what the reader has not seen, all together. It is as old as the oldest
// difference.
func (j judgement) lagOf(s shown, wrong []difference) lag {
	const most = 3 // that are named
	var l lag
	var words []string
	for _, d := range wrong {
		since, by := j.missedSince(s, d)
		switch {
		case since.IsZero():
			l.unknown = true
		case l.since.IsZero(), since.Before(l.since):
			l.since, l.by = since, by
		}
		words = append(words, d.what)
	}
	l.what = strings.Join(words[:min(most, len(words))], ", ")
	if more := len(words) - most; more > 0 {
		l.what += fmt.Sprintf(" and %d more", more)
	}
	return l
}

// missedSince returns when the store began to differ from what the reader has of an
// object, and by which change. It goes back through the changes of the object to one
// before which the two agreed. Without a record it is the age of the object's revision.
func (j judgement) missedSince(s shown, d difference) (since time.Time, by string) {
	for _, c := range j.changes { // the newest first
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

// hidden names what the change that was asked about sets and the reader does not show.
// A record is one transaction: a reader that shows a field of one of its objects with the new
// value has seen it in the others, too.
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

// fieldsSet returns the fields to which a change gives another value. A field that
// was not stored had its default.
func (j judgement) fieldsSet(c change) []object.FieldChange {
	return slices.DeleteFunc(c.Fields(), func(f object.FieldChange) bool {
		declared, has := j.Type.Field(f.Name)
		return has && !c.Before.IsAbsent() && f.Before.IsAbsent() && f.After == declared.Default
	})
}

// fieldOr is a field of a stored object, or its default.
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

// isInactive reports whether a stored object is as good as deleted.
func isInactive(v value.Value) bool {
	text, _ := value.Get(v.Fields(), pooledField).Str()
	return text == "inactive"
}
