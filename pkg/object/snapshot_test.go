package object_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/value"
)

// TestSnapshot tests that objects are selected by type and selector, and found
// by key.
func TestSnapshot(t *testing.T) {
	typ := node(t)
	other := typeOf(t, types(t, "t: {path: ts, tags: [dc, cluster, service], schema: {}}"), "t")
	snapshot := object.Snapshot{Objects: []object.Object{
		object.New(typ, []string{"a", "b", "c"}, "x"), object.New(typ, []string{"a", "b", "c"}, "y"), object.New(other, []string{"a", "b", "c"}, "x"),
	}}
	chosen, err := selector.Parse("name=x", typ.Tags)
	if err != nil {
		t.Fatal(err)
	}
	if got := snapshot.Select(typ, chosen); len(got) != 1 || got[0].Key() != "pools/a/b/c/x" {
		t.Errorf("chosen: %v", got)
	}
	for key, want := range map[string]*object.Object{"pools/a/b/c/x": &snapshot.Objects[0], "pools/a/b/c/y": &snapshot.Objects[1], "ts/a/b/c/x": &snapshot.Objects[2], "pools/a/b/c/z": nil} {
		if snapshot.Find(key) != want || snapshot.ByKey()[key] != want {
			t.Errorf("%s: %v, %v", key, snapshot.Find(key), snapshot.ByKey()[key])
		}
	}
}

