package value

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The right column is the output of Python's json.dumps(json.loads(left)).
func TestParsePrintsAsPython(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`null`, `null`},
		{` true `, `true`},
		{`"a"`, `"a"`},
		{`{"weight": 10, "pooled": "yes"}`, `{"weight": 10, "pooled": "yes"}`},
		{`{"weight":10,"pooled":"yes"}`, `{"weight": 10, "pooled": "yes"}`},
		{`{"a" : 1}`, `{"a": 1}`},
		{`{"a":  1}`, `{"a": 1}`},
		{"{\"a\":\t1}", `{"a": 1}`},
		{"[\n1]", `[1]`},
		{`{ "a": 1 }`, `{"a": 1}`},
		{"[1,2 , 3]\n", `[1, 2, 3]`},
		{`{ }`, `{}`},
		{`[ ]`, `[]`},
		{`[[],{},[{}]]`, `[[], {}, [{}]]`},
		{`{"":{"":""}}`, `{"": {"": ""}}`},
		{`" a , b : c "`, `" a , b : c "`},
		{`"a,b:c{d}[e]"`, `"a,b:c{d}[e]"`},
		{`"\/\b\f\n\r\t\"\\"`, `"/\b\f\n\r\t\"\\"`},
		{`"\u0000\u001f"`, `"\u0000\u001f"`},
		{`"\u0041"`, `"A"`},
		{"\"a\x7fb\"", `"a\u007fb"`},
		{`"<&>"`, `"<&>"`},
		{"\"\u00e9\"", `"\u00e9"`},
		{`"\u00E9"`, `"\u00e9"`},
		{"\"\u2028\u2029\"", `"\u2028\u2029"`},
		{"\"\U0001f600\"", `"\ud83d\ude00"`},
		{`"\uD83D\uDE00"`, `"\ud83d\ude00"`},
		{`"\ud83d\ude00\ud83d\ude00"`, `"\ud83d\ude00\ud83d\ude00"`},
		{"\"\U0010ffff\ue000\"", `"\udbff\udfff\ue000"`},
		{"\"\\ufffd\\uFFFD\ufffd\"", `"\ufffd\ufffd\ufffd"`},
		{`"\\ufffd\ufffd"`, `"\\ufffd\ufffd"`},
		{`"\\ud800"`, `"\\ud800"`},
		{`[0.5,-12]`, `[0.5, -12]`},
		// Python prints these numbers as 0, 100000.0 and 1.5.
		{`[-0,1E5,1.50]`, `[-0, 1E5, 1.50]`},
		{`12345678901234567890123`, `12345678901234567890123`},
	} {
		v, err := Parse([]byte(c.text))
		if err != nil || v.Text() != c.want {
			t.Errorf("Parse(%q) = %s, %v; want %s", c.text, v.Text(), err, c.want)
		}
	}
}

