package object_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// wanted returns the object that a JSON text describes.
func wanted(t testing.TB, typ *schema.Type, text string) object.Wanted {
	t.Helper()
	o := stored(t, typ, text)
	o.Revision = 0
	w := object.Wanted{Object: o}
	v, err := value.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range v.Fields() {
		w.Given = append(w.Given, f.Name)
	}
	return w
}

func TestMake(t *testing.T) {
	typ := typeOf(t, types(t, kinds), "t")
	free := typeOf(t, types(t, strings.Replace(kinds, "path: ts", "path: ts\n  free_form: true", 1)), "t")
	ruledTyp := ruled(t, `{"properties": {"val": {"type": "string"}, "n": {"maximum": 3}}}`)
	whole := ruled(t, `{"minProperties": 3}`)
	unusable := ruled(t, `{"type": "nothing"}`)
	for _, c := range []struct {
		name         string
		typ          *schema.Type
		stored, want string // stored is empty if no object is stored
		after        string // empty if nothing changes
		refused      string
		warnings     int
	}{
		{"a new object", typ, "", `{"i": 3}`, `{"s": "", "i": 3, "b": false, "l": [], "d": {}, "e": "no", "c": [], "a": null}`, "", 0},
		{"as it is", typ, `{"i": 3, "s": "x"}`, `{"i": 3}`, "", "", 0},
		{"as its default is", typ, `{}`, `{"i": 0}`, "", "", 0},
		{"what is not given stays", typ, `{"i": 3, "s": "x"}`, `{"i": 4}`, `{"s": "x", "i": 4, "b": false, "l": [], "d": {}, "e": "no", "c": [], "a": null}`, "", 0},
		{"a default that is given", typ, `{"i": 3}`, `{"i": 0}`, `{"s": "", "i": 0, "b": false, "l": [], "d": {}, "e": "no", "c": [], "a": null}`, "", 0},

		{"other keys are removed", free, `{"x": 1, "y": 2}`, `{"y": 2}`, `{"s": "", "i": 0, "b": false, "l": [], "d": {}, "e": "no", "c": [], "a": null, "y": 2}`, "", 0},
		{"other keys in another order", free, `{"x": 1, "y": 2}`, `{"y": 2, "x": 1}`, "", "", 0},
		{"other keys are added", free, `{}`, `{"x": 1}`, `{"s": "", "i": 0, "b": false, "l": [], "d": {}, "e": "no", "c": [], "a": null, "x": 1}`, "", 1},
		{"a key outside the schema that is there", typ, `{"x": 1}`, `{"x": 1, "i": 1}`, `{"s": "", "i": 1, "b": false, "l": [], "d": {}, "e": "no", "c": [], "a": null, "x": 1}`, "", 1},
		{"a key outside the schema that is not", typ, `{}`, `{"x": 1}`, "", `t x/name: type t has no field "x"; its fields are s, i, b, l, d, e, c, a`, 0},

		{"what is invalid and the same", typ, `{"i": "x"}`, `{"i": "x"}`, "", "", 0},
		{"what is invalid elsewhere", typ, `{"i": "x"}`, `{"i": "x", "b": true}`, `{"s": "", "i": "x", "b": true, "l": [], "d": {}, "e": "no", "c": [], "a": null}`, "", 1},
		{"what is invalid in what it touches", typ, `{"i": "x"}`, `{"i": "y"}`, "", `t x/name: i cannot be "y"; it takes a whole number in plain digits`, 0},
		{"what is invalid and new", typ, "", `{"i": "x"}`, "", `t x/name: i cannot be "x"; it takes a whole number in plain digits`, 0},

		{"a default that a JSON schema refuses", ruledTyp, "", `{"val": null}`, `{"val": null, "n": 0}`, "", 1},
		{"back to it", ruledTyp, `{"val": "x", "n": 1}`, `{"val": null}`, `{"val": null, "n": 1}`, "", 1},
		{"what a JSON schema refuses", ruledTyp, `{"val": "x", "n": 1}`, `{"n": 4}`, "", "r name: n: must be at most 3, not 4 (rule r)", 0},
		{"all defaults", whole, "", `{}`, `{"val": null, "n": 0}`, "", 1},
		{"not all defaults", whole, "", `{"n": 1}`, "", "r name: must have 3 keys or more (rule r)", 0},
		{"a JSON schema that cannot be used", unusable, "", `{}`, "", "no valid JSON schema", 0},
		{"which does not matter to what is as it is", unusable, `{"n": 1}`, `{"n": 1}`, "", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var snapshot object.Snapshot
			if c.stored != "" {
				snapshot.Objects = []object.Object{stored(t, c.typ, c.stored)}
			}
			plan, refusals := object.Make([]object.Wanted{wanted(t, c.typ, c.want)}, snapshot)
			after, refused := "", ""
			if len(plan.Changes) > 0 {
				after = string(plan.Changes[0].After.AppendStored(nil))
			}
			if len(refusals) > 0 {
				refused = refusals[0].Err.Error()
			}
			if after != c.after || len(plan.Warnings) != c.warnings {
				t.Errorf("after: %s\nwant:  %s\nwarnings: %q", after, c.after, plan.Warnings)
			}
			if (c.refused == "" && refused != "") || !strings.Contains(refused, c.refused) {
				t.Errorf("refused: %s\nwant:    %s", refused, c.refused)
			}
			var invalid *object.InvalidError
			if len(refusals) > 0 && len(refusals[0].Violations) == 0 == errors.As(refusals[0].Err, &invalid) {
				t.Errorf("%v, of %v", refusals[0].Violations, refusals[0].Err)
			}
			if plan.Matched != nil {
				t.Error("a plan that is made of no selector matches nothing")
			}
		})
	}
}

