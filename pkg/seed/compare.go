package seed

import (
	"maps"
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// Comparison is what files declare against what a store has. Sync makes it
// true, and everything that reports on it goes by the same.
type Comparison struct {
	Types []TypeComparison // in the order of Data.Types
}

// TypeComparison is a Comparison of one type.
type TypeComparison struct {
	Type                    // what the files say
	Missing []object.Object // declared, but not stored, by path; none of a type with faults
	// Extra are stored, but not declared, in the order of the snapshot; none
	// of a type with faults. They should go only if the type is Complete.
	Extra  []object.Object
	Stored int // how many objects the store has
}

// Compare compares the files with a snapshot that has all objects of the types.
func (d Data) Compare(snapshot object.Snapshot) Comparison {
	stored := map[*schema.Type][]object.Object{}
	for _, o := range snapshot.Objects {
		stored[o.Type] = append(stored[o.Type], o)
	}
	c := Comparison{Types: make([]TypeComparison, len(d.Types))}
	for i, t := range d.Types {
		c.Types[i] = t.compare(stored[t.Type])
	}
	return c
}

func (t Type) compare(stored []object.Object) TypeComparison {
	c := TypeComparison{Type: t, Stored: len(stored)}
	if len(t.Faults) > 0 {
		return c
	}
	missing := make(map[string]int, len(t.Objects)) // where in them
	for i, o := range t.Objects {
		missing[o.Path()] = i
	}
	for _, o := range stored {
		path := o.Path()
		if _, declared := missing[path]; declared {
			delete(missing, path)
		} else {
			c.Extra = append(c.Extra, o)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(missing)) {
		c.Missing = append(c.Missing, t.Objects[missing[path]])
	}
	return c
}
