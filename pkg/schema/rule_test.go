package schema_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// ruled returns a type with one rule for all its objects, whose JSON schema, in a.json,
// is text. More files are given as pairs of name and text.
func ruled(t *testing.T, text string, more ...string) *schema.Type {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(more); i += 2 {
		write(t, filepath.Join(dir, more[i]), more[i+1])
	}
	write(t, filepath.Join(dir, "a.json"), text)
	return typeIn(t, dir)
}

func typeIn(t *testing.T, dir string) *schema.Type {
	t.Helper()
	s, err := schema.Parse(filepath.Join(dir, "s.yaml"), []byte(`t:
  path: ts
  tags: [dc]
  free_form: true
  schema: {val: {type: any, default: null}}
  json_schema:
    base_path: .
    rules:
      r: {schema: a.json, selector: "name=.*"}
`), "pools")
	if err != nil {
		t.Fatal(err)
	}
	typ, err := s.Type("t")
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// violations returns the violations of an object, which is given as JSON.
func violations(t *testing.T, typ *schema.Type, object string) []string {
	t.Helper()
	v, err := value.Parse([]byte(object))
	if err != nil {
		t.Fatal(err)
	}
	found, err := typ.Validate([]string{"north"}, "x", v.Fields())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, v := range found {
		all = append(all, v.String())
	}
	return all
}

// The messages name the place and the allowed values.
func TestViolations(t *testing.T) {
	val := func(schema string) string { return `{"properties": {"val": ` + schema + `}}` }
	tests := []struct{ name, schema, object, want string }{
		{"type", val(`{"type": ["string", "null"]}`), `{"val": 5}`, `val: must be of type string or null, not 5 (rule r)`},
		{"enum", val(`{"enum": [null, 1, "a", {"b": [true]}]}`), `{"val": "b"}`, `val: must be one of null, 1, "a", {"b": [true]}, not "b" (rule r)`},
		{"enum of one", val(`{"enum": [false]}`), `{"val": "false"}`, `val: must be false, not "false" (rule r)`},
		{"const", val(`{"const": {"a": null}}`), `{"val": 1}`, `val: must be {"a": null}, not 1 (rule r)`},
		{"oneOf", val(`{"oneOf": [{"type": "string", "minLength": 1}, {"enum": [false]}]}`), `{"val": true}`, `val: must be of type string, not true; or must be false, not true (rule r)`},
		{"oneOf, two fit", val(`{"oneOf": [{"type": "string"}, {"minLength": 1}]}`), `{"val": "a"}`, `val: fits more than one of the alternatives in the JSON schema; just one is allowed (rule r)`},
		{"anyOf, deep", val(`{"anyOf": [{"required": ["a", "b"]}, {"properties": {"a": {"type": "null"}}, "required": ["a"]}]}`), `{"val": {"a": 1}}`, `val: /b: is missing; or /a: must be of type null, not 1 (rule r)`},
		{"anyOf, alike", val(`{"anyOf": [{"type": "null"}, {"type": "null"}]}`), `{"val": 1}`, `val: must be of type null, not 1 (rule r)`},
		{"required", `{"required": ["val", "a", "b"]}`, `{"val": 1}`, `a: is missing (rule r) / b: is missing (rule r)`},
		{"required, deep", val(`{"required": ["x"]}`), `{"val": {}}`, `val: /x: is missing (rule r)`},
		{"additionalProperties", `{"properties": {"val": {}, "b": {}}, "additionalProperties": false}`, `{"val": 1, "d": 1, "c": 1}`, `c: is not allowed here; allowed: b, val (rule r) / d: is not allowed here; allowed: b, val (rule r)`},
		{"additionalProperties with patterns", val(`{"properties": {"q": {}}, "patternProperties": {"^s[1-8]$": {}, "^x": {}}, "additionalProperties": false}`), `{"val": {"s1": 1, "s9": 1}}`, `val: /s9: is not allowed here; allowed: q, and what matches ^s[1-8]$ or ^x (rule r)`},
		{"additionalProperties, none", val(`{"additionalProperties": false}`), `{"val": {"s 9/~": 1}}`, `val: /s 9/~: is not allowed here; allowed: none (rule r)`},
		{"additionalProperties of a type", val(`{"additionalProperties": {"type": "integer"}}`), `{"val": {"b": "x", "a": null}}`, `val: /a: must be of type integer, not null (rule r) / val: /b: must be of type integer, not "x" (rule r)`},
		{"nothing allowed", `{"properties": {"type": false}}`, `{"type": 1}`, `type: is not allowed here (rule r)`},
		{"pattern", val(`{"pattern": "^db[0-9]+$"}`), `{"val": "x"}`, `val: must match ^db[0-9]+$, not be "x" (rule r)`},
		{"minimum", val(`{"minimum": 1000000}`), `{"val": -5}`, `val: must be at least 1000000, not -5 (rule r)`},
		{"maximum", val(`{"maximum": 0.5}`), `{"val": 1.50}`, `val: must be at most 0.5, not 1.50 (rule r)`},
		{"exclusive", val(`{"exclusiveMinimum": 0, "exclusiveMaximum": 0}`), `{"val": 0}`, `val: must be less than 0, not 0 (rule r) / val: must be more than 0, not 0 (rule r)`},
		{"not", val(`{"not": {"type": "string"}}`), `{"val": "a"}`, `val: is "a", which "not" in the JSON schema excludes (rule r)`},
		{"items", val(`{"items": {"type": "string"}}`), `{"val": ["a", 1]}`, `val: /1: must be of type string, not 1 (rule r)`},
		{"contains", val(`{"contains": {"type": "string"}}`), `{"val": [1, 2]}`, `val: must hold at least 1 of what "contains" in the JSON schema says (rule r)`},
		{"names", val(`{"propertyNames": {"pattern": "^a"}}`), `{"val": {"b": 1}}`, `val: /b: must match ^a, not be "b" (rule r)`},
		{"number of keys", `{"minProperties": 3}`, `{"val": 1}`, `must have 3 keys or more (rule r)`},
		{"if", `{"if": {"properties": {"val": {"const": 1}}}, "then": {"required": ["why"]}}`, `{"val": 1}`, `why: is missing (rule r)`},
		{"dependentRequired", `{"dependentRequired": {"val": ["why"]}}`, `{"val": 1}`, `property 'why' is required, if 'val' property exists (rule r)`},
		{"a $ref", `{"properties": {"val": {"$ref": "#/definitions/n"}}, "definitions": {"n": {"enum": [null]}}}`, `{"val": 1}`, `val: must be null, not 1 (rule r)`},
		{"a recursive $ref", val(`{"type": ["object", "null"], "properties": {"in": {"$ref": "#/properties/val"}}}`), `{"val": {"in": {"in": 1}}}`, `val: /in/in: must be of type object or null, not 1 (rule r)`},
		{"no field", `{"type": "string"}`, `{"val": 1}`, `must be of type string, not {"val": 1} (rule r)`},
		{"allOf", `{"allOf": [{"required": ["a"]}, {"required": ["a"]}]}`, `{"val": 1}`, `a: is missing (rule r)`},
		{"a number nobody calculates with", val(`{"type": "integer"}`), `{"val": [1e9999999]}`, `val: /0: 1e9999999 is too large a number (rule r)`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			typ := ruled(t, tt.schema)
			for range 5 {
				if got := strings.Join(violations(t, typ, tt.object), " / "); got != tt.want {
					t.Fatalf("\ngot  %s\nwant %s", got, tt.want)
				}
			}
		})
	}
}

