package text

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// ordinary is texts that are left unchanged.
var ordinary = []string{
	"", "a", "web1.example", "Grüße, naïve façade", "日本語 한국어 中文", "Привет мир", "שלום עולם", "مرحبا \u0601\u0662", "हिन्दी", "ไทย",
	"a\u0301 combined", "no\u00a0break", "→ ✔ ½ €", `\n \x1b \u202e as text`, "\ufffd", "\ue000",
	"😀", "👩‍💻", "👨‍👩‍👧‍👦", "❤️‍🔥", "🏳️‍🌈", "👍🏽", "👩🏽‍🚀", "🇩🇪", "❤️", "❤︎", "1️⃣", "#️⃣", "©️", "‼️", "↔️", "🧑‍⚕️", "〰️", "🐈‍⬛", "x👁️‍🗨️y",
}

func TestOrdinaryTextIsUnchanged(t *testing.T) {
	for _, s := range ordinary {
		for name, got := range map[string]string{"Sanitize": Sanitize(s), "Line": Line(s), "Spaced": Spaced(s), "JSON": JSON(s), "Excerpt": Excerpt(s, 100)} {
			if got != s {
				t.Errorf("%s(%q) = %q", name, s, got)
			}
		}
		if !IsLine(s) || !IsClean(s) {
			t.Errorf("%q: IsLine %v, IsClean %v", s, IsLine(s), IsClean(s))
		}
	}
}

func TestSanitize(t *testing.T) {
	for _, c := range []struct{ in, many, line string }{
		{"a\nb\tc", "a\nb\tc", `a\nb\tc`},
		{"a\r\nb", `a\r` + "\nb", `a\r\nb`},
		{"\x00\x07\x1b[2J\x7f", `\u0000\u0007\u001b[2J\u007f`, `\u0000\u0007\u001b[2J\u007f`},
		{"\u0080\u0085\u009b2J\u009d", `\u0080\u0085\u009b2J\u009d`, `\u0080\u0085\u009b2J\u009d`},
		{"a\u202eb\u2066c\u2069\u200f\u061c", `a\u202eb\u2066c\u2069\u200f\u061c`, `a\u202eb\u2066c\u2069\u200f\u061c`},
		{"a\u200bb\u200cc\u2060\ufeff\u00ad\u180e", `a\u200bb\u200cc\u2060\ufeff\u00ad\u180e`, `a\u200bb\u200cc\u2060\ufeff\u00ad\u180e`},
		{"a\u2028b\u2029", `a\u2028b\u2029`, `a\u2028b\u2029`},
		{"\u034f\u115f\u1160\u3164\uffa0", `\u034f\u115f\u1160\u3164\uffa0`, `\u034f\u115f\u1160\u3164\uffa0`},
		{"\U000e0041\U000e0101\uffff", `\U000e0041\U000e0101\uffff`, `\U000e0041\U000e0101\uffff`},
		{"a\xff\xc3(\xed\xa0\x80", `a\xff\xc3(\xed\xa0\x80`, `a\xff\xc3(\xed\xa0\x80`},
		{"a\u200db", `a\u200db`, `a\u200db`},                                        // a joiner without an emoji
		{"😀\u200d", `😀\u200d`, `😀\u200d`},                                           // a joiner without a second emoji
		{"😀\u200d\u200d😀", `😀\u200d\u200d😀`, `😀\u200d\u200d😀`},                      // two joiners
		{"a\ufe0f", `a\ufe0f`, `a\ufe0f`},                                           // a selector without an emoji
		{"1\ufe0f", `1\ufe0f`, `1\ufe0f`},                                           // not a keycap
		{"❤\ufe0f\ufe0f", "❤\ufe0f" + `\ufe0f`, "❤\ufe0f" + `\ufe0f`},               // a second selector
		{"\x00\ufe0f\u20e3", `\u0000\ufe0f` + "⃣", `\u0000\ufe0f` + "⃣"},            // the escape of NUL ends with a digit, which is not a keycap
		{"葛\U000e0100", `葛\U000e0100`, `葛\U000e0100`},                               // a selector of an ideograph
		{"🏴\U000e0067\U000e007f", `🏴\U000e0067\U000e007f`, `🏴\U000e0067\U000e007f`}, // a flag made of tags
	} {
		if got := Sanitize(c.in); got != c.many {
			t.Errorf("Sanitize(%q) = %q, want %q", c.in, got, c.many)
		}
		if got := Line(c.in); got != c.line {
			t.Errorf("Line(%q) = %q, want %q", c.in, got, c.line)
		}
	}
}

