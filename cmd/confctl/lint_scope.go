package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/lint"
	"github.com/conftool/confctl/pkg/seed"
)

// lintScope is what is checked, and what is said of it.
type lintScope struct {
	data   string   // the data directory
	given  string   // the same, as a PATH has it; empty if none does
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
	}
	if s.data != "" {
		if err := isDirectory(s.data); err != nil {
			return s, err
		}
	}
	whole, schema := false, ""
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
		case sort == theSchema && (l.schema == "" || samePath(path, l.schema)) && (schema == "" || samePath(path, schema)):
			l.settings.schemaFile, schema = path, path
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

func isInside(path, dir string) bool {
	return strings.HasPrefix(lint.RealPath(path), strings.TrimSuffix(lint.RealPath(dir), string(filepath.Separator))+string(filepath.Separator))
}
