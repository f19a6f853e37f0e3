package yamldoc

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/conftool/confctl/pkg/value"
)

func TestValue(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		// Words that are strings.
		{`[yes, no, on, off, y, n, Yes, NO]`, `["yes", "no", "on", "off", "y", "n", "Yes", "NO"]`},
		{`[true, True, TRUE, false, False, FALSE]`, `[true, true, true, false, false, false]`},
		{`["true", 'null', "1", !!str 1, !!str null, !!str ]`, `["true", "null", "1", "1", "null", ""]`},
		{`[~, null, Null, NULL, ]`, `[null, null, null, null]`},
		{"a:\nb: !!null\n", `{"a": null, "b": null}`},
		{``, `null`},
		{"# nothing\n", `null`},

		// Numbers keep their digits if these are valid JSON.
		{`[0, -0, 7, -7, +5, 1_000]`, `[0, -0, 7, -7, 5, 1000]`},
		{`[0x10, -0x10, 010, 0o17, 0b101]`, `[16, -16, 8, 15, 5]`},
		{`[0xFFFFFFFFFFFFFFFF, 12345678901234567890123, 1_000_000_000_000_000_000_001]`,
			`[18446744073709551615, 12345678901234567890123, 1000000000000000000001]`},
		{`[1.50, .5, -.5, +.5, 1., +5.0, 010.5, 00.5, 1_000.25]`, `[1.50, 0.5, -0.5, 0.5, 1.0, 5.0, 10.5, 0.5, 1000.25]`},
		{`[1e3, 1E5, 1.e3, .5e-3, 1.5e+3]`, `[1e3, 1E5, 1.0e3, 0.5e-3, 1.5e+3]`},
		{`[!!float 5, !!float .5, !!int 010, !!int "5"]`, `[5, 0.5, 8, 5]`},
		{`[1e999]`, `["1e999"]`},

		// Strings that look like a number, a date or an operator.
		{`[08, 09, -08, 12:30:45, 2001-01-01, 2001-12-14t21:59:43.10-05:00, 1.2.3, 10.0.0.1]`,
			`["08", "09", "-08", "12:30:45", "2001-01-01", "2001-12-14t21:59:43.10-05:00", "1.2.3", "10.0.0.1"]`},
		{`[=, <<, -, ., _, 0x, 1__, e3]`, `["=", "<<", "-", ".", "_", "0x", 1, "e3"]`},

		// Keys are strings.
		{"1: a\ntrue: b\n~: c\n2001-01-01: d\n\"\": e\n", `{"1": "a", "true": "b", "~": "c", "2001-01-01": "d", "": "e"}`},
		{"\"<<\": {a: 1}", `{"<<": {"a": 1}}`},

		// Several lines.
		{"a: |\n  x\n   y\n", `{"a": "x\n y\n"}`},
		{"a: |-\n  x\n  y\n\n", `{"a": "x\ny"}`},
		{"a: >\n  x\n  y\n", `{"a": "x y\n"}`},
		{"a: x\n  y\n", `{"a": "x y"}`},
		{"a: 1\r\nb: |\r\n  x\r\n  y\r\n", `{"a": 1, "b": "x\ny\n"}`},

		// Byte order marks, and markers of the beginning and the end of a document.
		{"\ufeffa: 1\n", `{"a": 1}`},
		{"%YAML 1.1\n---\na: 1\n...\n", `{"a": 1}`},
		{"a: 1\n# end", `{"a": 1}`},
		{"\xff\xfea\x00:\x00 \x001\x00", `{"a": 1}`}, // UTF-16

		// Aliases.
		{"a: &x [1, {b: 2}]\nc: *x\n", `{"a": [1, {"b": 2}], "c": [1, {"b": 2}]}`},
		{"a: &x 1\nb: &x 2\nc: *x\n", `{"a": 1, "b": 2, "c": 2}`},
		{"a: &x k\n*x : 1\n", `{"a": "k", "k": 1}`},
		{"a: &x\nb: *x\n", `{"a": null, "b": null}`},

		// Merge keys: the map's own keys take precedence, then those that are merged
		// first.
		{"a: &a {x: 1, y: 1}\nb:\n  <<: *a\n  y: 2\n", `{"a": {"x": 1, "y": 1}, "b": {"y": 2, "x": 1}}`},
		{"b:\n  y: 2\n  <<: {x: 1, y: 1}\n", `{"b": {"y": 2, "x": 1}}`},
		{"<<: [{x: 1}, {x: 2, y: 2}]\nz: 3\n", `{"z": 3, "x": 1, "y": 2}`},
		{"l: &l [{x: 1}, {x: 2}]\n<<: *l\n", `{"l": [{"x": 1}, {"x": 2}], "x": 1}`},
		{"a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b, z: 3}\n", `{"a": {"x": 1}, "b": {"y": 2, "x": 1}, "c": {"z": 3, "y": 2, "x": 1}}`},
	} {
		n, err := Parse("f", []byte(c.yaml))
		if err != nil {
			t.Errorf("%q: %v", c.yaml, err)
			continue
		}
		if v, err := n.Value(); err != nil || v.Text() != c.want {
			t.Errorf("%q is %s, %v; want %s", c.yaml, v.Text(), err, c.want)
		}
	}
}

