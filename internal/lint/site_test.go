package lint_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/conftool/confctl/internal/lint"
	"github.com/conftool/confctl/internal/sitetest"
)

// whole returns the schema and data of a site as large as production.
func whole(t testing.TB) lint.Input {
	t.Helper()
	files := sitetest.Write(t)
	return lint.Input{Schema: files.Schema, PoolsPath: "pools", Safety: filepath.Join(files.Dir, "safety.yaml"), Data: files.Data}
}

func example() lint.Input {
	return lint.Input{
		Schema: "../../schemas/schema.yaml", PoolsPath: "pools",
		Safety: "../../schemas/safety.yaml", Data: "../../conftool-data",
	}
}

// lines returns the findings as text, with positions relative to a directory.
func lines(t testing.TB, dir string, findings []lint.Finding) []string {
	t.Helper()
	var all []string
	for _, f := range findings {
		if rel, err := filepath.Rel(dir, f.Pos.File); err == nil {
			f.Pos.File = rel
		}
		all = append(all, fmt.Sprintf("%s: %s %s: %s", f.Pos, f.Severity, f.Rule, f.Msg))
	}
	return all
}

func TestExampleSiteIsClean(t *testing.T) {
	r := lint.Check(example())
	for _, line := range lines(t, "../..", r.Findings) {
		t.Error(line)
	}
	if r.Files != 18 || r.Objects < 50 || r.Schema == nil || r.Rules == nil || len(r.Data.Types) != 9 {
		t.Errorf("%d files, %d objects, %d types of data", r.Files, r.Objects, len(r.Data.Types))
	}
}

// The only findings in the data of a whole site are two types whose JSON schemas
// refuse their defaults.
func TestWholeSite(t *testing.T) {
	in := whole(t)
	r := lint.Check(in)
	var defaults int
	for i, f := range r.Findings {
		switch {
		case f.Rule == lint.RuleJSONDefault && f.Severity == lint.Warning:
			defaults++
		case f.Severity == lint.Error:
			t.Error(lines(t, filepath.Dir(in.Schema), r.Findings[i:i+1]))
		default:
			t.Log(lines(t, filepath.Dir(in.Schema), r.Findings[i:i+1]))
		}
	}
	if defaults != 2 {
		t.Errorf("%d findings about defaults:\n%q", defaults, lines(t, filepath.Dir(in.Schema), r.Findings))
	}
}

func BenchmarkCheck(b *testing.B) {
	for name, in := range map[string]func() lint.Input{
		"example": example,
		"whole":   func() lint.Input { return whole(b) },
	} {
		b.Run(name, func(b *testing.B) {
			in := in()
			for b.Loop() {
				if r := lint.Check(in); r.Objects == 0 {
					b.Fatal("nothing was read")
				}
			}
		})
	}
}
