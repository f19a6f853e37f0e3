package cli

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// account says who runs the program, and where the files of that person are.
// Cron jobs and systemd units set only some of the variables, or none, and the
// passwd file need not list a user who comes from a directory service: so where the
// files are does not depend on one source alone. Who it is comes from the system and
// never from the environment, which anybody can set.
type account struct {
	uid    int
	getenv func(string) string
	byName func(string) (*user.User, error)
	byID   func(string) (*user.User, error)
	// elsewhere names a user who is not in the passwd file; empty if nobody can.
	elsewhere func(uid int) string
}

// self is the account of this process.
func self() account {
	return account{uid: os.Getuid(), getenv: os.Getenv, byName: user.Lookup, byID: user.LookupId, elsewhere: directoryName}
}

// login returns the name of the user: that of the passwd file, or else of a
// directory service; empty if there is none.
func (a account) login() string {
	if u, err := a.byID(strconv.Itoa(a.uid)); err == nil && u.Username != "" {
		return u.Username
	}
	return a.elsewhere(a.uid)
}

// home returns the home directory: $HOME, or else that of the passwd file; empty
// if neither is known.
func (a account) home() string {
	if dir := a.getenv("HOME"); filepath.IsAbs(dir) {
		return dir
	}
	if u, err := a.byID(strconv.Itoa(a.uid)); err == nil && filepath.IsAbs(u.HomeDir) {
		return u.HomeDir
	}
	return ""
}

// etcdrcHome returns the directory of the person's .etcdrc: the home that the
// passwd file has for $USER, where the Python tool looks, or else home. Only the
// etcdrc follows $USER: after su, that may be another person than the one whose
// rights the process has, who should not choose the editor that it runs.
func (a account) etcdrcHome() string {
	if name := a.getenv("USER"); name != "" {
		if u, err := a.byName(name); err == nil && filepath.IsAbs(u.HomeDir) {
			return u.HomeDir
		}
	}
	return a.home()
}

// configDir returns the directory for configuration files of the person; empty
// if it is not known.
func (a account) configDir() string {
	return a.directory("XDG_CONFIG_HOME", ".config")
}

// stateDir returns the directory for data that the person's programs keep; empty
// if it is not known.
func (a account) stateDir() string {
	return a.directory("XDG_STATE_HOME", ".local", "state")
}

// directory returns a directory of the XDG base directory specification, which
// has relative ones ignored.
func (a account) directory(variable string, below ...string) string {
	if dir := a.getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	home := a.home()
	if home == "" {
		return ""
	}
	return filepath.Join(append([]string{home}, below...)...)
}

// credential returns the path of a file that systemd has made readable for this
// service alone (LoadCredential=), and whether there is one of that name.
func (a account) credential(name string) (path string, found bool) {
	dir := a.getenv("CREDENTIALS_DIRECTORY")
	if !filepath.IsAbs(dir) {
		return "", false
	}
	path = filepath.Join(dir, name)
	_, err := os.Lstat(path)
	return path, err == nil
}
