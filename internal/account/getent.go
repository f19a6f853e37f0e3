package account

import (
	"context"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// directoryName returns the name that a directory service, such as LDAP or SSSD, has
// for a user who is not in the passwd file; empty if it has none.
func directoryName(uid int) string {
	return getent(time.Second, uid, "/usr/bin/getent", "/bin/getent", "/run/current-system/sw/bin/getent")
}

// getent asks the first of some programs that exists for the name of a user, within
// a time limit. The caller's environment is not passed on, so it cannot change the
// answer.
func getent(limit time.Duration, uid int, programs ...string) string {
	const maxBytes = 4 << 10 // of a line of the passwd database
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for _, program := range programs {
		cmd := exec.CommandContext(ctx, program, "passwd", strconv.Itoa(uid)) //nolint:gosec // one of a few, by its full path
		cmd.Env, cmd.Dir = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}, "/"
		var answer strings.Builder
		cmd.Stdout = &limitedWriter{&answer, maxBytes}
		cmd.WaitDelay = limit / 10 // for processes that it started and left behind
		if err := cmd.Start(); err != nil {
			continue // there is no such program here
		}
		if cmd.Wait() != nil {
			return ""
		}
		return passwdName(answer.String(), uid)
	}
	return ""
}

// passwdName returns the name in a line of the passwd database. The answer must be
// that one line, and about that user.
func passwdName(answer string, uid int) string {
	line, isLine := strings.CutSuffix(answer, "\n")
	fields := strings.Split(line, ":")
	if !isLine || strings.Contains(line, "\n") || len(fields) != 7 || fields[2] != strconv.Itoa(uid) {
		return ""
	}
	return fields[0]
}

// limitedWriter fails once more than left bytes are written to it.
type limitedWriter struct {
	io.Writer
	left int
}

func (l *limitedWriter) Write(b []byte) (int, error) {
	if l.left -= len(b); l.left < 0 {
		return 0, io.ErrShortWrite
	}
	return l.Writer.Write(b)
}
