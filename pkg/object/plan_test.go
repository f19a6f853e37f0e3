package object_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// replace plans the change that an edited buffer describes.
func replace(t testing.TB, before object.Object, buffer string) (object.Plan, error) {
	t.Helper()
	doc, err := yamldoc.Parse("buffer", []byte(buffer))
	if err != nil {
		t.Fatal(err)
	}
	return object.Replace(&before, doc)
}

func TestReplace(t *testing.T) {
	const readOnly = `{"properties": {"val": {"oneOf": [{"type": "string"}, {"enum": [false]}]}}, "required": ["val", "key"]}`
	free := "t: {path: ts, tags: [dc], free_form: true, schema: {i: {type: int, default: 0}}}"
	typed := node(t)
	ofRule := ruled(t, readOnly)
	form := typeOf(t, types(t, free), "t")
	strict := typeOf(t, types(t, kinds), "t")
	const whole = `{"s": "a", "i": 1, "b": true, "l": [], "d": {}, "e": "yes", "c": [], "a": 1`
	tests := []struct {
		name   string
		before object.Object
		buffer string
		want   string // or "error: " and a part of it
	}{
		{"unquoted no is the word", stored(t, typed, `{"weight": 1, "pooled": "yes"}`), "pooled: no\nweight: 1\n", `{"weight": 1, "pooled": "no"}`},
		{"a declared field taken out keeps its value", stored(t, typed, `{"weight": 1, "pooled": "yes"}`), "pooled: no\n", `{"weight": 1, "pooled": "no"}`},
		{"any other taken out is removed", stored(t, typed, `{"weight": 1, "pooled": "yes", "x": 1, "y": 1}`), "y: 1\n", `{"weight": 1, "pooled": "yes", "y": 1}`},
		{"all taken out", stored(t, typed, `{"weight": 1, "pooled": "yes"}`), "{}", "no change"},
		{"a new key on a strict type", stored(t, typed, `{"weight": 1, "pooled": "yes"}`), "weigth: 2\n", `error: node x/x/x/name: type node has no field "weigth" (did you mean weight?)`},
		{"a known unknown key", stored(t, typed, `{"weight": 1, "pooled": "yes", "x": 1}`), "x: 1\npooled: no\n", `{"weight": 1, "pooled": "no", "x": 1}`},
		{"a known unknown key changed", stored(t, typed, `{"weight": 1, "pooled": "yes", "x": 1}`), "x: 2\n", `error: has no field "x"`},
		{"a new key on a free-form type", stored(t, form, `{"i": 1}`), "i: 1\nnew: [yes]\n", `{"i": 1, "new": ["yes"]}`},
		{"a value that is refused", stored(t, typed, `{"weight": 1, "pooled": "yes"}`), "pooled: no\nweight: -1\n", "error: weight cannot be -1"},
		{"no map", stored(t, typed, `{}`), "- a", "error: buffer:1:1: the object must be a map, not a list"},
		{"nothing", stored(t, typed, `{}`), "# all gone\n", "error: the object must be a map, not nothing"},
		{"false, not text", stored(t, ofRule, `{"val": "a", "key": 1}`), "val: false\nkey: 1\n", `{"val": false, "n": 0, "key": 1}`},
		{"true is not text", stored(t, ofRule, `{"val": "a", "key": 1}`), "val: True\nkey: 1\n", "error: val: must be of type string, not true; or must be false, not true"},
		{"a key that is required is taken out", stored(t, ofRule, `{"val": "a", "key": 1}`), "val: a\n", "error: key: is missing"},
		{"an invalid field that is left as it is", stored(t, typed, `{"weight": "a", "pooled": "yes"}`), "weight: a\npooled: no\n", `{"weight": "a", "pooled": "no"}`},
		{"an invalid field that is mended", stored(t, typed, `{"weight": "5", "pooled": "yes"}`), "weight: 5\n", `{"weight": 5, "pooled": "yes"}`},
		{"an invalid field made worse", stored(t, typed, `{"weight": "a", "pooled": "yes"}`), "weight: b\n", `error: weight cannot be "b"`},
		{"a number in a text field is left as it is", stored(t, strict, strings.Replace(whole, `"a"`, "5", 1)+"}"), "s: 5\ni: 2\n", strings.Replace(strings.Replace(whole, `"a"`, "5", 1), `"i": 1`, `"i": 2`, 1) + "}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan, err := replace(t, tt.before, tt.buffer)
			if part, isErr := strings.CutPrefix(tt.want, "error: "); isErr {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %s, %v; want %s", outcome(plan), err, part)
				}
			} else if err != nil || outcome(plan) != tt.want {
				t.Errorf("got %s, %v; want %s", outcome(plan), err, tt.want)
			}
		})
	}
}

