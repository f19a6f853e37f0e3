package cli

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/config"
)

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
	if _, err := config.FindFile(account.Self(), ""); err != nil {
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

// TestForgedUser: somebody who is not in the passwd file, and whom no directory
// service knows, is named by the user id, whatever the environment says.
func TestForgedUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("takes root, to become somebody else")
	}
	const stranger = 70001
	who := account.Self()
	who.UID = stranger
	if name := who.Login(); name != "" {
		t.Skipf("user %d is %s here", stranger, name)
	}
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	dir, err := os.MkdirTemp("", "confctl") // others may look into it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program := filepath.Join(dir, "confctl")
	for _, words := range [][]string{
		{"cp", "-R", s.dir, filepath.Join(dir, "site")}, {"cp", s.command().Path, program},
		{"chown", "-R", "70001:70001", dir}, {"chmod", "-R", "u+rwX,go+rX", dir},
	} {
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil { //nolint:noctx // a test's
			t.Fatalf("%s: %v", out, err)
		}
	}
	const forged = "root@x conftool action : set/pooled=yes; selector: all"
	cmd := s.command("select", "name=web9.example", "set/weight=7")
	cmd.Path, cmd.Dir = program, filepath.Join(dir, "site")
	cmd.Env = append(cmd.Env, configVariable+"=config.yaml", "USER="+forged, "LOGNAME="+forged, "SUDO_USER="+forged)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "!log uid-70001@"+app.Hostname()+" conftool action : set/weight=7; selector: name=web9.example\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