// Objects that cannot be made are reported, and the others are made.
func TestMakeTheOthers(t *testing.T) {
	typ := node(t)
	named := func(name string) object.Wanted {
		return object.Wanted{Object: object.New(typ, []string{"a", "b", "c"}, name)}
	}
	broken, odd := named("broken").Object, named("an odd one").Object
	broken.Malformed = errors.New("unexpected end")
	change := named("an odd one")
	change.Given, change.Object.Fields = []string{"weight"}, []value.Field{{Name: "weight", Value: value.OfInt(3)}, {Name: "pooled", Value: value.OfString("yes")}}
	snapshot := object.Snapshot{Objects: []object.Object{odd, broken}}
	plan, refusals := object.Make([]object.Wanted{named("z"), named("broken"), change, named("a new odd one"), named("a")}, snapshot)
	var changes, refused []string
	for _, c := range plan.Changes {
		changes = append(changes, c.After.Name+" "+string(c.After.AppendStored(nil)))
	}
	for _, r := range refusals {
		refused = append(refused, r.Err.Error())
	}
	if diff := cmp.Diff([]string{
		`z {"weight": 0, "pooled": "inactive"}`, `an odd one {"weight": 3, "pooled": "inactive"}`, `a {"weight": 0, "pooled": "inactive"}`,
	}, changes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"node a/b/c/broken: what is stored cannot be read: unexpected end",
		`node a/b/c/a new odd one: the name "a new odd one" has a blank or control character in it`,
	}, refused); diff != "" || refusals[0].Index != 1 || refusals[1].Index != 3 {
		t.Errorf("%s%+v", diff, refusals)
	}
}

func TestDifferences(t *testing.T) {
	typ := typeOf(t, types(t, formText), "t")
	broken := stored(t, typ, `{}`)
	broken.Malformed = errors.New("unexpected end")
	for _, c := range []struct {
		stored []object.Object
		want   string
		diff   string
	}{
		{nil, `{}`, "t x/name is missing"},
		{[]object.Object{broken}, `{}`, "t x/name cannot be read: unexpected end"},
		{[]object.Object{stored(t, typ, `{"i": 1, "s": "x", "u": 1}`)}, `{"u": 1}`, ""},
		{[]object.Object{stored(t, typ, `{"i": 1, "u": 1, "v": 2}`)}, `{"i": 2, "s": "", "v": 2.0, "w": null}`,
			"t x/name: i is 1; it should be 2, v is 2; it should be 2.0, w is missing; it should be null, u is 1, and should not be there"},
	} {
		var got []string
		for _, d := range object.Differences([]object.Wanted{wanted(t, typ, c.want)}, object.Snapshot{Objects: c.stored}) {
			got = append(got, d.String())
		}
		if strings.Join(got, "\n") != c.diff {
			t.Errorf("got  %q\nwant %q", got, c.diff)
		}
	}
}

