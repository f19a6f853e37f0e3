package schema_test

import (
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/value"
)

// doubts returns the violations and the doubts of an object, which is given as JSON.
func doubts(t *testing.T, text, object string) (refused, doubtful []string) {
	t.Helper()
	typ := ruled(t, text)
	v, err := value.Parse([]byte(object))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range typ.Doubts([]string{"north"}, "x", v.Fields()) {
		doubtful = append(doubtful, d.String())
	}
	return violations(t, typ, object), doubtful
}

// Python's validate() accepts all of these values.
func TestFormatIsNotAsserted(t *testing.T) {
	drafts := []string{
		"http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-06/schema#", "http://json-schema.org/draft-07/schema#",
		"https://json-schema.org/draft/2019-09/schema", "https://json-schema.org/draft/2020-12/schema",
	}
	for _, format := range []string{
		"date-time", "date", "time", "duration", "hostname", "email", "ipv4", "ipv6", "uri", "uri-reference", "uri-template",
		"json-pointer", "relative-json-pointer", "regex", "uuid", "ip-address",
	} {
		for _, draft := range drafts {
			text := `{"$schema": "` + draft + `", "properties": {"val": {"format": "` + format + `"}}}`
			refused, doubtful := doubts(t, text, `{"val": "(http://[%:80 {"}`)
			if refused != nil {
				t.Errorf("%s, %s: refused: %s", draft, format, refused)
			}
			if want := `val: must be a valid ` + format + `, not "(http://[%:80 {" (rule r)`; len(doubtful) != 1 || doubtful[0] != want {
				t.Errorf("%s, %s: doubts %q, want %q", draft, format, doubtful, want)
			}
		}
	}
}

func TestFormatsInsideOthers(t *testing.T) {
	for _, c := range []struct{ name, schema, object, refused, doubtful string }{
		{"anyOf", `{"properties": {"val": {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}}}`, `{"val": "db1.example"}`,
			"", `val: must be a valid ipv4, not "db1.example"; or must be a valid ipv6, not "db1.example" (rule r)`},
		{"oneOf, where without formats both fit", `{"properties": {"val": {"oneOf": [{"format": "ipv4"}, {"format": "ipv6"}]}}}`, `{"val": "10.0.0.1"}`,
			`val: fits more than one of the alternatives in the JSON schema; just one is allowed (rule r)`, ""},
		{"not", `{"properties": {"val": {"not": {"format": "ipv4"}}}}`, `{"val": "x"}`,
			`val: is "x", which "not" in the JSON schema excludes (rule r)`, ""},
		{"by a reference", `{"properties": {"val": {"$ref": "#/own/address"}}, "own": {"address": {"format": "ipv4"}}}`, `{"val": "x"}`,
			"", `val: must be a valid ipv4, not "x" (rule r)`},
		{"in a list", `{"properties": {"val": {"items": {"format": "email"}}}}`, `{"val": ["a@example.org", "b"]}`,
			"", `val: /1: must be a valid email, not "b" (rule r)`},
		{"what else is wrong", `{"properties": {"val": {"format": "email", "minLength": 3}}}`, `{"val": "b"}`,
			`val: length must be >= 3, but got 1 (rule r)`, `val: must be a valid email, not "b" (rule r)`},
		{"a property of that name", `{"properties": {"format": {"type": "string"}}}`, `{"format": 1}`,
			`format: must be of type string, not 1 (rule r)`, ""},
		{"an unknown format", `{"properties": {"val": {"format": "color"}}}`, `{"val": "x"}`, "", ""},
		{"content of draft 7", `{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"val": {"contentEncoding": "base64"}}}`, `{"val": "%"}`,
			"", `val: value is not base64 encoded (rule r)`},
		{"a media type of draft 7", `{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"val": {"contentMediaType": "application/json"}}}`, `{"val": "{"}`,
			"", `val: value is not of mediatype 'application/json' (rule r)`},
		{"a schema of the content", `{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"val": {"contentMediaType": "application/json", "contentSchema": {"type": "integer"}}}}`, `{"val": "true"}`,
			"", `val: must be of type integer, not "true" (rule r)`},
	} {
		refused, doubtful := doubts(t, c.schema, c.object)
		if got := strings.Join(refused, " / "); got != c.refused {
			t.Errorf("%s: refused %q, want %q", c.name, got, c.refused)
		}
		if got := strings.Join(doubtful, " / "); got != c.doubtful {
			t.Errorf("%s: doubts %q, want %q", c.name, got, c.doubtful)
		}
	}
}