func TestReplaceMalformed(t *testing.T) {
	o := object.New(node(t), []string{"a", "b", "c"}, "n")
	o.Malformed, o.Raw = errors.New("not JSON"), []byte("{")
	plan, err := replace(t, o, "weight: 0\npooled: inactive\n")
	if err != nil || outcome(plan) != `{"weight": 0, "pooled": "inactive"}` {
		t.Errorf("got %s, %v", outcome(plan), err)
	}
}

// A buffer as it is shown for editing changes nothing, whatever is stored.
func TestReplaceByUnchangedBuffer(t *testing.T) {
	typ := typeOf(t, types(t, kinds), "t")
	rapid.Check(t, func(rt *rapid.T) {
		before := anObject(typ).Draw(rt, "before")
		buffer, err := yamldoc.Encode(yamldoc.OfValue(value.OfMap(before.Fields...)))
		if err != nil {
			rt.Fatal(err)
		}
		plan, err := replace(t, before, string(buffer))
		if err != nil || len(plan.Changes) != 0 {
			rt.Fatalf("%s\ngot %s, %v; was %s", buffer, outcome(plan), err, before.AppendStored(nil))
		}
	})
}

func fields(t *rapid.T, label string) []value.Field {
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 4, rapid.ID).Draw(t, label)
	all := make([]value.Field, len(names))
	for i, name := range names {
		all[i] = value.Field{Name: name, Value: value.OfInt(rapid.Int64Range(0, 2).Draw(t, name))}
	}
	return all
}

func asMap(fields []value.Field) map[string]string {
	m := map[string]string{}
	for _, f := range fields {
		m[f.Name] = f.Value.Text()
	}
	return m
}

// Applying a Diff to the old fields gives the new ones, and a Diff has only
// fields that differ.
func TestDiffApplied(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := fields(t, "before"), fields(t, "after")
		applied := asMap(before)
		for _, d := range object.Diff(before, after) {
			if d.Before == d.After || applied[d.Name] != d.Before.Text() {
				t.Fatalf("got %+v", d)
			}
			if applied[d.Name] = d.After.Text(); d.After.IsAbsent() {
				delete(applied, d.Name)
			}
		}
		if d := cmp.Diff(asMap(after), applied); d != "" {
			t.Fatal(d)
		}
		if d := object.Diff(after, after); d != nil {
			t.Fatalf("got %v", d)
		}
	})
}

func TestOrderIsIdempotent(t *testing.T) {
	typ := typeOf(t, types(t, kinds), "t")
	rapid.Check(t, func(t *rapid.T) {
		unordered := rapid.Permutation(slices.Concat(fields(t, "fields"), []value.Field{{Name: "i", Value: value.OfInt(3)}})).Draw(t, "order")
		once := object.Order(typ, unordered)
		if !slices.Equal(object.Order(typ, once), once) {
			t.Fatalf("got %v", once)
		}
		if len(once) < len(typ.Fields) || once[1].Value != value.OfInt(3) {
			t.Fatalf("got %v", once)
		}
		for i, f := range typ.Fields {
			if once[i].Name != f.Name {
				t.Fatalf("got %v", once)
			}
		}
	})
}

