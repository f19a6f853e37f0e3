package object_test

import (
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Strings that would turn on a site's read-only mode although they were meant
// to turn it off: the schema allows a string, and false.
func TestWordsThatMayBeBooleans(t *testing.T) {
	textOrFalse := ruled(t, `{"properties": {"val": {"oneOf": [{"type": "string"}, {"enum": [false]}]}}}`)
	textOrAny := &schema.Type{Name: "feature", Fields: []schema.Field{{Name: "val", Kind: schema.Any, Default: value.OfInt(7)}}}
	text := ruled(t, `{"properties": {"val": {"type": ["string", "integer"]}}}`)
	for _, c := range []struct{ typed, textOrFalse, textOrAny string }{
		{"off", "false", "false"}, {"Off", "false", "false"}, {"OFF ", "false", "false"}, {"no", "false", "false"}, {"n", "false", "false"}, {"f", "false", "false"},
		{"'off'", "false", "false"}, {"`no`", "false", "false"}, {"false.", "false", "false"}, {"'false'", "false", "false"},
		{"None", "false", "false null"}, {"nil", "false", "false null"}, {"undefined", "false", "false null"}, {"~", "false", "false null"},
		{"", "false", "false null"}, {" ", "false", "false null"}, {"''", "false", "false null"},
		{"disabled", "false", "false"}, {"inactive", "", ""},
		{"0", "false", ""}, // the number, where the schema allows it
		{"00", "false", "false"},
		{"flase", "false", "false"}, {"fals", "false", "false"}, {"falsee", "false", "false"},
		{"ture", "", "true"}, {"yes", "", "true"}, {"on", "", "true"}, {"1", "", ""}, {"enabled", "", "true"},
		{"nul", "", "null"},
		{`"false"`, "quoted false", "quoted false"}, {`"False"`, "quoted false", "quoted false"}, {`"true"`, "", "quoted true"}, {`"null"`, "", "quoted null"},
		{`"off"`, "", ""}, {`""`, "", ""}, {`"0"`, "", ""}, {`"None"`, "", ""},
		{"false", "", ""}, {"FALSE", "", ""},
		{"Maintenance", "", ""}, {"off for maintenance", "", ""}, {"true story", "", ""}, {"tree", "", ""}, {"fail", "", ""}, {"not now", "", ""}, {"15", "", ""},
	} {
		for typ, want := range map[*schema.Type]string{textOrFalse: c.textOrFalse, textOrAny: c.textOrAny, text: ""} {
			assignments, err := object.ParseWords(typ, []string{"val=" + c.typed})
			if err != nil {
				t.Fatal(err)
			}
			plan, err := object.Set([]object.Object{object.New(typ, nil, "x").WithFields([]value.Field{{Name: "val", Value: value.OfInt(7)}})}, assignments)
			if err != nil && typ != textOrAny {
				continue // neither a string nor a boolean
			}
			if err != nil {
				t.Errorf("val=%s: %v", c.typed, err)
				continue
			}
			var got []string
			for _, a := range plan.Ambiguities {
				if a.Quoted {
					got = append(got, "quoted")
				}
				for _, other := range a.Others {
					got = append(got, other.Text())
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("val=%s: may be %q, want %q", c.typed, got, want)
			}
		}
	}
}

// A value that is stored already is not ambiguous, nor is a value of a string
// field.
func TestWordsThatAreThere(t *testing.T) {
	typ := &schema.Type{Name: "t", Fields: []schema.Field{
		{Name: "val", Kind: schema.Any, Default: value.NullValue}, {Name: "note", Kind: schema.Text, Default: value.OfString("")},
	}}
	stored := object.New(typ, nil, "x").WithFields([]value.Field{{Name: "val", Value: value.OfString("off")}})
	assignments, err := object.ParseWords(typ, []string{"val=off", "note=no"})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := object.Set([]object.Object{stored}, assignments)
	if err != nil || len(plan.Changes) != 1 || plan.Ambiguities != nil {
		t.Errorf("%+v, %v", plan, err)
	}
}

// In YAML, in an edited buffer and in a file of values, quotes make a value a
// string.
func TestWordsInYAML(t *testing.T) {
	typ := &schema.Type{Name: "t", Fields: []schema.Field{{Name: "val", Kind: schema.Any, Default: value.OfInt(7)}}}
	for text, want := range map[string]string{
		"val: off":     `t x: val can be the text "off" or the boolean false; write false, or "off" in quotes`,
		"val: No":      `t x: val can be the text "No" or the boolean false; write false, or "No" in quotes`,
		"val: None":    `t x: val can be the text "None" or the boolean false or null; write false, or "None" in quotes`,
		"val: yes":     `t x: val can be the text "yes" or the boolean true; write true, or "yes" in quotes`,
		"val: 'off'":   "",
		`val: "false"`: "",
		"val: |\n off": "",
		"val: false":   "",
		"val:":         "",
		"val: 0":       "",
		"val: down":    "",
	} {
		doc, err := yamldoc.Parse("f", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		o := object.New(typ, nil, "x")
		_, err = object.Replace(&o, doc)
		if got := errorText(err); got != want {
			t.Errorf("edited %q: %s, want %s", text, got, want)
		}
		pairs, err := doc.Pairs("")
		if err != nil {
			t.Fatal(err)
		}
		v, err := typ.Fields[0].FromYAML(pairs[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		w := object.Wanted{Object: o.WithFields([]value.Field{{Name: "val", Value: v}}), Given: []string{"val"}}
		if pairs[0].Value.IsScalar() && !pairs[0].Value.IsQuoted() {
			w.Bare = w.Given
		}
		_, refusals := object.Make([]object.Wanted{w}, object.Snapshot{})
		if (len(refusals) > 0) != (want != "") || want != "" && refusals[0].Err.Error() != want {
			t.Errorf("made of %q: %v, want %s", text, refusals, want)
		}
		assignments, err := object.FileAssignments(typ, doc)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := object.Set([]object.Object{o}, assignments)
		if err != nil {
			t.Fatal(err)
		}
		if asked := len(plan.Ambiguities) > 0 && !plan.Ambiguities[0].Quoted; asked != (want != "") {
			t.Errorf("a file of %q: %+v", text, plan.Ambiguities)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