// TestNameIsOneCleanLine tests that an object's name in a message is one
// printable line, and unchanged if it is a usual name.
func TestNameIsOneCleanLine(t *testing.T) {
	typ := &schema.Type{Name: "t"}
	for name, want := range map[string]string{
		"cp1001.example": "t cp1001.example", "żółw": "t żółw",
		"a\nb": `t "a\nb"`, "a\x1b[2Jb": `t "a\x1b[2Jb"`, "a\rb": `t "a\rb"`, "a\u202eb": `t "a\u202eb"`, "a\u2028b": `t "a\u2028b"`, "a\u009bb": `t "a\u009bb"`, "a\xffb": `t "a\xffb"`, "a\u00a0b": `t "a\u00a0b"`,
	} {
		if got := object.New(typ, nil, name).String(); got != want || !text.IsLine(got) {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// TestStorable tests that objects that could not be read again are refused.
func TestStorable(t *testing.T) {
	typ := &schema.Type{Name: "t"}
	many := func(n int) (fields []value.Field) {
		for i := range n {
			fields = append(fields, value.Field{Name: fmt.Sprint("f", i), Value: value.OfInt(1)})
		}
		return fields
	}
	large := []value.Field{{Name: "f", Value: value.OfString(strings.Repeat("x", 600<<10))}}
	for want, fields := range map[string][]value.Field{
		"": many(4096), "t x: it cannot be stored: 4097 fields are more than the 4096 that an object may have": many(4097), "bytes are more than the": large,
	} {
		o := object.New(typ, nil, "x").WithFields(fields)
		err := object.Change{After: &o}.Storable()
		if (err == nil) != (want == "") || err != nil && (!errors.As(err, new(*object.InvalidError)) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%d fields: %v", len(fields), err)
		}
		if err := (object.Change{Before: &o}).Storable(); err != nil {
			t.Errorf("deleted: %v", err)
		}
	}
}

// TestUnusableJSONSchema tests that nothing is planned if a JSON schema cannot
// be used.
func TestUnusableJSONSchema(t *testing.T) {
	typ := ruled(t, `{"type": "nothing"}`)
	o := stored(t, typ, `{"val": 1}`)
	if _, plan, err := set(o, "val=2"); err == nil || !strings.Contains(err.Error(), "no valid JSON schema") || plan.Changes != nil || plan.Matched != nil {
		t.Errorf("set: %v", err)
	}
	if plan, err := replace(t, o, "val: 2\n"); err == nil || !strings.Contains(err.Error(), "no valid JSON schema") || plan.Changes != nil || plan.Matched != nil {
		t.Errorf("replace: %v", err)
	}
	w := wanted(t, typ, `{"val": 2}`)
	w.Foreign = true
	if plan, refusals := object.Make([]object.Wanted{w}, object.Snapshot{}); len(plan.Changes) != 1 || len(refusals) != 1 || !refusals[0].Taken || refusals[0].Err == nil {
		t.Errorf("taken over: %v, %v", plan, refusals)
	}
}

// TestSetAsksForFields tests that a plan has the assigned fields even if
// nothing changes.
func TestSetAsksForFields(t *testing.T) {
	got, plan, err := set(stored(t, node(t), `{"weight": 1, "pooled": "yes"}`), "pooled=yes", " weight =1")
	if err != nil || got != "no change" || strings.Join(plan.Asked, " ") != "pooled weight" || len(plan.Matched) != 1 {
		t.Errorf("%s, %+v, %v", got, plan, err)
	}
	_, err = object.ParseWords(&schema.Type{Name: "t"}, []string{"x"})
	var action *object.ActionError
	if !errors.As(err, &action) || action.Hint != "write set FIELD=VALUE" {
		t.Errorf("a type without fields: %v", err)
	}
}

// TestManyViolations tests that an error has the first hundred violations and
// the number of the others.
func TestManyViolations(t *testing.T) {
	var keys []string
	for i := range 120 {
		keys = append(keys, fmt.Sprintf(`"k%d"`, i))
	}
	typ := ruled(t, `{"required": [`+strings.Join(keys, ", ")+`]}`)
	_, refusals := object.Make([]object.Wanted{wanted(t, typ, `{"n": 1}`)}, object.Snapshot{})
	if len(refusals) != 1 {
		t.Fatal(refusals)
	}
	msg, all := refusals[0].Err.Error(), len(refusals[0].Violations)
	if n := strings.Count(msg, "; ") + 1; all != 120 || n != 101 || !strings.HasSuffix(msg, "; and 20 more") {
		t.Errorf("%d of %d: %s", n, all, msg[max(0, len(msg)-100):])
	}
}

// TestReplaceWarnsAndRefuses tests the warnings about removed declared fields
// and doubtful values, and that tags cannot be changed.
func TestReplaceWarnsAndRefuses(t *testing.T) {
	o := stored(t, node(t), `{"weight": 1, "pooled": "yes"}`)
	plan, err := replace(t, o, "pooled: no\n")
	if err != nil || len(plan.Matched) != 1 || strings.Join(plan.Warnings, "|") != "node x/x/x/name: field weight cannot be taken out, and keeps its value 1" {
		t.Errorf("%q, %v", plan.Warnings, err)
	}
	if plan, err := replace(t, o, "pooled: no\nweight: 1\n"); err != nil || plan.Warnings != nil {
		t.Errorf("%q, %v", plan.Warnings, err)
	}
	form := typeOf(t, types(t, formText), "t")
	if _, err := replace(t, stored(t, form, `{"i": 1}`), "dc: y\n"); err == nil || err.Error() != "buffer:1:1: dc is a tag of type t, not a field, and cannot be changed" {
		t.Errorf("a tag: %v", err)
	}
	plan, err = replace(t, stored(t, form, `{"i": 1, "s": ""}`), "i: 1\ns: ''\nnew: '[1'\n")
	if want := `t x/name gets a field that type t does not declare: new|t x/name: new becomes the text "[1"`; err != nil || !strings.HasPrefix(strings.Join(plan.Warnings, "|"), want) {
		t.Errorf("%q, %v", plan.Warnings, err)
	}
	if _, err := replace(t, stored(t, form, `{"i": 1}`), "i: no\n"); err == nil || !strings.HasPrefix(err.Error(), "buffer:1:4: i cannot be ") {
		t.Errorf("a value that is refused: %v", err)
	}
}

// TestDoubtsAreOfTheChange tests that doubts about unchanged values are not
// repeated.
func TestDoubtsAreOfTheChange(t *testing.T) {
	typ := typeOf(t, types(t, kinds), "t")
	const odd = `{"c": ["10.0.0.1/8"]}`
	for words, want := range map[string]int{"i=1": 0, `c=["10.0.0.1/8"]`: 0, `c=["10.0.0.2/8"]`: 1} {
		if _, plan, err := set(stored(t, typ, odd), words); err != nil || len(plan.Warnings) != want || want > 0 && !strings.HasSuffix(plan.Warnings[0], "; stored as typed") {
			t.Errorf("%s: %q, %v", words, plan.Warnings, err)
		}
	}
	free := &schema.Type{Name: "t", FreeForm: true, Fields: []schema.Field{{Name: "val", Kind: schema.Any, Default: value.NullValue}}}
	if _, plan, err := set(object.New(free, nil, "x"), "val= FALSE "); err != nil || len(plan.Changes) != 1 {
		t.Errorf("%v, %v", plan, err)
	}
	if _, plan, err := set(object.New(free, nil, "x"), `val=" Off "`); err != nil || len(plan.Warnings) != 1 {
		t.Errorf("blanks around a word: %q, %v", plan.Warnings, err)
	}
}

// TestAmbiguityInWords tests that the message has both possible values.
func TestAmbiguityInWords(t *testing.T) {
	free := &schema.Type{Name: "t", FreeForm: true, Fields: []schema.Field{{Name: "val", Kind: schema.Any, Default: value.NullValue}}}
	for words, want := range map[string]string{
		"val=none": `t x: val can be the text "none" or the boolean false or null`,
		"new=off":  `t x: new can be the text "off" or the boolean false`,
	} {
		o := object.New(free, nil, "x").WithFields([]value.Field{{Name: "val", Value: value.OfInt(7)}})
		if _, plan, err := set(o, words); err != nil || len(plan.Ambiguities) != 1 || plan.Ambiguities[0].String() != want {
			t.Errorf("%s: %v, %v", words, plan.Ambiguities, err)
		}
	}
}

// TestUndoWarns tests the warnings about restored values that the type does not
// allow.
func TestUndoWarns(t *testing.T) {
	refusing := ruled(t, `{"properties": {"val": {"type": "string"}}}`)
	for _, c := range []struct {
		typ                *schema.Type
		before, after, now string
		want               string
	}{
		{node(t), `{"x": 1}`, "", "", `node x/x/x/name has a field again that its type has not: type node has no field "x"; its fields are weight, pooled`},
		{refusing, `{"val": null}`, `{"val": "a"}`, `{"val": "a"}`, "r name is as it was created again: val: must be of type string, not null (rule r)"},
		{node(t), `{"weight": 1}`, `{"weight": 2}`, `{"weight": 2, "pooled": "maybe"}`, `node x/x/x/name was invalid before, and still is: pooled cannot be "maybe"; it takes one of yes, no, inactive`},
	} {
		var snapshot object.Snapshot
		if o := at(t, c.typ, c.now); o != nil {
			snapshot.Objects = []object.Object{*o}
		}
		plan, clashes, err := object.Undo([]object.Past{pastOf(t, c.typ, c.before, c.after)}, snapshot)
		if err != nil || len(clashes) != 0 || strings.Join(plan.Warnings, "|") != c.want {
			t.Errorf("got %q, %v", plan.Warnings, err)
		}
	}
}

// TestCoversDeletions tests that deletions of the same object are equal
// whatever its fields are.
func TestCoversDeletions(t *testing.T) {
	a, b := stored(t, node(t), `{"weight": 1}`), stored(t, node(t), `{"weight": 2, "x": 1}`)
	if !object.Delete([]object.Object{a}).Covers(object.Delete([]object.Object{b})) {
		t.Error("another deletion of the same object is not covered")
	}
}
