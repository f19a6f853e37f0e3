package account

import (
	"os"
	"path/filepath"
	"testing"
	"time"
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

// TestGetent: the answer comes in time whatever the program does, and does not
// depend on the caller's environment.
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
