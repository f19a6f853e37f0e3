package lint_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/selector"
)

// patterns are made of what is hard to judge: assertions in all places, classes
// with and without letters that a name may have, and repetitions.
func patterns() *rapid.Generator[string] {
	atom := rapid.SampledFrom([]string{
		"a", "b1", "_", "-", `\.`, ".", "/", " ", `\s`, `\S`, `\w`, `\W`, `\d`, "[^a-z]", `[\x00-\x20]`, "[./]", "é", "(?i:K)",
		"^", "$", `\b`, `\B`, `\A`, `\z`, "(?m:^)", "(?m:$)", "", "[^\\x00-\\x{10FFFF}]", `\x{FFFD}`, `\x{E000}`, `\pZ`, `\x{200B}`,
	})
	var tree func(depth int) *rapid.Generator[string]
	tree = func(depth int) *rapid.Generator[string] {
		if depth == 0 {
			return atom
		}
		return rapid.Custom(func(t *rapid.T) string {
			below := tree(depth - 1)
			left, right := below.Draw(t, "left"), below.Draw(t, "right")
			switch rapid.IntRange(0, 5).Draw(t, "shape") {
			case 0:
				return left
			case 1:
				return "(?:" + left + "|" + right + ")"
			case 2:
				return "(?:" + left + ")" + rapid.SampledFrom([]string{"*", "+?", "?", "{2}", "{100}", "{0}"}).Draw(t, "times")
			default:
				return left + right
			}
		})
	}
	return tree(3)
}

func words() *rapid.Generator[string] {
	letters := []rune("aab1_-..kKé\u212a!~")
	return rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom(letters), 1, 6, -1),
		rapid.StringMatching(`(a{100}|b1|-|_){1,3}`),
		rapid.StringN(1, 4, -1),
	).Filter(func(s string) bool { return object.CheckName("name", s) == nil })
}

// A selector that is said to match nothing matches no name that an object can
// have; of any other there is an object, which it does match. (This stands here
// since package selector knows of no objects.)
func TestCanMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := patterns().Draw(t, "pattern")
		s, err := selector.Parse("name="+pattern, nil)
		if err != nil {
			t.Skip("no selector")
		}
		_, name, ok := s.Example()
		switch {
		case ok != s.CanMatch():
			t.Fatalf("%q: CanMatch is %v", pattern, s.CanMatch())
		case ok && (object.CheckName("name", name) != nil || !s.Match(nil, name)):
			t.Fatalf("%q: %q is no example", pattern, name)
		}
		for range 20 {
			w := words().Draw(t, "word")
			if s.Match(nil, w) && (!ok || len(w) < len(name)) {
				t.Fatalf("%q matches %q, but the shortest is %q, %v", pattern, w, name, ok)
			}
		}
	})
}

func TestExample(t *testing.T) {
	for _, c := range []struct {
		pattern, want string
		ok            bool
	}{
		{".*", "a", true}, {"a|bc", "a", true}, {`cp1\d{3}`, "cp1000", true}, {`\.\.?`, "", false}, {`\.{3}`, "...", true},
		{"a{253}", "", true}, {"a{254}", "", false}, {"é{127}", "", false}, {"[ab]{253}", "", true}, {"[ab]{254}", "", false}, {"[éü]{127}", "", false}, {"a b", "", false}, {"a/b", "", false}, {`\s`, "", false},
		{`a\bb`, "", false}, {`a\b-`, "a-", true}, {"a^b", "", false}, {"a$b", "", false}, {"(a$|b)c", "bc", true}, {`\B.\B`, "!", true},
		{`\ba*\b`, "a", true}, {"", "", false}, {"()", "", false}, {"[^[:print:]]", "", true}, {`(?i)\x{212a}`, "", true}, {`[^\x00-\x{10FFFF}]`, "", false},
		{"(?s).", "!", true}, {"(?m)a$\nb", "", false}, {`((a{10}){10}){2}`, "", true}, {`(\w+\.)+`, "", true},
	} {
		s, err := selector.Parse("dc=.*,name="+c.pattern, []string{"dc"})
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		tags, name, ok := s.Example()
		if ok != c.ok || ok && (len(tags) != 1 || !s.Match(tags, name) || c.want != "" && name != c.want && len(name) != len(c.want)) {
			t.Errorf("%q: got %q, %q, %v", c.pattern, tags, name, ok)
		}
		if onTag, err := selector.Parse("dc="+c.pattern, []string{"dc"}); err != nil || onTag.CanMatch() != c.ok {
			t.Errorf("%q on a tag: %v", c.pattern, err)
		}
	}
	for text, want := range map[string]bool{"a": true, "a/b": false, "": false, "..": false} {
		if got := selector.Exactly(nil, map[string]string{selector.Name: text}).CanMatch(); got != want {
			t.Errorf("exactly %q: got %v", text, got)
		}
	}
	if !(selector.Selector{}).CanMatch() {
		t.Error("what asks nothing matches nothing")
	}
}
