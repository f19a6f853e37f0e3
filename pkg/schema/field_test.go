package schema_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// kinds returns a field of each kind, with the name f.
func kinds() []schema.Field {
	return []schema.Field{
		{Name: "f", Kind: schema.Text},
		{Name: "f", Kind: schema.Int},
		{Name: "f", Kind: schema.Int, NotNegative: true},
		{Name: "f", Kind: schema.Bool},
		{Name: "f", Kind: schema.List},
		{Name: "f", Kind: schema.Dict},
		{Name: "f", Kind: schema.Enum, Words: []string{"yes", "no"}},
		{Name: "f", Kind: schema.CIDRs},
		{Name: "f", Kind: schema.Any},
	}
}

func field(kind schema.Kind) schema.Field {
	return schema.Field{Name: "f", Kind: kind, Words: []string{"yes", "no"}}
}

func TestFieldParse(t *testing.T) {
	weight := schema.Field{Name: "weight", Kind: schema.Int, NotNegative: true}
	tests := []struct {
		field schema.Field
		text  string
		want  string // the possible values as JSON, or "error: " and a part of the error
	}{
		{field(schema.Text), "", `""`},
		{field(schema.Text), "true", `"true"`},
		{field(schema.Text), "5", `"5"`},
		{field(schema.Text), `"x"`, `"\"x\""`},
		{field(schema.Text), "a\xffb", `error: f cannot be "a\xffb", which is not valid UTF-8`},

		{field(schema.Int), "10", "10"},
		{field(schema.Int), "-5", "-5"},
		{field(schema.Int), "007", "7"},
		{field(schema.Int), "-0", "0"},
		{field(schema.Int), "9223372036854775807", "9223372036854775807"},
		{field(schema.Int), "9223372036854775808", "error: beyond 64 bits"},
		{field(schema.Int), "1_000", `error: f cannot be "1_000"; it takes a whole number in plain digits`},
		{field(schema.Int), "+5", "error: plain digits"},
		{field(schema.Int), "1.9", "error: plain digits"},
		{field(schema.Int), "1e3", "error: plain digits"},
		{field(schema.Int), "0x10", "error: plain digits"},
		{field(schema.Int), "5\n", "error: plain digits"},
		{field(schema.Int), "٣", "error: plain digits"},
		{field(schema.Int), "", "error: plain digits"},
		{weight, "-5", "error: weight cannot be -5; it takes a whole number, 0 or more, in plain digits"},
		{weight, "-0", "0"},

		{field(schema.Bool), "true", "true"},
		{field(schema.Bool), "FALSE", "false"},
		{field(schema.Bool), "yes", `error: f cannot be "yes"; it takes true or false`},
		{field(schema.Bool), "1", "error: true or false"},

		{field(schema.List), "a, b,c", `["a", "b", "c"]`},
		{field(schema.List), "", "[]"},
		{field(schema.List), "true", `["true"]`},
		{field(schema.List), `["a,b", 1, null]`, `["a,b", 1, null]`},
		{field(schema.List), "[a,b]", "error: f begins with [ but is no JSON list"},
		{field(schema.List), "a,,b", `error: f has an empty element in "a,,b"; take the extra comma out`},
		{field(schema.List), "a,", "error: empty element"},

		{field(schema.Dict), `{"k":[1]}`, `{"k": [1]}`},
		{field(schema.Dict), "[1]", `error: f cannot be [1]; it takes a map, in JSON: {"key": "value"}`},
		{field(schema.Dict), "k=v", "error: it takes a map"},
		{field(schema.Dict), "", "error: takes a map"},

		{field(schema.Enum), "no", `"no"`},
		{field(schema.Enum), "No", `error: f cannot be "No"; it takes one of yes, no`},
		{field(schema.Enum), "false", "error: one of yes, no"},

		{field(schema.CIDRs), "192.0.2.0/24, 2001:db8::/32", `["192.0.2.0/24", "2001:db8::/32"]`},
		{field(schema.CIDRs), "192.0.2.1", `["192.0.2.1"]`},
		{field(schema.CIDRs), "", "[]"},
		{field(schema.CIDRs), "192.0.2.1/24", `["192.0.2.1/24"]`},
		{field(schema.CIDRs), "192.0.2.0/33", `error: "192.0.2.0/33" is no network`},
		{field(schema.CIDRs), "fe80::1%eth0", `["fe80::1%eth0"]`},
		{field(schema.CIDRs), "[10]", "error: f cannot be 10"},

		{field(schema.Any), "false", "false"},
		{field(schema.Any), "False", "false"},
		{field(schema.Any), " TRUE ", "true"},
		{field(schema.Any), "Null", "null"},
		{field(schema.Any), `"false"`, `"false" or "\"false\""`},
		{field(schema.Any), "123", `123 or "123"`},
		{field(schema.Any), `{"a":1}`, `{"a": 1} or "{\"a\":1}"`},
		{field(schema.Any), "01", `"01"`},
		{field(schema.Any), "some text", `"some text"`},
		{field(schema.Any), "", `""`},
	}
	for _, tt := range tests {
		got, err := tt.field.Parse(tt.text)
		if part, isErr := strings.CutPrefix(tt.want, "error: "); isErr {
			part = strings.TrimPrefix(part, "it ")
			if err == nil || !strings.Contains(err.Error(), part) || !strings.Contains(err.Error(), tt.field.Name) {
				t.Errorf("%s %q: got %v, %v; want an error with %q", tt.field.Type(), tt.text, got, err, part)
			}
			continue
		}
		var texts []string
		for _, v := range got {
			texts = append(texts, v.Text())
		}
		if err != nil || strings.Join(texts, " or ") != tt.want {
			t.Errorf("%s %q: got %v, %v; want %s", tt.field.Type(), tt.text, texts, err, tt.want)
		}
	}
}

