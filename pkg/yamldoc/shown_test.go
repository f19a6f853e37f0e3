package yamldoc

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/value"
)

// Characters that are not visible are escaped in double quotes. The library also
// escapes all characters above U+FFFF.
func TestHiddenTextIsEscaped(t *testing.T) {
	for _, c := range []struct{ json, want string }{
		{`"a\u202eb\u2066"`, `"a\u202eb\u2066"` + "\n"},
		{`"\u200b\u200d\u2060\u00ad\u3164\u034f"`, `"\u200b\u200d\u2060\u00ad\u3164\u034f"` + "\n"},
		{`"\u007f\u009b\u2028\u2029"`, `"\x7F\x9B\L\P"` + "\n"},
		{`"\udb40\udc41\ufe0f"`, `"\U000E0041\ufe0f"` + "\n"},
		{`{"a\u202e": ["b\u200b\nc"]}`, `"a\u202e":` + "\n  - " + `"b\u200b\nc"` + "\n"},
		{`"Gr\u00fc\u00dfe \u65e5\u672c \ud83d\ude00 \u2764\ufe0f"`, `"Grüße 日本 \U0001F600 ❤️"` + "\n"},
		{`"\ud83d\udc69\u200d\ud83d\udcbb"`, `"\U0001F469\u200d\U0001F4BB"` + "\n"},
	} {
		v, err := value.Parse([]byte(c.json))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Encode(OfValue(v)); err != nil || string(got) != c.want {
			t.Errorf("%s is written as %q, want %q, %v", c.json, got, c.want, err)
		}
	}
}

// The YAML of any value has only visible characters, and is read as the same value.
func TestEncodedHidesNothing(t *testing.T) {
	hidden := rapid.StringOfN(rapid.SampledFrom([]rune("a 1#:\n\t\"\\\x00\x1b\x7f\u009b\u202e\u200b\u200d\u2028\ufe0f\u20e3\u3164\U000e0041😀❤é")), 0, 8, -1)
	rapid.Check(t, func(t *rapid.T) {
		s, name := hidden.Draw(t, "text"), hidden.Draw(t, "name")
		v := value.OfMap(value.Field{Name: name, Value: value.OfList(value.OfString(s), value.OfMap(value.Field{Name: s, Value: value.OfString(name)}))})
		out, err := Encode(OfValue(v))
		if err != nil || !text.IsClean(string(out)) {
			t.Fatalf("%q, %v", out, err)
		}
		n, err := Parse("f", out)
		if err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
		if back, err := n.Value(); err != nil || back != v {
			t.Fatalf("%s became %s by\n%s%v", v.Text(), back.Text(), out, err)
		}
	})
}
