package schema_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// For any schema file, each problem has a line, and a type without problems can be used.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		"", "t: {path: ts, tags: [a, b], schema: {f: {type: 'enum:a|b', default: a}}, depends: [node], free_form: yes}",
		"t:\n  path: ts\n  tags: []\n  schema: {}\n  json_schema: {base_path: x, rules: {r: {schema: a.json, selector: 'name=(a|b)'}}}\n",
		"a: &a {path: as, tags: [], schema: {f: {default: 0}}, depends: [b]}\nb: {<<: *a, path: bs, depends: [a]}\n",
		"node: {safety: [{rule: x}]}", "t: {path: 1, tags: {}, schema: [1], depends: t}", "? [a]\n: 1\n", "a: *a",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := schema.Parse("s.yaml", text, "pools")
		if err != nil {
			var at *yamldoc.Error
			if !errors.As(err, &at) || at.Pos.File != "s.yaml" || at.Msg == "" {
				t.Fatalf("no position: %v", err)
			}
			return
		}
		for _, p := range s.Problems() {
			if p.Err.Pos.Line == 0 || p.Err.Pos.Column == 0 || p.Err.Msg == "" || p.Err.Rule == "" {
				t.Errorf("no position, or no rule: %v", p.Err)
			}
			if _, err := s.Type(p.Type); err == nil {
				t.Errorf("%s can be used, but %v", p.Type, p.Err)
			}
		}
		for _, typ := range s.InDependencyOrder() {
			if v := typ.ValidateFields(typ.Defaults()); len(v) > 0 {
				t.Errorf("%s: defaults are invalid: %v", typ.Name, v)
			}
			if typ.Path == "" || slices.Contains(typ.Tags, "") {
				t.Errorf("got %+v", typ)
			}
		}
	})
}
