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

// A lintScope describes the files that lint checks and the findings that it
// reports.
type lintScope struct {
	data  string   // the data directory; empty if no data is checked
	named []string // the paths in the arguments
	only  []string // the same paths if all are in the data directory: findings about data are limited to them
}

// scope returns the scope for the paths in the arguments.
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

// configured returns an error if the configured data directory is outside the tree
// under review and the configuration is itself under review.
func (l *linter) configured(data string) error {
	if data == "" || l.config == "" {
		return nil
	}
	return staysIn(l.config, data, "--directory DIR")
}

// staysIn returns an error if path leads out of the tree that contains reviewed, as
// a symbolic link by somebody else may do. The option in the error names the path
// explicitly. There is no error if reviewed is not in a shared tree, or if path
// does not exist.
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

// isDirectory returns an error if path does not exist or is not a directory. An
// empty path is valid.
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

// check returns an error if a path in the arguments was not read, because its
// author would assume that it was checked.
func (s lintScope) check(r lint.Result) error {
	for _, path := range s.named {
		if !s.inData(path) && !r.Read(path) && (s.data == "" || !lint.IsInside(s.data, path)) {
			return &usageError{path + " is not among the files that are checked", "--schema names the schema, and --directory the data"}
		}
	}
	return nil
}

// has reports whether a finding is in the scope.
func (s lintScope) has(f lint.Finding) bool {
	return s.only == nil || !s.inData(f.Pos.File) || slices.ContainsFunc(s.only, func(path string) bool {
		return lint.RealPath(f.Pos.File) == lint.RealPath(path) || lint.IsInside(f.Pos.File, path)
	})
}

// trees returns the trees under review: those around the schema, the configuration,
// the data directory and the directory of JSON schemas that the command line names
// or uses. It returns nil if there are none.
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

// treeOf returns the tree in which a file or directory is reviewed: its git
// repository, or the working directory if the path is in it, or else the directory
// itself or the directory of the file. Symbolic links are not followed, because
// the link itself may be under review.
func treeOf(path string) string {
	if tree := shared(path); tree != "" {
		return tree
	}
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		return path
	}
	return filepath.Dir(path)
}

// isShared reports whether a path is in a git repository or the working directory,
// where others may have written the files.
func isShared(path string) bool { return shared(path) != "" }

// shared returns the git repository that contains a path, or the working directory
// if that contains it, or an empty string. The root directory does not count as a
// working directory.
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

// repository returns the root of the git repository that contains a directory by
// its path, or an empty string. If a symbolic link in an outer repository leads
// into another repository, it returns the outer one.
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