func TestSpaced(t *testing.T) {
	if got, want := Spaced("a\nb\r\n\x1b[2Jc\u2028d\u202ee\xff"), `a b   [2Jc d\u202ee\xff`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJSON(t *testing.T) {
	in := "{\n\t\"a\u202e\": \"\u007f\u009b\u2028\U000e0041 ü 😀\"\n}\n"
	want := "{\n\t\"a\\u202e\": \"\\u007f\\u009b\\u2028\\udb40\\udc41 ü 😀\"\n}\n"
	got := JSON(in)
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var a, b any
	if json.Unmarshal([]byte(in), &a) != nil || json.Unmarshal([]byte(got), &b) != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("%v became %v", a, b)
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in    string
		most  int
		chars string
		bytes string
	}{
		{"", 5, "", ""},
		{"abcde", 5, "abcde", "abcde"},
		{"abcdef", 5, "abcd…", "ab…"},
		{"üüüüü", 5, "üüüüü", "ü…"},
		{"üüüüüü", 5, "üüüü…", "ü…"},
		{"👩‍💻xyz", 3, "👩…", "…"},
		{"\x80\x80\x80\x80\x80\x80", 5, "\x80\x80\x80\x80…", "…"},
	} {
		if got := Cut(c.in, c.most); got != c.chars {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.in, c.most, got, c.chars)
		}
		if got := CutBytes(c.in, c.most); got != c.bytes {
			t.Errorf("CutBytes(%q, %d) = %q, want %q", c.in, c.most, got, c.bytes)
		}
	}
	if got := Excerpt("a\nb\x1b"+strings.Repeat("x", 1<<20), 8); got != `a\nb\u0…` {
		t.Errorf("Excerpt: %q", got)
	}
}

// mustNotShow reports whether a character may not be shown, according to a list
// that is independent of the code.
func mustNotShow(r rune) bool {
	switch {
	case r < ' ' && r != '\n' && r != '\t', r >= 0x7f && r <= 0x9f: // control
		return true
	case r == 0xAD, r == 0x34F, r == 0x61C, r >= 0x115F && r <= 0x1160, r >= 0x180B && r <= 0x180F: // invisible
		return true
	case r >= 0x200B && r <= 0x200F && r != joiner, r >= 0x2028 && r <= 0x202E, r >= 0x2060 && r <= 0x206F: // bidirectional controls, line separators, zero width
		return true
	case r == 0x3164, r == 0xFEFF, r == 0xFFA0, r >= 0xFFF0 && r <= 0xFFFB, r >= 0xE0000 && r <= 0xE0FFF: // invisible characters, tags, selectors
		return true
	}
	return false
}

func FuzzSanitize(f *testing.F) {
	for _, s := range append(ordinary, "\x1b]52;c;eA==\a", "a\u202eb\n\u2028", "\xff\u200d😀\u200d", "1\ufe0f\u20e3\ufe0f", "\u200d\ufe0f", strings.Repeat("\u200d😀", 9)) {
		f.Add(s, 5)
	}
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = 3 + (most%100+100)%100
		many, line, spaced, short := Sanitize(s), Line(s), Spaced(s), Excerpt(s, most)
		for name, got := range map[string]string{"Sanitize": many, "Line": line, "Spaced": spaced, "Excerpt": short} {
			if !utf8.ValidString(got) || strings.ContainsFunc(got, mustNotShow) {
				t.Errorf("%s(%q) = %q, which has what may not be shown", name, s, got)
			}
		}
		if strings.ContainsAny(line+spaced+short, "\n\t") {
			t.Errorf("Line(%q) = %q, Spaced %q, Excerpt %q: not a line", s, line, spaced, short)
		}
		if Sanitize(many) != many || Line(line) != line || Spaced(spaced) != spaced {
			t.Errorf("%q: once %q and %q, twice %q and %q", s, many, line, Sanitize(many), Line(line))
		}
		if IsLine(s) != (line == s) || IsClean(s) != (many == s) {
			t.Errorf("%q: IsLine %v, IsClean %v", s, IsLine(s), IsClean(s))
		}
		if utf8.RuneCountInString(short) > most || len(CutBytes(s, most)) > max(most, len(ellipsis)) {
			t.Errorf("%q in %d: %q, %q", s, most, short, CutBytes(s, most))
		}
		if bare := withoutHidden(s); Sanitize(bare) != bare {
			t.Errorf("%q has nothing to escape and became %q", bare, Sanitize(bare))
		}
		quoted, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var a, b string
		if json.Unmarshal(quoted, &a) != nil || json.Unmarshal([]byte(JSON(string(quoted))), &b) != nil || a != b {
			t.Errorf("JSON(%q) stands for %q, not %q", quoted, b, a)
		}
	})
}

// withoutHidden removes the characters that may have to be escaped.
func withoutHidden(s string) string {
	return strings.Map(func(r rune) rune {
		if isHidden(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

func TestOneLine(t *testing.T) {
	for msg, want := range map[string]string{"": "", "a\n": "a", "a\nb\x1b": `a; b\u001b`, "a\tb": `a\tb`} {
		if got := OneLine(msg); got != want {
			t.Errorf("%q: %q, want %q", msg, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	for s, want := range map[string][]string{"": nil, "a": {"a"}, "a\n\nb\n": {"a", "", "b"}} {
		if got := Lines(s); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	if got := Count(0, "key") + ", " + Count(1, "key") + ", " + Count(2, "key"); got != "0 keys, 1 key, 2 keys" {
		t.Error(got)
	}
}

func TestWords(t *testing.T) {
	if got := Words(" a\r\n\tb  c\u202e"); got != `a b c\u202e` {
		t.Errorf("%q", got)
	}
}