func TestDrafts(t *testing.T) {
	for _, draft := range []string{
		"http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-04/schema", "http://json-schema.org/draft-06/schema#", "http://json-schema.org/draft-07/schema#",
		"https://json-schema.org/draft/2019-09/schema", "https://json-schema.org/draft/2020-12/schema", "",
	} {
		t.Run(draft, func(t *testing.T) {
			text := `{"$schema": "` + draft + `", "type": "object", "properties": {"val": {"type": "integer"}}}`
			typ := ruled(t, strings.Replace(text, `"$schema": "", `, "", 1))
			if got := violations(t, typ, `{"val": 7}`); got != nil {
				t.Errorf("got %v", got)
			}
			if got := violations(t, typ, `{"val": "7"}`); len(got) != 1 || got[0] != `val: must be of type integer, not "7" (rule r)` {
				t.Errorf("got %v", got)
			}
		})
	}
}

// The error for a JSON schema that cannot be used names file and line.
func TestUnusableJSONSchemas(t *testing.T) {
	tests := []struct {
		name, text string
		more       []string
		want       string
	}{
		{"broken", "{\n  \"type\": \"object\",\n}", nil, `a.json:3:1: not valid JSON: invalid character '}'`},
		{"empty", "", nil, "a.json:1:1: not valid JSON: unexpected end of JSON input"},
		{"two documents", "{}\n{}", nil, "a.json:2:1: not valid JSON: invalid character '{' after top-level value"},
		{"no schema", "5", nil, "a.json:1:1: no valid JSON schema: the whole: "},
		{"null", "null", nil, "a.json:1:1: no valid JSON schema: the whole: "},
		{"bad keyword", "{\n\t\"properties\": {\n\t\t\"val\": {\n\t\t\t\"minLength\": \"1\"\n\t\t}\n\t}\n}", nil, "a.json:4:17: no valid JSON schema: /properties/val/minLength: "},
		{"in a list, behind an odd name", "{\"allOf\": [{},\n {\"properties\": {\"a b/~\":\n {\"required\": 1}}}]}", nil, "a.json:3:15: no valid JSON schema: /allOf/1/"},
		{"look-ahead", "{\n \"pattern\": \"^(?!x)\"}", nil, "a.json:2:13: no valid JSON schema: /pattern: '^(?!x)' is not valid 'regex' (RE2 syntax, without look-around and back-references)"},
		{"look-ahead, draft 04", "{\"$schema\": \"http://json-schema.org/draft-04/schema#\",\n \"pattern\": \"^(?!x)\"}", nil, "a.json:2:13: no valid JSON schema: /pattern: '^(?!x)' is not valid 'regex' (RE2"},
		{"look-ahead in a name", "{\n \"patternProperties\": {\"(?=x)\": {}}}", nil, "a.json:2:"},
		{"look-ahead in a name, draft 04", "{\"$schema\": \"http://json-schema.org/draft-04/schema#\",\n \"patternProperties\": {\"(?=x)\": {}}}", nil, "a.json:2:23: no valid JSON schema: /patternProperties: patternProperty '(?=x)' is not valid regex (RE2"},
		{"network", "{\"properties\": {\"val\":\n {\"$ref\": \"http://example.net/b.json#/x\"}}}", nil, "a.json:2:3: http://example.net/b.json is not known here, and nothing is read from the network"},
		{"network, by an odd id", "{\"id\": \"https://example.net/x/\", \"$schema\": \"http://json-schema.org/draft-04/schema#\",\n \"properties\": {\"val\": {\"$ref\": \"b.json\"}}}", nil, "a.json:2:25: https://example.net/x/b.json is not known here"},
		{"unknown draft", "{\n\"$schema\": \"https://example.net/draft\"}", nil, "a.json:2:1: https://example.net/draft is not known here"},
		{"no sibling", "{\n\"$ref\": \"b.json\"}", nil, "a.json:2:1: JSON schema b.json cannot be read: no such file or directory"},
		{"broken sibling", `{"$ref": "b.json"}`, []string{"b.json", "{\n x}"}, "b.json:2:2: not valid JSON"},
		{"invalid sibling", `{"$ref": "b.json"}`, []string{"b.json", "{\n \"type\": 5}"}, "b.json:2:10: no valid JSON schema: /type: "},
		{"nothing there", `{"$ref": "#/definitions/none"}`, nil, "a.json: no valid JSON schema: "},
		{"endless", `{"$ref": "#"}`, nil, "a.json: no valid JSON schema: infinite loop"},
		{"a $schema of one's own", `{"$schema": "m.json", "pattern": 5}`, []string{"m.json", `{}`}, "a.json: "},
		{"a $schema that permits all", `{"$schema": "file:///DIR/m.json", "required": 5}`, []string{"m.json", `{"$schema": "http://json-schema.org/draft-07/schema#"}`}, "a.json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for i := 0; i < len(tt.more); i += 2 {
				write(t, filepath.Join(dir, tt.more[i]), tt.more[i+1])
			}
			write(t, filepath.Join(dir, "a.json"), strings.Replace(tt.text, "/DIR", dir, 1))
			typ := typeIn(t, dir)
			_, err := typ.Validate([]string{"north"}, "x", typ.Defaults())
			var at *yamldoc.Error
			if !errors.As(err, &at) {
				t.Fatalf("got %v", err)
			}
			if got := strings.ReplaceAll(err.Error(), dir+"/", ""); !strings.HasPrefix(got, tt.want) {
				t.Errorf("\ngot  %s\nwant %s", got, tt.want)
			}
			if typ.Rules[0].Description() != "" {
				t.Error("it has a description")
			}
		})
	}
}