func TestValueRefuses(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"a: .inf", "f:1:4: .inf is no number that can be stored"},
		{"a:\n- -.INF", "f:2:3: -.INF is no number that can be stored"},
		{"a: .NaN", "f:1:4: .NaN is no number that can be stored"},
		{"a: !!int null", "f:1:4: null is no number that can be stored"},
		{"a: !!int '[1]'", "f:1:4: [1] is no number that can be stored"},
		{"a: !!int", "f:1:4:  is no number that can be stored"},
		{"a: !!float x", "f:1:4: x is no number that can be stored"},
		{"a: !!bool yes", "f:1:4: yes is neither true nor false"},
		{"a: !!binary aGk=", "f:1:4: !!binary is no type that can be stored"},
		{"a: !word x", "f:1:4: !word is no type that can be stored"},
		{"{a: 1, b: {a: 1, a: 2}}", `f:1:18: key "a" is there already, in line 1`},
		{"a: 1\nb: 2\n\"a\": 3", `f:3:1: key "a" is there already, in line 1`},
		{"1: a\n\"1\": b", `f:2:1: key "1" is there already, in line 1`},
		{"? [a]\n: 1", "f:1:3: a key of this must be a word, not a list"},
		{"? {a: 1}\n: 1", "f:1:3: a key of this must be a word, not a map"},
		{"<<: 1", `f:1:5: this must be a map, not "1"`},
		{"<<:", `f:1:4: this must be a map, not nothing`},
		{"<<: [{a: 1}, [{b: 2}]]", "f:1:14: this must be a map, not a list"},
		{"<<: {a: 1, a: 2}", `f:1:12: key "a" is there already, in line 1`},
		{"<<: {x: 1}\n<<: {x: 2, y: 2}\n", "f:2:1: key << is there already, in line 1; of several maps it takes a list: <<: [*a, *b]"},
		{"x: &x .inf\ny: *x", "f:1:4: .inf is no number that can be stored"},
	} {
		n, err := Parse("f", []byte(c.yaml))
		if err != nil {
			t.Errorf("%q: %v", c.yaml, err)
			continue
		}
		v, err := n.Value()
		if err == nil || err.Error() != c.want {
			t.Errorf("%q is %s, %v; want %s", c.yaml, v.Text(), err, c.want)
		}
	}
}

