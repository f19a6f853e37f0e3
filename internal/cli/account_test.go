package cli

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// passwd is a passwd file with alice, whose number is 1000, and bob.
func passwd(uid int, env map[string]string) account {
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
	return account{
		uid:    uid,
		getenv: func(name string) string { return env[name] },
		byName: func(name string) (*user.User, error) {
			return find(func(u *user.User) bool { return u.Username == name })
		},
		byID: func(id string) (*user.User, error) { return find(func(u *user.User) bool { return u.Uid == id }) },
		elsewhere: func(uid int) string {
			return map[int]string{70001: "dave@corp"}[uid]
		},
	}
}

// TestIdentityFromOneVariable: who runs the program, and where the person's files
// are, is known whichever variables are set.
func TestIdentityFromOneVariable(t *testing.T) {
	const stranger = 70000 // neither in the passwd file nor known to a directory service
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
		if got := i.login(); got != c.login {
			t.Errorf("%s: login %q, want %q", c.name, got, c.login)
		}
		if got := i.etcdrcHome(); got != c.rc {
			t.Errorf("%s: the home of .etcdrc is %q, want %q", c.name, got, c.rc)
		}
		if got := i.configDir() + " " + i.stateDir(); got != c.dirs {
			t.Errorf("%s: directories %q, want %q", c.name, got, c.dirs)
		}
	}
}

// bare is the program with arguments and an environment of nothing but env.
func (s *site) bare(env []string, args ...string) (stdout, stderr string, code int) {
	s.Helper()
	s.env = append([]string{raceVariable + "=" + raceOptions}, env...)
	return s.run(args...)
}

// TestEmptyEnvironment: with env -i the program finds the files of the person by
// the passwd file, and says which.
func TestEmptyEnvironment(t *testing.T) {
	me, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil || !filepath.IsAbs(me.HomeDir) {
		t.Skip("the user of this test has no home in the passwd file")
	}
	want := func(stderr, text string) {
		t.Helper()
		if !strings.Contains(stderr, text) {
			t.Errorf("stderr lacks %s:\n%s", text, stderr)
		}
	}
	s := newSite(t, "driver_options: {}\nhosts: []\n")
	rc := filepath.Join(me.HomeDir, ".etcdrc")
	if _, err := os.Lstat(rc); err != nil {
		_, stderr, _ := s.bare(nil, "--config", "config.yaml", "select", "name=x", "get")
		want(stderr, rc)
	}
	state := filepath.Join(me.HomeDir, ".local/state/conftool/state.db")
	if _, err := os.Lstat(state); err != nil {
		s.file("config.yaml", "driver: local\n")
		_, stderr, code := s.bare(nil, "--config", "config.yaml", "select", "name=x", "get")
		want(stderr, "the local store "+state+" is not there yet")
		if code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	own := filepath.Join(me.HomeDir, ".config/conftool/config.yaml")
	if _, err := findConfig(""); err != nil {
		_, stderr, _ := s.bare(nil, "select", "name=x", "get")
		want(stderr, own)
	}
	s.file("config.yaml", localConfig)
	s.bare(nil, "--config", "config.yaml", "sync", "--directory", "data")
	stdout, stderr, code := s.bare(nil, "--config", "config.yaml", "log", "-n", "1")
	if code != 0 || !strings.Contains(stdout, me.Username+"@") {
		t.Errorf("the journal does not have %s:\n%s%s", me.Username, stdout, stderr)
	}
}

// TestEtcdrcByHomeAlone: with USER unset, as in cron jobs and units, the person's
// etcdrc is that of HOME.
func TestEtcdrcByHomeAlone(t *testing.T) {
	if _, err := os.Stat("/etc/etcd/etcdrc"); err == nil {
		t.Skip("this machine has an etcdrc")
	}
	s := newSite(t, "driver_options: {etcd_config_file: none}\n")
	s.file("none", "")
	s.file("home/.etcdrc", "host: 127.0.0.1\nport: 9\n")
	for _, env := range [][]string{
		{"HOME=" + filepath.Join(s.dir, "home")},
		{"HOME=" + filepath.Join(s.dir, "home"), "LOGNAME=nobody-here"},
		{"HOME=" + filepath.Join(s.dir, "home"), "USER=nobody-here"}, // of a directory service
	} {
		_, stderr, code := s.bare(env, "--config", "config.yaml", "select", "name=x", "get")
		if code != exitUnavailable || !strings.Contains(stderr, "http://127.0.0.1:9") {
			t.Errorf("%q: exit code %d\n%s", env, code, stderr)
		}
	}
}

// TestNoEndpointNamesFiles: without an endpoint, the files that were looked at are
// named, and so is a home that is not known.
func TestNoEndpointNamesFiles(t *testing.T) {
	none := filepath.Join(t.TempDir(), "etcdrc")
	for want, i := range map[string]account{
		"/home/alice/.etcdrc": passwd(1000, nil),
		`no ~/\.etcdrc: HOME is not set, and the passwd file has no home for user 70000`: passwd(70000, nil),
	} {
		files, err := findEtcdrc(&settings{}, i)
		if err != nil {
			t.Fatal(err)
		}
		_, _, hint := explain(files.noEndpoint(&settings{file: none}))
		if !regexp.MustCompile(want).MatchString(hint) {
			t.Errorf("the hint lacks %s:\n%s", want, hint)
		}
	}
}
