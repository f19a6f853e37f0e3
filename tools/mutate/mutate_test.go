package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const code = `package p

func f(n int) bool {
	if n < 2 || n > 7 { // a comment with a }
		return false
	}
	total := 0
	for i := range n {
		total += i
	}
	return total+1 > 0
}
`

// It tests f with small numbers only.
const test = `package p

import "testing"

func TestF(t *testing.T) {
	if f(1) || !f(2) {
		t.Error("wrong")
	}
}
`

func TestSurvivors(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.org/p\ngo 1.26\n", "p.go": code, "p_test.go": test} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	p := tests{program: filepath.Join(t.TempDir(), "p.test")}
	mutants, err := p.build(t.Context(), ".", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	results := map[result][]string{}
	for _, m := range append(mutants, mutant{0, "none"}) {
		got, _ := p.run(t.Context(), m.id, time.Minute, false)
		results[got] = append(results[got], m.what)
	}
	want := []string{
		"p.go:4: the other result for the same values of n > 7", "p.go:4: 1 added to 7", "p.go:4: 1 taken from 7",
		"p.go:7: 1 added to 0", "p.go:7: 1 taken from 0", "p.go:9: removed total += i",
		"p.go:11: the other result for the same values of total+1 > 0", "p.go:11: 1 added to 1", "p.go:11: 1 taken from 1",
		"p.go:11: 1 added to 0", "p.go:11: 1 taken from 0", "none",
	}
	if !slices.Equal(results[survived], want) {
		t.Errorf("survived:\n%s", strings.Join(results[survived], "\n"))
	}
	if want := []string{"p.go:11: removed return total+1 > 0"}; !slices.Equal(results[invalid], want) {
		t.Errorf("invalid: %q", results[invalid])
	}
	if n := len(results[killed]); n != 10 {
		t.Errorf("%d killed, want 10:\n%s", n, strings.Join(results[killed], "\n"))
	}
}
