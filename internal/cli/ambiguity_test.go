package cli

import (
	"strings"
	"testing"
)

// TestWordsAreAsked: on a terminal a word that may be meant otherwise is asked
// about, also with --yes, and a quoted "false" is, too.
func TestWordsAreAsked(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("--quiet", "sync", "--directory", "data")
	for _, c := range []struct {
		words  []string
		asked  string
		answer string
		code   int
		stored string
	}{
		{[]string{"set/val=off"}, `val becomes the text "off", and not the boolean false. Is that meant? [y/N]`, "n\n", exitDeclined, "null"},
		{[]string{"set/val=None"}, `val becomes the text "None", and not the boolean false or null. Is that meant?`, "\n", exitDeclined, "null"},
		{[]string{"set/val=off", "--yes"}, "Is that meant?", "n\n", exitDeclined, "null"},
		{[]string{"set", `val="false"`}, `val becomes the text "false", and not the boolean false. Is that meant?`, "n\n", exitDeclined, "null"},
		{[]string{"set/val=off"}, "Is that meant?", "y\n", exitDone, `"off"`},
	} {
		term := s.terminal(append([]string{"--quiet", "--object-type", "mwconfig", "select", "name=ReadOnly"}, c.words...)...)
		term.Expect(c.asked)
		term.Type(c.answer)
		term.end(c.code)
		if c.code == exitDeclined {
			term.Expect("set val=false")
		}
		if got := s.ok("--object-type", "mwconfig", "select", "name=ReadOnly", "get"); !strings.Contains(got, `{"val": `+c.stored+`}`) {
			t.Errorf("%q: stored is %s", c.words, got)
		}
	}
}
