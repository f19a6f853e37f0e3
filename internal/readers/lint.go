package readers

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// RuleSwapped is the rule of a doubt about two name servers for which the same
// network is declared for different places.
const RuleSwapped = "reader-swapped"

// Doubts returns the differences between RE2 and Python in the reader's regular
// expressions, each as an error at the declaration.
func (r Reader) Doubts() []*yamldoc.Error {
	var found []*yamldoc.Error
	for _, doubt := range r.Only.Doubts() {
		found = append(found, yamldoc.Errorf(r.Pos, "only: %s", doubt).Of(schema.RuleRegex))
	}
	if r.pattern == nil {
		return found
	}
	for _, d := range selector.Differences(r.pattern.String()) {
		if !d.Beyond {
			found = append(found, yamldoc.Errorf(r.Pos, "pattern: %s", d).Of(schema.RuleRegex))
		}
	}
	return found
}

// Unnamed returns the places of a name server that are not the name of any of the
// objects that should exist, each as an error at the declaration. It returns none if
// objects is empty. An answer with such a place is always wrong.
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

// Swapped returns, for each network that two readers of a type declare for different
// places, a doubt about the second declaration.
func Swapped(all []Reader) []*yamldoc.Error {
	type key struct {
		typ     *schema.Type
		network netip.Prefix
	}
	type use struct {
		place string
		at    yamldoc.Pos
	}
	var found []*yamldoc.Error
	first := map[key]use{}
	for _, r := range all {
		for _, place := range slices.Sorted(maps.Keys(r.answers)) {
			for _, network := range r.answers[place] {
				k := key{r.Type, network}
				if other, used := first[k]; !used {
					first[k] = use{place, r.Pos}
				} else if other.place != place {
					found = append(found, yamldoc.Errorf(r.Pos, "answers: %s is of %s here, and of %s at %s: are they swapped?",
						network, place, other.place, other.at).Of(RuleSwapped))
				}
			}
		}
	}
	return found
}
