package schema_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// ByType returns the declarations of a file by the names of types. A name that is not
// a type does not hide the others.
func TestByType(t *testing.T) {
	s := schema.BuiltIn("pools")
	dir := t.TempDir()
	for text, want := range map[string]string{
		"node: [x]\n":            "[x]",
		"nodes: 1\nnode: [x]\n":  `other: 1:1: no object type "nodes" (did you mean node?) [x]`,
		"[]":                     "reader: 1:1: a file of things must be a map, not a list",
		"":                       "",
		"node: [x]\nnode: [y]\n": `yaml-duplicate-key: 2:1: key "node" is there already, in line 1`,
	} {
		file := filepath.Join(dir, "beside.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		doc, err := s.ReadBeside(file)
		if err != nil {
			t.Fatal(err)
		}
		declared, errs := s.ByType(doc, "a file of things", "other")
		var words []string
		for _, err := range errs {
			p := schema.NewProblem("", err, "reader")
			words = append(words, p.Err.Rule+": "+strings.TrimPrefix(p.Err.Error(), file+":"))
		}
		if items, err := declared["node"].Items("it"); err == nil {
			words = append(words, "["+items[0].Text()+"]")
		}
		if got := strings.Join(words, " "); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	for _, file := range []string{"", filepath.Join(dir, "none.yaml")} {
		if doc, err := s.ReadBeside(file); err != nil || !doc.IsEmpty() {
			t.Errorf("%q: %v", file, err)
		}
	}
	if _, err := s.ReadBeside(dir); err == nil {
		t.Error("a directory is no file")
	}
}

func TestNewProblem(t *testing.T) {
	if p := schema.NewProblem("t", errors.New("odd"), "r"); p.Type != "t" || p.Err.Msg != "odd" || p.Err.Rule != "r" {
		t.Errorf("%+v", p)
	}
	at := yamldoc.Errorf(yamldoc.Pos{File: "f", Line: 1}, "x").Of("own")
	if p := schema.NewProblem("", at, "r"); p.Err.Rule != "own" || p.Err.Pos.File != "f" {
		t.Errorf("%+v", p)
	}
}
