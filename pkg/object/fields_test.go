package object

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// fieldLists returns short and long lists of fields, which are searched in
// different ways.
func fieldLists() *rapid.Generator[[]value.Field] {
	field := rapid.Custom(func(t *rapid.T) value.Field {
		name := fmt.Sprint("f", rapid.IntRange(0, 50).Draw(t, "name"))
		return value.Field{Name: name, Value: value.OfInt(rapid.Int64Range(0, 1).Draw(t, "value"))}
	})
	return rapid.SliceOfNDistinct(field, 0, 40, func(f value.Field) string { return f.Name })
}

func TestDiffOfManyFields(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := fieldLists().Draw(t, "before"), fieldLists().Draw(t, "after")
		var want []FieldChange
		for _, f := range after {
			if was := value.Get(before, f.Name); was != f.Value {
				want = append(want, FieldChange{f.Name, was, f.Value})
			}
		}
		for _, f := range before {
			if value.Get(after, f.Name).IsAbsent() {
				want = append(want, FieldChange{f.Name, f.Value, value.Value{}})
			}
		}
		changes := Diff(before, after)
		if diff := cmp.Diff(want, changes, cmp.AllowUnexported(value.Value{})); diff != "" {
			t.Fatal(diff)
		}
		if got := apply(before, changes, after); !same(got, slices.Clip(append([]value.Field{}, after...))) {
			t.Fatalf("%v with the changes to %v is %v", before, after, got)
		}
	})
}

func TestOrderOfManyFields(t *testing.T) {
	node, err := schema.BuiltIn("pools").Type(schema.Node)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		fields := fieldLists().Draw(t, "fields")
		at := rapid.IntRange(0, len(fields)).Draw(t, "at")
		weight := value.Field{Name: "weight", Value: value.OfInt(7)}
		got := Order(node, slices.Insert(slices.Clone(fields), at, weight))
		want := slices.Concat([]value.Field{weight, {Name: "pooled", Value: value.OfString("inactive")}}, fields)
		if !slices.Equal(got, want) {
			t.Fatalf("got %v", got)
		}
	})
}

// BenchmarkManyFields measures a change of an object with very many fields.
func BenchmarkManyFields(b *testing.B) {
	node, err := schema.BuiltIn("pools").Type(schema.Node)
	if err != nil {
		b.Fatal(err)
	}
	var fields []value.Field
	for i := range maxFields {
		fields = append(fields, value.Field{Name: fmt.Sprint("k", i), Value: value.OfInt(0)})
	}
	for b.Loop() {
		before := New(node, []string{"a", "b", "c"}, "x").WithFields(fields)
		plan, err := Set([]Object{before}, []Assignment{{Field: "weight", Candidates: []value.Value{value.OfInt(1)}}})
		if err != nil || len(plan.Changes) != 1 {
			b.Fatal(plan, err)
		}
	}
}