func TestEncode(t *testing.T) {
	for _, c := range []struct{ json, want string }{
		{`{"weight": 10, "pooled": "yes"}`, "weight: 10\npooled: 'yes'\n"},
		{`{"a": [], "b": {}, "c": [[1, 2], {"d": null}], "e": {"f": false}}`,
			"a: []\nb: {}\nc:\n  - - 1\n    - 2\n  - d: null\ne:\n  f: false\n"},
		{`["web1.example", "a b", "10.0.0.1", "10.0.0.0/8", "2620::1", "http://x/?a=b", "caf\u00e9"]`,
			"- web1.example\n- a b\n- 10.0.0.1\n- 10.0.0.0/8\n- 2620::1\n- http://x/?a=b\n- café\n"},
		{`["no", "On", "y", "~", "", "null", "True"]`, "- 'no'\n- 'On'\n- 'y'\n- '~'\n- ''\n- 'null'\n- 'True'\n"},
		{`["1", "-1.5", "0x1F", "0b1", "017", "0o17", "08", "1_000", "1e3", "+.inf", ".5"]`,
			"- '1'\n- '-1.5'\n- '0x1F'\n- '0b1'\n- '017'\n- '0o17'\n- '08'\n- '1_000'\n- '1e3'\n- '+.inf'\n- '.5'\n"},
		// YAML 1.1 reads these as a number or a date, or refuses them.
		{`["12:30:45", "1:30", "190:20:30.15", "2001-01-01", "2001-99-99", "=", "<<", "0x_", "1."]`,
			"- '12:30:45'\n- '1:30'\n- '190:20:30.15'\n- '2001-01-01'\n- '2001-99-99'\n- '='\n- '<<'\n- '0x_'\n- '1.'\n"},
		{`[" a", "a ", "a: b", "a #b", "#a", "- a", "it's", "[a]", "*a", "&a", "!a", "%a", "@a", "` + "`a" + `", "---", "? a", "|"]`,
			"- ' a'\n- 'a '\n- 'a: b'\n- 'a #b'\n- '#a'\n- '- a'\n- it's\n- '[a]'\n- '*a'\n- '&a'\n- '!a'\n- '%a'\n- '@a'\n- '`a'\n- '---'\n- '? a'\n- '|'\n"},
		{`{"no": 1, "1": 2, "<<": 3, "a: b": 4}`, "'no': 1\n'1': 2\n'<<': 3\n'a: b': 4\n"},
		// Strings of several lines are a block if all characters are visible.
		{`["a\nb\n", "a\nb", "a\n\n  b\n\n"]`, "- |\n  a\n  b\n- |-\n  a\n  b\n- |+\n  a\n\n    b\n\n"},
		{`["a \nb", "a\n b ", " a\nb", "\na", "\n", "a\r\nb", "a\tb\nc"]`,
			`- "a \nb"` + "\n" + `- "a\n b "` + "\n" + `- " a\nb"` + "\n" + `- "\na"` + "\n" + `- "\n"` + "\n" + `- "a\r\nb"` + "\n" + `- "a\tb\nc"` + "\n"},
		{`["a\u0000\u001b", "\u007f\u0085\u00a0", "\u2028\ufeff"]`, `- "a\0\e"` + "\n" + `- "\x7F\N` + "\u00a0" + `"` + "\n" + `- "\L\uFEFF"` + "\n"},
		{`[1.50, -0, 1E5, 12345678901234567890123, 1e999]`, "- 1.50\n- -0\n- 1E5\n- 12345678901234567890123\n- !!float 1e999\n"},
		{`"x"`, "x\n"},
		{`null`, "null\n"},
		{`[]`, "[]\n"},
	} {
		v, err := value.Parse([]byte(c.json))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Encode(OfValue(v)); err != nil || string(got) != c.want {
			t.Errorf("%s is written as\n%swant\n%s%v", c.json, got, c.want, err)
		}
	}
}

func strs() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom([]rune("ab01 -:#,[]{}&*!|>'\"%@`?=<~.+_exT/\\\n\r\t\x00\x1b\x7f\u0085\u00a0é\u2028\ufeff\ufffd\uffff\U0001f600")), 0, 10, -1),
		rapid.StringMatching(`[-+]?[0-9_]{0,3}[:.eExob]?[0-9_]{0,3}([:.eE][-+]?[0-9]{0,2}){0,2}`),
		rapid.StringMatching(`( {0,3}[a#-]{0,2} {0,2}\n){1,4}[a ]{0,2}`),
		rapid.SampledFrom([]string{"yes", "No", "null", "~", "", "<<", "=", "...", "---", "- ", ": ", "2001-01-01 01:01:01", strings.Repeat("long ", 40), strings.Repeat("x", 1200)}),
		rapid.String(),
	)
}

func values(depth int) *rapid.Generator[value.Value] {
	number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,4})?([eE][-+]?[0-9]{1,3})?`)
	leaf := rapid.OneOf(
		rapid.Just(value.NullValue),
		rapid.Map(rapid.Bool(), value.OfBool),
		rapid.Custom(func(t *rapid.T) value.Value {
			v, err := value.Parse([]byte(number.Draw(t, "number")))
			if err != nil {
				t.Fatal(err)
			}
			return v
		}),
		rapid.Map(strs(), value.OfString),
	)
	if depth == 0 {
		return leaf
	}
	inner := rapid.Deferred(func() *rapid.Generator[value.Value] { return values(depth - 1) })
	field := rapid.Custom(func(t *rapid.T) value.Field {
		return value.Field{Name: strs().Draw(t, "name"), Value: inner.Draw(t, "value")}
	})
	fields := rapid.SliceOfNDistinct(field, 0, 4, func(f value.Field) string { return f.Name })
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(inner, 0, 4), func(e []value.Value) value.Value { return value.OfList(e...) }),
		rapid.Map(fields, func(f []value.Field) value.Value { return value.OfMap(f...) }),
	)
}

// The YAML of every value is read as the same value.
func TestEncodedIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := values(3).Draw(t, "value")
		text, err := Encode(OfValue(v))
		if err != nil {
			t.Fatal(err)
		}
		n, err := Parse("f", text)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if got, err := n.Value(); err != nil || got != v {
			t.Fatalf("%s came back as %s, %v from\n%s", v.Text(), got.Text(), err, text)
		}
	})
}
