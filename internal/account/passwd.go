package account

import (
	"bufio"
	"io"
	"os"
	"os/user"
	"strings"
)

// Fields of a line of the passwd file.
const (
	nameField = 0
	uidField  = 2
	homeField = 5
	fields    = 7
)

// lookupPasswd returns a function that finds the user with a value in a field of the
// passwd file. It does not use os/user, which without cgo trusts $USER and $HOME
// for a user who is not in that file.
func lookupPasswd(field int) func(value string) (*user.User, error) {
	return func(value string) (*user.User, error) {
		file, err := os.Open("/etc/passwd")
		if err != nil {
			return nil, err
		}
		defer file.Close() //nolint:errcheck // it was only read
		return findUser(file, field, value)
	}
}

func findUser(passwd io.Reader, field int, value string) (*user.User, error) {
	lines := bufio.NewScanner(passwd)
	for lines.Scan() {
		f := strings.Split(lines.Text(), ":")
		if len(f) == fields && f[field] == value && f[nameField] != "" && strings.IndexAny(f[nameField], "+-#") != 0 {
			return &user.User{Uid: f[uidField], Username: f[nameField], HomeDir: f[homeField]}, nil
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return nil, user.UnknownUserError(value)
}
