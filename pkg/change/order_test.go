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

// TestPartsGiveBeforeTheyTake tests the order of a plan in parts: objects that
// are created and those that start to serve are first, those that stop serving
// and those that are deleted are last.
func TestPartsGiveBeforeTheyTake(t *testing.T) {
	typ := &schema.Type{Name: "t", Path: "ts", Fields: []schema.Field{{Name: "pooled", Kind: schema.Bool, Default: value.OfBool(false)}}}
	intent := func(name string, pooled bool) *object.Object {
		o := object.New(typ, nil, name).WithFields([]value.Field{{Name: "pooled", Value: value.OfBool(pooled)}})
		return &o
	}
	ordered := []object.Change{
		{After: intent("created", false)}, {After: intent("made", true)},
		{Before: intent("begins", false), After: intent("begins", true)},
		{Before: intent("serves", true), After: intent("serves", true)}, {Before: intent("out", false), After: intent("out", false)},
		{Before: intent("ends", true), After: intent("ends", false)},
		{Before: intent("deleted", false)},
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
		got := names(capacityFirst(shuffled))
		// Changes of the same rank keep the order of the plan.
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