func TestMissingJSONSchema(t *testing.T) {
	dir := t.TempDir()
	err := typeIn(t, dir).Rules[0].Compile()
	if want := filepath.Join(dir, "s.yaml") + ":9:7: JSON schema " + filepath.Join(dir, "a.json") + " cannot be read: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("\ngot  %v\nwant %s", err, want)
	}
}

func TestRefToSibling(t *testing.T) {
	typ := ruled(t, `{"properties": {"val": {"$ref": "b.json#/definitions/n"}}}`, "b.json", `{"definitions": {"n": {"$ref": "#/definitions/m"}, "m": {"enum": [null]}}}`)
	if got := violations(t, typ, `{"val": 1}`); !slices.Equal(got, []string{"val: must be null, not 1 (rule r)"}) {
		t.Errorf("got %v", got)
	}
}

// A reference loop through two files is found only when an object is checked.
func TestEndlessRefByTwoFiles(t *testing.T) {
	typ := ruled(t, `{"$ref": "b.json"}`, "b.json", `{"$ref": "a.json"}`)
	if got := violations(t, typ, `{"val": 1}`); len(got) != 1 || !strings.HasPrefix(got[0], "infinite loop ") {
		t.Errorf("got %v", got)
	}
}

// A path is not a URL: # and % in it are ordinary characters.
func TestOddDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b#c%20?d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a.json"), `{"$ref": "b.json"}`)
	write(t, filepath.Join(dir, "b.json"), `{"required": ["x"]}`)
	if got := violations(t, typeIn(t, dir), `{"val": 1}`); !slices.Equal(got, []string{"x: is missing (rule r)"}) {
		t.Errorf("got %v", got)
	}
}

