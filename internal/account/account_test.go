package account

import (
	"errors"
	"os/user"
	"strings"
	"testing"
)

// passwd returns an account on a system whose passwd file has alice, with uid
// 1000, and bob.
func passwd(uid int, env map[string]string) Account {
	users := []*user.User{
		{Uid: "1000", Username: "alice", HomeDir: "/home/alice"},
		{Uid: "1001", Username: "bob", HomeDir: "/home/bob"},
		{Uid: "1002", Username: "nologin", HomeDir: ""},
	}
	find := func(is func(*user.User) bool) (*user.User, error) {
		for _, u := range users {
			if is(u) {
				return u, nil
			}
		}
		return nil, errors.New("no such user")
	}
	return Account{
		UID:    uid,
		Getenv: func(name string) string { return env[name] },
		ByName: func(name string) (*user.User, error) {
			return find(func(u *user.User) bool { return u.Username == name })
		},
		ByID: func(id string) (*user.User, error) { return find(func(u *user.User) bool { return u.Uid == id }) },
		Directory: func(uid int) string {
			return map[int]string{70001: "dave@corp"}[uid]
		},
	}
}

// TestIdentityFromOneVariable: the user and the directories are known whichever
// variables are set.
func TestIdentityFromOneVariable(t *testing.T) {
	const stranger = 70000 // neither in the passwd file nor in a directory service
	for _, c := range []struct {
		name  string
		uid   int
		env   string
		login string
		rc    string // etcdrcHome
		dirs  string // configDir, stateDir
	}{
		{"an ordinary shell", 1000, "USER=alice HOME=/home/alice", "alice", "/home/alice", "/home/alice/.config /home/alice/.local/state"},
		{"nothing", 1000, "", "alice", "/home/alice", "/home/alice/.config /home/alice/.local/state"},
		{"USER alone", 1000, "USER=alice", "alice", "/home/alice", "/home/alice/.config /home/alice/.local/state"},
		{"cron", 1000, "LOGNAME=alice HOME=/home/alice", "alice", "/home/alice", "/home/alice/.config /home/alice/.local/state"},
		{"HOME elsewhere", 1000, "HOME=/srv/job", "alice", "/srv/job", "/srv/job/.config /srv/job/.local/state"},
		{"HOME elsewhere, with USER", 1000, "USER=alice HOME=/srv/job", "alice", "/home/alice", "/srv/job/.config /srv/job/.local/state"},
		{"a relative HOME", 1000, "HOME=job", "alice", "/home/alice", "/home/alice/.config /home/alice/.local/state"},
		{"after su without -", 1000, "USER=bob HOME=/home/alice", "alice", "/home/bob", "/home/alice/.config /home/alice/.local/state"},
		{"USER unknown", 1000, "USER=carol", "alice", "/home/alice", "/home/alice/.config /home/alice/.local/state"},
		{"XDG", 1000, "XDG_CONFIG_HOME=/c XDG_STATE_HOME=/s", "alice", "/home/alice", "/c /s"},
		{"XDG, relative", 1000, "XDG_CONFIG_HOME=c XDG_STATE_HOME=s", "alice", "/home/alice", "/home/alice/.config /home/alice/.local/state"},
		{"not in passwd", stranger, "USER=carol HOME=/home/carol", "", "/home/carol", "/home/carol/.config /home/carol/.local/state"},
		{"not in passwd, cron", stranger, "LOGNAME=carol HOME=/home/carol", "", "/home/carol", "/home/carol/.config /home/carol/.local/state"},
		{"not in passwd, USER alone", stranger, "USER=carol", "", "", " "},
		{"of a directory service", 70001, "USER=carol HOME=/home/dave", "dave@corp", "/home/dave", "/home/dave/.config /home/dave/.local/state"},
		{"not in passwd, nothing", stranger, "", "", "", " "},
		{"no home", 1002, "", "nologin", "", " "},
	} {
		env := map[string]string{}
		for _, word := range strings.Fields(c.env) {
			name, value, _ := strings.Cut(word, "=")
			env[name] = value
		}
		i := passwd(c.uid, env)
		if got := i.Login(); got != c.login {
			t.Errorf("%s: login %q, want %q", c.name, got, c.login)
		}
		if got := i.EtcdrcHome(); got != c.rc {
			t.Errorf("%s: the home of .etcdrc is %q, want %q", c.name, got, c.rc)
		}
		if got := i.ConfigDir() + " " + i.StateDir(); got != c.dirs {
			t.Errorf("%s: directories %q, want %q", c.name, got, c.dirs)
		}
	}
}
