package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/sal"
)

func TestPasswdName(t *testing.T) {
	for line, want := range map[string]string{
		"alice:*:70000:70000:Alice:/home/alice:/bin/bash\n": "alice",
		"alice@corp.example:*:70000:1::/:\n":                "alice@corp.example",
		"":                                                  "",
		"alice:*:70000:70000:Alice:/home/alice:/bin/bash": "",
		"alice:*:0:0:Alice:/home/alice:/bin/bash\n":       "",
		"alice:*:70000\n": "",
		"alice:*:70000:70000:Alice:/home/alice:/bin/bash\nbob:*:70000:70000:Bob:/home/bob:/sh\n": "",
	} {
		if got := passwdName(line, 70000); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// TestGetent: whatever the program does, the answer is there in time, and the
// environment of the caller has no part in it.
func TestGetent(t *testing.T) {
	const limit = 300 * time.Millisecond
	t.Setenv("NAME", "forged")
	for script, want := range map[string]string{
		`echo "alice:*:$2:$2::/home/alice:/bin/bash"`:                         "alice",
		`[ "$1" = passwd ] && echo "a${NAME}:*:$2:$2::/home/alice:/bin/bash"`: "a",
		`exit 2`: "",
		`echo "alice:*:$2:$2::/home/alice:/bin/bash"; exit 1`: "",
		`exec sleep 100`: "",
		`sleep 100 & echo "alice:*:$2:$2::/home/alice:/bin/bash"; wait`:            "",
		`while :; do echo "alice:*:$2:$2::/home/alice:/bin/bash"; done`:            "",
		`head -c 100000 /dev/zero; echo "alice:*:$2:$2::/home/alice:/bin/bash"`:    "",
		`echo "alice:*:$2:$2::/home/alice:/bin/bash"; kill -9 $$`:                  "",
		`trap "" TERM INT; echo "alice:*:$2:$2::/home/alice:/bin/bash" >/dev/null`: "",
	} {
		program := filepath.Join(t.TempDir(), "getent")
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		done := make(chan string, 1)
		go func() { done <- getent(limit, 70000, "/nowhere/getent", program) }()
		select {
		case got := <-done:
			if got != want {
				t.Errorf("%s: %q, want %q", script, got, want)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s: no end", script)
		}
	}
	if got := getent(limit, 70000, "/nowhere/getent"); got != "" {
		t.Errorf("without a program: %q", got)
	}
}

// TestNamesAreCleaned: a name is a short word, whoever has given it.
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
		if got := person(70000, "", name); got != (sal.User{Name: want, ID: "70000"}) {
			t.Errorf("%q: %+v, want %q", name, got, want)
		}
		if want == "uid-70000" {
			want = "root"
		}
		if got := person(0, name, "root"); got != (sal.User{Name: want, ID: "0"}) {
			t.Errorf("SUDO_USER=%q: %+v, want %q", name, got, want)
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
	if name := directoryName(stranger); name != "" {
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
	if err != nil || !strings.Contains(string(out), "!log uid-70001@"+hostname()+" conftool action : set/weight=7; selector: name=web9.example\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
