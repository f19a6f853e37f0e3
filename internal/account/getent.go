package account

import (
	"context"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// directoryName returns the name of a user in a directory service such as LDAP or
// SSSD; empty if it has none. It is for users who are not in the passwd file.
func directoryName(uid int) string {
	return getent(time.Second, uid, "/usr/bin/getent", "/bin/getent", "/run/current-system/sw/bin/getent")
}

// getent asks the first program that exists for the name of a user, within a time
// limit. It runs the program without the caller's environment, which could change
// the answer.
func getent(limit time.Duration, uid int, programs ...string) string {
	const maxBytes = 4 << 10 // for a line of the passwd database
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for _, program := range programs {
		cmd := exec.CommandContext(ctx, program, "passwd", strconv.Itoa(uid)) //nolint:gosec // one of a few, by its full path
		cmd.Env, cmd.Dir = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}, "/"
		var answer strings.Builder
		cmd.Stdout = &limitedWriter{&answer, maxBytes}
		cmd.WaitDelay = limit / 10 // does not wait long for child processes of the program
		if err := cmd.Start(); err != nil {
			continue // the program is not installed
		}
		if cmd.Wait() != nil {
			return ""
		}
		return passwdName(answer.String(), uid)
	}
	return ""
}

// passwdName returns the name in a line of the passwd database. The answer must
// be one line about that user.
func passwdName(answer string, uid int) string {
	line, isLine := strings.CutSuffix(answer, "\n")
	fields := strings.Split(line, ":")
	if !isLine || strings.Contains(line, "\n") || len(fields) != 7 || fields[2] != strconv.Itoa(uid) {
		return ""
	}
	return fields[0]
}

// limitedWriter fails after left bytes have been written.
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
