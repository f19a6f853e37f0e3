// Package sharedtest finds material for tests that is not part of this project:
// what was recorded of the program that this one replaces. It lies in a directory
// named shared beside the project's own.
package sharedtest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Dir returns the absolute path of a part of the material, such as golden,
// and skips the test where that is not there.
func Dir(t testing.TB, name string) string {
	t.Helper()
	root, err := root()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(filepath.Dir(root), "shared", name)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("needs %s, which is not part of this project", dir)
	} else if err != nil {
		t.Fatal(err)
	}
	return dir
}

// root returns the directory of the project: a test runs in that of its package,
// somewhere below.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", errors.New("no go.mod in the working directory, nor above it")
		}
		dir = above
	}
}
