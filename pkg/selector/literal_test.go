package selector

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The selector that One returns chooses that object and no other, for any name.
func TestOneChoosesOne(t *testing.T) {
	part := rapid.SampledFrom([]string{"a", "b", ",", "name=", ".", "*", "|", "(", ")", "[", "]", "{", "}", `\`, "^", "$", " ", "\n", "\u00a0", "=", "é", "'", "-", "(?i)", ".*"})
	word := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(part, 1, 6).Draw(t, "parts"), "") })
	rapid.Check(t, func(t *rapid.T) {
		tags := []string{"dc", "cluster"}
		values, name := []string{word.Draw(t, "dc"), word.Draw(t, "cluster")}, word.Draw(t, "name")
		typed := One(tags, values, name)
		s, err := Parse(typed, tags)
		if err != nil {
			t.Fatalf("%q: %v", typed, err)
		}
		if !s.Match(values, name) {
			t.Errorf("%q does not choose %q %q", typed, values, name)
		}
		if other := word.Draw(t, "other"); other != name && s.Match(values, other) {
			t.Errorf("%q chooses %q too", typed, other)
		}
	})
}
