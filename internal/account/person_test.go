package account

import (
	"errors"
	"os/user"
	"strings"
	"testing"
)

// named returns a user whose name only a directory service has.
func named(uid int, sudo, login string) Account {
	a := passwd(uid, map[string]string{"SUDO_USER": sudo})
	a.ByID = func(string) (*user.User, error) { return nil, errors.New("no such user") }
	a.Directory = func(int) string { return login }
	return a
}

// TestPerson: SUDO_USER is used only for root.
func TestPerson(t *testing.T) {
	for _, c := range []struct {
		uid              int
		sudo, login      string
		wantName, wantID string
	}{
		{0, "alice", "root", "alice", "0"},
		{0, "", "root", "root", "0"},
		{1000, "root", "bob", "bob", "1000"},
		{1000, "", "", "uid-1000", "1000"},
	} {
		if name, id := named(c.uid, c.sudo, c.login).Person(); name != c.wantName || id != c.wantID {
			t.Errorf("uid %d, SUDO_USER=%q, login %q: %s, %s; want %s, %s", c.uid, c.sudo, c.login, name, id, c.wantName, c.wantID)
		}
	}
}

// TestNamesAreCleaned: a name from any source becomes a short word.
func TestNamesAreCleaned(t *testing.T) {
	for name, want := range map[string]string{
		"alice": "alice", "Alice.B_c-9": "Alice.B_c-9",
		"alice@corp.example": "alice_corp.example", `CORP\alice`: "CORP_alice", "jürgen": "j_rgen", "a b": "a_b",
		"root@x conftool action : ":    "root_x_conftool_action___",
		"\x1b[31m\n!log x":             "__31m__log_x",
		"\xff\xfea":                    "__a",
		strings.Repeat("a", 400):       strings.Repeat("a", 32),
		strings.Repeat("é", 31) + "ab": strings.Repeat("_", 31) + "a",
		"":                             "uid-70000", "@@@": "uid-70000", "日本": "uid-70000",
	} {
		if got, _ := named(70000, "", name).Person(); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
		if want == "uid-70000" {
			want = "root"
		}
		if got, _ := named(0, name, "root").Person(); got != want {
			t.Errorf("SUDO_USER=%q: %q, want %q", name, got, want)
		}
	}
}
