package object_test

import (
	"errors"
	"fmt"
	"maps"
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

// fleet is the stored objects by key.
type fleet map[string]object.Object

func (f fleet) snapshot() object.Snapshot {
	var s object.Snapshot
	for _, key := range slices.Sorted(maps.Keys(f)) {
		s.Objects = append(s.Objects, f[key])
	}
	return s
}

// apply returns the fleet after a plan, and the past with the changes that the
// journal would have for the plan in front.
func (f fleet) apply(plan object.Plan, past []object.Past) (fleet, []object.Past) {
	f = maps.Clone(f)
	for _, c := range plan.Changes {
		o := c.Object()
		p := object.Past{Type: o.Type, Tags: o.Tags, Name: o.Name}
		if c.Before != nil {
			p.Before = slices.Clone(c.Before.Fields)
		}
		if c.After == nil {
			delete(f, o.Key())
		} else {
			p.After = slices.Clone(c.After.Fields)
			f[o.Key()] = *c.After
		}
		past = slices.Insert(past, 0, p)
	}
	return f, past
}

// text returns the fields of the objects, sorted.
func (f fleet) text() map[string]map[string]string {
	all := map[string]map[string]string{}
	for key, o := range f {
		all[key] = asMap(o.Fields)
	}
	return all
}

// undone undoes the past and applies the plan. It fails on a clash.
func (f fleet) undone(t interface {
	Helper()
	Fatalf(string, ...any)
}, past []object.Past) (fleet, []object.Past) {
	t.Helper()
	plan, clashes, err := object.Undo(past, f.snapshot())
	if err != nil || len(clashes) > 0 {
		t.Fatalf("clashes %+v, error %v", clashes, err)
	}
	return f.apply(plan, nil)
}

const formText = "t: {path: ts, tags: [dc], free_form: true, schema: {i: {type: int, default: 0}, s: {type: string, default: ''}}}"

// aPlan draws a change of one object, made as the commands make it. It touches
// only the given fields.
func aPlan(t *rapid.T, typ *schema.Type, f fleet, fields []string) object.Plan {
	o := object.New(typ, []string{"dc"}, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name"))
	now, exists := f[o.Key()]
	field := rapid.SampledFrom(fields).Draw(t, "field")
	_, declared := typ.Field(field)
	set := []object.Assignment{{Field: field, Candidates: []value.Value{aValue(field).Draw(t, "value")}}}
	var plan object.Plan
	var err error
	switch verb := rapid.IntRange(0, 9).Draw(t, "verb"); {
	case !exists:
		if plan, err = object.Set([]object.Object{o}, set); err == nil {
			plan.Changes = []object.Change{{After: &o}}
		}
	case verb == 0 && len(fields) > 2:
		plan = object.Delete([]object.Object{now})
	case verb < 4 && !declared:
		left := slices.DeleteFunc(slices.Clone(now.Fields), func(f value.Field) bool { return f.Name == field })
		plan, err = replaceFields(&now, left)
	default:
		plan, err = object.Set([]object.Object{now}, set)
	}
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func replaceFields(o *object.Object, fields []value.Field) (object.Plan, error) {
	buffer, err := yamldoc.Encode(yamldoc.OfValue(value.OfMap(fields...)))
	if err != nil {
		return object.Plan{}, err
	}
	doc, err := yamldoc.Parse("buffer", buffer)
	if err != nil {
		return object.Plan{}, err
	}
	return object.Replace(o, doc)
}

func aValue(field string) *rapid.Generator[value.Value] {
	return rapid.Custom(func(t *rapid.T) value.Value {
		n := rapid.Int64Range(0, 3).Draw(t, "n")
		if field == "s" {
			return value.OfString(fmt.Sprint(n))
		}
		return value.OfInt(n)
	})
}

// Undoing the newest changes restores the state before them, and undoing the
// undo restores the state after them, repeatedly.
func TestUndoAndBack(t *testing.T) {
	typ := typeOf(t, types(t, formText), "t")
	rapid.Check(t, func(t *rapid.T) {
		states, past := []fleet{{}}, []object.Past(nil)
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			f := states[len(states)-1]
			plan := aPlan(t, typ, f, []string{"i", "s", "x", "y", "z"})
			if len(plan.Changes) == 0 {
				continue
			}
			f, past = f.apply(plan, past)
			states = append(states, f)
		}
		now := states[len(states)-1]
		n := rapid.IntRange(0, len(past)).Draw(t, "undone")
		was, undo := now.undone(t, past[:n])
		if d := cmp.Diff(states[len(states)-1-n].text(), was.text()); d != "" {
			t.Fatalf("undone (-want +got):\n%s", d)
		}
		again, redo := was.undone(t, undo)
		if d := cmp.Diff(now.text(), again.text()); d != "" {
			t.Fatalf("undone twice (-want +got):\n%s", d)
		}
		thrice, _ := again.undone(t, redo)
		if d := cmp.Diff(was.text(), thrice.text()); d != "" {
			t.Fatalf("undone three times (-want +got):\n%s", d)
		}
		if plan, clashes, err := object.Undo(past[:n], was.snapshot()); len(plan.Changes) > 0 || len(clashes) > 0 || err != nil {
			t.Fatalf("what is undone already: %+v, %+v, %v", plan.Changes, clashes, err)
		}
	})
}

// Changes that somebody else makes to other fields, before, between and after,
// survive.
func TestUndoKeepsWhatOthersDid(t *testing.T) {
	typ := typeOf(t, types(t, formText), "t")
	mine, theirs := []string{"i", "x"}, []string{"s", "y"}
	rapid.Check(t, func(t *rapid.T) {
		start := fleet{}
		for _, name := range []string{"a", "b"} {
			o := object.New(typ, []string{"dc"}, name)
			start[o.Key()] = o
		}
		now, without, past := start, start, []object.Past(nil)
		for range rapid.IntRange(1, 10).Draw(t, "changes") {
			if rapid.Bool().Draw(t, "mine") {
				now, past = now.apply(aPlan(t, typ, now, mine), past)
				continue
			}
			plan := aPlan(t, typ, now, theirs)
			now, _ = now.apply(plan, nil)
			for _, c := range plan.Changes {
				o, f := without[c.Object().Key()], c.Fields()[0]
				rest := slices.DeleteFunc(slices.Clone(o.Fields), func(v value.Field) bool { return v.Name == f.Name })
				if !f.After.IsAbsent() {
					rest = append(rest, value.Field{Name: f.Name, Value: f.After})
				}
				without = maps.Clone(without)
				without[o.Key()] = o.WithFields(rest)
			}
		}
		got, _ := now.undone(t, past)
		if d := cmp.Diff(without.text(), got.text()); d != "" {
			t.Fatalf("as if mine had never been (-want +got):\n%s", d)
		}
	})
}

// Whatever others change, an undo touches only fields that the undone changes
// touched, and overwrites only values that they left.
func TestUndoNeverOverwritesOthers(t *testing.T) {
	typ := typeOf(t, types(t, formText), "t")
	rapid.Check(t, func(t *rapid.T) {
		now, past := fleet{}, []object.Past(nil)
		for range rapid.IntRange(1, 10).Draw(t, "changes") {
			plan := aPlan(t, typ, now, []string{"i", "s", "x"})
			if rapid.Bool().Draw(t, "mine") {
				now, past = now.apply(plan, past)
			} else {
				now, _ = now.apply(plan, nil)
			}
		}
		plan, clashes, err := object.Undo(past, now.snapshot())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range plan.Changes {
			for _, f := range c.Fields() {
				if !slices.ContainsFunc(past, func(p object.Past) bool { return leaves(p, c.Object().Name, f) }) {
					t.Fatalf("%s becomes %s => %s, which mine never left", c.Object(), f.Before.Text(), f.After.Text())
				}
			}
			if slices.ContainsFunc(clashes, func(other object.Clash) bool { return other.Mine.Object().Key() == c.Object().Key() }) {
				t.Fatalf("%s is planned, and clashes", c.Object())
			}
		}
		for _, c := range clashes {
			if _, exists := now[c.Mine.Object().Key()]; exists != (c.Theirs != nil) {
				t.Fatalf("%+v", c)
			}
		}
	})
}

// leaves reports whether a change left a field of an object with the value that
// an undo finds.
func leaves(p object.Past, name string, f object.FieldChange) bool {
	return p.Name == name && slices.ContainsFunc(object.Diff(p.Before, p.After), func(d object.FieldChange) bool {
		return d.Name == f.Name && d.After == f.Before
	})
}

// at returns the named object with the stored text; nil if the text is empty.
func at(t testing.TB, typ *schema.Type, text string) *object.Object {
	t.Helper()
	switch text {
	case "":
		return nil
	case "garbage":
		o := object.New(typ, []string{"x", "x", "x"}[:len(typ.Tags)], "name")
		o.Malformed, o.Raw, o.Revision = errors.New("not JSON"), []byte("{"), 7
		return &o
	}
	o := stored(t, typ, text)
	return &o
}

func pastOf(t testing.TB, typ *schema.Type, before, after string) object.Past {
	t.Helper()
	p := object.Past{Type: typ, Tags: []string{"x", "x", "x"}[:len(typ.Tags)], Name: "name"}
	if o := at(t, typ, before); o != nil {
		p.Before = o.Fields
	}
	if o := at(t, typ, after); o != nil {
		p.After = o.Fields
	}
	return p
}

func TestUndo(t *testing.T) {
	typ := typeOf(t, types(t, formText), "t")
	const a, b, c = `{"i": 1, "s": "a"}`, `{"i": 2, "s": "a"}`, `{"i": 3, "s": "a"}`
	type step [2]string
	tests := []struct {
		name string
		past []step // the newest first
		now  string
		want string // the resulting text; "same", "gone", or "clash: " with theirs and mine
	}{
		{"a value", []step{{a, b}}, b, a},
		{"a value, others kept", []step{{a, b}}, `{"i": 2, "s": "new", "x": 1}`, `{"i": 1, "s": "new", "x": 1}`},
		{"a field added", []step{{a, `{"i": 1, "s": "a", "x": 1}`}}, `{"i": 1, "s": "a", "x": 1}`, a},
		{"a field removed comes back to its place", []step{{`{"i": 1, "s": "a", "x": 1, "y": 1}`, `{"i": 1, "s": "a", "y": 1}`}}, `{"i": 1, "s": "a", "y": 1}`, `{"i": 1, "s": "a", "x": 1, "y": 1}`},
		{"created", []step{{"", a}}, a, "gone"},
		{"deleted", []step{{a, ""}}, "", a},
		{"two changes", []step{{b, c}, {a, b}}, c, a},
		{"there and back", []step{{b, a}, {a, b}}, a, "same"},
		{"created and changed", []step{{a, b}, {"", a}}, b, "gone"},
		{"created and deleted", []step{{a, ""}, {"", a}}, "", "same"},
		{"created and deleted, there again", []step{{a, ""}, {"", a}}, b, "same"},
		{"deleted and created otherwise", []step{{"", b}, {a, ""}}, b, a},
		{"changed and deleted", []step{{b, ""}, {a, b}}, "", a},
		{"undone already", []step{{a, b}}, a, "same"},
		{"undone already, others changed", []step{{a, b}}, `{"i": 1, "s": "new"}`, "same"},
		{"two undone already", []step{{b, c}, {a, b}}, a, "same"},
		{"the first of two undone in between", []step{{a, c}, {a, b}}, c, a},
		{"creation undone already", []step{{"", a}}, "", "same"},
		{"deletion undone already", []step{{a, ""}}, a, "same"},

		{"changed since", []step{{a, b}}, c, "clash: i 2=>3; i 2=>1"},
		{"changed since, another field too", []step{{a, b}}, `{"i": 3, "s": "new"}`, "clash: i 2=>3; i 2=>1"},
		{"one of two fields changed since", []step{{a, `{"i": 2, "s": "b"}`}}, `{"i": 3, "s": "b"}`, `clash: i 2=>3; i 2=>1, s "b"=>"a"`},
		{"changed in between", []step{{`{"i": 9, "s": "a"}`, c}, {a, b}}, c, "clash: i 2=>3; i 2=>1"},
		{"a field was removed since", []step{{`{"x": 1}`, `{"x": 2}`}}, "{}", "clash: x 2=>; x 2=>1"},
		{"a field added was changed since", []step{{"{}", `{"x": 1}`}}, `{"x": 2}`, "clash: x 1=>2; x 1=>"},
		{"changed, and gone", []step{{a, b}}, "", "clash: gone; i 2=>1"},
		{"created, and changed since", []step{{"", a}}, `{"i": 1, "s": "new"}`, `clash: s "a"=>"new"; i 1=>, s "a"=>`},
		{"deleted, and there again", []step{{a, ""}}, b, `clash: i =>2, s =>"a"; i =>1, s =>"a"`},
		{"changed, and deleted and created by others in between", []step{{b, c}, {a, ""}}, c, `clash: i =>3, s =>"a"; i =>1, s =>"a"`},
		{"malformed", []step{{a, b}}, "garbage", `clash: i 2=>0, s "a"=>""; i 2=>1`},
		{"malformed and created", []step{{"", b}}, "garbage", `clash: i 2=>0, s "a"=>""; i 2=>, s "a"=>`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var past []object.Past
			for _, s := range tt.past {
				past = append(past, pastOf(t, typ, s[0], s[1]))
			}
			var snapshot object.Snapshot
			if o := at(t, typ, tt.now); o != nil {
				snapshot.Objects = []object.Object{*o}
			}
			plan, clashes, err := object.Undo(past, snapshot)
			if err != nil {
				t.Fatal(err)
			}
			if got := said(plan, clashes); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			matched := len(snapshot.Objects)
			for _, c := range plan.Changes {
				if c.Before == nil {
					matched++ // the object is created again
				}
			}
			if len(plan.Matched) != matched {
				t.Errorf("matched %v", plan.Matched)
			}
		})
	}
}

func said(plan object.Plan, clashes []object.Clash) string {
	switch {
	case len(plan.Changes)+len(clashes) == 0:
		return "same"
	case len(plan.Changes)+len(clashes) > 1:
		return "more than one"
	case len(clashes) == 1:
		theirs := "gone"
		if c := clashes[0]; c.Theirs != nil {
			theirs = fieldText(object.Change{Before: c.Mine.Before, After: c.Theirs})
		}
		return "clash: " + theirs + "; " + fieldText(clashes[0].Mine)
	case plan.Changes[0].After == nil:
		return "gone"
	}
	return outcome(plan)
}

func fieldText(c object.Change) string {
	var all []string
	for _, f := range c.Fields() {
		all = append(all, f.Name+" "+f.Before.Text()+"=>"+f.After.Text())
	}
	return strings.Join(all, ", ")
}

// If somebody else deleted and created the object between the undone changes,
// the clash still has an object.
func TestClashHasAnObject(t *testing.T) {
	typ := typeOf(t, types(t, formText), "t")
	past := []object.Past{pastOf(t, typ, `{"i": 1}`, `{"i": 2}`), pastOf(t, typ, `{"i": 5}`, ""), pastOf(t, typ, "", `{"i": 5}`)}
	_, clashes, err := object.Undo(past, object.Snapshot{Objects: []object.Object{*at(t, typ, `{"i": 2}`)}})
	if err != nil || len(clashes) != 1 || clashes[0].Mine.Object() == nil {
		t.Errorf("got %+v, %v", clashes, err)
	}
}

// Restored values must be valid under the current schema; others need not be.
func TestUndoIsJudged(t *testing.T) {
	typed := node(t)
	ofRule := ruled(t, `{"properties": {"val": {"type": "string"}}, "required": ["key"]}`)
	tests := []struct {
		name               string
		typ                *schema.Type
		before, after, now string
		want               string // an error, or the resulting text
	}{
		{"a value refused today", typed, `{"weight": -1, "pooled": "yes"}`, `{"weight": 1, "pooled": "yes"}`, `{"weight": 1, "pooled": "yes"}`, "error: node x/x/x/name: weight cannot be -1"},
		{"another field is invalid", typed, `{"weight": -1, "pooled": "yes"}`, `{"weight": -1, "pooled": "no"}`, `{"weight": -1, "pooled": "no"}`, `{"weight": -1, "pooled": "yes"}`},
		{"a deleted one was invalid", typed, `{"weight": -1, "pooled": "yes"}`, "", "", "error: node x/x/x/name: weight cannot be -1"},
		{"a field the type no longer has", typed, `{"x": 1}`, "", "", `{"weight": 0, "pooled": "inactive", "x": 1}`},
		{"a JSON schema refuses the value", ofRule, `{"val": 1, "key": 1}`, `{"val": "a", "key": 1}`, `{"val": "a", "key": 1}`, "error: r name: val: "},
		{"a JSON schema refuses the whole", ofRule, `{"val": "a"}`, "", "", "error: r name: key: is missing"},
		{"a JSON schema allows it", ofRule, `{"val": "b", "key": 1}`, `{"val": "a", "key": 1}`, `{"val": "a", "key": 1}`, `{"val": "b", "n": 0, "key": 1}`},
		{"a deletion is never refused", typed, "", `{"weight": -1, "pooled": "no"}`, `{"weight": -1, "pooled": "no"}`, "gone"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var snapshot object.Snapshot
			if o := at(t, tt.typ, tt.now); o != nil {
				snapshot.Objects = []object.Object{*o}
			}
			plan, clashes, err := object.Undo([]object.Past{pastOf(t, tt.typ, tt.before, tt.after)}, snapshot)
			if part, isErr := strings.CutPrefix(tt.want, "error: "); isErr {
				if !errors.As(err, new(*object.InvalidError)) || !strings.HasPrefix(err.Error(), part) || len(plan.Changes) > 0 {
					t.Errorf("got %T %v, want %s", err, err, part)
				}
			} else if err != nil || said(plan, clashes) != tt.want {
				t.Errorf("got %s, %v; want %s", said(plan, clashes), err, tt.want)
			}
		})
	}
}

// The type has a field that was added after the change.
func TestUndoUnderALaterSchema(t *testing.T) {
	typ := typeOf(t, types(t, formText), "t")
	past := object.Past{Type: typ, Tags: []string{"x"}, Name: "name", After: []value.Field{{Name: "i", Value: value.OfInt(1)}}}
	snapshot := object.Snapshot{Objects: []object.Object{*at(t, typ, `{"i": 1, "s": ""}`)}}
	if plan, clashes, err := object.Undo([]object.Past{past}, snapshot); err != nil || said(plan, clashes) != "gone" {
		t.Errorf("got %s, %v", said(plan, clashes), err)
	}
	past.Before, past.After = past.After, nil
	if plan, clashes, err := object.Undo([]object.Past{past}, object.Snapshot{}); err != nil || said(plan, clashes) != `{"i": 1, "s": ""}` {
		t.Errorf("got %s, %v", said(plan, clashes), err)
	}
}
