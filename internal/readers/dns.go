package readers

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// place returns the name of the object whose networks contain an address. The
// smallest such network decides.
func (r Reader) place(a netip.Addr) (string, bool) {
	best, name := -1, ""
	for object, networks := range r.answers {
		for _, n := range networks {
			if n.Contains(a) && n.Bits() > best {
				best, name = n.Bits(), object
			}
		}
	}
	return name, best >= 0
}

// noteDNS describes what an answer of a name server does not show.
const noteDNS = "a name server answers with one of the places that are pooled: that it has seen another one pooled, or with another TTL, does not show"

// placesSaid is an answer of a name server, grouped by place. A name server answers
// with an address of no place when nothing is pooled.
type placeAnswers struct {
	at        map[string][]address
	elsewhere []string // addresses that belong to no place
	pooled    []string // places that are pooled in the store
	stored    []value.Value
}

// dns shows the places that a name server answers with, and their TTLs.
func (j judgement) dns() shown {
	answer := placeAnswers{at: map[string][]address{}}
	for _, a := range j.addresses {
		if name, ok := j.place(a.Addr); ok {
			answer.at[name] = append(answer.at[name], a)
		} else {
			answer.elsewhere = append(answer.elsewhere, a.String())
		}
	}
	for _, o := range j.stored {
		v := value.OfMap(o.Fields...)
		if answer.stored = append(answer.stored, v); o.Malformed == nil && isPooled(v) {
			answer.pooled = append(answer.pooled, o.Name)
		}
	}
	names := slices.Sorted(maps.Keys(answer.at))
	s := shown{keys: names, note: noteDNS, hint: j.swapped(answer)}
	s.differs = func(name string, stored value.Value) string { return j.placeDiffers(answer, name, stored) }
	s.shows = func(name, field string) bool {
		return field == pooledField && (answer.at[name] != nil || !slices.Contains(answer.pooled, name)) ||
			field == ttlField && j.showsTTL(answer, name)
	}
	s.current = "answers with " + cmp.Or(strings.Join(names, ", "), "no place, and none is pooled")
	switch {
	case len(j.addresses) == 0 && len(answer.pooled) > 0:
		s.problem = "answers that the name has no address: is the name right?"
	case j.comparesTTL() && len(names) > 0 && slices.ContainsFunc(j.addresses, func(a address) bool { return !a.authoritative }):
		s.doubt = "the answer is not authoritative, so its TTL cannot be compared: ask the name server that is, or declare ttl: none"
	}
	return s
}

// placeDiffers describes how the answer differs from the stored place.
func (j judgement) placeDiffers(answer placeAnswers, name string, stored value.Value) string {
	for _, a := range answer.at[name] {
		if !isPooled(stored) {
			return fmt.Sprintf("answers with %s (%s), which is not pooled", a, name)
		}
		if want, compared := j.ttlOf(stored); compared && a.authoritative && a.ttl != want && !j.isPassed(answer, a.ttl, want) {
			return fmt.Sprintf("answers with TTL %d for %s, not %d", a.ttl, strconv.Quote(name), want)
		}
	}
	if len(answer.elsewhere) > 0 && isPooled(stored) {
		return fmt.Sprintf("answers with %s, which is of no place, and %s is pooled", strings.Join(answer.elsewhere, ", "), strconv.Quote(name))
	}
	return ""
}

// swapped returns a hint for a name server that answers with places that are not
// pooled although others are: the networks may be declared for the wrong places.
func (j judgement) swapped(answer placeAnswers) string {
	pooled := slices.DeleteFunc(slices.Sorted(maps.Keys(j.answers)), func(place string) bool { return !slices.Contains(answer.pooled, place) })
	names := slices.Sorted(maps.Keys(answer.at))
	if len(pooled) == 0 || len(names) == 0 || slices.ContainsFunc(names, func(name string) bool { return slices.Contains(pooled, name) }) {
		return ""
	}
	return fmt.Sprintf("; or are the networks of %s and %s swapped in answers?", names[0], strings.Join(pooled, ", "))
}

// ttlLimits describes how a name server changes the stored TTLs.
type ttlLimits struct {
	ignored         bool  // TTLs are not compared
	lowest, highest int64 // the range of TTLs in seconds; no range if highest is 0
}

// parseTTL parses "none" or a range in seconds such as 10-300.
func parseTTL(text string) (ttlLimits, bool) {
	if text == "none" {
		return ttlLimits{ignored: true}, true
	}
	from, to, isRange := strings.Cut(text, "-")
	low, err1 := strconv.ParseUint(from, 10, 31)
	high, err2 := strconv.ParseUint(to, 10, 31)
	return ttlLimits{lowest: int64(low), highest: int64(high)}, isRange && err1 == nil && err2 == nil && low <= high && high > 0
}

// hasTTL reports whether objects of a type have TTLs.
func hasTTL(t *schema.Type) bool {
	f, has := t.Field(ttlField)
	return has && f.Kind == schema.Int
}

// comparesTTL reports whether TTLs in answers are compared with the objects.
func (r Reader) comparesTTL() bool { return hasTTL(r.Type) && !r.ttl.ignored }

// ttlOf returns the TTL that a name server should answer with for a stored object,
// and whether it is compared.
func (r Reader) ttlOf(v value.Value) (int64, bool) {
	n, ok := r.fieldOr(v, ttlField).Int()
	if r.ttl.highest > 0 {
		n = min(max(n, r.ttl.lowest), r.ttl.highest)
	}
	return n, ok && r.comparesTTL()
}

// isPassed reports whether a TTL may come from a place that is not pooled: a name
// server that tries the places in order of distance answers with the lowest TTL of
// the places that it skipped.
func (j judgement) isPassed(answer placeAnswers, ttl, want int64) bool {
	return ttl < want && slices.ContainsFunc(answer.stored, func(v value.Value) bool {
		n, ok := j.ttlOf(v)
		return ok && n == ttl && !isPooled(v)
	})
}

// showsTTL reports whether the answer shows the expected TTL of a place.
func (j judgement) showsTTL(answer placeAnswers, name string) bool {
	for _, o := range j.stored {
		want, ok := j.ttlOf(value.OfMap(o.Fields...))
		if o.Name == name && ok {
			return slices.ContainsFunc(answer.at[name], func(a address) bool { return a.authoritative && a.ttl == want })
		}
	}
	return false
}
