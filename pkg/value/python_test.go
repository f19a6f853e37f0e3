package value

import "testing"

// The right column is the output of Python's repr.
func TestPythonQuotesAsRepr(t *testing.T) {
	for _, c := range []struct{ s, want string }{
		{``, `''`},
		{`a`, `'a'`},
		{`it's`, `"it's"`},
		{`say "x"`, `'say "x"'`},
		{`it's "x"`, `'it\'s "x"'`},
		{`\`, `'\\'`},
		{"a\nb\rc\td", `'a\nb\rc\td'`},
		{"\x00\x1f\x7f", `'\x00\x1f\x7f'`},
		{"\u00e9", "'\u00e9'"},
		{"\u00a0\u00ad", `'\xa0\xad'`},
		{"\u200b\u2028\u2029\u3000", `'\u200b\u2028\u2029\u3000'`},
		{"\ufeff", `'\ufeff'`},
		{"\ue000", `'\ue000'`},
		{"\uffff", `'\uffff'`},
		{"\U0001f600", "'\U0001f600'"},
		{"\U000e0001", `'\U000e0001'`},
		{"\U0010ffff", `'\U0010ffff'`},
		{"\u0301", "'\u0301'"},
		{"\u65e5\u672c", "'\u65e5\u672c'"},
		{"\u0600", `'\u0600'`},
	} {
		if got := OfList(OfString(c.s)).Python(); got != "["+c.want+"]" {
			t.Errorf("%q is printed as %s, want [%s]", c.s, got, c.want)
		}
		if got := OfString(c.s).Python(); got != c.s {
			t.Errorf("%q alone is printed as %s, want it bare", c.s, got)
		}
	}
}

func TestPython(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`null`, `None`},
		{`true`, `True`},
		{`false`, `False`},
		{`[]`, `[]`},
		{`{}`, `{}`},
		{`-0.50`, `-0.50`},
		{`["a", "x y"]`, `['a', 'x y']`},
		{`{"it's": [true, null, 1], "b": {"c": "d"}}`, `{"it's": [True, None, 1], 'b': {'c': 'd'}}`},
	} {
		v, err := Parse([]byte(c.text))
		if got := v.Python(); err != nil || got != c.want {
			t.Errorf("%s is printed as %s, %v; want %s", c.text, got, err, c.want)
		}
	}
	if got := (Value{}).Python(); got != "None" {
		t.Errorf("the absent value is printed as %s", got)
	}
}