// A repeated key keeps its first position and its last value, with any escapes
// and at any depth.
func TestParseRepeatedKey(t *testing.T) {
	many := func(last string) string {
		var b strings.Builder
		b.WriteString(`{`)
		for i := range 1000 {
			fmt.Fprintf(&b, `"k%d": %d, `, i, i)
		}
		return b.String() + last
	}
	for _, c := range []struct{ text, want string }{
		{`{"a": 1, "b": 2, "a": 3}`, `{"a": 3, "b": 2}`},
		{`{"a": 1, "\u0061": 2}`, `{"a": 2}`},
		{`{"a": 1, "a": {"a": 1}}`, `{"a": {"a": 1}}`},
		{`[{"x":{"k":1,"\u006b":[2,{"z":1,"z":2}]}}]`, `[{"x": {"k": [2, {"z": 2}]}}]`},
		{`[{"a": 1}, {"a": 1}]`, `[{"a": 1}, {"a": 1}]`},
		{`{"a": {"b": 1}, "b": "a"}`, `{"a": {"b": 1}, "b": "a"}`},
		{`{"a": {"z": 1}, "b": 1, "a": 2}`, `{"a": 2, "b": 1}`},
		{many(`"k0": -1}`), strings.Replace(many(`"x": 0}`), `"k0": 0`, `"k0": -1`, 1)},
	} {
		want := strings.Replace(c.want, `, "x": 0}`, `}`, 1)
		if v, err := Parse([]byte(c.text)); err != nil || v.Text() != want {
			t.Errorf("Parse(%.80s) = %.80s, %v; want %.80s", c.text, v.Text(), err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, "empty"},
		{" \n", "empty"},
		{`{"a": 1`, "unexpected end of JSON input at byte 7"},
		{`{"a": 1,}`, "invalid character '}' looking for beginning of object key string at byte 9"},
		{`{'a': 1}`, `invalid character '\'' looking for beginning of object key string at byte 2`},
		{`1 2`, "invalid character '2' after top-level value at byte 3"},
		{`NaN`, "invalid character 'N' looking for beginning of value at byte 1"},
		{`Infinity`, "invalid character 'I' looking for beginning of value at byte 1"},
		{`+1`, "invalid character '+' looking for beginning of value at byte 1"},
		{`01`, "invalid character '1' after top-level value at byte 2"},
		{`.5`, "invalid character '.' looking for beginning of value at byte 1"},
		{"\"a\nb\"", `invalid character '\n' in string literal at byte 3`},
		{"\ufeff1", "invalid character 'ï' looking for beginning of value at byte 1"},
		{strings.Repeat("[", 20000), "lists and maps are nested more than 64 levels deep"},

		{"\"\xff\"", errNotUTF8.Error()},
		{"{\"\xff\": 1}", errNotUTF8.Error()},
		{"\"\xed\xa0\x80\"", errNotUTF8.Error()}, // a surrogate as UTF-8
		{"\"\\\\ufffd\xff\"", errNotUTF8.Error()},
		{`"\ud800"`, errSurrogate.Error()},
		{`"\udfff"`, errSurrogate.Error()},
		{`"\uDBFFx"`, errSurrogate.Error()},
		{`"\ud800\n"`, errSurrogate.Error()},
		{`"\ud800\u0041"`, errSurrogate.Error()},
		{`"\ud800\ud800\udc00"`, errSurrogate.Error()},
		{`"\udc00\ud800"`, errSurrogate.Error()},
		{`"\ud83d\ude00\ude00"`, errSurrogate.Error()},
		{`"\\ufffd\ud800"`, errSurrogate.Error()},
		{`"\ufffd\ud800"`, errSurrogate.Error()},
		{`{"\ud800": 1}`, errSurrogate.Error()},
	} {
		v, err := Parse([]byte(c.text))
		if err == nil || err.Error() != c.want || !v.IsAbsent() {
			t.Errorf("Parse(%.40q) = %s, %v; want %s", c.text, v.Text(), err, c.want)
		}
	}
}

func TestKinds(t *testing.T) {
	for _, c := range []struct {
		v    Value
		kind Kind
		says string
	}{
		{Value{}, Absent, "nothing"},
		{NullValue, Null, "null"},
		{OfBool(true), Bool, "a boolean"},
		{OfBool(false), Bool, "a boolean"},
		{OfInt(-1), Number, "a number"},
		{OfInt(0), Number, "a number"},
		{OfString(""), String, "a string"},
		{EmptyList, List, "a list"},
		{EmptyMap, Map, "a map"},
	} {
		if c.v.Kind() != c.kind || c.kind.String() != c.says || c.v.IsAbsent() != (c.kind == Absent) {
			t.Errorf("%q is %s, want %s", c.v.Text(), c.v.Kind(), c.says)
		}
		if _, is := c.v.Str(); is != (c.kind == String) {
			t.Errorf("%s is a string: %v", c.v.Text(), is)
		}
		if _, is := c.v.Int(); is != (c.kind == Number) {
			t.Errorf("%s is an integer: %v", c.v.Text(), is)
		}
		if c.v.True() != (c.v.Text() == "true") {
			t.Errorf("%s is true: %v", c.v.Text(), c.v.True())
		}
	}
}

func TestInt(t *testing.T) {
	for text, want := range map[string]any{
		`0`: int64(0), `-0`: int64(0), `-7`: int64(-7),
		`9223372036854775807`: int64(math.MaxInt64), `-9223372036854775808`: int64(math.MinInt64),
		`9223372036854775808`: nil, `1.0`: nil, `1e3`: nil, `"1"`: nil, `[1]`: nil,
	} {
		v, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if n, ok := v.Int(); ok {
			got = n
		}
		if got != want {
			t.Errorf("%s is the integer %v, want %v", text, got, want)
		}
	}
}

func TestDecodeAndMarshal(t *testing.T) {
	v := OfMap(Field{"a", OfList(OfInt(1), NullValue, OfBool(true))}, Field{"b", OfString("<é>")}, Field{"c", Value{"1.50"}})
	want := map[string]any{"a": []any{json.Number("1"), nil, true}, "b": "<é>", "c": json.Number("1.50")}
	if diff := cmp.Diff(want, v.Decode()); diff != "" {
		t.Error(diff)
	}
	text, err := json.Marshal(map[string]any{"v": v, "absent": Value{}})
	if want := `{"absent":null,"v":{"a":[1,null,true],"b":"\u003c\u00e9\u003e","c":1.50}}`; err != nil || string(text) != want {
		t.Errorf("marshals to %s, %v; want %s", text, err, want)
	}
	if (Value{}).Decode() != nil {
		t.Error("the absent value decodes to something")
	}
	broken := OfInt(1)
	if err := json.Unmarshal([]byte(`"\ud800"`), &broken); !errors.Is(err, errSurrogate) || broken != OfInt(1) {
		t.Errorf("unmarshals to %s, %v", broken.Text(), err)
	}
}

func TestOfStringOfNoText(t *testing.T) {
	if got := OfString("a\xffb").Text(); got != `"a\ufffdb"` {
		t.Error(got)
	}
}

// texts generates strings of characters that JSON, Python and Go write differently.
func texts() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom([]rune("ab ,:[]{}\"'\\/<\n\r\t\b\f\x00\x7f\u0085\u00a0é\u2028\ud7ff\ue000\ufeff\ufffd\uffff\U0001f600\U0010ffff")), 0, 8, -1),
		rapid.SampledFrom([]string{`\ufffd`, `\ud800`, `\u0041`, "null", "true", "0"}),
		rapid.String(),
	)
}

