package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/conftool/confctl/internal/account"
)

// TestWrite: the written files load without a mistake, even from a directory
// whose name needs quotes, and existing files are not overwritten.
func TestWrite(t *testing.T) {
	for driver, want := range map[string][]string{
		"local": {"confctl.yaml", "config.yaml", "schema.yaml"},
		"etcd":  {"confctl.yaml", "config.yaml", "etcdrc", "schema.yaml"},
	} {
		dir := filepath.Join(t.TempDir(), "it's: new")
		names, err := Write(dir, driver)
		if err != nil || !slices.Equal(names, want) {
			t.Fatalf("%s: %v, %v", driver, names, err)
		}
		s, err := Load(Options{File: filepath.Join(dir, "config.yaml"), Account: account.Self()})
		if err != nil || len(s.Mistakes()) > 0 || s.Driver != driver || s.SchemaFile != filepath.Join(dir, "schema.yaml") {
			t.Errorf("%s: %v, %v, %+v", driver, err, s.Mistakes(), s)
		}
		if driver == "local" {
			if path, err := s.LocalPath(); err != nil || path != filepath.Join(dir, "state.db") {
				t.Errorf("the local store is %s, %v", path, err)
			}
		} else if info, err := os.Stat(filepath.Join(dir, "etcdrc")); err != nil || info.Mode().Perm()&fs.FileMode(0o077) != 0 {
			t.Errorf("others can read the etcdrc: %v, %v", info.Mode(), err)
		}
		if err := os.Remove(filepath.Join(dir, "schema.yaml")); err != nil {
			t.Fatal(err)
		}
		var exists *ExistsError
		if _, err := Write(dir, driver); !errors.As(err, &exists) {
			t.Errorf("%s: over other files: %v", driver, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "schema.yaml")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: part of it was written: %v", driver, err)
		}
	}
}