func TestDescription(t *testing.T) {
	typ := ruled(t, `{"description": " What it is for.\n"}`)
	if got := typ.Rules[0].Description(); got != "What it is for." {
		t.Errorf("got %q", got)
	}
}

func TestRulesAreChosenBySelector(t *testing.T) {
	dir := t.TempDir()
	rules := ""
	for i, sel := range []string{"name=a", "dc=north,name=.*", "dc=south"} {
		write(t, filepath.Join(dir, fmt.Sprintf("%d.json", i)), `{"required": ["x"]}`)
		rules += fmt.Sprintf("      r%d: {schema: %s/%d.json, selector: %q}\n", i, dir, i, sel)
	}
	s, err := schema.Parse(filepath.Join(dir, "s.yaml"), []byte("t:\n  path: ts\n  tags: [dc]\n  schema: {}\n  json_schema:\n    base_path: elsewhere\n    rules:\n"+rules), "pools")
	if err != nil {
		t.Fatal(err)
	}
	typ, err := s.Type("t")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ dc, name, want string }{
		{"north", "a", "r0 r1"}, {"north", "ab", "r1"}, {"south", "a", "r0 r2"}, {"east", "b", ""},
	} {
		var got []string
		for _, r := range typ.RulesFor([]string{tt.dc}, tt.name) {
			got = append(got, r.Name)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s/%s: got %v, want %s", tt.dc, tt.name, got, tt.want)
		}
		found, err := typ.Validate([]string{tt.dc}, tt.name, nil)
		if err != nil || len(found) != len(got) {
			t.Errorf("%s/%s: got %v, %v", tt.dc, tt.name, found, err)
		}
	}
}

func TestValidateFields(t *testing.T) {
	n, err := schema.BuiltIn("pools").Type(schema.Node)
	if err != nil {
		t.Fatal(err)
	}
	got := violations(t, n, `{"weight": -1, "pooled": "maybe", "dc": "x", "wieght": 1}`)
	want := []string{
		"weight cannot be -1; it takes a whole number, 0 or more, in plain digits",
		`pooled cannot be "maybe"; it takes one of yes, no, inactive`,
		"dc is a tag of type node, not a field, and cannot be changed",
		`type node has no field "wieght" (did you mean weight?); its fields are weight, pooled`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