func values(depth int) *rapid.Generator[Value] {
	leaf := rapid.OneOf(
		rapid.Just(NullValue),
		rapid.Map(rapid.Bool(), OfBool),
		rapid.Map(rapid.Int64(), OfInt),
		rapid.Map(rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,4})?([eE][-+]?[0-9]{1,3})?`), func(s string) Value { return Value{s} }),
		rapid.Map(texts(), OfString),
	)
	if depth == 0 {
		return leaf
	}
	inner := rapid.Deferred(func() *rapid.Generator[Value] { return values(depth - 1) })
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(inner, 0, 4), func(e []Value) Value { return OfList(e...) }),
		rapid.Map(fieldsOf(inner), func(f []Field) Value { return OfMap(f...) }),
	)
}

func fieldsOf(v *rapid.Generator[Value]) *rapid.Generator[[]Field] {
	field := rapid.Custom(func(t *rapid.T) Field { return Field{texts().Draw(t, "name"), v.Draw(t, "value")} })
	return rapid.SliceOfNDistinct(field, 0, 4, func(f Field) string { return f.Name })
}

// Parse reads the same value from any spacing and any escapes.
func TestParseUndoesSpacingAndEscapes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := values(3).Draw(t, "value")
		blank := rapid.SampledFrom([]string{"", " ", "\t\r\n "})
		upper := rapid.Bool()
		var b strings.Builder
		var write func(v Value)
		word := func(s string) { b.WriteString(blank.Draw(t, "before") + s + blank.Draw(t, "after")) }
		quoted := func(s string) {
			text := OfString(s).Text()
			if upper.Draw(t, "raw") {
				raw, err := json.Marshal(s)
				if err != nil {
					t.Fatal(err)
				}
				text = string(raw)
			}
			word(text)
		}
		write = func(v Value) {
			switch v.Kind() {
			case List:
				word("[")
				for i, e := range v.Elements() {
					if i > 0 {
						word(",")
					}
					write(e)
				}
				word("]")
			case Map:
				word("{")
				for i, f := range v.Fields() {
					if i > 0 {
						word(",")
					}
					quoted(f.Name)
					word(":")
					write(f.Value)
				}
				word("}")
			case String:
				s, _ := v.Str()
				quoted(s)
			default:
				word(v.Text())
			}
		}
		write(v)
		got, err := Parse([]byte(b.String()))
		if err != nil || got != v {
			t.Fatalf("%q is read as %s, %v; want %s", b.String(), got.Text(), err, v.Text())
		}
	})
}

// Elements and Fields return what OfList and OfMap were given.
func TestTakenApartAsPutTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := fieldsOf(values(2)).Draw(t, "fields")
		var elements []Value
		for _, f := range fields {
			elements = append(elements, f.Value)
			if s, ok := OfString(f.Name).Str(); !ok || s != f.Name {
				t.Fatalf("%q became %q", f.Name, s)
			}
		}
		if len(fields) == 0 {
			fields = nil
		}
		same := cmp.AllowUnexported(Value{})
		if diff := cmp.Diff(fields, OfMap(fields...).Fields(), same); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(elements, OfList(elements...).Elements(), same); diff != "" {
			t.Fatal(diff)
		}
		v := OfMap(fields...)
		if v.Elements() != nil || OfList(elements...).Fields() != nil {
			t.Fatal("a map has elements or a list has fields")
		}
		if string(AppendMap([]byte("x"), fields)) != "x"+v.Text() {
			t.Fatal("AppendMap is not OfMap")
		}
		marshalled, err := json.Marshal(v)
		var back Value
		if err == nil {
			err = json.Unmarshal(marshalled, &back)
		}
		if err != nil || back != v {
			t.Fatalf("%s came back from encoding/json as %s, %v", v.Text(), back.Text(), err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"weight": 10, "pooled": "yes"}`, `{"a":[1,-0.5e+3,{"b":null}],"a":false}`, "\"\xff\u2028\x7f\"",
		`"\ud83d\ude00\ud800\\ufffd\ufffd"`, ` [ ] `, `{"\u0061":1,"a":{}}`, `[[[[`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := Parse(text)
		var want, got any
		valid := decode(text, &want)
		if err != nil {
			lossless := utf8.Valid(text) && !strings.Contains(strings.ToLower(string(text)), `\ud`)
			if valid && lossless && Check(text) == nil {
				t.Fatalf("%q is refused: %v", text, err)
			}
			return
		}
		if !valid || !utf8.Valid(text) {
			t.Fatalf("%q is read as %s", text, v.Text())
		}
		decode([]byte(v.Text()), &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		for _, c := range v.Text() {
			if c < ' ' || c > '~' {
				t.Fatalf("%q in %q", c, v.Text())
			}
		}
		if again, err := Parse([]byte(v.Text())); err != nil || again != v {
			t.Fatalf("%s is read as %s, %v", v.Text(), again.Text(), err)
		}
		rebuilt := v
		switch v.Kind() {
		case List:
			rebuilt = OfList(v.Elements()...)
		case Map:
			rebuilt = OfMap(v.Fields()...)
		case String:
			s, _ := v.Str()
			rebuilt = OfString(s)
		case Null, Bool, Number:
		default:
			t.Fatalf("%q is %s", v.Text(), v.Kind())
		}
		if rebuilt != v {
			t.Fatalf("%s put together again is %s", v.Text(), rebuilt.Text())
		}
		v.Python()
	})
}

// decode decodes text with encoding/json, and reports whether that succeeds.
func decode(text []byte, to *any) bool {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	return json.Valid(text) && d.Decode(to) == nil
}

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{
		"canonical": `{"weight": 10, "pooled": "yes"}`,
		"spaced":    `{"weight":10,"pooled":"yes"}`,
		"escaped":   `{"weight": 10, "comment": "caf\u00e9"}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse([]byte(text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFields(b *testing.B) {
	v := OfMap(Field{"weight", OfInt(10)}, Field{"pooled", OfString("yes")})
	b.ReportAllocs()
	for b.Loop() {
		v.Fields()
	}
}

// ParseTyped refuses text that JSON parsers read differently.
func TestParseTyped(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": 1, "b": [2.50]}`:       "",
		`1e308`:                       "",
		`12345678901234567890`:        "",
		`{"a": 1, "a": 2}`:            "a key is there twice",
		`[{"x": {"a":1,"\u0061":2}}]`: "a key is there twice",
		`[1e400]`:                     "a number is too large",
		`"\ud800"`:                    "half of a surrogate pair in a string",
	} {
		_, err := ParseTyped([]byte(text))
		if got := fmt.Sprint(err); (want == "" && err != nil) || (want != "" && got != want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
