package lint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// locate says where a JSON schema under review is that the schema file names by
// a path of an installed site. The answer is empty where the path is right as it
// is.
func (l *linter) locate(at yamldoc.Pos, named string, isDir bool) string {
	if l.in.JSONSchemas != "" {
		if found, ok := lastParts(l.in.JSONSchemas, named, isDir); ok {
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
	found, ok := lastParts(filepath.Dir(l.in.Schema), named, isDir)
	if !ok {
		return ""
	}
	l.addAt(at, RuleMapped, "%s is read from %s, beside the schema", named, found)
	return found
}

// lastParts returns the path below a directory that ends in as many of the last
// parts of another path as there are.
func lastParts(dir, path string, isDir bool) (string, bool) {
	parts := strings.Split(strings.Trim(filepath.Clean(path), string(filepath.Separator)), string(filepath.Separator))
	for i := range parts {
		if slices.Contains(parts[i:], "..") {
			continue
		}
		candidate := filepath.Join(append([]string{dir}, parts[i:]...)...)
		if info, err := os.Stat(candidate); err == nil && info.IsDir() == isDir {
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
		if whole.path != "" && !l.inTree(whole.path) {
			l.addAt(yamldoc.Pos{File: whole.path}, RuleOutside, "this %s is read, and is not in the tree under review", whole.what)
			l.in.Trees = append(slices.Clip(l.in.Trees), whole.dir) // said once
		}
	}
	for _, t := range l.declared() {
		for _, r := range t.Rules {
			for _, file := range r.Files() {
				if !l.inTree(file) {
					l.addAt(r.Pos, RuleOutside, "JSON schema %s is read, and is not in the tree under review", file)
				}
			}
		}
	}
	for _, file := range l.others() {
		if !l.inTree(file) {
			l.addAt(yamldoc.Pos{File: file}, RuleOutside, "this leads to %s, which is read, and is not in the tree under review", RealPath(file))
		}
	}
}

func (l *linter) declared() []*schema.Type {
	if l.Schema == nil {
		return nil
	}
	return l.Schema.Declared()
}

// others returns the files that were read besides schemas.
func (l *linter) others() []string {
	var files []string
	for _, file := range []string{l.in.Safety, l.in.Readers} {
		if l.files[file] {
			files = append(files, file)
		}
	}
	if l.in.Data == "" {
		return files
	}
	for _, t := range l.declared() {
		dir := filepath.Join(l.in.Data, t.Name)
		if !l.inTree(dir) {
			if _, err := os.Stat(dir); err == nil {
				files = append(files, dir)
			}
			continue
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // a finding of its own
		}
		for _, e := range entries {
			if file := filepath.Join(dir, e.Name()); e.Type()&os.ModeSymlink != 0 && slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(file)) {
				files = append(files, file)
			}
		}
	}
	return files
}
