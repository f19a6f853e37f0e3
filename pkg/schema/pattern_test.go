package schema_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/pkg/schema"
)

// Check finds all patterns that cannot be used, each with its position, and nothing that
// only looks like a pattern.
func TestCheckOfJSONSchema(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.json"), `{
  "$schema": "http://json-schema.org/draft-07/schema#",
  "pattern" : "(?=a)",
  "properties": {"pattern": {"pattern": "(?!b)"}, "x": {"const": {"pattern": "(?=x)"}}, "y": true},
  "patternProperties": {
    "^a": {"$ref": "b.json"}, "(?<=c)": {}
  },
  "items": [{"not": {"pattern": "d)"}}, false],
  "dependencies": {"pattern": ["(?=y)"], "z": {"pattern": "e\\1"}},
  "definitions": {"unused": {"propertyNames": {"pattern": "\\Z"}}},
  "default": {"pattern": "(?=z)"},
  "x-extension": {"pattern": "(?=z)"},
  "if": {"pattern": "é\\p{Nothing}"}
}`)
	write(t, filepath.Join(dir, "b.json"), `{"pattern": "a"}`)
	r := typeIn(t, dir).Rules[0]
	var got []string
	for _, e := range r.Check() {
		if e.Rule != schema.RuleJSONPattern {
			t.Errorf("%v has rule %q", e, e.Rule)
		}
		got = append(got, strings.TrimPrefix(e.Error(), dir+"/"))
	}
	want := []string{
		`a.json:3:15: pattern (?=a) cannot be used: invalid or unsupported Perl syntax: (?=`,
		`a.json:4:41: pattern (?!b) cannot be used: invalid or unsupported Perl syntax: (?!`,
		`a.json:6:31: pattern (?<=c) cannot be used: invalid named capture: (?<=c)`,
		`a.json:8:33: pattern d) cannot be used: unexpected ): d)`,
		`a.json:9:59: pattern e\1 cannot be used: invalid escape sequence: \1`,
		`a.json:10:59: pattern \Z cannot be used: invalid escape sequence: \Z`,
		`a.json:13:21: pattern é\p{Nothing} cannot be used: invalid character class range: \p{Nothing}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Check also finds other errors than those of patterns.
func TestCheckOfJSONSchemaFindsMore(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string // rules
	}{
		{`{"pattern": "a"}`, nil},
		{`{"pattern": "(?=a)", "$schema": "none.json"}`, []string{schema.RuleJSONPattern, schema.RuleJSONInvalid}},
		{`{"items": {"$ref": "none.json"}, "type": 5, "pattern": "(?=a)"}`, []string{schema.RuleJSONPattern}},
		{`{"pattern": "(?=a)"`, []string{schema.RuleJSONPattern, schema.RuleJSONInvalid}},
		{`{"pattern": 5, "patternProperties": 5, "properties": [5]}`, []string{schema.RuleJSONInvalid}},
		{`{"type": 5}`, []string{schema.RuleJSONInvalid}},
		{``, []string{schema.RuleJSONInvalid}},
		{`{"$ref": "http://example.net/a"}`, []string{schema.RuleJSONMissing}},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.json"), c.text)
		var rules []string
		for _, e := range typeIn(t, dir).Rules[0].Check() {
			rules = append(rules, e.Rule)
		}
		if !slices.Equal(rules, c.want) {
			t.Errorf("%s: got %v, want %v", c.text, rules, c.want)
		}
	}
}

func TestFilesOfJSONSchema(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.json"), `{"$ref": "b.json#/definitions/x"}`)
	write(t, filepath.Join(dir, "b.json"), `{"definitions": {"x": {}}}`)
	want := []string{filepath.Join(dir, "a.json"), filepath.Join(dir, "b.json")}
	if got := typeIn(t, dir).Rules[0].Files(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// A JSON schema is refused quickly, whatever its depth and length.
func TestCheckOfHostileFiles(t *testing.T) {
	for name, text := range map[string]string{
		"deep":     strings.Repeat(`{"not":`, 200_000) + `{"pattern": "("}` + strings.Repeat("}", 200_000),
		"not ends": strings.Repeat(`{"not":`, 500_000),
		"long":     `{"properties": {` + strings.Repeat(`"x": {}, `, 200_000) + `"y": {"pattern": "("}}}`,
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.json"), text)
		if found := typeIn(t, dir).Rules[0].Check(); len(found) != 1 {
			t.Errorf("%s: %v", name, found)
		}
	}
}
