package selector

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var nodeTags = []string{"dc", "cluster", "service"}

func parse(t *testing.T, text string) Selector {
	t.Helper()
	s, err := Parse(text, nodeTags)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// An object is written as dc/cluster/service/name.
func TestMatch(t *testing.T) {
	for _, c := range []struct {
		selector  string
		yes, no   []string
		wantsRead string // the values that Literals returns
	}{
		{"name=web1", []string{"a/b/c/web1"}, []string{"a/b/c/web11", "a/b/c/xweb1", "a/b/c/", "web1/web1/web1/x"}, ""},
		{"dc=eqiad,cluster=cache_text,service=https,name=cp1008", []string{"eqiad/cache_text/https/cp1008"},
			[]string{"codfw/cache_text/https/cp1008"}, "eqiad/cache_text/https/cp1008"},
		{"service=s,name=n,dc=d", []string{"d/x/s/n"}, []string{"d/x/s/m", "d/x/t/n"}, "d"},
		{"name=a.b", []string{"x/y/z/a.b", "x/y/z/acb"}, []string{"x/y/z/a.bc"}, ""},
		{`dc=a\.b`, []string{"a.b/y/z/n"}, []string{"acb/y/z/n"}, "a.b"},

		// Patterns are anchored at both ends.
		{"name=a|b", []string{"x/y/z/a", "x/y/z/b"}, []string{"x/y/z/a1", "x/y/z/1b"}, ""},
		{"name=(a|b)", []string{"x/y/z/a", "x/y/z/b"}, []string{"x/y/z/ab"}, ""},
		{"name=^a|b$", []string{"x/y/z/a", "x/y/z/b"}, []string{"x/y/z/a1", "x/y/z/1b"}, ""},
		{"dc=^a$", []string{"a/y/z/n"}, []string{"aa/y/z/n", "a\n/y/z/n"}, "a"},
		{"dc=(?m)^a$", []string{"a/y/z/n"}, []string{"a\nb/y/z/n"}, "a"},
		{"dc=(?i)a", []string{"a/y/z/n", "A/y/z/n"}, []string{"b/y/z/n"}, ""},
		{"dc=(?i)a,cluster=b", []string{"A/b/z/n"}, []string{"A/B/z/n"}, ""},
		{"dc=[aA]", []string{"a/y/z/n", "A/y/z/n"}, []string{"b/y/z/n"}, ""},
		{"name=", nil, []string{"x/y/z/n"}, ""},
		{"name=.*", []string{"x/y/z/n"}, nil, ""},

		// Commas that are a part of the regex.
		{"name=a{1,3}", []string{"x/y/z/a", "x/y/z/aaa"}, []string{"x/y/z/aaaa"}, ""},
		{"name=[a,b]", []string{"x/y/z/,"}, []string{"x/y/z/ab"}, ""},
		{"name=(a,b|c),dc=d", []string{"d/y/z/a,b", "d/y/z/c"}, []string{"x/y/z/c"}, "d"},
		{`dc=a\,b`, []string{"a,b/y/z/n"}, nil, "a,b"},
		{"name=[],]", []string{"x/y/z/]", "x/y/z/,"}, []string{"x/y/z/a"}, ""},
		{"name=[^],]", []string{"x/y/z/a"}, []string{"x/y/z/]", "x/y/z/,"}, ""},
		{`name=[\],]`, []string{"x/y/z/]", "x/y/z/,"}, []string{`x/y/z/\`}, ""},
		{"name=[(],dc=d", []string{"d/y/z/("}, nil, "d"},
		{"name=[{[],dc=d", []string{"d/y/z/{", "d/y/z/["}, nil, "d"},
		{"name=[[:alpha:],],dc=d", []string{"d/y/z/q", "d/y/z/,"}, []string{"d/y/z/:"}, "d"},
		{"name=[[:],dc=[[:digit:],]", []string{"1/y/z/["}, []string{"1/y/z/]"}, ""},
		{"name=[[:],dc=d", []string{"d/y/z/[", "d/y/z/:"}, nil, "d"},
		{`name=\(,dc=d`, []string{"d/y/z/("}, nil, "d"},
		{`name=\[,dc=d`, []string{"d/y/z/["}, nil, "d"},
		{`name=\\,dc=d`, []string{`d/y/z/\`}, nil, "d"},
		{"name=(},|a),dc=d", []string{"d/y/z/},"}, []string{"d/y/z/}"}, "d"},
		{"name=({,|a),dc=d", []string{"d/y/z/{,"}, []string{"d/y/z/{"}, "d"},
		{"name=({,|a{1}),dc=d", []string{"d/y/z/{,"}, []string{"d/y/z/{"}, "d"},
		{"name=a{,dc=d", []string{"d/y/z/a{"}, []string{"x/y/z/a{"}, "d"},
		{"name={a,b}", []string{"x/y/z/{a,b}"}, []string{"x/y/z/a"}, ""},
		{"name=a},dc=(d,e)", []string{"d,e/y/z/a}"}, nil, "d,e"},
		{"name=a=b", []string{"x/y/z/a=b"}, nil, ""},

		// Blanks.
		{" dc = d ,\tname = n\n", []string{"d/y/z/n"}, nil, "d"},
		{"dc=a b", []string{"a b/y/z/n"}, []string{"ab/y/z/n"}, "a b"},

		// Values that are not a part of any key.
		{"dc=a/b", nil, []string{"a/y/z/n"}, ""},
		{"dc=()", nil, []string{"a/y/z/n"}, ""},
		{"dc=(a)(?:b)c{2}", []string{"abcc/y/z/n"}, nil, "abcc"},
		{"dc=a?,cluster=b", []string{"a/b/z/n"}, []string{"aa/b/z/n"}, ""},
	} {
		s, err := Parse(c.selector, nodeTags)
		if err != nil {
			t.Errorf("%q: %v", c.selector, err)
			continue
		}
		for i, objects := range [][]string{c.yes, c.no} {
			for _, o := range objects {
				p := strings.Split(o, "/")
				if got := s.Match(p[:3], p[3]); got != (i == 0) {
					t.Errorf("%q matches %q: %v", c.selector, o, got)
				}
			}
		}
		if got := strings.Join(s.Literals(), "/"); got != c.wantsRead {
			t.Errorf("%q reads %q, want %q", c.selector, got, c.wantsRead)
		}
		if s.String() != c.selector {
			t.Errorf("%q is printed as %q", c.selector, s)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const lookAround, backReference = "look-around is not known here (RE2 syntax)", "back-references are not known here (RE2 syntax)"
	for _, c := range []struct{ selector, msg, hint string }{
		{"", "is empty", "say which objects, such as dc=REGEX,name=REGEX"},
		{" \t", "is empty", "say which objects, such as dc=REGEX,name=REGEX"},
		{"name=a,", "nothing between two commas, or a comma at the end", "take the extra comma out; a selector is one word, without blanks or in quotes"},
		{",name=a", "nothing between two commas, or a comma at the end", "take the extra comma out; a selector is one word, without blanks or in quotes"},
		{"dc=a, ,name=a", "nothing between two commas, or a comma at the end", "take the extra comma out; a selector is one word, without blanks or in quotes"},
		{"name", `no = after "name"`, "write name=VALUE"},
		{"dc,name=a", `no = after "dc"`, "write dc=VALUE"},
		{"web1", `no = in "web1"`, "write name=web1 to mean the object's name"},
		{"name=a,b", `no = in "b"`, "write name=b to mean the object's name"},
		{"=a", `no tag ""`, "known here: dc, cluster, service, name"},
		{"clutser=a", `no tag "clutser" (did you mean cluster?)`, "known here: dc, cluster, service, name"},
		{"NAME=a", `no tag "NAME" (did you mean name?)`, "known here: dc, cluster, service, name"},
		{"dc=a,dc=b", `tag "dc" is there twice`, "to match either of two, write dc=(a|b)"},
		{"name=,name=a", `tag "name" is there twice`, "to match either of two, write name=(a|b)"},

		{"name=(a,dc=b", `name: bad regular expression: missing closing ): "(a,dc=b"`, ""},
		{"name=(?:a", `name: bad regular expression: missing closing ): "(?:a"`, ""},
		{"name=[a,dc=b", `name: bad regular expression: missing closing ]: "[a,dc=b"`, ""},
		{"name=[]", `name: bad regular expression: missing closing ]: "[]"`, ""},
		{"name=a)", `name: bad regular expression: unexpected ): "a)"`, ""},
		{"name=a)|(b", `name: bad regular expression: unexpected ): "a)|(b"`, ""},
		{"name=a)|(?:b", `name: bad regular expression: unexpected ): "a)|(?:b"`, ""},
		{"name=*", `name: bad regular expression: missing argument to repetition operator: "*"`, ""},
		{"name=a{2,1}", `name: bad regular expression: invalid repeat count: "{2,1}"`, ""},
		{"name=a\\", `name: bad regular expression: trailing backslash at end of expression: ""`, ""},
		{"name=\xff", `name: bad regular expression: invalid UTF-8: "\xff"`, ""},
		{`name=a\Z`, `name: bad regular expression: invalid escape sequence: "\\Z"`, `a backslash is written \\`},
		{"name=(?=a)b", `name: bad regular expression: invalid or unsupported Perl syntax: "(?="`, lookAround},
		{"name=(?!a)b", `name: bad regular expression: invalid or unsupported Perl syntax: "(?!"`, lookAround},
		{"name=(?<=a)b", `name: bad regular expression: invalid named capture: "(?<=a)b"`, lookAround},
		{"name=(?<!a)b", `name: bad regular expression: invalid named capture: "(?<!a)b"`, lookAround},
		{`dc=(a)\1`, `dc: bad regular expression: invalid escape sequence: "\\1"`, backReference},
		{"name=(?P<x>a)(?P=x)", `name: bad regular expression: invalid or unsupported Perl syntax: "(?P"`, backReference},
	} {
		_, err := Parse(c.selector, nodeTags)
		var e *Error
		if !errors.As(err, &e) || e.Selector != c.selector || e.Msg != c.msg || e.Hint != c.hint {
			t.Errorf("%q: %#v\nwant %s | %s", c.selector, err, c.msg, c.hint)
		}
	}
	if _, err := Parse("", nil); err == nil || err.(*Error).Hint != "say which objects, such as name=REGEX" { //nolint:errcheck,errorlint // promised
		t.Errorf("%#v", err)
	}
}

func TestZeroSelectorMatchesAll(t *testing.T) {
	var s Selector
	if !s.Match([]string{"a", "b"}, "n") || s.Literals() != nil {
		t.Error("it does not")
	}
	if _, ok := literalOf(s, "dc"); ok {
		t.Error("it has a literal")
	}
	if s, err := s.WithName("n"); err != nil || !s.Match([]string{"a"}, "n") || s.Match([]string{"a"}, "m") {
		t.Errorf("with a name it is %v, %v", s, err)
	}
}

func TestTooFewTagsNeverMatch(t *testing.T) {
	if parse(t, "name=n").Match([]string{"a", "b"}, "n") {
		t.Error("they do")
	}
}

// literalOf returns the only text that a tag or the name may be, and whether there
// is such a text.
func literalOf(s Selector, tag string) (string, bool) {
	if index := slices.Index(s.keys(), tag); index >= 0 {
		return s.term(index).text, s.term(index).plain
	}
	return "", false
}

func TestLiteral(t *testing.T) {
	s := parse(t, "dc=(a|b),service=s,name=n")
	for tag, want := range map[string]string{"dc": "", "cluster": "", "service": "s", Name: "n", "other": ""} {
		if got, ok := literalOf(s, tag); got != want || ok != (want != "") {
			t.Errorf("%s is %q, %v; want %q", tag, got, ok, want)
		}
	}
}

// U+FFFD in a regex also matches invalid bytes, so it is not a literal.
func TestReplacementCharacterIsNoLiteral(t *testing.T) {
	s := parse(t, "dc=\ufffd")
	if !s.Match([]string{"\xff", "b", "c"}, "n") || s.Literals() != nil {
		t.Errorf("reads %q", s.Literals())
	}
}

func TestWithName(t *testing.T) {
	was := parse(t, "dc=d,name=a")
	s, err := was.WithName(" b|c ")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a": false, "b": true, "c": true, "bc": false} {
		if s.Match([]string{"d", "x", "y"}, name) != want || s.Match([]string{"e", "x", "y"}, name) {
			t.Errorf("matches %s: %v", name, !want)
		}
	}
	if !was.Match([]string{"d", "x", "y"}, "a") || was.Match([]string{"d", "x", "y"}, "b") {
		t.Error("the selector it was made of is another one now")
	}
	if s.String() != "dc=d,name=a" {
		t.Errorf("is printed as %s", s)
	}
	var e *Error
	if _, err := was.WithName("a)|(b"); !errors.As(err, &e) || e.Selector != "dc=d,name=a" {
		t.Errorf("%#v", err)
	}
}

func TestExactly(t *testing.T) {
	s := Exactly(nodeTags, map[string]string{"cluster": "a.b,c=(", Name: "n\xff"})
	if s.String() != "cluster=a.b,c=(,name=n\xff" {
		t.Errorf("is printed as %q", s)
	}
	if s.Literals() != nil {
		t.Errorf("reads %q", s.Literals())
	}
	if all := Exactly(nodeTags, nil); !all.Match([]string{"a", "b", "c"}, "n") || all.String() != "" {
		t.Error("nothing asked for does not match all")
	}
	for _, v := range []string{"", "a/b"} { // no object has these
		if got := Exactly(nodeTags, map[string]string{"dc": v}); got.Literals() != nil || got.Match([]string{"x", "b", "c"}, "n") {
			t.Errorf("%q reads %q", v, got.Literals())
		}
	}
}

// words generates values of tags from few letters, so that patterns often match.
func words() *rapid.Generator[string] {
	return rapid.OneOf(rapid.StringOfN(rapid.SampledFrom([]rune("abAB1.,]-[\n\ufffd")), 1, 3, -1), rapid.SampledFrom([]string{"\xff", "ab", "aab", "1"}))
}

// patterns generates regexes with all commas in brackets or escaped.
func patterns(depth int) *rapid.Generator[string] {
	leaf := rapid.OneOf(
		rapid.SampledFrom([]string{
			"a", "b", "ab", "1", ".", "-", "^", "$", "(?i)a", "(?i:b)", "(?m)a$", "(?s).", `\.`, `\,`, `\]`, `\[`, `\(`, `\)`, `\{`, `\\`, `\x{fffd}`, `\n`, "\ufffd",
			"[a,b]", "[],]", "[^],]", "[^,a]", `[\],]`, "[(,]", "[{,]", "[[,]", "[[:alpha:],]", "[^[:digit:],]", "[[:]", "[aA]", `\pL`, `\d`, "]", "}", `\b`, `\A`, `\z`,
		}),
		rapid.Map(words(), func(w string) string {
			return strings.ReplaceAll(regexp.QuoteMeta(strings.ToValidUTF8(w, "")), ",", `\,`)
		}),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.Custom(func(t *rapid.T) string {
		inner := patterns(depth - 1)
		switch a := inner.Draw(t, "a"); rapid.IntRange(0, 7).Draw(t, "form") {
		case 0:
			return a + inner.Draw(t, "b")
		case 1:
			return "(" + a + "," + inner.Draw(t, "b") + ")"
		case 2:
			return a + "|" + inner.Draw(t, "b")
		case 3:
			return "(?:" + a + ")" + rapid.SampledFrom([]string{"*", "+", "?", "{1,2}", "{0,}", "{2}", "*?"}).Draw(t, "times")
		case 4:
			return "(" + a + ")"
		case 5:
			return "^" + a + "$"
		default:
			return a
		}
	})
}

// Parse splits a selector at the commas between its terms, Match agrees with the
// regexes one by one, and all matches begin with the values of Literals.
func TestSelectorIsItsParts(t *testing.T) {
	matched, narrowed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		given := map[string]*regexp.Regexp{}
		var parts []string
		order := rapid.Permutation([]string{"dc", "cluster", "service", Name}).Draw(t, "order")
		for _, tag := range order[:rapid.IntRange(1, 4).Draw(t, "terms")] {
			p := strings.TrimSpace(rapid.OneOf(patterns(3), rapid.SampledFrom([]string{"a", "ab", "(a)(b)", "^1$"})).Draw(t, tag))
			if _, err := regexp.Compile(p); err != nil {
				t.Skip(p)
			}
			given[tag] = regexp.MustCompile(`\A(?:` + p + `)\z`)
			parts = append(parts, rapid.SampledFrom([]string{"", " "}).Draw(t, "blank")+tag+"="+p)
		}
		text := strings.Join(parts, ",")
		s, err := Parse(text, nodeTags)
		if err != nil {
			t.Fatal(err)
		}
		literals := s.Literals()
		for range 20 {
			var object []string
			want := true
			for _, tag := range []string{"dc", "cluster", "service", Name} {
				v := words().Draw(t, "value")
				if l, ok := literalOf(s, tag); ok && rapid.Bool().Draw(t, "as asked") {
					v = l
				}
				object = append(object, v)
				want = want && (given[tag] == nil || given[tag].MatchString(v))
			}
			if got := s.Match(object[:3], object[3]); got != want {
				t.Fatalf("%q matches %q: %v", text, object, got)
			}
			if want && !slices.Equal(literals, object[:len(literals)]) {
				t.Fatalf("%q matches %q, but reads %q", text, object, literals)
			}
			if want {
				matched++
				narrowed += len(literals)
			}
		}
	})
	if matched == 0 || narrowed == 0 {
		t.Errorf("%d matches, %d literals: nothing was tried", matched, narrowed)
	}
}

// Literals returns the values of plain text.
func TestQuotedTextIsLiteral(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-zA-Z0-9.+_,()\[\]é-]{1,6}`)
		values := []string{word.Draw(t, "dc"), word.Draw(t, "cluster"), word.Draw(t, "service"), word.Draw(t, "name")}
		var parts []string
		for i, tag := range append(slices.Clone(nodeTags), Name) {
			parts = append(parts, tag+"="+strings.ReplaceAll(regexp.QuoteMeta(values[i]), ",", `\,`))
		}
		s, err := Parse(strings.Join(parts, ","), nodeTags)
		if err != nil || !slices.Equal(s.Literals(), values) || !s.Match(values[:3], values[3]) {
			t.Fatalf("%v, %v reads %q", s, err, s.Literals())
		}
	})
}

