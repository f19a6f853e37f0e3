package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestRefusalIsSeen: the production wrapper runs us with 2>/dev/null, and whoever
// typed it has to see all the same that nothing was done.
func TestRefusalIsSeen(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	s.ok("--yes", "select", "dc=north,cluster=web", "set/pooled=yes:weight=1")
	s.ok("depool", "--hostname", "web2.example")
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"depool", []string{"--hostname", "web1.example"}, exitRefused, "confctl: refused by min-pooled, nothing changed: north/web/http"},
		{"depool", []string{"--hostname", "web1.example", "--except-refused"}, exitRefused, "confctl: refused by min-pooled, nothing changed"},
		{"depool", []string{"--hostname", "web4.example"}, exitNoMatch, "confctl: nothing matched name=web4.example of type node, nothing changed: a host"},
		{"confctl", []string{"select", "name=web1.example,service=http", "set/pooled=no"}, exitRefused, "confctl: refused by min-pooled, nothing changed: north/web/http"},
	} {
		cmd := s.command(c.args...)
		cmd.Args[0] = c.name
		var talk bytes.Buffer
		cmd.Stderr = &talk
		term := s.on(cmd)
		term.end(c.code)
		term.Expect(c.want)
		if n := strings.Count(term.Shown(), "\n"); n != 1 {
			t.Errorf("%q: %d lines are shown, want 1:\n%s", c.args, n, term.Shown())
		}
		if !strings.Contains(talk.String(), "confctl: ") {
			t.Errorf("%q: not on standard error: %q", c.args, talk.String())
		}
	}
	// where standard error is seen too, it is said once
	term := s.terminal("depool", "--hostname", "web1.example")
	term.end(exitRefused)
	term.Expect("override both")
	if n := strings.Count(term.Shown(), "nothing changed"); n != 1 {
		t.Errorf("said %d times:\n%s", n, term.Shown())
	}
	// and a pipe has results alone
	if stdout, _, code := s.run("depool", "--hostname", "web1.example"); stdout != "" || code != exitRefused {
		t.Errorf("%q, exit code %d", stdout, code)
	}
}
