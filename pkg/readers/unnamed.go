package readers

import (
	"maps"
	"slices"

	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

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
