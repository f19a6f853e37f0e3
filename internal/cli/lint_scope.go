package cli

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/files"
	"github.com/conftool/confctl/pkg/lint"
	"github.com/conftool/confctl/pkg/seed"
)

// lintScope is what is checked, and what is said of it.
type lintScope struct {
	data   string   // the data directory
	given  string   // the same, as a PATH has it; empty if none does
	schema string   // the schema, as a PATH has it; empty if none does
	only   []string // of the data, the paths to speak of; nil for all
	others []string // files that were named and go with the schema
}

// pathSort is what a PATH of lint is.
type pathSort int

const (
	aPart   pathSort = iota // of the data
	theData                 // another data directory, or the same
	theSchema
	anOther // a file that goes with a schema
	around  // a directory that the data directory is in
	unknown
)

// scope finds out what paths mean: parts of the data, another data directory, or
// another schema.
func (l *linter) scope(paths []string) (lintScope, error) {
	s := lintScope{data: l.directory}
	if s.data == "" {
		s.data = l.settings.dataDirectory
		if err := l.configured(s.data); err != nil {
			return s, err
		}
	}
	if err := cmp.Or(isDirectory("data directory ", s.data), isDirectory("--json-schema-dir ", l.schemas)); err != nil {
		return s, err
	}
	whole := false
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return s, &usageError{path + ": " + cause(err).Error(), ""}
		}
		sort := l.sort(path, info.IsDir(), s.data)
		whole = whole || sort != aPart
		switch {
		case sort == aPart:
			s.only = append(s.only, path)
		case sort == theData && (l.directory == "" || samePath(path, s.data)) && (s.given == "" || samePath(path, s.given)):
			s.data, s.given = path, path
		case sort == theSchema && (l.schema == "" || samePath(path, l.schema)) && (s.schema == "" || samePath(path, s.schema)):
			l.settings.schemaFile, s.schema = path, path
		case sort == anOther:
			s.others = append(s.others, path)
		case sort == around:
		case sort == unknown:
			return s, &usageError{path + " is nothing that lint knows", "it checks a schema (.yaml), the JSON schemas it names, and a data directory"}
		default:
			return s, &usageError{path + " is another schema or data directory than the one to check", "check one after the other, and say which with --schema and --directory"}
		}
	}
	if whole {
		if slices.ContainsFunc(s.only, func(part string) bool { return !isInside(part, s.data) }) {
			return s, &usageError{s.only[0] + " is in another data directory than " + s.data, "check one after the other"}
		}
		s.only = nil
	}
	if l.settings.schemaFile == "" && s.data == "" {
		return s, &usageError{"nothing to check: there is no configuration, and no PATH", "confctl lint --schema schema.yaml --directory conftool-data"}
	}
	return s, nil
}

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
		return &usageError{what + path + ": " + cause(err).Error(), ""}
	case !info.IsDir():
		return &usageError{what + path + ": not a directory", ""}
	}
	return nil
}

// sort says what a path is.
func (l *linter) sort(path string, isDir bool, data string) pathSort {
	ext := filepath.Ext(path)
	switch {
	case data != "" && samePath(path, data):
		return theData
	case data != "" && isInside(path, data):
		return aPart
	case l.settings.schemaFile != "" && samePath(path, l.settings.schemaFile):
		return theSchema
	case isDir && (data != "" && isInside(data, path)):
		return around
	case isDir:
		return theData
	case filepath.Base(path) == "safety.yaml", filepath.Base(path) == "readers.yaml", ext == ".json", ext == ".schema", l.settings.file != "" && samePath(path, l.settings.file):
		return anOther
	case ext == ".yaml", ext == ".yml":
		return theSchema
	}
	return unknown
}

// check refuses what was named and then not looked at: whoever named it would
// take it for checked.
func (s lintScope) check(r lint.Result) error {
	for _, file := range s.others {
		found := slices.ContainsFunc(r.Findings, func(f lint.Finding) bool { return samePath(f.Pos.File, file) })
		if !found && !r.Read(file) {
			return &usageError{file + " does not belong to the schema that is checked", "say which schema with --schema FILE"}
		}
	}
	holdsData := func(t seed.Type) bool {
		_, err := os.Stat(t.Dir)
		return !errors.Is(err, fs.ErrNotExist)
	}
	if s.given != "" && r.Schema != nil && !slices.ContainsFunc(r.Data.Types, holdsData) {
		return &usageError{s.given + " has no directory of any type, so it is no data directory", "types are: " + strings.Join(r.Schema.Names(), ", ")}
	}
	return nil
}

// has reports whether a finding is to be spoken of.
func (s lintScope) has(f lint.Finding) bool {
	if s.only == nil || !isInside(f.Pos.File, s.data) {
		return true
	}
	return slices.ContainsFunc(s.only, func(path string) bool { return samePath(f.Pos.File, path) || isInside(f.Pos.File, path) })
}

func samePath(a, b string) bool { return lint.RealPath(a) == lint.RealPath(b) }

func isInside(path, dir string) bool { return lint.IsInside(path, dir) }

// trees returns the directories under review: those around what is named. Nil if
// nothing is named.
func (l *linter) trees(s lintScope) []string {
	var named []string
	if file := l.settings.schemaFile; file != "" && (l.config != "" || l.schema != "" || s.schema != "") {
		named = append(named, file)
	}
	if l.config != "" {
		named = append(named, l.config)
	}
	if s.data != "" && (l.directory != "" || s.given != "" || s.only != nil || l.config != "") {
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
