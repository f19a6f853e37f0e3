package readers

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// What a reader is compared with.
const (
	pooledField = "pooled"
	weightField = "weight"
)

// comparison is what a reader has made of the objects, beside them.
type comparison struct {
	wrong   []mismatch
	fine    string // what to say if nothing is wrong
	problem string // why it cannot be compared; empty if it can
	note    string
	// shows reports whether a field of an object was compared.
	shows func(name, field string) bool
}

// mismatch is one object that a reader has otherwise than the store.
type mismatch struct {
	name string // its key
	what string
	rev  store.Revision // of the object; 0 if there is none
	// differs reports whether an object that is, or was, stored so is otherwise
	// than the reader has it. An absent value is that of none.
	differs func(value.Value) bool
}

// compared is the verdict on a comparison.
func (j judgement) compared(c comparison) Result {
	if len(j.Since) > 0 && c.problem == "" {
		asked := j.asked()
		if len(asked) == 0 {
			return j.notAbout()
		}
		c = j.aboutOnly(c, asked)
	}
	var result Result
	switch {
	case c.problem != "":
		result = j.unknown(j.Reader, c.problem)
	case len(c.wrong) == 0:
		result = j.fine(j.Reader, "%s", c.fine)
	default:
		result = j.late(j.oldest(c.wrong))
	}
	result.Note = c.note
	return result
}

// aboutOnly is the comparison of the objects alone that records change.
func (j judgement) aboutOnly(c comparison, records []sal.Stored) comparison {
	c.wrong = slices.DeleteFunc(c.wrong, func(m mismatch) bool { return !changes(records, j.Reader, m.name) })
	if hidden := j.hiddenFields(c, records); len(c.wrong) == 0 && len(hidden) > 0 {
		c.problem = fmt.Sprintf("%s; whether it has seen %s does not show in that", c.fine, printable(strings.Join(hidden, ", ")))
	}
	c.fine = "has what is in the change as it is in the store"
	return c
}

// changes reports whether one of the records changes an object of a name that the
// reader reads.
func changes(records []sal.Stored, r Reader, name string) bool {
	return slices.ContainsFunc(records, func(rec sal.Stored) bool {
		return slices.ContainsFunc(rec.Change.Objects, func(o sal.Object) bool { return r.readsRecorded(o) && r.keyOf(o) == name })
	})
}

// oldest is what the reader has not seen, all together: as old as the oldest of
// it, which may be one of unknown age.
func (j judgement) oldest(wrong []mismatch) lag {
	const most = 3 // that are named
	l := lag{changes: len(wrong)}
	var words []string
	for _, m := range wrong {
		since, by := j.wrongSince(m)
		switch {
		case since.IsZero():
			l.unknown = true
		case l.since.IsZero(), since.Before(l.since):
			l.since, l.by = since, by
		}
		words = append(words, m.what)
	}
	l.what = strings.Join(words[:min(most, len(words))], ", ")
	if more := len(words) - most; more > 0 {
		l.what += fmt.Sprintf(" and %d more", more)
	}
	return l
}

// wrongSince returns from when on the store has been otherwise than the reader
// has it, and by which change. If no record says so, the object's own revision
// does.
func (j judgement) wrongSince(m mismatch) (since time.Time, by string) {
	if since, by = j.recorded(m); since.IsZero() && m.rev > 0 {
		return j.state.known(m.rev)
	}
	return since, by
}

// recorded is wrongSince by the records alone: it goes back through those of the
// object until one before which the reader was right.
func (j judgement) recorded(m mismatch) (since time.Time, by string) {
	for _, rec := range j.state.Journal { // the newest first
		for _, o := range rec.Change.Objects {
			if !j.readsRecorded(o) || j.keyOf(o) != m.name {
				continue
			}
			if !m.differs(o.After) {
				return since, by
			}
			since, by = rec.Time, rec.Event.ID
			if o.Raw == nil && !m.differs(o.Before) {
				return since, by
			}
		}
	}
	return since, by
}

func isPooled(v value.Value) bool {
	pooled := fieldOf(v, pooledField)
	text, _ := pooled.Str()
	return pooled.True() || text == "yes"
}

// weightOf is the weight of a stored object; otherwise if it has none.
func weightOf(v value.Value, otherwise int64) int64 {
	if n, ok := fieldOf(v, weightField).Int(); ok {
		return n
	}
	return otherwise
}

func fieldOf(v value.Value, name string) value.Value {
	if v.Kind() != value.Map {
		return value.Value{}
	}
	for _, f := range v.Fields() {
		if f.Name == name {
			return f.Value
		}
	}
	return value.Value{}
}
