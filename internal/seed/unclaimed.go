package seed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/files"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Unclaimed returns the entries of a data directory that are never read, because
// they do not belong to a type of these names: directories with data files
// (RuleDirectory), and other directories and files that end in .yaml or .yml
// (RuleIgnored), in name order. Hidden entries and a README are left out. The error
// is for the directory as a whole.
func Unclaimed(dir string, names []string) ([]*yamldoc.Error, error) {
	return UnclaimedFrom(nil, dir, names)
}

// UnclaimedFrom is like Unclaimed, but reads the files through from.
func UnclaimedFrom(from *files.Files, dir string, names []string) ([]*yamldoc.Error, error) {
	entries, err := from.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", dir, errors.Unwrap(err))
	}
	var all []*yamldoc.Error
	for _, e := range entries {
		base := e.Name()
		if isHidden(base) || isReadme(base) || slices.Contains(names, base) {
			continue
		}
		name := filepath.Join(dir, base)
		info, err := from.Stat(name) // follows links
		switch {
		case err == nil && info.IsDir():
			rule := RuleIgnored
			if holdsYAML(from, name) {
				rule = RuleDirectory
			}
			all = append(all, &yamldoc.Error{Pos: yamldoc.Pos{File: name}, Rule: rule, Msg: fmt.Sprintf(
				"no type is called %s, so nothing in it is read: rename it, or declare the type in the schema%s", base, nearest.Suggest(base, names))})
		case isYAML(base):
			stem := strings.TrimSuffix(base, filepath.Ext(base))
			all = append(all, &yamldoc.Error{Pos: yamldoc.Pos{File: name}, Rule: RuleIgnored, Msg: fmt.Sprintf(
				"is not read: each type has a directory for its files: move it into that%s", nearest.Suggest(stem, names))})
		}
	}
	return all, nil
}

// holdsYAML reports whether a directory contains data files. It reports false for a
// directory that cannot be read.
func holdsYAML(from *files.Files, dir string) bool {
	entries, err := from.ReadDir(dir)
	return err != nil || slices.ContainsFunc(entries, func(e os.DirEntry) bool { return isYAML(e.Name()) })
}
