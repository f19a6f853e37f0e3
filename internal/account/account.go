// Package account finds the user who runs the program, and the directories of
// that user's files.
//
// Cron jobs and systemd units set few environment variables, and the passwd file
// need not list a user of a directory service, so the directories come from
// several sources. The name of the user comes from the system, not from the
// environment, which any user can set; only root may set SUDO_USER.
package account

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// Account is a user as the system and the environment describe it.
type Account struct {
	UID    int
	Getenv func(name string) string
	ByName func(name string) (*user.User, error) // looks in the passwd file
	ByID   func(uid string) (*user.User, error)
	// Directory returns the name that a directory service has for a user; empty if it
	// has none.
	Directory func(uid int) string
}

// Self returns the account of this process.
func Self() Account {
	return Account{UID: os.Getuid(), Getenv: os.Getenv, ByName: lookupPasswd(nameField), ByID: lookupPasswd(uidField), Directory: directoryName}
}

// Login returns the user's name in the passwd file, or else in a directory service;
// empty if neither has one. A directory service may take a second to answer.
func (a Account) Login() string {
	if u, err := a.ByID(strconv.Itoa(a.UID)); err == nil && u.Username != "" {
		return u.Username
	}
	return a.Directory(a.UID)
}

// Home returns the home directory: $HOME, or else that of the passwd file; empty
// if neither is known.
func (a Account) Home() string {
	if dir := a.Getenv("HOME"); filepath.IsAbs(dir) {
		return dir
	}
	if u, err := a.ByID(strconv.Itoa(a.UID)); err == nil && filepath.IsAbs(u.HomeDir) {
		return u.HomeDir
	}
	return ""
}

// EtcdrcHome returns the directory of the user's .etcdrc: the home of $USER in
// the passwd file, where the Python tool looks, or else Home. Only this file
// depends on $USER: after su it may name another user, who must not choose, for
// example, the editor that this process runs.
func (a Account) EtcdrcHome() string {
	if name := a.Getenv("USER"); name != "" {
		if u, err := a.ByName(name); err == nil && filepath.IsAbs(u.HomeDir) {
			return u.HomeDir
		}
	}
	return a.Home()
}

// ConfigDir returns the directory of the user's configuration files; empty if it
// is unknown.
func (a Account) ConfigDir() string {
	return a.directory("XDG_CONFIG_HOME", ".config")
}

// StateDir returns the directory for data that programs keep for the user; empty
// if it is unknown.
func (a Account) StateDir() string {
	return a.directory("XDG_STATE_HOME", ".local", "state")
}

// directory returns a directory of the XDG base directory specification, which
// says that relative paths are ignored.
func (a Account) directory(variable string, below ...string) string {
	if dir := a.Getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	home := a.Home()
	if home == "" {
		return ""
	}
	return filepath.Join(append([]string{home}, below...)...)
}

// Credential returns the path of a file that systemd provides to this service
// alone (LoadCredential=), and whether such a file exists.
func (a Account) Credential(name string) (path string, found bool) {
	dir := a.Getenv("CREDENTIALS_DIRECTORY")
	if !filepath.IsAbs(dir) {
		return "", false
	}
	path = filepath.Join(dir, name)
	_, err := os.Lstat(path)
	return path, err == nil
}
