package main

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	variable = "MUTANT" // the number of the mutant that is turned on
	noReturn = "mutant without a return"
)

// helpers is the file that is added to the package.
const helpers = `package %s

import (
	"cmp"
	"os"
	"strconv"
)

var mutantNow, _ = strconv.Atoi(os.Getenv("` + variable + `"))

func mutantOn(id int) bool { return id == mutantNow }

func mutantAnd(id int, a bool, b func() bool) bool {
	if a != mutantOn(id) {
		return b()
	}
	return a
}

func mutantOr(id int, a bool, b func() bool) bool {
	if a == mutantOn(id) {
		return b()
	}
	return a
}

func mutantOrder[T cmp.Ordered](id int, a T, op string, b T) bool {
	if a == b {
		return (len(op) == 2) != mutantOn(id)
	}
	return (a < b) == (op[0] == '<')
}

func mutantSum[T ~int | ~int64](id int, a T, plus bool, b T) T {
	if plus == mutantOn(id) {
		b = -b
	}
	return a + b
}

func mutantInt(id, n int) int {
	switch mutantNow {
	case id:
		return n + 1
	case -id:
		return n - 1
	}
	return n
}
`

// source is the package under test, as go list describes it.
type source struct {
	Dir, ImportPath, Name     string
	GoFiles                   []string
	TestImports, XTestImports []string
	Export                    string // its compiled form
	DepOnly                   bool
}

// list returns the packages that the tests of a package are built from; exports
// are the compiled ones, by path.
func list(ctx context.Context, name string) (p source, exports map[string]string, err error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-export", "-deps", "-json=Dir,ImportPath,Name,GoFiles,TestImports,XTestImports,Export,DepOnly", name) //nolint:gosec // the developer names it
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return p, nil, fmt.Errorf("go list %s: %w", name, err)
	}
	exports = map[string]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var s source
		if err := d.Decode(&s); err != nil {
			return p, nil, fmt.Errorf("go list %s: %w", name, err)
		}
		if exports[s.ImportPath] = s.Export; !s.DepOnly {
			p = s
		}
	}
	return p, exports, nil
}

// build builds the tests of a package with all its mutants.
func (t *tests) build(ctx context.Context, name, dir string) ([]mutant, error) {
	p, exports, err := list(ctx, name)
	if err != nil {
		return nil, err
	}
	t.dir, t.rapid = p.Dir, slices.Contains(slices.Concat(p.TestImports, p.XTestImports), "pgregory.net/rapid")
	f, parsed, err := p.check(exports)
	if err != nil {
		return nil, err
	}
	texts := map[string]string{"zz_mutants.go": fmt.Sprintf(helpers, p.Name)}
	for i, name := range p.GoFiles {
		text, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			return nil, err
		}
		texts[name] = f.mutate(parsed[i], string(text))
	}
	overlay, err := writeOverlay(dir, p.Dir, texts)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-overlay", overlay, "-vet=off", "-o", t.program, p.ImportPath) //nolint:gosec // as above
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("the mutants of %s do not compile: %w\n%s", name, err, out)
	}
	return f.found, nil
}

// check parses the package and finds the types in it.
func (p source) check(exports map[string]string) (*finder, []*ast.File, error) {
	f := &finder{files: token.NewFileSet(), types: map[ast.Expr]types.TypeAndValue{}}
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(f.files, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, err
		}
		parsed = append(parsed, file)
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	config := types.Config{Importer: importer.ForCompiler(f.files, "gc", lookup)}
	_, err := config.Check(p.ImportPath, f.files, parsed, &types.Info{Types: f.types})
	return f, parsed, err
}

// writeOverlay writes files that stand for those of a package, and returns the
// file for go test -overlay that says so.
func writeOverlay(dir, pkg string, texts map[string]string) (string, error) {
	replace := map[string]string{}
	for name, text := range texts {
		changed := filepath.Join(dir, name)
		if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(pkg, name)] = changed
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, text, 0o600)
}
