package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/pkg/files"
)

// The files of the system.
const (
	SystemFile   = "/etc/conftool/config.yaml"
	SystemEtcdrc = "/etc/conftool/etcdrc"
	systemSchema = "/etc/conftool/schema.yaml"
)

// FindFile returns the path of config.yaml: the one that is named, or the system's,
// or else the user's own. The error is a *FileError or a *NotFoundError.
func FindFile(who account.Account, named string) (string, error) {
	if named != "" {
		return named, exists("configuration", named)
	}
	candidates := []string{SystemFile}
	if own := who.ConfigDir(); own != "" {
		candidates = append(candidates, filepath.Join(own, "conftool", "config.yaml"))
	}
	if found := firstThatExists(candidates...); found != "" {
		return found, nil
	}
	return "", &NotFoundError{candidates}
}

// FindSchema returns the path of the schema file: the one that is named, or the one
// beside config.yaml, or else the system's; empty if there is none, and only the
// built-in type is known. The error is a *FileError.
func FindSchema(named, config string) (string, error) {
	if named != "" {
		return named, exists("schema", named)
	}
	return firstThatExists(filepath.Join(filepath.Dir(config), "schema.yaml"), systemSchema), nil
}

// StandardDir returns the directory where FindFile looks for the configuration of a
// user who installs one; empty if the user has no home.
func StandardDir(who account.Account) string {
	if who.UID == 0 {
		return filepath.Dir(SystemFile)
	}
	own := who.ConfigDir()
	if own == "" {
		return ""
	}
	return filepath.Join(own, "conftool")
}

func exists(kind, file string) error {
	if _, err := os.Stat(file); err != nil {
		return &FileError{kind, file, files.Cause(err)}
	}
	return nil
}

// firstThatExists returns the first of some files that is there, or about which that
// cannot be known; empty if there is none.
func firstThatExists(all ...string) string {
	for _, file := range all {
		if _, err := os.Stat(file); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return file
		}
	}
	return ""
}
