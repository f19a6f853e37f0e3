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

// place returns the name of the object in whose networks an address is. Of several
// networks the smallest counts.
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

// noteDNS is what one answer does not show.
const noteDNS = "a name server answers with one of the places that are pooled: that it has seen another one pooled, or with another TTL, does not show"

// placesSaid is an answer of a name server by places. An address of no place is what
// a name server answers with when nothing is pooled.
type placesSaid struct {
	at        map[string][]address
	elsewhere []string // addresses of no place
	pooled    []string // places that are pooled in the store
	stored    []value.Value
}

// dns shows the places that a name server answers with, and their TTLs.
func (j judgement) dns() shown {
	said := placesSaid{at: map[string][]address{}}
	for _, a := range j.addresses {
		if name, ok := j.place(a.Addr); ok {
			said.at[name] = append(said.at[name], a)
		} else {
			said.elsewhere = append(said.elsewhere, a.String())
		}
	}
	for _, o := range j.stored {
		v := value.OfMap(o.Fields...)
		if said.stored = append(said.stored, v); o.Malformed == nil && isPooled(v) {
			said.pooled = append(said.pooled, o.Name)
		}
	}
	names := slices.Sorted(maps.Keys(said.at))
	s := shown{keys: names, note: noteDNS, hint: j.swapped(said)}
	s.differs = func(name string, stored value.Value) string { return j.placeDiffers(said, name, stored) }
	s.shows = func(name, field string) bool {
		return field == pooledField && (said.at[name] != nil || !slices.Contains(said.pooled, name)) ||
			field == ttlField && j.showsTTL(said, name)
	}
	s.current = "answers with " + cmp.Or(strings.Join(names, ", "), "no place, and none is pooled")
	switch {
	case len(j.addresses) == 0 && len(said.pooled) > 0:
		s.problem = "answers that the name has no address: is the name right?"
	case j.comparesTTL() && len(names) > 0 && slices.ContainsFunc(j.addresses, func(a address) bool { return !a.authoritative }):
		s.doubt = "the answer is not authoritative, so its TTL cannot be compared: ask the name server that is, or declare ttl: none"
	}
	return s
}

// placeDiffers says how the answer differs from a place that is stored so.
func (j judgement) placeDiffers(said placesSaid, name string, stored value.Value) string {
	for _, a := range said.at[name] {
		if !isPooled(stored) {
			return fmt.Sprintf("answers with %s (%s), which is not pooled", a, name)
		}
		if want, compared := j.ttlOf(stored); compared && a.authoritative && a.ttl != want && !j.isPassed(said, a.ttl, want) {
			return fmt.Sprintf("answers with TTL %d for %s, not %d", a.ttl, strconv.Quote(name), want)
		}
	}
	if len(said.elsewhere) > 0 && isPooled(stored) {
		return fmt.Sprintf("answers with %s, which is of no place, and %s is pooled", strings.Join(said.elsewhere, ", "), strconv.Quote(name))
	}
	return ""
}

// swapped is a hint for a name server that answers with places that are not pooled,
// though others are: the networks may be declared the wrong way round.
func (j judgement) swapped(said placesSaid) string {
	pooled := slices.DeleteFunc(slices.Sorted(maps.Keys(j.answers)), func(place string) bool { return !slices.Contains(said.pooled, place) })
	names := slices.Sorted(maps.Keys(said.at))
	if len(pooled) == 0 || len(names) == 0 || slices.ContainsFunc(names, func(name string) bool { return slices.Contains(pooled, name) }) {
		return ""
	}
	return fmt.Sprintf("; or are the networks of %s and %s swapped in answers?", names[0], strings.Join(pooled, ", "))
}

// ttlLimits is what a name server makes of the TTLs that are stored.
type ttlLimits struct {
	ignored     bool  // they are not compared
	least, most int64 // the range in seconds that they are kept in; none if most is 0
}

// parseTTL reads none, or a range in seconds: 10-300.
func parseTTL(text string) (ttlLimits, bool) {
	if text == "none" {
		return ttlLimits{ignored: true}, true
	}
	from, to, isRange := strings.Cut(text, "-")
	least, err1 := strconv.ParseUint(from, 10, 31)
	most, err2 := strconv.ParseUint(to, 10, 31)
	return ttlLimits{least: int64(least), most: int64(most)}, isRange && err1 == nil && err2 == nil && least <= most && most > 0
}

// hasTTL reports whether objects of a type have TTLs.
func hasTTL(t *schema.Type) bool {
	f, has := t.Field(ttlField)
	return has && f.Kind == schema.Int
}

// comparesTTL reports whether the TTL of an answer is compared with the objects.
func (r Reader) comparesTTL() bool { return hasTTL(r.Type) && !r.ttl.ignored }

// ttlOf is the TTL that a name server should answer with for a stored object, if it
// is compared.
func (r Reader) ttlOf(v value.Value) (int64, bool) {
	n, ok := r.fieldOr(v, ttlField).Int()
	if r.ttl.most > 0 {
		n = min(max(n, r.ttl.least), r.ttl.most)
	}
	return n, ok && r.comparesTTL()
}

// isPassed reports whether a TTL may be that of a place that is not pooled: a name
// server that goes through the places in the order of their distance answers with
// the lowest TTL of those that it has passed.
func (j judgement) isPassed(said placesSaid, ttl, want int64) bool {
	return ttl < want && slices.ContainsFunc(said.stored, func(v value.Value) bool {
		n, ok := j.ttlOf(v)
		return ok && n == ttl && !isPooled(v)
	})
}

// showsTTL reports whether the answer shows the TTL that a place should have.
func (j judgement) showsTTL(said placesSaid, name string) bool {
	for _, o := range j.stored {
		want, ok := j.ttlOf(value.OfMap(o.Fields...))
		if o.Name == name && ok {
			return slices.ContainsFunc(said.at[name], func(a address) bool { return a.authoritative && a.ttl == want })
		}
	}
	return false
}
