package lint

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/files"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// locate says where a JSON schema under review is that the schema file names by
// a path of an installed site. The answer is empty where the path is right as it
// is.
func (l *linter) locate(at yamldoc.Pos, named string, isDir bool) string {
	if l.in.JSONSchemas != "" {
		if found, ok := l.lastParts(l.in.JSONSchemas, named, isDir); ok {
			return found
		}
		if isDir {
			return l.in.JSONSchemas
		}
		return filepath.Join(l.in.JSONSchemas, filepath.Base(named)) // where it is missed
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

// lastParts returns the path below a directory that ends in as many of the last
// parts of another path as there are.
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

// inTree reports whether a file is under review, wherever links lead.
func (l *linter) inTree(file string) bool {
	return slices.ContainsFunc(l.in.Trees, func(dir string) bool { return IsInside(file, dir) || RealPath(file) == RealPath(dir) })
}

// IsInside reports whether a file is in a directory or below it, wherever links
// lead.
func IsInside(file, dir string) bool {
	return strings.HasPrefix(RealPath(file), strings.TrimSuffix(RealPath(dir), string(filepath.Separator))+string(filepath.Separator))
}

// from returns what reads a file that lint is told to read, and all that it leads
// to. What is below a directory under review leads nowhere else. What is not was
// chosen by who runs lint.
func (l *linter) from(file string) *files.Files {
	if l.trees.Holds(file) {
		return l.trees
	}
	return nil
}

// fromSchema is from for a file that the schema names: where the schema is under
// review, somebody else has chosen it.
func (l *linter) fromSchema(file string) *files.Files {
	if from := l.from(l.in.Schema); from != nil {
		return from
	}
	return l.from(file)
}

// outside makes a finding of each file that was read and is not under review.
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
			l.in.Trees = append(slices.Clip(l.in.Trees), whole.dir) // said once
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
