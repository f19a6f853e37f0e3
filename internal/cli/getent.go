package cli

import (
	"context"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// lookupTime is how long a directory service may take to say who a user is.
const lookupTime = time.Second

// directoryName returns the name that a directory service, such as LDAP or SSSD, has
// for a user who is not in the passwd file; empty if there is none.
func directoryName(uid int) string {
	return getent(lookupTime, uid, "/usr/bin/getent", "/bin/getent", "/run/current-system/sw/bin/getent")
}

// getent asks the first of some programs that exists for the name of a user. The
// environment of the caller, who is not to choose the answer, is not passed on.
func getent(limit time.Duration, uid int, programs ...string) string {
	const mostBytes = 4 << 10 // of a line of the passwd database
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for _, program := range programs {
		cmd := exec.CommandContext(ctx, program, "passwd", strconv.Itoa(uid)) //nolint:gosec // one of a few, by its full path
		cmd.Env, cmd.Dir = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}, "/"
		var answer strings.Builder
		cmd.Stdout = &capped{&answer, mostBytes}
		cmd.WaitDelay = limit / 10 // for what it has started and left behind
		err := cmd.Start()
		if err != nil {
			continue // there is no such program here
		}
		if cmd.Wait() != nil {
			return ""
		}
		return passwdName(answer.String(), uid)
	}
	return ""
}

// passwdName returns the name in a line of the passwd database, which has to be the
// only one and about that user.
func passwdName(line string, uid int) string {
	line, isLine := strings.CutSuffix(line, "\n")
	fields := strings.Split(line, ":")
	if !isLine || strings.Contains(line, "\n") || len(fields) != 7 || fields[2] != strconv.Itoa(uid) {
		return ""
	}
	return fields[0]
}

// capped is a writer that takes no more than so many bytes.
type capped struct {
	io.Writer
	left int
}

func (l *capped) Write(b []byte) (int, error) {
	if l.left -= len(b); l.left < 0 {
		return 0, io.ErrShortWrite
	}
	return l.Writer.Write(b)
}