// Exactly matches a value only if it is equal, for any bytes.
func TestExactlyIsEquality(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		val := rapid.OneOf(words(), rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
		asked := map[string]string{}
		object := []string{}
		want := true
		for _, tag := range append(slices.Clone(nodeTags), Name) {
			v := val.Draw(t, tag)
			object = append(object, v)
			if rapid.Bool().Draw(t, "asked") {
				asked[tag] = rapid.OneOf(rapid.Just(v), rapid.Just(v), val).Draw(t, "for")
				want = want && asked[tag] == v
			}
		}
		s := Exactly(nodeTags, asked)
		if got := s.Match(object[:3], object[3]); got != want {
			t.Fatalf("%q matches %q: %v", asked, object, got)
		}
		if l := s.Literals(); want && !slices.Equal(l, object[:len(l)]) {
			t.Fatalf("%q matches %q, but reads %q", asked, object, l)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"dc=eqiad,cluster=cache_.*,name=cp10[0-9]{1,2}", `name=[],a]|\,b,dc=(?i)x`, "dc=[[:alpha:],]", "name=a)|(b", "dc=^a$,cluster=\ufffd", `name=\Qa\E`, " = , ",
	} {
		f.Add(seed, "a", "b")
	}
	f.Fuzz(func(t *testing.T, text, first, second string) {
		s, err := Parse(text, []string{"dc", "cluster"})
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Selector != text || e.Msg == "" {
				t.Fatalf("%#v", err)
			}
			return
		}
		literals := s.Literals()
		for _, object := range [][]string{{first, second, first}, append(slices.Clone(literals), first, second, first)[:3]} {
			if s.Match(object[:2], object[2]) && !slices.Equal(literals, object[:len(literals)]) {
				t.Fatalf("%q matches %q, but reads %q", text, object, literals)
			}
		}
		if _, err := s.WithName(".*"); err != nil {
			t.Fatal(err)
		}
	})
}
