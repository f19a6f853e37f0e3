package object_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// kinds declares a type with a field of every kind.
const kinds = `
t:
  path: ts
  tags: [dc]
  schema:
    s: {type: string, default: ""}
    i: {type: int, default: 0}
    b: {type: bool, default: false}
    l: {type: list, default: []}
    d: {type: dict, default: {}}
    e: {type: "enum:yes|no", default: no}
    c: {type: cidr_list, default: []}
    a: {default: null}
`

func types(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Parse(filepath.Join(t.TempDir(), "s.yaml"), []byte(text), "pools")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func typeOf(t testing.TB, s *schema.Schema, name string) *schema.Type {
	t.Helper()
	typ, err := s.Type(name)
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

func node(t testing.TB) *schema.Type {
	t.Helper()
	return typeOf(t, schema.BuiltIn("pools"), schema.Node)
}

// ruled returns a type with the fields val and n and a JSON schema.
func ruled(t testing.TB, jsonSchema string) *schema.Type {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.json")
	if err := os.WriteFile(file, []byte(jsonSchema), 0o600); err != nil {
		t.Fatal(err)
	}
	return typeOf(t, types(t, `r:
  path: rs
  tags: []
  schema: {val: {default: null}, n: {default: 0}}
  json_schema: {base_path: ., rules: {r: {selector: "name=.*", schema: "`+file+`"}}}
`), "r")
}

// stored returns an object as read from a store.
func stored(t testing.TB, typ *schema.Type, text string) object.Object {
	t.Helper()
	v, err := value.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	o := object.New(typ, slices.Repeat([]string{"x"}, len(typ.Tags)), "name").WithFields(v.Fields())
	o.Revision = 7
	return o
}

// set plans the given assignments and returns the text that would be stored.
func set(before object.Object, words ...string) (after string, plan object.Plan, err error) {
	assignments, err := object.ParseWords(before.Type, words)
	if err != nil {
		return "", plan, err
	}
	if plan, err = object.Set([]object.Object{before}, assignments); err != nil {
		return "", plan, err
	}
	return outcome(plan), plan, nil
}

func outcome(plan object.Plan) string {
	if len(plan.Changes) == 0 {
		return "no change"
	}
	return string(plan.Changes[0].After.AppendStored(nil))
}

func TestSet(t *testing.T) {
	tests := []struct {
		name, stored string
		words        []string
		want         string
	}{
		{"one field", `{"weight": 10, "pooled": "yes"}`, []string{"pooled=no"}, `{"weight": 10, "pooled": "no"}`},
		{"no change", `{"weight": 10, "pooled": "yes"}`, []string{"pooled=yes", "weight=10"}, "no change"},
		{"missing fields are written with defaults", `{"weight": 10}`, []string{"weight=5"}, `{"weight": 5, "pooled": "inactive"}`},
		{"fields are stored in the schema's order", `{"pooled": "yes", "weight": 10}`, []string{"weight=5"}, `{"weight": 5, "pooled": "yes"}`},
		{"unknown stored keys survive", `{"x": {"y":1.50}, "pooled": "yes", "weight": 1}`, []string{"weight=2"}, `{"weight": 2, "pooled": "yes", "x": {"y": 1.50}}`},
		{"an invalid field that is touched", `{"weight": "a", "pooled": "yes"}`, []string{"weight=2"}, `{"weight": 2, "pooled": "yes"}`},
		{"an invalid field that is not", `{"weight": "a", "pooled": "yes"}`, []string{"pooled=no"}, `{"weight": "a", "pooled": "no"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := set(stored(t, node(t), tt.stored), tt.words...)
			if err != nil || got != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func TestSetWarnsOfOtherFields(t *testing.T) {
	_, plan, err := set(stored(t, node(t), `{"weight": "a", "pooled": "maybe"}`), "pooled=no")
	want := []string{`node x/x/x/name was invalid before, and still is: weight cannot be "a"; it takes a whole number, 0 or more, in plain digits`}
	if d := cmp.Diff(want, plan.Warnings); d != "" || err != nil {
		t.Error(d, err)
	}
}

func TestSetByJSONSchema(t *testing.T) {
	const (
		text     = `{"properties": {"val": {"type": "string"}}}`
		readOnly = `{"properties": {"val": {"oneOf": [{"type": "string"}, {"enum": [false]}]}}}`
		atTop    = `{"anyOf": [{"properties": {"val": {"type": "string"}}}, {"properties": {"val": {"type": "boolean"}}}]}`
		both     = `{"properties": {"val": {"type": "string"}, "n": {"type": "integer"}}}`
		strict   = `{"properties": {"val": {}, "n": {}}, "additionalProperties": false}`
		required = `{"required": ["val", "x", "y"]}`
	)
	tests := []struct {
		name, schema, stored string
		words                []string
		want                 string // or "error: " and a part of it
	}{
		{"JSON where it is valid", readOnly, `{"val": "why"}`, []string{"val=false"}, `{"val": false, "n": 0}`},
		{"in any case", readOnly, `{"val": "why"}`, []string{"val=False"}, `{"val": false, "n": 0}`},
		{"in quotes it is text", readOnly, `{"val": "why"}`, []string{`val="false"`}, `{"val": "false", "n": 0}`},
		{"a bare word is never text", readOnly, `{"val": "why"}`, []string{"val=true"}, `error: r name: val: must be of type string, not true; or must be false, not true (rule r)`},
		{"or else text", text, `{"val": "a"}`, []string{"val=123"}, `{"val": "123", "n": 0}`},
		{"text, though bare null is not", text, `{"val": "a"}`, []string{"val=null"}, `error: val: must be of type string, not null`},
		{"by a choice at the top", atTop, `{"val": "a"}`, []string{"val=123"}, `{"val": "123", "n": 0}`},
		{"each field for itself", both, `{"val": "a"}`, []string{"val=123", "n=5"}, `{"val": "123", "n": 5}`},
		{"neither", both, `{"val": "a"}`, []string{"n=[1]"}, `error: n: must be of type integer, not [1] (rule r)`},
		{"what remains elsewhere", both, `{"val": 5}`, []string{"n=1"}, `{"val": 5, "n": 1}`},
		{"what it names is judged, changed or not", both, `{"val": 5}`, []string{"val=5", "n=1"}, `{"val": "5", "n": 1}`},
		{"a key too many remains", strict, `{"val": 5, "old": 1, "older": 1}`, []string{"n=1"}, `{"val": 5, "n": 1, "old": 1, "older": 1}`},
		{"a key too few remains", required, `{"val": 5}`, []string{"n=1"}, `{"val": 5, "n": 1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := set(stored(t, ruled(t, tt.schema), tt.stored), tt.words...)
			if part, isErr := strings.CutPrefix(tt.want, "error: "); isErr {
				var invalid *object.InvalidError
				if !errors.As(err, &invalid) || !strings.Contains(err.Error(), part) {
					t.Errorf("got %s, %v; want %s", got, err, part)
				}
			} else if err != nil || got != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func TestSetFreeForm(t *testing.T) {
	typ := typeOf(t, types(t, "t: {path: ts, tags: [dc], free_form: true, schema: {i: {type: int, default: 0}}}"), "t")
	if got, _, err := set(stored(t, typ, `{"i": 1}`), "new=[1]", "other=text"); got != `{"i": 1, "new": [1], "other": "text"}` || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if _, _, err := set(stored(t, typ, `{"i": 1}`), "dc=south"); err == nil || err.Error() != "dc is a tag of type t, not a field, and cannot be changed" {
		t.Errorf("got %v", err)
	}
}

// Setting fields of an object that cannot be read starts from the defaults.
func TestSetMalformed(t *testing.T) {
	o := object.New(node(t), []string{"a", "b", "c"}, "n")
	o.Malformed, o.Raw = errors.New("not JSON"), []byte("{")
	got, plan, err := set(o, "weight=0")
	if err != nil || got != `{"weight": 0, "pooled": "inactive"}` {
		t.Fatalf("got %s, %v", got, err)
	}
	if after := plan.Changes[0].After; after.Malformed != nil || after.Raw != nil {
		t.Errorf("got %+v", after)
	}
}

func TestParseAssignments(t *testing.T) {
	typ := typeOf(t, types(t, kinds), "t")
	tests := []struct{ text, want, hint string }{
		{" i = 5 : e = no ", `i=5 e="no"`, ""},
		{"l=a,b:b=TRUE:s=", `l=["a", "b"] b=true s=""`, ""},
		{"a=5", `a=5|"5"`, ""},
		{"", "error: nothing to set", "write set/s=VALUE"},
		{"i", `error: "i" is not FIELD=VALUE`, "write set/i=VALUE; it takes a whole number in plain digits"},
		{"i=5:", `error: "" is not FIELD=VALUE`, "a value that holds : or = is given as a word of its own: set 'FIELD=VALUE'"},
		{"=5", `error: "=5" is not FIELD=VALUE`, "write set s=VALUE"},
		{"s=a=b", `error: "s=a=b" is not FIELD=VALUE`, "a value that holds : or = is given as a word of its own: set 'FIELD=VALUE'"},
		{"s=http://x", `error: "//x" is not FIELD=VALUE`, "a value that holds : or = is given as a word of its own: set 'FIELD=VALUE'"},
		{"i=1:i=1", "error: field i is given twice", ""},
		{"dc=x", "error: dc is a tag of type t, not a field, and cannot be changed", ""},
		{"name=x", `error: type t has no field "name"; its fields are s, i, b, l, d, e, c, a`, ""},
		{"i=+5", `error: i cannot be "+5"; it takes a whole number in plain digits`, ""},
	}
	for _, tt := range tests {
		got, err := object.ParseAssignments(typ, tt.text)
		var words []string
		for _, a := range got {
			var c []string
			for _, v := range a.Candidates {
				c = append(c, v.Text())
			}
			words = append(words, a.Field+"="+strings.Join(c, "|"))
		}
		result, hint := strings.Join(words, " "), ""
		if err != nil {
			result = "error: " + err.Error()
		}
		if e := (*object.ActionError)(nil); errors.As(err, &e) {
			hint = e.Hint
		}
		if result != tt.want || hint != tt.hint {
			t.Errorf("%q: got %s (%s), want %s (%s)", tt.text, result, hint, tt.want, tt.hint)
		}
	}
}

func TestParseWords(t *testing.T) {
	typ := typeOf(t, types(t, kinds), "t")
	got, err := object.ParseWords(typ, []string{"s= a:b=c ", `d={"k": "a:b=c"}`})
	if err != nil || got[0].Candidates[0].Text() != `" a:b=c "` || got[1].Candidates[0].Text() != `{"k": "a:b=c"}` {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := object.ParseWords(typ, nil); err == nil || err.Error() != "nothing to set" {
		t.Errorf("got %v", err)
	}
}

func TestFileAssignments(t *testing.T) {
	typ := typeOf(t, types(t, kinds), "t")
	tests := []struct{ text, want string }{
		{"e: no\nb: no\na: {x: null}\n", `e="no" b=false a={"x": null}`},
		{"", "error: f.yaml: a file of values must be a map, not nothing"},
		{"{}", "error: f.yaml:1:1: nothing to set"},
		{"i: 1\ni: 2", `error: f.yaml:2:1: key "i" is there already, in line 1`},
		{"i: 1.5", "error: f.yaml:1:4: i cannot be \"1.5\"; it takes a whole number in plain digits"},
		{"\ndc: x", "error: f.yaml:2:1: dc is a tag of type t, not a field, and cannot be changed"},
	}
	for _, tt := range tests {
		doc, err := yamldoc.Parse("f.yaml", []byte(tt.text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := object.FileAssignments(typ, doc)
		var words []string
		for _, a := range got {
			words = append(words, a.Field+"="+a.Candidates[0].Text())
		}
		if result := strings.Join(words, " "); err != nil && "error: "+err.Error() != tt.want || err == nil && result != tt.want {
			t.Errorf("%q: got %s, %v; want %s", tt.text, result, err, tt.want)
		}
	}
}

// assignment draws a field of the type kinds and a value that it accepts.
func assignment(typ *schema.Type) *rapid.Generator[object.Assignment] {
	return rapid.Custom(func(t *rapid.T) object.Assignment {
		f := rapid.SampledFrom(typ.Fields).Draw(t, "field")
		return object.Assignment{Field: f.Name, Candidates: []value.Value{allowed(f).Draw(t, "value")}}
	})
}

func allowed(f schema.Field) *rapid.Generator[value.Value] {
	list := rapid.Map(rapid.SliceOfN(rapid.String(), 0, 3), func(all []string) value.Value {
		elements := make([]value.Value, len(all))
		for i, s := range all {
			elements[i] = value.OfString(s)
		}
		return value.OfList(elements...)
	})
	text := rapid.Map(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"yes", "5", "null", "~", " a", "a\n", "1e3", "a: b", "# x", "- a"})), value.OfString)
	number := rapid.Map(rapid.Int64(), value.OfInt)
	boolean := rapid.Map(rapid.Bool(), value.OfBool)
	dict := rapid.Map(rapid.String(), func(s string) value.Value {
		return value.OfMap(value.Field{Name: s, Value: value.NullValue})
	})
	switch f.Kind {
	case schema.Text:
		return text
	case schema.Int:
		return number
	case schema.Bool:
		return boolean
	case schema.List:
		return list
	case schema.Dict:
		return dict
	case schema.Enum:
		return rapid.Map(rapid.SampledFrom(f.Words), value.OfString)
	case schema.CIDRs:
		return rapid.Just(value.OfList(value.OfString("10.0.0.0/8")))
	case schema.Any:
	}
	return rapid.OneOf(text, number, boolean, list, dict, rapid.Just(value.NullValue))
}

// anObject draws an object of the type kinds, possibly with invalid values and
// undeclared fields.
func anObject(typ *schema.Type) *rapid.Generator[object.Object] {
	return rapid.Custom(func(t *rapid.T) object.Object {
		var fields []value.Field
		for _, f := range typ.Fields {
			switch rapid.IntRange(0, 9).Draw(t, "how") {
			case 0: // missing
			case 1: // anything
				fields = append(fields, value.Field{Name: f.Name, Value: allowed(schema.Field{Kind: schema.Any}).Draw(t, "any")})
			default:
				fields = append(fields, value.Field{Name: f.Name, Value: allowed(f).Draw(t, "value")})
			}
		}
		for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[x-z]{1,2}`), 0, 3, rapid.ID).Draw(t, "unknown") {
			fields = append(fields, value.Field{Name: name, Value: value.OfString(name)})
		}
		return object.New(typ, []string{"north"}, "n").WithFields(fields)
	})
}

// Set changes only the fields it names, and setting the old values restores the
// object.
func TestSetAndBack(t *testing.T) {
	typ := typeOf(t, types(t, kinds), "t")
	rapid.Check(t, func(t *rapid.T) {
		before := anObject(typ).Draw(t, "before")
		a := assignment(typ).Draw(t, "assignment")
		plan, err := object.Set([]object.Object{before}, []object.Assignment{a})
		if err != nil {
			t.Fatal(err)
		}
		if before.Get(a.Field) == a.Candidates[0] {
			if len(plan.Changes) != 0 {
				t.Fatalf("got %v", plan.Changes[0].Fields())
			}
			return
		}
		c := plan.Changes[0]
		if d := c.Fields(); len(d) != 1 || d[0] != (object.FieldChange{Name: a.Field, Before: before.Get(a.Field), After: a.Candidates[0]}) {
			t.Fatalf("got %v", d)
		}
		if f, _ := typ.Field(a.Field); f.Check(before.Get(a.Field)) != nil {
			return // the old value cannot be set
		}
		back, err := object.Set([]object.Object{*c.After}, []object.Assignment{{Field: a.Field, Candidates: []value.Value{before.Get(a.Field)}}})
		if err != nil || string(back.Changes[0].After.AppendStored(nil)) != string(before.AppendStored(nil)) {
			t.Fatalf("got %v, %v", back, err)
		}
	})
}

// Any text after set/ gives assignments or an error that explains it.
func FuzzParseAssignments(f *testing.F) {
	s := types(f, kinds+"u: {path: us, tags: [dc], free_form: true, schema: {}}\n")
	all := []*schema.Type{typeOf(f, s, "t"), typeOf(f, s, "u")}
	for _, text := range []string{"i=5:b=true", "l=[1,2]", `d={"a"`, "c=10.0.0.0/8", "a=\"x\"", "e=no:s=a b", "a=1e999999999", "=", ":", "dc=1", "a=null", "s=\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, typ := range all {
			byColon, err := object.ParseAssignments(typ, text)
			check(t, typ, byColon, err)
			byWord, err := object.ParseWords(typ, strings.Split(text, "\n"))
			check(t, typ, byWord, err)
		}
	})
}

func check(t *testing.T, typ *schema.Type, assignments []object.Assignment, err error) {
	t.Helper()
	if err != nil {
		var action *object.ActionError
		var invalid *object.InvalidError
		if !errors.As(err, &action) && !errors.As(err, &invalid) || err.Error() == "" {
			t.Fatalf("got %v", err)
		}
		return
	}
	before := object.New(typ, []string{"north"}, "n")
	plan, err := object.Set([]object.Object{before}, assignments)
	if err != nil {
		t.Fatalf("%v is refused: %v", assignments, err)
	}
	for _, c := range plan.Changes {
		if _, err := value.Parse(c.After.AppendStored(nil)); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range assignments {
		if len(plan.Changes) > 0 && plan.Changes[0].After.Get(a.Field) != a.Candidates[0] {
			t.Fatalf("%s is not %v", a.Field, a.Candidates[0])
		}
	}
}

// TestDoubts tests the warnings about values that are allowed but probably
// mistakes.
func TestDoubts(t *testing.T) {
	free := &schema.Type{Name: "feature", FreeForm: true, Fields: []schema.Field{
		{Name: "enabled", Kind: schema.Bool, Default: value.OfBool(false)},
		{Name: "val", Kind: schema.Any, Default: value.NullValue},
		{Name: "note", Kind: schema.Text, Default: value.OfString("")},
	}}
	for typed, warned := range map[string]string{
		"val=flase":       `val becomes the text "flase"`,
		"val=off":         `val becomes the text "off"`,
		`val="false"`:     `val becomes the text "false"`,
		`val=[1`:          `val becomes the text "[1"`,
		"val=false":       "",
		"val=Maintenance": "",
		"note=off":        "",
		"enbled=true":     "does not declare: enbled (did you mean enabled?)",
		"enabled=true":    "",
	} {
		assignments, err := object.ParseWords(free, []string{typed})
		if err != nil {
			t.Fatal(err)
		}
		plan, err := object.Set([]object.Object{object.New(free, nil, "x")}, assignments)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(plan.Warnings, "; ")
		if (warned == "") != (got == "") || !strings.Contains(got, warned) {
			t.Errorf("%s: %q, want %q", typed, got, warned)
		}
	}
}
