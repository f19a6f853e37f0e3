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
	maxBaseName = 100 // bytes; leaves room for what editors add, such as .swp
)

// createPrivate writes text to a new file called name, in a new directory that
// only this user can enter. That directory is what keeps the text private when
// an editor saves by writing a new file, with the permissions it likes.
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

// makePrivateDir prefers $XDG_RUNTIME_DIR, which is this user's alone and not on
// a disk. With sudo it may be set but belong to somebody else: then, and if it is
// full, the directory for temporary files serves.
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

// fileName makes a name for a file out of any text, readable and with nothing in
// it that an editor or a shell could take amiss.
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

// readPrivate reads the file, whichever it is by now: editors may have put
// another in its place.
func readPrivate(path string) ([]byte, error) {
	// Looked at before it is opened: opening a pipe would wait for its writer.
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

// replacePrivate puts text into the file. It writes a new one and renames it, so
// that on a full disk what was typed is still in the old one.
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
		return nil // then there is nothing to keep, or nothing to be known
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

// removeEmptyDir removes the directory of the file if nothing is in it.
func removeEmptyDir(path string) {
	_ = os.Remove(filepath.Dir(path)) // not empty: then what is in it is to stay
}
