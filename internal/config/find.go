package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/pkg/files"
)

// Paths of the system's files.
const (
	SystemFile   = "/etc/conftool/config.yaml"
	SystemEtcdrc = "/etc/conftool/etcdrc"
	systemSchema = "/etc/conftool/schema.yaml"
)

// FindFile returns the path of config.yaml: the named file, or the system's, or
// else the user's. The error is a *FileError or a *NotFoundError.
func FindFile(owner account.Account, named string) (string, error) {
	if named != "" {
		return named, exists("configuration", named)
	}
	candidates := []string{SystemFile}
	if own := owner.ConfigDir(); own != "" {
		candidates = append(candidates, filepath.Join(own, "conftool", "config.yaml"))
	}
	if found := firstThatExists(candidates...); found != "" {
		return found, nil
	}
	return "", &NotFoundError{candidates}
}

// FindSchema returns the path of the schema file: the named file, or the one
// beside config.yaml, or else the system's. It returns an empty path if there is
// none; then only the built-in type exists. The error is a *FileError.
func FindSchema(named, config string) (string, error) {
	if named != "" {
		return named, exists("schema", named)
	}
	return firstThatExists(filepath.Join(filepath.Dir(config), "schema.yaml"), systemSchema), nil
}

// StandardDir returns the directory for a new configuration of a user, where
// FindFile finds it; empty if the user has no home.
func StandardDir(owner account.Account) string {
	if owner.UID == 0 {
		return filepath.Dir(SystemFile)
	}
	own := owner.ConfigDir()
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

// firstThatExists returns the first file that exists or cannot be checked; empty
// if there is none.
func firstThatExists(all ...string) string {
	for _, file := range all {
		if _, err := os.Stat(file); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return file
		}
	}
	return ""
}
