package lint_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/selector"
)

// patterns generates patterns with assertions in all positions, classes with and
// without characters that a name may have, and repetitions.
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

// A selector for which CanMatch is false matches no valid object name. (The test is
// here because package selector does not know objects.)
func TestCanMatchRulesOutNoName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := patterns().Draw(t, "pattern")
		s, err := selector.Parse("name="+pattern, nil)
		if err != nil {
			t.Skip("not a selector")
		}
		for range 20 {
			if w := words().Draw(t, "word"); s.Match(nil, w) && !s.CanMatch() {
				t.Fatalf("%q matches %q", pattern, w)
			}
		}
	})
}

func TestCanMatch(t *testing.T) {
	for pattern, want := range map[string]bool{
		".*": true, "a|b c": true, `cp1\d{3}`: true, "a *b": true, "é": true, "[^/]": true, "(?i)a": true,
		"a b": false, "a/b": false, "cp.*/eqiad": false, "(?i)A/b": false, "a b*": false, "^a b$": false, "": false, "()": false, "^$": false,
		`a\tb`: false, `a\x{200B}`: false, `\x{FFFD}`: false,
	} {
		s, err := selector.Parse("dc=.*,name="+pattern, []string{"dc"})
		if err != nil || s.CanMatch() != want {
			t.Errorf("%q: %v, %v", pattern, s.CanMatch(), err)
		}
		if onTag, err := selector.Parse("dc="+pattern, []string{"dc"}); err != nil || onTag.CanMatch() != want {
			t.Errorf("%q on a tag: %v, %v", pattern, onTag.CanMatch(), err)
		}
	}
	for text, want := range map[string]bool{"a": true, "a/b": false, "": false} {
		if got := selector.Exactly(nil, map[string]string{selector.Name: text}).CanMatch(); got != want {
			t.Errorf("exactly %q: got %v", text, got)
		}
	}
	if !(selector.Selector{}).CanMatch() {
		t.Error("the selector without terms cannot match")
	}
}
