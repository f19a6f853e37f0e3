package readers

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/value"
)

// place returns which object's place an address is in.
func (r Reader) place(a netip.Addr) (string, bool) {
	best, name := -1, ""
	for object, nets := range r.answers {
		for _, n := range nets {
			if n.Contains(a) && n.Bits() > best {
				best, name = n.Bits(), object
			}
		}
	}
	return name, best >= 0
}

// noteDNS is what one answer does not tell.
const noteDNS = "a name server answers with one of the places that are pooled: that it has seen another one pooled, or with another TTL, does not show"

// dns compares the places that a name server answers with, and the TTLs. An address
// that is of no place is what it answers with when nothing is pooled.
func (j judgement) dns() comparison {
	found := map[string]object.Object{}
	for _, o := range j.objects(j.state.Snapshot) {
		if _, twice := found[o.Name]; twice {
			return comparison{problem: fmt.Sprintf("several of %s are called %s: say which with only, or {TAG}", j.selection(), printable(o.Name))}
		}
		found[o.Name] = o
	}
	c := comparison{note: noteDNS}
	var said, elsewhere []string
	withTTL := map[string]bool{}
	for _, a := range j.addresses {
		name, ok := j.place(a.Addr)
		if !ok {
			elsewhere = append(elsewhere, a.String())
			continue
		}
		said = append(said, name)
		o, stored := found[name]
		switch v := value.OfMap(o.Fields...); {
		case !stored || o.Malformed == nil && !isPooled(v):
			c.wrong = append(c.wrong, mismatch{name, fmt.Sprintf("answers with %s (%s), which is not pooled", a, name), o.Revision, otherThan(true)})
		case o.Malformed == nil && j.comparesTTL() && a.authoritative:
			wrong, shown := j.ttlMismatch(a, o, found)
			c.wrong = append(c.wrong, wrong...)
			withTTL[name] = withTTL[name] || shown
		}
	}
	c.shows = func(name, field string) bool {
		pooled := isPooled(value.OfMap(found[name].Fields...))
		return field == pooledField && (!pooled || slices.Contains(said, name)) || field == ttlField && withTTL[name]
	}
	if missing := unanswered(found, "nothing"); len(j.addresses) == 0 && len(missing) > 0 {
		c.problem = "answers that the name has no address: is the name right?"
	}
	if len(elsewhere) > 0 {
		c.wrong = append(c.wrong, unanswered(found, strings.Join(elsewhere, ", "))...)
	}
	if j.comparesTTL() && len(c.wrong) == 0 && len(said) > 0 {
		c.problem = cmp.Or(c.problem, unauthoritative(j.addresses))
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
			wrong = append(wrong, mismatch{name, what, o.Revision, otherThan(false)})
		}
	}
	return wrong
}

// otherThan reports whether an object is otherwise than pooled, or than out.
func otherThan(pooled bool) func(value.Value) bool {
	return func(v value.Value) bool { return isPooled(v) != pooled }
}
