package cli

import (
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/schema"
)

// FuzzAction reads anything after a selector: it is understood, or there is an
// error with something to say.
func FuzzAction(f *testing.F) {
	for _, seed := range []string{"get", "set/weight=1:pooled=no", "set\nweight=1\npooled=yes", "set/@/dev/null", "edit", "delete", "set/", "pooled=no", "set/weight=1\nx"} {
		f.Add(seed)
	}
	node, err := schema.BuiltIn("pools").Type(schema.Node)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.HasPrefix(text, "set/@") {
			t.Skip("reads a file")
		}
		act, err := parseAction(node, strings.Split(text, "\n"))
		switch {
		case err != nil && err.Error() == "":
			t.Error("an error without words")
		case err == nil && act.verb == "set" && len(act.assignments) == 0:
			t.Error("a set of nothing")
		case err == nil && act.verb != "get" && act.verb != "set" && act.verb != "edit" && act.verb != "delete":
			t.Errorf("action %q", act.verb)
		}
	})
}

// FuzzPrepare turns any words into words: none is lost but by the rules.
func FuzzPrepare(f *testing.F) {
	for _, seed := range []string{"select\nname=x\nget", "select=name=x\nedit", "--tags\ndc=a\n--action\nget\nx", "--config\nc\n--tags=dc=a", "--\n--tags"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		typed := strings.Split(text, "\n")
		meant := modern(typed)
		if len(meant) < len(typed) || len(meant) > len(typed)+1 {
			t.Errorf("%q became %q", typed, meant)
		}
	})
}
