package cli

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/lint"
	"github.com/conftool/confctl/pkg/files"
)

// lintScope is what lint checks, and what it reports.
type lintScope struct {
	data  string   // the data directory; empty if no data is checked
	named []string // the paths that were named
	only  []string // the same, if all of them are in the data: its findings are limited to them
}

// scope returns what is to be checked, given the paths that were named.
func (l *linter) scope(paths []string) (lintScope, error) {
	s := lintScope{data: l.directory, named: paths}
	if s.data == "" {
		s.data = l.settings.DataDirectory
		if err := l.configured(s.data); err != nil {
			return s, err
		}
	}
	if err := cmp.Or(isDirectory("data directory ", s.data), isDirectory("--json-schema-dir ", l.schemas)); err != nil {
		return s, err
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return s, &usageError{path + ": " + files.Cause(err).Error(), ""}
		}
	}
	if l.settings.SchemaFile == "" && s.data == "" {
		return s, &usageError{"nothing to check: there is no configuration, and neither --schema nor --directory", "confctl lint --schema schema.yaml --directory conftool-data"}
	}
	if len(paths) > 0 && !slices.ContainsFunc(paths, func(path string) bool { return !s.inData(path) }) {
		s.only = paths
	}
	return s, nil
}

// inData reports whether a path is in the data directory.
func (s lintScope) inData(path string) bool { return s.data != "" && lint.IsInside(path, s.data) }

// configured refuses a data directory that is outside of the tree under review, if
// the configuration that names it is itself under review.
func (l *linter) configured(data string) error {
	if data == "" || l.config == "" {
		return nil
	}
	return staysIn(l.config, data, "--directory DIR")
}

// staysIn refuses a path that leads out of the tree that another is reviewed in, if
// somebody else may have put a symbolic link there. What does not exist is no
// concern of it.
func staysIn(reviewed, path, option string) error {
	if !isShared(reviewed) {
		return nil
	}
	from := files.Within(treeOf(reviewed))
	defer from.Close() //nolint:errcheck // nothing was written
	if _, err := from.Stat(path); errors.As(err, new(files.OutsideError)) {
		return &usageError{path + " leads out of the tree under review, so it is not read", "if it is meant, name where it is with " + option}
	}
	return nil
}

// isDirectory refuses what is not there, or no directory; nothing is named by an
// empty path.
func isDirectory(what, path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return &usageError{what + path + ": " + files.Cause(err).Error(), ""}
	case !info.IsDir():
		return &usageError{what + path + ": not a directory", ""}
	}
	return nil
}

// check refuses a path that was named and not looked at: whoever named it would
// take it for checked.
func (s lintScope) check(r lint.Result) error {
	for _, path := range s.named {
		if !s.inData(path) && !r.Read(path) && (s.data == "" || !lint.IsInside(s.data, path)) {
			return &usageError{path + " is not among the files that are checked", "--schema names the schema, and --directory the data"}
		}
	}
	return nil
}

// has reports whether a finding is to be reported.
func (s lintScope) has(f lint.Finding) bool {
	return s.only == nil || !s.inData(f.Pos.File) || slices.ContainsFunc(s.only, func(path string) bool {
		return lint.RealPath(f.Pos.File) == lint.RealPath(path) || lint.IsInside(f.Pos.File, path)
	})
}

// trees returns the directories under review: those around what is named. Nil if
// nothing is named.
func (l *linter) trees(s lintScope) []string {
	var named []string
	if file := l.settings.SchemaFile; file != "" && (l.config != "" || l.schema != "") {
		named = append(named, file)
	}
	if l.config != "" {
		named = append(named, l.config)
	}
	if s.data != "" && (l.directory != "" || s.only != nil || l.config != "") {
		named = append(named, s.data)
	}
	if named == nil {
		return nil
	}
	if l.schemas != "" {
		named = append(named, l.schemas)
	}
	var trees []string
	for _, path := range named {
		trees = append(trees, treeOf(path))
	}
	return trees
}

// treeOf returns the tree that a file or directory is reviewed in: the git
// repository that it is in, or the working directory, or else the directory itself,
// or that of the file. What a symbolic link leads to does not count, as it may be
// the link that is under review.
func treeOf(path string) string {
	if tree := shared(path); tree != "" {
		return tree
	}
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		return path
	}
	return filepath.Dir(path)
}

// isShared reports whether a path is in a repository or the working directory, so
// that others may have written what is there.
func isShared(path string) bool { return shared(path) != "" }

// shared returns the git repository that a path is in, or the working directory; it
// is empty if it is in neither.
func shared(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	dir := abs
	if info, err := os.Lstat(abs); err != nil || !info.IsDir() {
		dir = filepath.Dir(abs)
	}
	if root := repository(dir); root != "" {
		return root
	}
	if here, err := os.Getwd(); err == nil && here != string(filepath.Separator) && strings.HasPrefix(abs+"/", here+"/") {
		return here
	}
	return ""
}

// repository returns the root of the git repository that a directory is in, by its
// name; it is empty if there is none. Where a symbolic link of an outer repository
// leads into another one, it is the outer one.
func repository(dir string) string {
	found, linked := "", false
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil && (found == "" || linked) {
			found, linked = at, false
		}
		if info, err := os.Lstat(at); err == nil && info.Mode()&os.ModeSymlink != 0 {
			linked = true
		}
		if at == filepath.Dir(at) {
			return found
		}
	}
}
