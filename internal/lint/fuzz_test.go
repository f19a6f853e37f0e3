package lint_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/conftool/confctl/internal/lint"
)

// FuzzLint checks that, for any content of the files, each finding has a position, a
// rule and advice and is reported once, and that without an error there is a usable
// result.
func FuzzLint(f *testing.F) {
	const schemaText = `
t:
  path: ts
  tags: [dc]
  depends: [node]
  schema: {pooled: {type: bool, default: false}, val: {default: null}}
  json_schema: {base_path: json, rules: {all: {schema: a.json, selector: "name=.*"}, none: {schema: b.json, selector: 'dc=a\bb'}}}
  safety: [{rule: max-pooled, only: dc=a, at_most: 1}, {rule: min-pooled, group_by: [], at_least: 5}]
`
	f.Add([]byte(schemaText), []byte(`{"properties": {"val": {"pattern": "(?=a)"}}, "required": ["x"]}`), []byte("node: [{rule: min-pooled, only: cluster=b, ratio: 0.5}]\n"), []byte("a: [b, c]\nd: [e]\n"))
	f.Add([]byte(schemaText), []byte(`{"$ref": "b.json", "patternProperties": {"a": {}}, "type": 5}`), []byte("t: x"), []byte("a: {b: {c: [d]}}\n"))
	f.Add([]byte("t: &t {path: ts, tags: [], schema: {}, depends: [u]}\nu: {<<: *t, depends: [t]}\n"), []byte(""), []byte("- x\n"), []byte("a:\n"))
	f.Add([]byte("node: {path: a/b, tags: [a], schma: {}, json_schema: {base_path: ., rules: {}}}\nt: 5"), []byte("{"), []byte("a: [\n"), []byte("a: [b, b]\n"))
	f.Fuzz(func(t *testing.T, schemaText, jsonSchema, safetyRules, data []byte) {
		dir := t.TempDir()
		for name, text := range map[string][]byte{
			"schema.yaml": schemaText, "safety.yaml": safetyRules, "json/a.json": jsonSchema, "data/t/x.yaml": data, "data/node/x.yaml": data, "data/tt/x.yaml": data,
		} {
			file := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r := lint.Check(lint.Input{
			Schema: filepath.Join(dir, "schema.yaml"), PoolsPath: "pools",
			Safety: filepath.Join(dir, "safety.yaml"), Data: filepath.Join(dir, "data"),
		})
		errors, seen := 0, map[lint.Finding]bool{}
		for _, found := range r.Findings {
			if err := sound(found); err != nil || seen[found] {
				t.Errorf("%+v: %v", found, err)
			}
			seen[found] = true
			if found.Severity == lint.Error {
				errors++
			}
		}
		if errors == 0 && (r.Schema == nil || len(r.Schema.Problems()) > 0 || r.Rules == nil || len(r.Data.Types) == 0) {
			t.Errorf("no error, and nothing to go on with: %+v", r)
		}
	})
}