// After a plan is applied, making the same objects changes nothing, and only
// refused objects differ.
func TestMakeAgain(t *testing.T) {
	s := types(t, formText+"\n"+strings.Replace(formText, "t: {path: ts, tags: [dc], free_form: true", "closed: {path: closed, tags: [dc]", 1))
	both := []*schema.Type{typeOf(t, s, "t"), typeOf(t, s, "closed")}
	names := []string{"a", "b", "c", "an odd one"}
	draw := func(t *rapid.T, label string) (object.Object, []string) {
		o := object.New(rapid.SampledFrom(both).Draw(t, label), []string{"dc"}, rapid.SampledFrom(names).Draw(t, "name"))
		var given []string
		fields := slices.Clone(o.Fields)
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"i", "s", "u", "v"}), 0, 3, rapid.ID).Draw(t, "fields") {
			v := rapid.SampledFrom([]value.Value{value.OfInt(0), value.OfInt(1), value.OfString("x"), value.NullValue}).Draw(t, "value")
			given, fields = append(given, name), append(fields, value.Field{Name: name, Value: v})
		}
		return o.WithFields(fields), given
	}
	rapid.Check(t, func(t *rapid.T) {
		now := fleet{}
		for range rapid.IntRange(0, 5).Draw(t, "stored") {
			o, _ := draw(t, "stored type")
			now[o.Key()] = o
		}
		var want []object.Wanted
		seen := map[string]bool{}
		for range rapid.IntRange(0, 5).Draw(t, "wanted") {
			o, given := draw(t, "wanted type")
			if !seen[o.Key()] {
				want = append(want, object.Wanted{Object: o, Given: given})
			}
			seen[o.Key()] = true
		}
		plan, refusals := object.Make(want, now.snapshot())
		after, _ := now.apply(plan, nil)
		again, still := object.Make(want, after.snapshot())
		if len(again.Changes) > 0 || len(still) != len(refusals) {
			t.Fatalf("again: %v, refused %v, then %v", again.Changes, refusals, still)
		}
		diffs := object.Differences(want, after.snapshot())
		if len(diffs) != len(refusals) {
			t.Fatalf("differs in %v, refused was %v", diffs, refusals)
		}
		for i := range diffs {
			if diffs[i].Index != refusals[i].Index {
				t.Fatalf("%v differs, but %v was refused", diffs[i], refusals[i])
			}
		}
		if before := len(object.Differences(want, now.snapshot())); before != len(plan.Changes)+len(refusals) {
			t.Fatalf("%d differences, %d changes, %d refused", before, len(plan.Changes), len(refusals))
		}
		for _, w := range want { // given fields have the wanted values
			if o, there := after[w.Object.Key()]; there && !slices.ContainsFunc(refusals, func(r object.Refusal) bool { return want[r.Index].Object.Key() == o.Key() }) {
				for _, name := range w.Given {
					if o.Get(name) != w.Object.Get(name) {
						t.Fatalf("%s: %s is %s", o, name, o.Get(name).Text())
					}
				}
			}
		}
	})
}

