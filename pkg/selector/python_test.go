package selector

import (
	"slices"
	"strings"
	"testing"
)

// The table has the texts that fullmatch of Python 3.11 matches. Differences
// reports exactly the patterns for which RE2 matches other texts.
func TestDifferencesFromPython(t *testing.T) {
	texts := []string{"", "a", "aa", "aaa", "a{,2}", "a{,}", "a{02}", "a{1,02}", "a{00,2}", "b", "ab", "AB", "aB", "Ab", "ac", "x", "1", "٣", "é", "éé", "\u00a0", "éb", "a]", ":]", "p]", "[]", "5", ":", "{,2}", "{", "}", "a{}", "S", "\u000b", "-", "&", "|", "~", "x{1,", "x{a}", "x{1,a}", "{,2}]", "a?b", "cp1001.x", "aabbc", "a é", "aé", "A", "aabb"}
	for _, c := range []struct {
		pattern string
		python  []string
	}{
		{`a{,2}`, []string{"", "a", "aa"}},
		{`a{,}`, []string{"", "a", "aa", "aaa"}},
		{`a{02}`, []string{"aa"}},
		{`a{1,02}`, []string{"a", "aa"}},
		{`a{00,2}`, []string{"", "a", "aa"}},
		{`a{0,2}`, []string{"", "a", "aa"}},
		{`a{2,}`, []string{"aa", "aaa"}},
		{`[[:alpha:]]`, []string{"a]", ":]", "p]", "[]"}},
		{`[^[:space:]]`, []string{}},
		{`[[:digit:]a]`, []string{}},
		{`[[:^alpha:]]`, []string{"a]", ":]", "p]", "[]"}},
		{`[:alpha:]`, []string{"a", ":"}},
		{`(?i)ab`, []string{"ab", "AB", "aB", "Ab"}},
		{`(?i)(?s)a.b`, []string{"a?b"}},
		{`(?i:a)b`, []string{"ab", "Ab"}},
		{`\d`, []string{"1", "٣", "5"}},
		{`[\d]`, []string{"1", "٣", "5"}},
		{`\w+`, []string{"a", "aa", "aaa", "b", "ab", "AB", "aB", "Ab", "ac", "x", "1", "٣", "é", "éé", "éb", "5", "S", "aabbc", "aé", "A", "aabb"}},
		{`\W`, []string{"\u00a0", ":", "{", "}", "\u000b", "-", "&", "|", "~"}},
		{`\s`, []string{"\u00a0", "\u000b"}},
		{`\S`, []string{"a", "b", "x", "1", "٣", "é", "5", ":", "{", "}", "S", "-", "&", "|", "~", "A"}},
		{`a\b.*`, []string{"a", "a{,2}", "a{,}", "a{02}", "a{1,02}", "a{00,2}", "a]", "a{}", "a?b", "a é"}},
		{`\012`, []string{}},
		{`\123`, []string{"S"}},
		{`a$`, []string{"a"}},
		{`(a|b)`, []string{"a", "b"}},
		{`[a-]`, []string{"a", "-"}},
		{`[]a]`, []string{"a"}},
		{`[[a]`, []string{"a"}},
		{`[^]a]`, []string{"b", "x", "1", "٣", "é", "\u00a0", "5", ":", "{", "}", "S", "\u000b", "-", "&", "|", "~", "A"}},
		{`x{1,`, []string{"x{1,"}},
		{`x{a}`, []string{"x{a}"}},
		{`x{1,a}`, []string{"x{1,a}"}},
		{`a{}`, []string{"a{}"}},
		{`[a{,2}]`, []string{"a", "{", "}"}},
		{`a\{,2}`, []string{"a{,2}"}},
		{`(a){,2}`, []string{"", "a", "aa"}},
		{`(?P<n>a){,2}`, []string{"", "a", "aa"}},
		{`[ab]{,2}`, []string{"", "a", "aa", "b", "ab"}},
		{`\x61{,2}`, []string{"", "a", "aa"}},
		{`a{1,2}?`, []string{"a", "aa"}},
		{`a{,2}?`, []string{"", "a", "aa"}},
		{`(?m)^a$`, []string{"a"}},
		{`\x41`, []string{"A"}},
		{`\v`, []string{"\u000b"}},
		{`[\-]`, []string{"-"}},
		{`[a&&b]`, []string{"a", "b", "&"}},
		{`[a||b]`, []string{"a", "b", "|"}},
		{`[a~~b]`, []string{"a", "b", "~"}},
		{`[\[:alpha:]]`, []string{"a]", ":]", "p]", "[]"}},
		{`[a\]{,2}]`, []string{"a", "{", "}"}},
		{`(?:a)`, []string{"a"}},
		{`.{,2}`, []string{"", "a", "aa", "b", "ab", "AB", "aB", "Ab", "ac", "x", "1", "٣", "é", "éé", "\u00a0", "éb", "a]", ":]", "p]", "[]", "5", ":", "{", "}", "S", "\u000b", "-", "&", "|", "~", "aé", "A"}},
		{`a{,2}b{02}`, []string{"aabb"}},
		{`é{,2}`, []string{"", "é", "éé"}},
		{`cp10(0[1-9]|1[0-2])\..*`, []string{"cp1001.x"}},
		{`a*b+c?`, []string{"b", "ab", "aabbc", "aabb"}},
		{`[^,]+`, []string{"a", "aa", "aaa", "a{02}", "b", "ab", "AB", "aB", "Ab", "ac", "x", "1", "٣", "é", "éé", "\u00a0", "éb", "a]", ":]", "p]", "[]", "5", ":", "{", "}", "a{}", "S", "\u000b", "-", "&", "|", "~", "x{a}", "a?b", "cp1001.x", "aabbc", "a é", "aé", "A", "aabb"}},
	} {
		re, err := compile(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		differ, beyond := false, true
		for _, text := range texts {
			if re.MatchString(text) != slices.Contains(c.python, text) {
				differ = true
				beyond = beyond && strings.ContainsFunc(text, func(r rune) bool { return r > 127 || r == 11 })
			}
		}
		found := Differences(c.pattern)
		if (len(found) > 0) != differ {
			t.Errorf("%s: differ: %v, found %q", c.pattern, differ, found)
		}
		for _, d := range found {
			if d.Beyond != beyond {
				t.Errorf("%s: only beyond ASCII: %v, found %+v", c.pattern, beyond, d)
			}
		}
	}
}

func TestDifferencesInWords(t *testing.T) {
	for _, c := range []struct{ pattern, want string }{
		{"a{,2}", `{,2} means that text itself here (RE2), but 0 to 2 repetitions in Python; write {0,2}, or \{,2} for the text`},
		{"a{,}", `{,} means that text itself here (RE2), but 0 or more repetitions in Python; write {0,}, or \{,} for the text`},
		{"a{02}", `{02} means that text itself here (RE2), but 2 repetitions in Python; write {2}, or \{02} for the text`},
		{"a{01,}", `{01,} means that text itself here (RE2), but 1 or more repetitions in Python; write {1,}, or \{01,} for the text`},
		{"[[:digit:]x]", "[:digit:] means the named class here (RE2), but single characters and the end of the outer class in Python; write 0-9"},
		{"[[:^alpha:]]", "[:^alpha:] means the named class here (RE2), but single characters and the end of the outer class in Python"},
		{"a(?i)b", "(?i) means that flag for what follows here (RE2), but that flag for the whole expression (an error since 3.11) in Python; write (?i:...)"},
		{"a{,2}b{,2}", `{,2} means that text itself here (RE2), but 0 to 2 repetitions in Python; write {0,2}, or \{,2} for the text`},
		{"{,2}", ""}, // an error in Python
		{"a|{,2}", ""},
		{"({,2})", ""},
		{"^{,2}", ""},
		// Plain text in RE2; an error in Python, since there is nothing to repeat.
		{"(?i){,2}", ""},
		{"a{2}{,2}", ""},
		{"a*{,2}", ""},
		{"a{,2}{,3}", `{,2} means that text itself here (RE2), but 0 to 2 repetitions in Python; write {0,2}, or \{,2} for the text`},
		// Plain text in RE2; a repetition in Python.
		{`\.{,2}`, `{,2} means that text itself here (RE2), but 0 to 2 repetitions in Python; write {0,2}, or \{,2} for the text`},
		{"[a]{,2}", `{,2} means that text itself here (RE2), but 0 to 2 repetitions in Python; write {0,2}, or \{,2} for the text`},
		{"[]{,2}]", ""}, // in a class
		{"[^]{,2}]", ""},
	} {
		var got []string
		for _, d := range Differences(c.pattern) {
			got = append(got, d.String())
		}
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.pattern, got, c.want)
		}
	}
}