func TestCovers(t *testing.T) {
	typ := typeOf(t, types(t, "t: {path: ts, tags: [dc], free_form: true, schema: {i: {type: int, default: 0}, s: {type: string, default: ''}}}"), "t")
	at := func(name, text string) *object.Object {
		if text == "" {
			return nil
		}
		o := stored(t, typ, text)
		o.Name = name
		return &o
	}
	change := func(name, before, after string) object.Change {
		return object.Change{Before: at(name, before), After: at(name, after)}
	}
	plan := func(changes ...object.Change) object.Plan { return object.Plan{Changes: changes} }
	answered := plan(change("a", `{"i": 1, "x": 1}`, `{"i": 2, "s": "b", "x": 1}`), change("b", `{"i": 1}`, ""), change("c", "", `{"i": 1}`))
	tests := []struct {
		name string
		plan object.Plan
		want bool
	}{
		{"the same", answered, true},
		{"none", plan(), true},
		{"fewer objects", plan(answered.Changes[1]), true},
		{"more objects", plan(change("d", `{"i": 1}`, "")), false},
		{"from another value", plan(change("a", `{"i": 9, "x": 1}`, `{"i": 2, "s": "b", "x": 1}`)), true},
		{"fewer fields", plan(change("a", `{"i": 2, "x": 1}`, `{"i": 2, "s": "b", "x": 1}`)), true},
		{"another value", plan(change("a", `{"i": 1, "x": 1}`, `{"i": 3, "s": "b", "x": 1}`)), false},
		{"another field", plan(change("a", `{"i": 1, "x": 1}`, `{"i": 2, "s": "b", "x": 2}`)), false},
		{"a field is removed as well", plan(change("a", `{"i": 1, "x": 1}`, `{"i": 2, "s": "b"}`)), false},
		{"deleted, not changed", plan(change("a", `{"i": 1, "x": 1}`, "")), false},
		{"changed, not deleted", plan(change("b", `{"i": 1}`, `{"i": 2}`)), false},
		{"changed, not created", plan(change("c", `{"i": 0}`, `{"i": 1}`)), false},
		{"created otherwise", plan(change("c", "", `{"i": 5}`)), false},
	}
	for _, tt := range tests {
		if got := answered.Covers(tt.plan); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}

// A plan covers itself and every part of itself, and nothing else.
func TestCoversItsParts(t *testing.T) {
	typ := typeOf(t, types(t, kinds), "t")
	rapid.Check(t, func(t *rapid.T) {
		var plan object.Plan
		for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching("[a-c]"), 1, 3, rapid.ID).Draw(t, "names") {
			before, after := anObject(typ).Draw(t, "before"), anObject(typ).Draw(t, "after")
			before.Name, after.Name = name, name
			plan.Changes = append(plan.Changes, object.Change{Before: &before, After: &after})
		}
		n := rapid.IntRange(0, len(plan.Changes)-1).Draw(t, "n")
		part := object.Plan{Changes: plan.Changes[:n]}
		if !plan.Covers(plan) || !plan.Covers(part) || part.Covers(plan) {
			t.Fatalf("%d of %d changes", n, len(plan.Changes))
		}
	})
}

func TestDelete(t *testing.T) {
	o := stored(t, node(t), `{"weight": 1, "pooled": "yes", "x": 1}`)
	plan := object.Delete([]object.Object{o})
	if len(plan.Changes) != 1 || plan.Changes[0].After != nil || plan.Changes[0].Object().Key() != "pools/x/x/x/name" || len(plan.Matched) != 1 {
		t.Fatalf("got %+v", plan)
	}
	if d := plan.Changes[0].Fields(); len(d) != 3 || !d[2].After.IsAbsent() || d[2].Before != value.OfInt(1) {
		t.Errorf("got %+v", d)
	}
}