// TestMakeRepair tests that Repair overwrites objects that cannot be read, and
// validates them as new ones.
func TestMakeRepair(t *testing.T) {
	typ := typeOf(t, types(t, kinds), "t")
	broken := stored(t, typ, `{}`)
	broken.Malformed, broken.Raw = errors.New("unexpected end"), []byte("{")
	for text, after := range map[string]string{
		`{"i": 3}`:   `{"s": "", "i": 3, "b": false, "l": [], "d": {}, "e": "no", "c": [], "a": null}`,
		`{}`:         `{"s": "", "i": 0, "b": false, "l": [], "d": {}, "e": "no", "c": [], "a": null}`,
		`{"i": "x"}`: "",
	} {
		w := wanted(t, typ, text)
		w.Repair = true
		plan, refusals := object.Make([]object.Wanted{w}, object.Snapshot{Objects: []object.Object{broken}})
		got := ""
		if len(plan.Changes) > 0 {
			got = string(plan.Changes[0].After.AppendStored(nil))
		}
		if got != after || (after == "") != (len(refusals) == 1) {
			t.Errorf("%s: %s, refused %v", text, got, refusals)
		}
	}
}

// TestMakeOneLine tests that the name of an object or a field can neither add a
// line to a message nor move the cursor of a terminal.
func TestMakeOneLine(t *testing.T) {
	typ := node(t)
	forged := object.Wanted{Object: object.New(typ, []string{"a\x1b[2J", "b\u202e", "c\rd"}, "x\nconfctl: done"), Foreign: true}
	forged.Object = forged.Object.WithFields([]value.Field{{Name: "x\x1b[2J\u202e\n", Value: value.OfInt(1)}})
	plan, refusals := object.Make([]object.Wanted{forged}, object.Snapshot{})
	there := object.New(typ, forged.Object.Tags, forged.Object.Name)
	diffs := object.Differences([]object.Wanted{forged}, object.Snapshot{Objects: []object.Object{there}})
	if len(plan.Changes) != 1 || len(plan.Warnings) != 2 || len(refusals) > 0 || len(diffs) != 1 {
		t.Fatalf("%+v, %v, %v", plan, refusals, diffs)
	}
	form := typeOf(t, types(t, formText), "t")
	odd := wanted(t, form, `{"x\u001b[2J\u202e\n": 1}`)
	unclear, _ := object.Make([]object.Wanted{odd}, object.Snapshot{Objects: []object.Object{stored(t, form, "{}")}})
	for _, line := range slices.Concat(plan.Warnings, unclear.Warnings, []string{diffs[0].String()}) {
		if !text.IsLine(line) {
			t.Errorf("%q", line)
		}
	}
	forged.Foreign = false
	if plan, refusals := object.Make([]object.Wanted{forged}, object.Snapshot{}); len(plan.Changes) > 0 || len(refusals) != 1 {
		t.Errorf("of no other store: %+v, %v", plan, refusals)
	}
}

// TestMakeForeign tests that Foreign objects are made as they are, and that
// values the schema does not allow are reported, or refused with Fit.
func TestMakeForeign(t *testing.T) {
	typ := typeOf(t, types(t, kinds), "t")
	for _, c := range []struct {
		text               string
		fit                bool
		made, refused, odd int
	}{
		{`{"x": 1}`, false, 1, 0, 1},
		{`{"x": 1}`, true, 1, 0, 1},
		{`{"x": 1, "i": "y"}`, false, 1, 1, 1},
		{`{"x": 1, "i": "y"}`, true, 0, 1, 0},
		{`{"i": "y", "b": "no"}`, false, 1, 1, 0},
	} {
		w := wanted(t, typ, c.text)
		w.Foreign, w.Fit = true, c.fit
		plan, refusals := object.Make([]object.Wanted{w}, object.Snapshot{})
		if len(plan.Changes) != c.made || len(refusals) != c.refused || len(plan.Warnings) != c.odd {
			t.Errorf("%+v: %v, %v", c, plan, refusals)
			continue
		}
		if c.refused > 0 && refusals[0].Taken == c.fit {
			t.Errorf("%+v: %+v", c, refusals[0])
		}
		if c.made > 0 && len(object.Diff(plan.Changes[0].After.Fields, w.Object.Fields)) > 0 {
			t.Errorf("%+v is made %v", c, plan.Changes[0].After.Fields)
		}
	}
}
