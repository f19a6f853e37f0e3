package change

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// TestPartsGiveBeforeTheyTake: of a plan in parts, no part leaves less serving
// than there was before and will be after: first come objects that are created
// and those that begin to serve, and last those that cease to and are deleted.
func TestPartsGiveBeforeTheyTake(t *testing.T) {
	typ := &schema.Type{Name: "t", Path: "ts", Fields: []schema.Field{{Name: "pooled", Kind: schema.Bool, Default: value.OfBool(false)}}}
	in := func(name string, pooled bool) *object.Object {
		o := object.New(typ, nil, name).WithFields([]value.Field{{Name: "pooled", Value: value.OfBool(pooled)}})
		return &o
	}
	ordered := []object.Change{
		{After: in("created", false)}, {After: in("made", true)},
		{Before: in("begins", false), After: in("begins", true)},
		{Before: in("serves", true), After: in("serves", true)}, {Before: in("out", false), After: in("out", false)},
		{Before: in("ends", true), After: in("ends", false)},
		{Before: in("deleted", false)},
	}
	names := func(changes []object.Change) string {
		var all []string
		for _, c := range changes {
			all = append(all, c.Object().Name)
		}
		return strings.Join(all, " ")
	}
	for range 20 {
		shuffled := slices.Clone(ordered)
		rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		before := names(shuffled)
		got := names(givingFirst(shuffled))
		// Those of one kind keep the order they have in the plan.
		for _, pair := range [][2]string{{"created", "made"}, {"serves", "out"}} {
			if strings.Index(before, pair[1]) < strings.Index(before, pair[0]) {
				got = strings.Replace(got, pair[1]+" "+pair[0], pair[0]+" "+pair[1], 1)
			}
		}
		if got != names(ordered) || names(shuffled) != before {
			t.Errorf("%s\nfrom %s", got, before)
		}
	}
}
