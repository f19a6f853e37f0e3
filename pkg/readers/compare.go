package readers

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/object"
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
}

// mismatch is one object that a reader has otherwise than the store.
type mismatch struct {
	name string
	what string
	rev  store.Revision // of the object; 0 if there is none
	// is reports whether an object that is, or was, stored so is otherwise than
	// the reader has it. An absent value is that of none.
	is func(value.Value) bool
}

// compared is the verdict on a comparison.
func (j judgement) compared(c comparison) Result {
	if len(j.Since) > 0 && c.problem == "" {
		asked := j.asked()
		if len(asked) == 0 {
			return j.fine(j.Reader, "change %s has nothing of %s", j.Since[0].Event.ID, j.chosen())
		}
		c.wrong = slices.DeleteFunc(c.wrong, func(m mismatch) bool { return !touches(asked, j.Reader, m.name) })
		c.fine = "has what the change is about as it is in the store"
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

// touches reports whether one of the records changes an object of the reader's
// with a name.
func touches(records []sal.Stored, r Reader, name string) bool {
	return slices.ContainsFunc(records, func(rec sal.Stored) bool {
		return slices.ContainsFunc(rec.Change.Objects, func(o sal.Object) bool { return r.concerns(o) && nameOf(o) == name })
	})
}

func nameOf(o sal.Object) string { return o.Path[strings.LastIndexByte(o.Path, '/')+1:] }

// oldest is what the reader has not seen, all together: as old as the oldest of
// it.
func (j judgement) oldest(wrong []mismatch) lag {
	const most = 3 // that are named
	l := lag{changes: len(wrong)}
	var words []string
	for _, m := range wrong {
		since, by := j.wrongSince(m)
		if !since.IsZero() && (l.since.IsZero() || since.Before(l.since)) {
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
			if !j.concerns(o) || nameOf(o) != m.name {
				continue
			}
			if !m.is(o.After) {
				return since, by
			}
			since, by = rec.Time, rec.Event.ID
			if o.Raw == nil && !m.is(o.Before) {
				return since, by
			}
		}
	}
	return since, by
}

// pybal compares the hosts of a pool. A host that is inactive is none to PyBal,
// and one that is no is disabled.
func (j judgement) pybal() comparison {
	var c comparison
	known := map[string]bool{}
	serving := 0
	for _, o := range j.objects(j.state.Snapshot) {
		if known[o.Name] {
			return comparison{problem: fmt.Sprintf("there are several %s called %s: say which with only", j.chosen(), printable(o.Name))}
		}
		known[o.Name] = true
		if o.Malformed == nil {
			c.wrong = append(c.wrong, j.host(o.Name, value.OfMap(o.Fields...), o.Revision)...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(j.hosts)) {
		if !known[name] {
			c.wrong = append(c.wrong, j.host(name, value.Value{}, 0)...)
		}
		if j.hosts[name].serving {
			serving++
		}
	}
	c.fine = fmt.Sprintf("%s as in the store, %d of them up and pooled", counted(len(j.hosts), "host", "hosts"), serving)
	return c
}

// host compares one host of a pool.
func (j judgement) host(name string, stored value.Value, rev store.Revision) []mismatch {
	said, listed := j.hosts[name]
	has := "absent"
	if listed {
		has = stateWord(said.enabled)
	}
	is := func(v value.Value) bool {
		return has != wanted(v) || said.weight != nil && *said.weight != weightOf(v, *said.weight)
	}
	if !is(stored) {
		return nil
	}
	what := fmt.Sprintf("%s is %s, not %s", printable(name), has, wanted(stored))
	if has == wanted(stored) {
		what = fmt.Sprintf("%s has weight %d, not %d", printable(name), *said.weight, weightOf(stored, 0))
	}
	return []mismatch{{name, what, rev, is}}
}

func stateWord(enabled bool) string {
	if enabled {
		return "enabled"
	}
	return "disabled"
}

// wanted is what PyBal makes of a stored object.
func wanted(v value.Value) string {
	pooled := fieldOf(v, pooledField)
	if text, _ := pooled.Str(); v.IsAbsent() || text == "inactive" {
		return "absent"
	}
	return stateWord(isPooled(v))
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

// noteDNS is what one answer does not tell.
const noteDNS = "a name server answers with one of the places that are pooled: that it has seen another one pooled does not show"

// dns compares the places that a name server answers with. An address that is of
// no place is what it answers with when nothing is pooled.
func (j judgement) dns() comparison {
	found := map[string]object.Object{}
	for _, o := range j.objects(j.state.Snapshot) {
		if _, twice := found[o.Name]; twice {
			return comparison{problem: fmt.Sprintf("there are several %s called %s: say which with only, or {TAG}", j.chosen(), printable(o.Name))}
		}
		found[o.Name] = o
	}
	c := comparison{note: noteDNS}
	var said, elsewhere []string
	for _, a := range j.addresses {
		name, ok := j.place(a)
		if !ok {
			elsewhere = append(elsewhere, a.String())
			continue
		}
		said = append(said, name)
		o, stored := found[name]
		if v := value.OfMap(o.Fields...); !stored || o.Malformed == nil && !isPooled(v) {
			c.wrong = append(c.wrong, mismatch{name, fmt.Sprintf("answers with %s (%s), which is not pooled", a, name), o.Revision, isNot(true)})
		}
	}
	if missing := unanswered(found, "nothing"); len(j.addresses) == 0 && len(missing) > 0 {
		c.problem = "answers that there is no such name, or that it has no address: is the name right?"
	}
	if len(elsewhere) > 0 {
		c.wrong = append(c.wrong, unanswered(found, strings.Join(elsewhere, ", "))...)
	}
	slices.Sort(said)
	c.fine = "answers with " + cmp.Or(strings.Join(slices.Compact(said), ", "), "no place, and none is pooled")
	return c
}

// unanswered is what is pooled, beside an answer that is of no place.
func unanswered(found map[string]object.Object, addresses string) []mismatch {
	var wrong []mismatch
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if o := found[name]; o.Malformed == nil && isPooled(value.OfMap(o.Fields...)) {
			what := fmt.Sprintf("answers with %s, which is of no place, and %s is pooled", addresses, strconv.Quote(name))
			wrong = append(wrong, mismatch{name, what, o.Revision, isNot(false)})
		}
	}
	return wrong
}

// isNot reports whether an object is otherwise than pooled, or than out.
func isNot(pooled bool) func(value.Value) bool {
	return func(v value.Value) bool { return isPooled(v) != pooled }
}
