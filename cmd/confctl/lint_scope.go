package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/lint"
)

// lintScope is what is checked, and what is said of it.
type lintScope struct {
	data string   // the data directory
	only []string // of the data, the paths to speak of; nil for all
}

// scope finds out what paths mean: parts of the data, another data directory, or
// another schema.
func (l *linter) scope(paths []string) (lintScope, error) {
	s := lintScope{data: l.directory}
	if s.data == "" {
		s.data = l.settings.dataDirectory
	}
	if s.data != "" {
		if err := isDirectory(s.data); err != nil {
			return s, err
		}
	}
	whole, given := false, map[string]string{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return s, &usageError{path + ": " + cause(err).Error(), ""}
		}
		sort := l.sort(path, info.IsDir(), s.data)
		switch sort {
		case "part":
			s.only = append(s.only, path)
			continue
		case "data":
			s.data = path
		case "schema":
			l.settings.schemaFile = path
		case "":
			return s, &usageError{path + " is nothing that lint knows", "it checks a schema (.yaml), the JSON schemas it names, and a data directory"}
		}
		if before, twice := given[sort]; twice && sort != "other" {
			return s, &usageError{before + " and " + path + " cannot both be the " + sort + " to check", "check one after the other"}
		}
		given[sort], whole = path, true
	}
	if whole {
		s.only = nil
	}
	if l.settings.schemaFile == "" && s.data == "" {
		return s, &usageError{"nothing to check: there is no configuration, and no PATH", "confctl lint --schema schema.yaml --directory conftool-data"}
	}
	return s, nil
}

func isDirectory(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return &usageError{"data directory " + path + ": " + cause(err).Error(), ""}
	case !info.IsDir():
		return &usageError{"data directory " + path + ": not a directory", ""}
	}
	return nil
}

// sort says what a path is: part of the data, the data directory, the schema, or
// another file that goes with the schema. Nothing is none of these.
func (l *linter) sort(path string, isDir bool, data string) string {
	ext := filepath.Ext(path)
	switch {
	case data != "" && samePath(path, data):
		return "data"
	case data != "" && isInside(path, data):
		return "part"
	case l.settings.schemaFile != "" && samePath(path, l.settings.schemaFile):
		return "schema"
	case isDir:
		return "data"
	case filepath.Base(path) == "safety.yaml", ext == ".json", ext == ".schema", samePath(path, l.settings.file):
		return "other"
	case ext == ".yaml", ext == ".yml":
		return "schema"
	}
	return ""
}

// has reports whether a finding is to be spoken of.
func (s lintScope) has(f lint.Finding) bool {
	if s.only == nil || !isInside(f.Pos.File, s.data) {
		return true
	}
	return slices.ContainsFunc(s.only, func(path string) bool { return samePath(f.Pos.File, path) || isInside(f.Pos.File, path) })
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}

func samePath(a, b string) bool { return absolute(a) == absolute(b) }

func isInside(path, dir string) bool {
	return strings.HasPrefix(absolute(path), strings.TrimSuffix(absolute(dir), string(filepath.Separator))+string(filepath.Separator))
}