func TestFieldFromYAML(t *testing.T) {
	tests := []struct {
		kind schema.Kind
		yaml string
		want string // JSON, or "error: " and a part of the error
	}{
		{schema.Text, "no", `"no"`},
		{schema.Text, "5", `"5"`},
		{schema.Text, "2001-01-01", `"2001-01-01"`},
		{schema.Text, "null", "error: f.yaml:1:4: f cannot be null; it takes text"},
		{schema.Text, "'null'", `"null"`},
		{schema.Text, "[a]", `error: f.yaml:1:4: f cannot be ["a"]; it takes text`},
		{schema.Int, "5", "5"},
		{schema.Int, "'5'", "5"},
		{schema.Int, "1_000", "error: plain digits"},
		{schema.Int, "0x10", "error: plain digits"},
		{schema.Int, "1.0", "error: plain digits"},
		{schema.Int, "", "error: f cannot be null"},
		{schema.Int, "[5]", "error: f cannot be [5]"},
		{schema.Bool, "no", "false"},
		{schema.Bool, "On", "true"},
		{schema.Bool, "True", "true"},
		{schema.Bool, "'true'", `error: f cannot be "true"; it takes true or false`},
		{schema.Bool, "1", "error: f cannot be 1"},
		{schema.Enum, "no", `"no"`},
		{schema.Enum, "'no'", `"no"`},
		{schema.Enum, "false", `error: f cannot be "false"; it takes one of yes, no`},
		{schema.List, "[yes, 1, true]", `["yes", 1, true]`},
		{schema.List, "a,b", `error: f cannot be "a,b"; it takes a list`},
		{schema.List, "{a: 1}", `error: f cannot be {"a": 1}`},
		{schema.Dict, "{a: no, 1: null}", `{"a": "no", "1": null}`},
		{schema.Dict, "{a: 1, a: 2}", "error: f.yaml:1:11: key"},
		{schema.CIDRs, "[192.0.2.7/33]", "error: f.yaml:1:4: f: \"192.0.2.7/33\" is no network"},
		{schema.Any, "no", `"no"`},
		{schema.Any, "FALSE", "false"},
		{schema.Any, "'false'", `"false"`},
		{schema.Any, "~", "null"},
		{schema.Any, ".inf", "error: f.yaml:1:4"},
	}
	for _, tt := range tests {
		doc, err := yamldoc.Parse("f.yaml", []byte("f: "+tt.yaml))
		if err != nil {
			t.Fatal(err)
		}
		pairs, err := doc.Pairs("f")
		if err != nil {
			t.Fatal(err)
		}
		got, err := field(tt.kind).FromYAML(pairs[0].Value)
		var at *yamldoc.Error
		part, isErr := strings.CutPrefix(tt.want, "error: ")
		switch {
		case isErr && (!errors.As(err, &at) || at.Pos.Line == 0 || !strings.Contains(err.Error(), part)):
			t.Errorf("%s %s: got %v, %v; want an error with %q", tt.kind, tt.yaml, got, err, part)
		case !isErr && (err != nil || got.Text() != tt.want):
			t.Errorf("%s %s: got %v, %v; want %s", tt.kind, tt.yaml, got, err, tt.want)
		}
	}
}

// Check allows every value that Parse returns. Parse returns one value, except for the
// kind Any.
func TestParsedValuesAreAllowed(t *testing.T) {
	typed := rapid.OneOf(rapid.String(), rapid.StringMatching(`[-+0-9_.eE]{0,6}`), rapid.StringMatching(`[a-z0-9,:./\[\]"{} ]{0,12}`),
		rapid.SampledFrom([]string{"true", "False", "NULL", "yes", "no", "[]", "{}", "10.0.0.0/8"}))
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(kinds()).Draw(t, "field")
		text := typed.Draw(t, "text")
		values, err := f.Parse(text)
		if (err == nil) == (len(values) == 0) || len(values) > 2 || (len(values) == 2 && f.Kind != schema.Any) {
			t.Fatalf("got %v, %v", values, err)
		}
		for _, v := range values {
			if err := f.Check(v); err != nil {
				t.Fatal(err)
			}
			if again, err := value.Parse([]byte(v.Text())); err != nil || again != v {
				t.Fatalf("%q is not in the form of the contract: %v", v.Text(), err)
			}
		}
	})
}

// Parse reads the JSON of an allowed value, or the text of a string, as that value.
func TestAllowedValuesCanBeTyped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(kinds()).Draw(t, "field")
		v := rapid.SampledFrom([]value.Value{
			value.OfString("yes"), value.OfString("a b"), value.OfInt(0), value.OfInt(-7), value.OfBool(true), value.NullValue,
			value.EmptyList, value.EmptyMap, value.OfList(value.OfString("::/0")), value.OfList(value.OfInt(1)),
			value.OfMap(value.Field{Name: "k", Value: value.NullValue}), value.OfString("false"),
		}).Draw(t, "value")
		if f.Check(v) != nil {
			t.Skip("not allowed")
		}
		text := v.Text()
		if s, isString := v.Str(); isString && f.Kind != schema.Any {
			text = s
		}
		if got, err := f.Parse(text); err != nil || !slices.Contains(got[:1], v) {
			t.Fatalf("%s %s: got %v, %v", f.Type(), text, got, err)
		}
	})
}
