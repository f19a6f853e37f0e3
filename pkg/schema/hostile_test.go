package schema_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// doubled returns a JSON schema with a chain of n definitions and last at its end. The
// text of a definition is twice, in which REF is replaced by a reference to the next.
func doubled(n int, twice, last string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"d%d": %s, `, i, strings.ReplaceAll(twice, "REF", fmt.Sprintf(`{"$ref": "#/definitions/d%d"}`, i+1)))
	}
	return fmt.Sprintf(`{"definitions": {%s"d%d": %s}, "$ref": "#/definitions/d0"}`, b.String(), n, last)
}

func repeat(n int, each func(int) string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = each(i)
	}
	return strings.Join(all, ", ")
}

func quoted(i int) string { return fmt.Sprintf("%q", fmt.Sprintf("w%d", i)) }

// hostile returns JSON schemas that take too long, or too much memory, without limits,
// each with the beginning of its error.
func hostile() map[string][2]string {
	const parts, values, deep = "comes to more than 100000 parts", "has more than 10000 values", "has more than 100 levels"
	nested := func(open, end string) string { return strings.Repeat(open, 4000) + "{}" + strings.Repeat(end, 4000) }
	return map[string][2]string{
		"allOf, doubled":             {doubled(30, `{"allOf": [REF, REF]}`, "{}"), parts},
		"anyOf, doubled":             {doubled(30, `{"anyOf": [REF, REF]}`, `false`), parts},
		"oneOf, doubled":             {doubled(30, `{"oneOf": [REF, REF]}`, `true`), parts},
		"not, doubled":               {doubled(30, `{"not": REF, "if": REF}`, `{"type": "null"}`), parts},
		"properties, doubled":        {doubled(30, `{"properties": {"a": REF, "b": REF}}`, `{}`), parts},
		"dependencies, doubled":      {doubled(30, `{"dependencies": {"val": REF, "b": REF}}`, `{}`), parts},
		"not, deep":                  {nested(`{"not": `, `}`), deep},
		"allOf, deep":                {nested(`{"allOf": [`, `]}`), deep},
		"items, deep":                {nested(`{"items": `, `}`), deep},
		"enum, deep":                 {`{"enum": [` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `]}`, deep},
		"required, long":             {`{"required": [` + repeat(200_000/4, quoted) + `]}`, values},
		"enum, long":                 {`{"enum": [` + repeat(50_000, quoted) + `]}`, values},
		"properties, long":           {`{"properties": {` + repeat(30_000, func(i int) string { return quoted(i) + ": true" }) + `}}`, values},
		"references in a row":        {doubled(600, `REF`, `{}`), "has more than 500 parts that refer to each other"},
		"a repeated pattern":         {`{"pattern": "` + strings.Repeat("(a{100}){10}", 12) + `"}`, "has regular expressions of more than 10000 instructions"},
		"repeated names of patterns": {`{"properties": {"x": {"patternProperties": {"` + strings.Repeat("(a{100}){10}", 12) + `": true}}}}`, "has regular expressions of more than 10000 instructions"},
		"many patterns":              {`{"allOf": [` + repeat(200, func(int) string { return `{"pattern": "a{100}"}` }) + `]}`, "has regular expressions of more than 10000 instructions"},
		"a large exponent":           {`{"enum": [1, 1e99999]}`, "has a number of more than 1000 digits"},
		"many digits":                {`{"minimum": ` + strings.Repeat("1", 1001) + `}`, "has a number of more than 1000 digits"},
		"a tree that doubles":        {`{"definitions": {"t": {"properties": {"val": {"allOf": [{"$ref": "#/definitions/t"}, {"$ref": "#/definitions/t"}]}}}}, "$ref": "#/definitions/t"}`, "takes too long to check an object: more than 100000 steps"},
		"a file that is no text":     {strings.Repeat("\x00", 1<<20+1), "is 1048577 bytes, more than the 1048576 that are read"},
	}
}

// compileOne returns a rule with the given JSON schema.
func compileOne(t *testing.T, text string, o schema.Options) *schema.Rule {
	t.Helper()
	r, _ := compileBoth(t, text, o)
	return r
}

// compileBoth returns a rule with the given JSON schema, and another rule of the same
// schema.
func compileBoth(t *testing.T, text string, o schema.Options) (r, other *schema.Rule) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"schema.yaml": "t: {path: ts, tags: [], schema: {val: {default: null}}, json_schema: {base_path: ., rules: {r: {schema: a.json, selector: 'name=.*'}, s: {schema: b.json, selector: 'name=.*'}}}}\n",
		"a.json":      text,
		"b.json":      "{}",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := schema.LoadWith(filepath.Join(dir, "schema.yaml"), "pools", o)
	if err != nil {
		t.Fatal(err)
	}
	typ, err := s.Type("t")
	if err != nil {
		t.Fatal(err)
	}
	return typ.Rules[0], typ.Rules[1]
}

// deepObject returns the fields of an object with a value of the given number of levels.
func deepObject(t *testing.T, levels int) []value.Field {
	t.Helper()
	v, err := value.Parse([]byte(strings.Repeat(`{"val": `, levels) + "{}" + strings.Repeat("}", levels)))
	if err != nil {
		t.Fatal(err)
	}
	return []value.Field{{Name: "val", Value: v}}
}

// A JSON schema whose check would not end is refused because of its content, not because
// of the time that the machine takes for it.
func TestJSONSchemaThatNeverEnds(t *testing.T) {
	object := deepObject(t, 60)
	for name, c := range hostile() {
		t.Run(name, func(t *testing.T) {
			r := compileOne(t, c[0], schema.Options{})
			_, err := r.Violations(object)
			var at *yamldoc.Error
			if !errors.As(err, &at) || !strings.Contains(at.Msg, c[1]) {
				t.Fatalf("%.300v", err)
			}
			if unread := at.Rule == yamldoc.RuleUnreadable; !unread && (at.Rule != schema.RuleJSONTooLarge || filepath.Base(at.Pos.File) != "a.json") {
				t.Errorf("%s: %s", at.Pos, at.Rule)
			}
			if len(at.Msg) > 300 {
				t.Errorf("said at length: %d bytes", len(at.Msg))
			}
			if !slices.Contains(r.Files(), at.Pos.File) && at.Rule == schema.RuleJSONTooLarge {
				t.Errorf("%q, and not %s", r.Files(), at.Pos.File)
			}
			_ = r.Check()
			_ = r.Oddities()
			_ = r.Doubts(object)
		})
	}
}

// The largest allowed JSON schemas are used.
func TestLargestJSONSchemas(t *testing.T) {
	object := deepObject(t, 1)
	for name, text := range map[string]string{
		"values":     `{"enum": [` + repeat(9_990, quoted) + `]}`,
		"required":   `{"required": [` + repeat(9_990, quoted) + `]}`,
		"properties": `{"properties": {` + repeat(3_300, func(i int) string { return quoted(i) + ": {}" }) + `}}`[0:],
		"allOf":      `{"allOf": [` + repeat(4_900, func(int) string { return `false` }) + `]}`,
		"levels":     strings.Repeat(`{"not": `, 99) + "{}" + strings.Repeat(`}`, 99),
		"patterns":   `{"pattern": "` + strings.Repeat("[a-z]", 4_900) + `"}`,
		"doubled":    doubled(12, `{"allOf": [REF, REF]}`, `{"type": "null"}`),
	} {
		t.Run(name, func(t *testing.T) {
			r := compileOne(t, text, schema.Options{})
			found, err := r.Violations(object)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range found {
				if len(v.Msg) > 10_000 {
					t.Errorf("said at length: %d bytes", len(v.Msg))
				}
			}
		})
	}
}

// All JSON schemas of a schema share one time limit. The errors of the one that exceeds
// it and of the others, which are not used, name that one.
func TestTimeOfJSONSchemasIsOver(t *testing.T) {
	slow := `{"allOf": [` + repeat(3_000, func(i int) string { return `{"properties": {"val": {"enum": ["x"]}}}` }) + `]}`
	r, other := compileBoth(t, slow, schema.Options{Time: 1})
	_ = r.Compile() // may take as long as it needs, or be stopped
	_, err := r.Violations(deepObject(t, 1))
	var at *yamldoc.Error
	if !errors.As(err, &at) || at.Rule != schema.RuleJSONTooLarge || !strings.HasSuffix(at.Pos.File, "a.json") || at.Msg != "the JSON schema takes longer than the 1ns that there are for all of them" {
		t.Fatal(err)
	}
	if err := other.Compile(); !errors.As(err, &at) || !strings.HasSuffix(at.Pos.File, "b.json") || !strings.Contains(at.Msg, "the 1ns that there are for all of them were over with ") || !strings.HasSuffix(at.Msg, "a.json") {
		t.Fatal(err)
	}
}

// Any JSON schema is compiled, and any object is checked with it, within the time limit,
// or the error has a reason and a file.
func FuzzJSONSchema(f *testing.F) {
	for _, c := range hostile() {
		if len(c[0]) < 10_000 {
			f.Add(c[0], `{"a": [1, "b", {"c": null}]}`)
		}
	}
	f.Add(`{"$schema": "http://json-schema.org/draft-04/schema#", "type": "object", "properties": {"val": {"$ref": "#"}}}`, `{"val": {"val": 1}}`)
	f.Add(`{"$id": "file:///etc/x", "$ref": "passwd"}`, `1`)
	f.Add(`{"$schema": "file:///dev/zero"}`, `1`)
	f.Add(`{"$dynamicRef": "#a", "$defs": {"x": {"$dynamicAnchor": "a", "not": {"$dynamicRef": "#a"}}}}`, `[]`)
	f.Fuzz(func(t *testing.T, text, object string) {
		v, err := value.Parse([]byte(object))
		if err != nil || len(text) > 1<<17 || len(object) > 1<<17 {
			return
		}
		r := compileOne(t, text, schema.Options{})
		found, err := r.Violations([]value.Field{{Name: "val", Value: v}})
		var at *yamldoc.Error
		switch {
		case err == nil:
		case !errors.As(err, &at) || at.Pos.File == "" || at.Msg == "" || at.Rule == "":
			t.Errorf("no place: %v", err)
		case strings.Contains(at.Msg, "takes longer than the"):
			t.Errorf("only the clock has stopped it: %v", err)
		}
		for _, v := range found {
			if v.Msg == "" {
				t.Errorf("%+v", v)
			}
		}
		_, _, _ = r.Check(), r.Oddities(), r.Description()
	})
}
