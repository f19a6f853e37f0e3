package editor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	dirPattern  = "confctl-edit-*"
	maxBaseName = 100 // bytes; leaves room for extensions that editors add, such as .swp
)

// createPrivate writes text to a new file called name, in a new directory that only
// this user can enter. The directory keeps the text private if an editor saves by
// writing a new file with other permissions.
func createPrivate(name string, text []byte) (string, error) {
	dir, err := makePrivateDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	if err := writeNew(path, text); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return path, nil
}

// makePrivateDir creates a directory in $XDG_RUNTIME_DIR, which only this user can
// access and which is not on a disk. With sudo, the variable may name the directory
// of another user: in that case, or if it is full, the directory for temporary files
// is used.
func makePrivateDir() (string, error) {
	if base := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(base) && isOwnDir(base) {
		if dir, err := os.MkdirTemp(base, dirPattern); err == nil {
			return dir, nil
		}
	}
	return os.MkdirTemp("", dirPattern)
}

func isOwnDir(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	sys, ok := info.Sys().(*syscall.Stat_t)
	return ok && int64(sys.Uid) == int64(os.Geteuid())
}

// fileName turns any text into a readable file name without characters that are
// special to an editor or a shell.
func fileName(name string) string {
	name = strings.TrimSuffix(name, ".yaml")
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_':
			return r
		}
		return '-'
	}, name)
	name = strings.Trim(name[:min(len(name), maxBaseName)], "-.")
	if name == "" {
		name = "text"
	}
	return name + ".yaml"
}

func writeNew(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

// readPrivate reads the file at the path, which an editor may have replaced.
func readPrivate(path string) ([]byte, error) {
	// Check the file before opening it: opening a named pipe would wait for its writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if info.Size() > MaxSize {
		return nil, tooLarge(info.Size())
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(file, MaxSize+1))
	if err == nil && len(text) > MaxSize {
		return nil, tooLarge(int64(len(text)))
	}
	return text, err
}

// replacePrivate writes text to a new file and renames it, so that on a full disk
// the old file still has the typed text.
func replacePrivate(path string, text []byte) error {
	next := path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := writeNew(next, text); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return os.Rename(next, path)
}

// beside returns the other files in the directory of the file.
func beside(path string) []string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil // nothing to keep, or not readable
	}
	var others []string
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			others = append(others, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	return others
}

func discard(path string) error { return os.RemoveAll(filepath.Dir(path)) }

// removeEmptyDir removes the directory of the file if it is empty.
func removeEmptyDir(path string) {
	_ = os.Remove(filepath.Dir(path)) // fails if it is not empty, and then its files must stay
}
