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

// tree is one of the directories that a Files is confined to.
type tree struct {
	dir  string   // the absolute path, as the caller named it
	real string   // the absolute path without symbolic links
	root *os.Root // nil if the directory cannot be opened
}

// Within returns a Files that is confined to the directories. Symbolic links may
// lead from one of them to another. Paths in a directory that cannot be opened count
// as outside. The caller must call Close.
func Within(dirs ...string) *Files {
	f := &Files{}
	for _, dir := range dirs {
		abs, err := filepath.Abs(dir)
		if err != nil || slices.ContainsFunc(f.trees, func(t tree) bool { return t.dir == abs }) {
			continue
		}
		t := tree{dir: abs, real: resolve(abs)}
		t.root, _ = os.OpenRoot(abs) // if it fails, paths in it count as outside
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

// Holds reports whether a path is one of the directories or below one, either as
// written or with its symbolic links resolved. Holds returns true if it cannot make
// the path absolute. A nil *Files holds no path.
func (f *Files) Holds(path string) bool {
	if f == nil {
		return false
	}
	abs, err := filepath.Abs(path)
	return err != nil || f.treeOf(abs) != nil || f.treeOf(resolve(abs)) != nil
}

// locate returns the directory in which to open a path, and the path relative to
// it. The error is an OutsideError if the path is in none of the directories.
func (f *Files) locate(path string) (opener, string, error) {
	if f == nil {
		return system{}, path, nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, "", err
	}
	if dir, name, ok := f.within(abs); ok {
		return dir, name, nil
	}
	// A Root follows neither absolute links nor links to the other directories.
	if dir, name, ok := f.within(resolve(abs)); ok {
		return dir, name, nil
	}
	return nil, "", OutsideError{}
}

// within is like locate, but does not resolve symbolic links itself. It returns
// false if the path is in none of the directories, or if a symbolic link leads out
// of the one that it is in.
func (f *Files) within(abs string) (dir opener, name string, ok bool) {
	t := f.treeOf(abs)
	if t == nil {
		return nil, "", false
	}
	c, name := confined{t.root}, t.relative(abs)
	_, err := c.Stat(name)
	return c, name, !errors.As(err, new(OutsideError))
}

// treeOf returns the deepest of the directories that contain a path, or nil.
func (f *Files) treeOf(abs string) *tree {
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
	return "." // not reached: the directory contains the path
}

// isIn reports whether path is dir or below it. It compares only the names.
func isIn(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}

// resolve returns the path without symbolic links. If they cannot be followed, it
// returns the path unchanged.
func resolve(abs string) string {
	if linked, err := filepath.EvalSymlinks(abs); err == nil {
		return linked
	}
	return abs
}

// confined is a Root that returns an OutsideError for a path that leads out of it.
type confined struct{ root *os.Root }

func (c confined) Stat(path string) (fs.FileInfo, error) {
	info, err := c.root.Stat(path)
	return info, outsideError(err)
}

func (c confined) OpenFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	file, err := c.root.OpenFile(path, flag, mode)
	return file, outsideError(err)
}

// outsideError returns an OutsideError in place of the error that a Root returns
// for a path that leads out. Package os does not export that error, but it is the
// only one that is not a syscall.Errno.
func outsideError(err error) error {
	if err == nil || errors.As(err, new(syscall.Errno)) {
		return err
	}
	return OutsideError{}
}
