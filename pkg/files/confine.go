package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// tree is a directory that reading is confined to.
type tree struct {
	dir  string // absolute, as it was named
	real string // the same without symbolic links
	root *os.Root
}

// Within returns Files that are confined to some directories. Symbolic links may
// lead from one to another. Directories that cannot be opened hold nothing. The
// caller closes it.
func Within(dirs ...string) *Files {
	f := &Files{}
	for _, dir := range dirs {
		abs, err := filepath.Abs(dir)
		if err != nil || slices.ContainsFunc(f.trees, func(t tree) bool { return t.dir == abs }) {
			continue
		}
		t := tree{dir: abs, real: resolve(abs)}
		t.root, _ = os.OpenRoot(abs) // what is in it cannot be read then, which is said of that
		f.trees = append(f.trees, t)
	}
	return f
}

// Close closes the directories.
func (f *Files) Close() error {
	var all error
	for _, t := range f.trees {
		if t.root != nil {
			all = errors.Join(all, t.root.Close())
		}
	}
	return all
}

// Holds reports whether a path is below one of the directories, as it is written
// or as symbolic links lead: what is not is nothing that their content could have
// led to.
func (f *Files) Holds(path string) bool {
	if f == nil {
		return false
	}
	abs, err := filepath.Abs(path)
	return err != nil || f.holding(abs) != nil || f.holding(resolve(abs)) != nil
}

// find returns where a path is to be opened, and under which name.
func (f *Files) find(path string) (opener, string, error) {
	if f == nil {
		return system{}, path, nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, "", err
	}
	if in, at, ok := f.within(abs); ok {
		return in, at, nil
	}
	// A Root knows neither absolute links nor the other directories.
	if in, at, ok := f.within(resolve(abs)); ok {
		return in, at, nil
	}
	return nil, "", OutsideError{}
}

// within returns where a path is to be opened, unless that leads out.
func (f *Files) within(abs string) (in opener, at string, ok bool) {
	t := f.holding(abs)
	if t == nil {
		return nil, "", false
	}
	c, at := confined{t.root}, t.relative(abs)
	_, err := c.Stat(at)
	return c, at, !errors.As(err, new(OutsideError))
}

// holding returns the deepest of the directories that a path is in.
func (f *Files) holding(abs string) *tree {
	var found *tree
	for i := range f.trees {
		t := &f.trees[i]
		if t.root != nil && (isIn(abs, t.dir) || isIn(abs, t.real)) && (found == nil || len(t.dir) > len(found.dir)) {
			found = t
		}
	}
	return found
}

func (t *tree) relative(abs string) string {
	for _, dir := range []string{t.dir, t.real} {
		if rel, err := filepath.Rel(dir, abs); err == nil && isIn(abs, dir) {
			return rel
		}
	}
	return "." // not reached: the path is in it
}

// isIn reports whether a path is a directory or below it, by their names.
func isIn(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}

// resolve follows symbolic links; a path that leads nowhere it returns as it is.
func resolve(abs string) string {
	if linked, err := filepath.EvalSymlinks(abs); err == nil {
		return linked
	}
	return abs
}

// confined is a Root whose errors tell a way out from everything else.
type confined struct{ root *os.Root }

func (c confined) Stat(path string) (fs.FileInfo, error) {
	info, err := c.root.Stat(path)
	return info, escape(err)
}

func (c confined) OpenFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	file, err := c.root.OpenFile(path, flag, mode)
	return file, escape(err)
}

// escape makes an OutsideError of a Root's own error, which package os does not
// export: all others are of the system.
func escape(err error) error {
	if err == nil || errors.As(err, new(syscall.Errno)) {
		return err
	}
	return OutsideError{}
}
