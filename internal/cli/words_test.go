package cli

import (
	"slices"
	"strings"
	"testing"
)

func TestPrepare(t *testing.T) {
	for _, c := range []struct{ typed, meant []string }{
		{[]string{"confctl", "select", "name=x", "get"}, []string{"select", "name=x", "get"}},
		{[]string{"confctl", "select=name=x", "edit"}, []string{"select", "name=x", "edit"}},
		{[]string{"confctl", "--config", "c", "--tags", "dc=a", "--action", "get", "x"}, []string{"--config", "c", "tags", "dc=a", "--action", "get", "x"}},
		{[]string{"confctl", "--tags=dc=a", "--action", "get", "x"}, []string{"tags", "dc=a", "--action", "get", "x"}},
		{[]string{"/usr/bin/conftool-sync", "--directory", "d"}, []string{"sync", "--directory", "d"}},
		// after the verb they are what they are
		{[]string{"confctl", "select", "select=x", "--tags"}, []string{"select", "select=x", "--tags"}},
		{[]string{"confctl", "--object-type", "select=x", "get"}, []string{"--object-type", "select=x", "get"}},
		{[]string{"confctl"}, nil},
	} {
		got, err := prepare(c.typed)
		if err != nil || !slices.Equal(got, c.meant) {
			t.Errorf("%q: %q, %v; want %q", c.typed, got, err, c.meant)
		}
	}
}

// TestCommandLine can be pasted into a shell.
func TestCommandLine(t *testing.T) {
	got := commandLine([]string{"/usr/bin/confctl", "select", "name=a|b", "set", "val=it's", ""})
	if want := `confctl select 'name=a|b' set 'val=it'\''s' ''`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestRest: what is to be repeated of several actions.
func TestRest(t *testing.T) {
	words := []string{"confctl", "--config", "c", "tags", "a=b", "--action", "get", "x", "-y", "--action=set/a=b", "y", "--reason", "why", "--action", "delete", "z"}
	for done, want := range []string{
		"confctl --config c tags a=b --action get x -y --action=set/a=b y --reason why --action delete z",
		"confctl --config c tags a=b -y --action=set/a=b y --reason why --action delete z",
		"confctl --config c tags a=b -y --reason why --action delete z",
		"confctl --config c tags a=b -y --reason why",
	} {
		if got := strings.Join(rest(words, done), " "); got != want {
			t.Errorf("%d done: %q, want %q", done, got, want)
		}
	}
}
