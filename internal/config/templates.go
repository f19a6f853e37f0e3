package config

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/files"
)

//go:embed templates
var templates embed.FS

// Write writes the files of a new configuration to a directory, which it creates,
// and returns their names. If one of them exists, it writes nothing and returns
// an *ExistsError. The directory must be an absolute path.
func Write(dir, driver string) (names []string, err error) {
	sources := map[string]string{"config.yaml": "config-" + driver + ".yaml", "confctl.yaml": "confctl.yaml", "schema.yaml": "schema.yaml"}
	if driver == "etcd" {
		sources["etcdrc"] = "etcdrc"
	}
	names = slices.Sorted(maps.Keys(sources))
	for _, name := range names {
		if path := filepath.Join(dir, name); !missing(path) {
			return nil, &ExistsError{path}
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // others may read the configuration
		return nil, fmt.Errorf("making %s: %w", dir, files.Cause(err))
	}
	for _, name := range names {
		text, err := templates.ReadFile("templates/" + sources[name])
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, name)
		if err := writeNew(path, fill(string(text), dir)); err != nil {
			return nil, fmt.Errorf("writing %s: %w", path, files.Cause(err))
		}
	}
	return names, nil
}

func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// fill replaces the placeholders for paths in a template.
func fill(text, dir string) string {
	return strings.NewReplacer(
		"@STATE@", quoteYAML(filepath.Join(dir, "state.db")),
		"etcdrc:@ETCDRC@", "etcdrc:"+filepath.Join(dir, "etcdrc"),
		"@ETCDRC@", quoteYAML(filepath.Join(dir, "etcdrc")),
	).Replace(text)
}

func quoteYAML(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// writeNew creates a file, which must not exist. Only the owner can read an
// etcdrc, because it may get a password.
func writeNew(path, text string) error {
	mode := fs.FileMode(0o644)
	if filepath.Base(path) == "etcdrc" {
		mode = 0o600
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
