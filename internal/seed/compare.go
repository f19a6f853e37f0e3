package seed

import (
	"maps"
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// Comparison is the difference between what files declare and what a store has. Sync
// and all reports on it use the same Comparison.
type Comparison struct {
	Types []TypeComparison // in the order of Data.Types
}

// TypeComparison is the Comparison of one type.
type TypeComparison struct {
	Type                    // what the files declare
	Missing []object.Object // declared but not stored, by path; empty for a type with faults
	// Extra are the objects that are stored but not declared, in the order of the
	// snapshot. It is empty for a type with faults. They should be deleted only if the
	// type is Complete.
	Extra  []object.Object
	Stored int // the number of stored objects
}

// Compare compares the declared objects with a snapshot, which must have all objects
// of the types.
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
	missing := make(map[string]int, len(t.Objects)) // indexes into t.Objects
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