func TestDoubtsOfSelectors(t *testing.T) {
	for _, c := range []struct{ selector, want string }{
		{"dc=a{,2},name=[[:digit:]]", "dc: {,2} means that text itself here|name: [:digit:] means the named class here"},
		{`dc=\w+,name=cp10.*`, ""}, // differs only outside ASCII
		{"name=.*", ""},
	} {
		got := parse(t, c.selector).Doubts()
		want := strings.Split(c.want, "|")
		if c.want == "" {
			want = nil
		}
		if len(got) != len(want) {
			t.Errorf("%s: %q, want %q", c.selector, got, want)
			continue
		}
		for i := range want {
			if !strings.HasPrefix(got[i], want[i]) {
				t.Errorf("%s: %q, want %q", c.selector, got[i], want[i])
			}
		}
	}
	if got := (Selector{}).Doubts(); got != nil {
		t.Errorf("none: %q", got)
	}
	if got := Exactly(nodeTags, map[string]string{"dc": "a{,2}"}).Doubts(); got != nil {
		t.Errorf("literal: %q", got)
	}
	with, err := parse(t, "dc=a").WithName("b{,2}")
	if got := with.Doubts(); err != nil || len(got) != 1 {
		t.Errorf("with a name: %q, %v", got, err)
	}
}

// Differences terminates for any pattern that RE2 compiles.
func FuzzDifferences(f *testing.F) {
	for _, seed := range []string{"a{,2}", "[[:alpha:]]", "[]{,2}]", `\d{02}`, "(?i)a(?s)b", "[", `\`, "(?P<a>b){,}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		if _, err := compile(pattern); err != nil {
			return
		}
		for _, d := range Differences(pattern) {
			if !strings.Contains(pattern, d.Part) {
				t.Errorf("%q: part %q", pattern, d.Part)
			}
		}
	})
}
