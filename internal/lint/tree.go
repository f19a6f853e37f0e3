package lint

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/files"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// locate returns the path of a JSON schema under review that the schema file names
// by the path of an installed site. It returns "" if the path can be used as it is.
func (l *linter) locate(at yamldoc.Pos, named string, isDir bool) string {
	if l.in.JSONSchemas != "" {
		if found, ok := l.lastParts(l.in.JSONSchemas, named, isDir); ok {
			return found
		}
		if isDir {
			return l.in.JSONSchemas
		}
		return filepath.Join(l.in.JSONSchemas, filepath.Base(named)) // it is then reported as missing here
	}
	if !filepath.IsAbs(named) || l.in.Trees == nil || IsInside(named, filepath.Dir(l.in.Schema)) {
		return ""
	}
	found, ok := l.lastParts(filepath.Dir(l.in.Schema), named, isDir)
	if !ok {
		return ""
	}
	l.addAt(at, RuleMapped, "%s is read from %s, beside the schema", named, found)
	return found
}

// lastParts returns the existing path below dir that ends in the longest possible
// suffix of path.
func (l *linter) lastParts(dir, path string, isDir bool) (string, bool) {
	parts := strings.Split(strings.Trim(filepath.Clean(path), string(filepath.Separator)), string(filepath.Separator))
	for i := range parts {
		if slices.Contains(parts[i:], "..") {
			continue
		}
		candidate := filepath.Join(append([]string{dir}, parts[i:]...)...)
		if info, err := l.fromSchema(candidate).Stat(candidate); err == nil && info.IsDir() == isDir {
			return candidate, true
		}
	}
	return "", false
}

// inTree reports whether a file is in a tree under review, after links are resolved.
func (l *linter) inTree(file string) bool {
	return slices.ContainsFunc(l.in.Trees, func(dir string) bool { return IsInside(file, dir) || RealPath(file) == RealPath(dir) })
}

// IsInside reports whether a file is in a directory or below it, after links are
// resolved.
func IsInside(file, dir string) bool {
	return strings.HasPrefix(RealPath(file), strings.TrimSuffix(RealPath(dir), string(filepath.Separator))+string(filepath.Separator))
}

// from returns the Files with which to read a file of the Input, and every file that
// it refers to. A file in a tree under review cannot refer to files outside. A file
// outside was chosen by the caller, and is read without this limit: the result is
// nil.
func (l *linter) from(file string) *files.Files {
	if l.trees.Holds(file) {
		return l.trees
	}
	return nil
}

// fromSchema is like from, for a file that the schema names. If the schema is under
// review, its author chose the file, so the limits of the tree apply.
func (l *linter) fromSchema(file string) *files.Files {
	if from := l.from(l.in.Schema); from != nil {
		return from
	}
	return l.from(file)
}

// outside reports each file that was read and is not under review.
func (l *linter) outside() {
	if l.in.Trees == nil {
		return
	}
	if l.in.Config != "" && !l.inTree(l.in.Config) {
		l.addAt(yamldoc.Pos{File: l.in.Config}, RuleConfig, "these settings count, and are not of the tree under review")
	}
	for _, whole := range []struct{ what, path, dir string }{
		{"schema", l.in.Schema, filepath.Dir(l.in.Schema)}, {"data directory", l.in.Data, l.in.Data},
	} {
		if whole.path != "" && l.from(whole.path) == nil {
			l.addAt(yamldoc.Pos{File: whole.path}, RuleOutside, "this %s is read, and is not in the tree under review", whole.what)
			l.in.Trees = append(slices.Clip(l.in.Trees), whole.dir) // report it once
		}
	}
	for _, t := range l.declared() {
		for _, r := range t.Rules {
			for _, file := range r.Files() {
				if l.fromSchema(file) == nil && !l.inTree(file) {
					l.addAt(r.Pos, RuleOutside, "JSON schema %s is read, and is not in the tree under review", file)
				}
			}
		}
	}
}

func (l *linter) declared() []*schema.Type {
	if l.Schema == nil {
		return nil
	}
	return l.Schema.Declared()
}
