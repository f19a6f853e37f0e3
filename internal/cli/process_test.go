package cli

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// site is a directory with a configuration and a small site, where the program
// is run as a process of its own.
type site struct {
	testing.TB
	dir string
	env []string
}

func newSite(t testing.TB, config string) *site {
	t.Helper()
	s := &site{TB: t, dir: t.TempDir()}
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "USER=alice", "TERM=xterm",
		configVariable + "=" + filepath.Join(s.dir, "config.yaml"), raceVariable + "=" + raceOptions,
	}
	if err := writeSite(s.dir, config); err != nil {
		t.Fatal(err)
	}
	return s
}

// patient has the program wait for its store as long as a busy machine may need.
const patient = "timeout: 30s\n"

// thorough reports whether tests do all that they can, as make soak has them, instead
// of a sample.
func thorough() bool { return os.Getenv("CONFCTL_ALL") != "" }

const localConfig = "driver: local\ndriver_options: {path: state.db}\n"

// etcdSite returns a site whose objects are in etcd.
func etcdSite(t testing.TB, url string) *site {
	t.Helper()
	s := newSite(t, "driver_options: {etcd_config_file: etcdrc}\n")
	host, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	s.file("etcdrc", "host: "+host+"\nport: "+port+"\n")
	return s
}

func (s *site) file(name, text string) {
	s.Helper()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(s.dir, name)), 0o755); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

// command returns the program with arguments, ready to run.
func (s *site) command(args ...string) *exec.Cmd {
	s.Helper()
	return &exec.Cmd{Path: testProgram(s), Args: append([]string{"confctl"}, args...), Dir: s.dir, Env: s.env}
}

// run runs the program, and returns what it printed and its exit code.
func (s *site) run(args ...string) (stdout, stderr string, code int) {
	s.Helper()
	var out, talk bytes.Buffer
	cmd := s.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		s.Fatal(err)
	}
	return out.String(), talk.String(), cmd.ProcessState.ExitCode()
}

// ok runs the program, which has to succeed, and returns its standard output.
func (s *site) ok(args ...string) string {
	s.Helper()
	stdout, stderr, code := s.run(args...)
	if code != 0 {
		s.Fatalf("confctl %q: exit code %d\n%s%s", args, code, stdout, stderr)
	}
	return stdout
}
