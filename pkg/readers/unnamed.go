package readers

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// RuleSwapped is what sort of doubt a yamldoc.Error is about: two name servers are
// declared to answer with the same network for different places.
const RuleSwapped = "reader-swapped"

// Swapped returns, for each network that two readers have for different places, a
// doubt about the second declaration.
func Swapped(all []Reader) []*yamldoc.Error {
	type use struct {
		place string
		at    yamldoc.Pos
	}
	var found []*yamldoc.Error
	first := map[*schema.Type]map[netip.Prefix]use{}
	for _, r := range all {
		if first[r.Type] == nil {
			first[r.Type] = map[netip.Prefix]use{}
		}
		for _, place := range slices.Sorted(maps.Keys(r.answers)) {
			for _, network := range r.answers[place] {
				other, used := first[r.Type][network]
				if !used {
					first[r.Type][network] = use{place, r.Pos}
				} else if other.place != place {
					found = append(found, yamldoc.Errorf(r.Pos, "answers: %s is of %s here, and of %s at %s: are they swapped?",
						network, place, other.place, other.at).Of(RuleSwapped))
				}
			}
		}
	}
	return found
}

// swapped is a hint for a name server that has answered for long with places that
// are not pooled, though others are: the declaration may be wrong.
func (j judgement) swapped(level Level) string {
	pooled := map[string]bool{}
	for _, o := range j.objects(j.state.Snapshot) {
		pooled[o.Name] = isPooled(value.OfMap(o.Fields...))
	}
	var places []string
	for place := range j.answers {
		if pooled[place] {
			places = append(places, place)
		}
	}
	var said []string
	for _, a := range j.addresses {
		if name, ok := j.place(a.Addr); ok {
			said = append(said, name)
		}
	}
	if level != Critical || len(places) == 0 || len(said) == 0 || slices.ContainsFunc(said, func(name string) bool { return pooled[name] }) {
		return ""
	}
	slices.Sort(places)
	return oneLine(fmt.Sprintf("; or are the networks of %s and %s swapped in answers?", said[0], strings.Join(places, ", ")))
}

// Unnamed returns the places of a name server that none of the objects that
// should exist is called, each as a complaint about the declaration; none if
// there are no objects. An answer with such a place is never right.
func (r Reader) Unnamed(objects []object.Object) []*yamldoc.Error {
	var names []string
	for _, o := range objects {
		names = append(names, o.Name)
	}
	var found []*yamldoc.Error
	for _, place := range slices.Sorted(maps.Keys(r.answers)) {
		if len(names) > 0 && !slices.Contains(names, place) {
			found = append(found, yamldoc.Errorf(r.Pos, "answers: no object of type %s is called %q%s",
				r.Type.Name, place, nearest.Suggest(place, names)).Of(schema.RuleUnknownKey))
		}
	}
	return found
}
