package lint_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/internal/lint"
)

// site writes the files of text, each preceded by a line "-- NAME --", and returns
// the Input to check. A name that ends in a slash makes an empty directory.
func site(t testing.TB, text string) (dir string, in lint.Input) {
	t.Helper()
	dir = t.TempDir()
	for _, part := range strings.Split("\n"+text, "\n-- ")[1:] {
		name, content, _ := strings.Cut(part, " --\n")
		name = strings.TrimSuffix(name, " --") // nothing follows
		file := filepath.Join(dir, name)
		sub := filepath.Dir(file)
		if strings.HasSuffix(name, "/") {
			sub, file = file, ""
		}
		if err := os.MkdirAll(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		if file == "" {
			continue
		}
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(content, "DIR", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in = lint.Input{Schema: filepath.Join(dir, "schema.yaml"), PoolsPath: "pools", Safety: filepath.Join(dir, "safety.yaml"), Readers: filepath.Join(dir, "readers.yaml")}
	if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		in.Data = filepath.Join(dir, "data")
	}
	return dir, in
}

// Valid schemas, to which the cases add mistakes.
const (
	records = "-- schema.yaml --\nrecord: {path: records, tags: [dc], schema: {pooled: {type: bool, default: false}}}\n"
	typed   = `-- schema.yaml --
t:
  path: ts
  tags: [dc]
  schema:
    val: {default: null}
  json_schema:
    base_path: json
    rules:
      all: {schema: a.json, selector: "name=.*"}
`
)

// cases returns a small site for each rule, and all of its findings.
func cases() []struct{ name, files, want string } {
	return []struct{ name, files, want string }{
		{"nothing wrong", records + "-- data/record/x.yaml --\na: [b]\n", ``},

		// Files.
		{"no schema", "-- data/x --\n", `schema.yaml:1:1: error file-unreadable: cannot be read: no such file or directory`},
		{"a directory for a schema", "-- schema.yaml/ --\n", `schema.yaml:1:1: error file-unreadable: is a directory`},
		{"data that is a file", records + "-- data --\n", `data:1:1: error file-unreadable: data directory DIR/data: not a directory`},
		{"no YAML", "-- schema.yaml --\nt: [\n", `schema.yaml:1:1: error yaml-syntax: not valid YAML: did not find expected node content`},
		{"no schema, and no YAML in the rules", "-- safety.yaml --\na: [\n", `safety.yaml:1:1: error yaml-syntax: 
schema.yaml:1:1: error file-unreadable: cannot be read: no such file or directory`},
		{"no YAML in the rules", "-- schema.yaml --\n-- safety.yaml --\nnode:\n\t- x\n", `safety.yaml:2:1: error yaml-syntax: not valid YAML: found character that cannot start any token`},
		{"a key twice", "-- schema.yaml --\nt:\n  path: a\n  path: b\n", `schema.yaml:3:3: error yaml-duplicate-key: key "path" is there already, in line 2`},

		// The schema.
		{"a list for a schema", "-- schema.yaml --\n- t\n", `schema.yaml:1:1: error schema-shape: a schema must be a map, not a list`},
		{"a word for a type", "-- schema.yaml --\nt: 1\n", `schema.yaml:1:4: error schema-shape: type t must be a map, not "1"`},
		{"a word for tags", "-- schema.yaml --\nt: {path: ts, tags: dc, schema: {}}\n", `schema.yaml:1:21: error schema-shape: tags must be a list, not "dc"`},
		{"a tag called name", "-- schema.yaml --\nt: {path: ts, tags: [name], schema: {}}\n", `schema.yaml:1:21: error schema-name: a tag of type t cannot be called name: that is the object's own name`},
		{"no default", "-- schema.yaml --\nt: {path: ts, tags: [], schema: {f: {type: int}}}\n", `schema.yaml:1:34: error schema-missing-key: field f of type t has no default`},
		{"a default without quotes", "-- schema.yaml --\nt: {path: ts, tags: [], schema: {a: {default: off}, b: {default: 'off'}, c: {default: false}, d: {default: x}, e: {type: bool, default: off}}}\n", `schema.yaml:1:47: warning schema-unquoted: the default off of field a of type t is text here, and may be something else in YAML 1.1, as the Python tool reads it`},
		{"keys that nothing reads", `-- schema.yaml --
t:
  path: ts
  tags: [dc]
  fre_form: true
  schema:
    f: {tpye: int, default: 1}
  json_schema:
    base_path: json
    bsae: x
    rules:
      r: {schema: a.json, selector: "dc=a", selektor: x}
-- json/a.json --
{}
`, `schema.yaml:4:3: warning schema-unknown-key: type t has a key "fre_form" that nothing reads (did you mean free_form?)
schema.yaml:6:9: warning schema-unknown-key: field f of type t has a key "tpye" that nothing reads (did you mean type?)
schema.yaml:9:5: warning schema-unknown-key: json_schema of type t has a key "bsae" that nothing reads
schema.yaml:11:45: warning schema-unknown-key: rule r of type t has a key "selektor" that nothing reads (did you mean selector?)`},
		{"a type of fields", "-- schema.yaml --\nt: {path: ts, tags: [], schema: {f: {type: integer, default: 1}}}\n", `schema.yaml:1:44: error schema-type: field f cannot be of type "integer" (did you mean int?); types are string, int, bool, list, dict, enum:a|b, cidr_list, any`},
		{"a default", "-- schema.yaml --\nt:\n  path: ts\n  tags: []\n  schema:\n    f: {type: 'enum:a|b', default: c}\n", `schema.yaml:5:36: error schema-default: the default of field f of type t: f cannot be "c"; it takes one of a, b`},
		{"no path", "-- schema.yaml --\nt: {path: a/../b, tags: [], schema: {}}\n", `schema.yaml:1:11: error schema-path: path of type t cannot be "a/../b"; it is the part of the key above the tags, such as "ts"`},
		{"one path inside another", "-- schema.yaml --\nt: {path: a, tags: [], schema: {}}\nu: {path: a/b, tags: [], schema: {}}\n", `schema.yaml:2:1: error schema-path: type u has path a/b, which is in the way of type t with path a`},
		{"on the path of the built-in type", "-- schema.yaml --\nt: {path: pools, tags: [], schema: {}}\n", `schema.yaml:1:1: error schema-path: type t has path pools, which is in the way of type node with path pools`},
		{"depends on nothing", "-- schema.yaml --\nt: {path: ts, tags: [], schema: {}, depends: [nodes]}\n", `schema.yaml:1:1: error schema-depends: type t depends on nodes, which is no type (did you mean node?)`},
		{"a loop", "-- schema.yaml --\nt: {path: ts, tags: [], schema: {}, depends: [u]}\nu: {path: us, tags: [], schema: {}, depends: [t]}\n", `schema.yaml:1:1: error schema-loop: dependency loop: t -> u -> t`},
		{"an unknown tag", strings.Replace(typed, "name=.*", "cluster=a", 1) + "-- json/a.json --\n{}\n", `schema.yaml:9:39: error schema-selector: rule all: selector "cluster=a": no tag "cluster"`},
		{"a selector that cannot match", strings.Replace(typed, "name=.*", `name=a b`, 1) + "-- json/a.json --\n{}\n-- data/t/x.yaml --\na: [b]\n", `schema.yaml:9:39: error schema-never-matches: selector "name=a b" of rule all cannot match any object of type t`},

		// JSON schemas.
		{"a JSON schema that is not there", typed, `schema.yaml:9:7: error json-schema-missing: JSON schema DIR/json/a.json cannot be read: no such file or directory`},
		{"one that is referred to", typed + "-- json/a.json --\n{\n \"$ref\": \"b.json\"}\n", `json/a.json:2:2: error json-schema-missing: JSON schema DIR/json/b.json cannot be read: no such file or directory`},
		{"one without end", typed + "-- json/a.json --\n{\"not\":\n" + strings.Repeat("[", 100), `json/a.json:2:100: error json-schema-too-large: the JSON schema has more than 100 levels of maps and lists`},
		{"one that takes too long for a new object", typed + "-- json/a.json --\n" + `{"definitions": {"t": {"items": {"allOf": [{"$ref": "#/definitions/t"}, {"$ref": "#/definitions/t"}]}}}, "properties": {"val": {"$ref": "#/definitions/t"}}}` + "\n-- schema.yaml --\n" + strings.Replace(strings.TrimPrefix(typed, "-- schema.yaml --\n"), "null", strings.Repeat("[", 30)+strings.Repeat("]", 30), 1),
			`json/a.json:1:1: error json-schema-too-large: the JSON schema takes too long to check an object: more than 100000 steps, and 50 for each value in it`},
		{"on the network", typed + "-- json/a.json --\n{\"$ref\": \"http://example.net/b.json\"}\n", `json/a.json:1:2: error json-schema-missing: http://example.net/b.json is not known here, and nothing is read from the network`},
		{"no JSON", typed + "-- json/a.json --\n{\n  \"type\": \"object\",\n}\n", `json/a.json:3:1: error json-schema-invalid: not valid JSON: invalid character '}' looking for beginning of object key string`},
		{"no JSON schema", typed + "-- json/a.json --\n{\"$ref\": \"b.json\"}\n-- json/b.json --\n{\n \"type\": 5}\n", `json/b.json:2:10: error json-schema-invalid: no valid JSON schema: `},
		{"one JSON schema for two rules", typed + "      some: {schema: a.json, selector: \"name=a\"}\n-- json/a.json --\n5\n", `json/a.json:1:1: error json-schema-invalid: no valid JSON schema: the whole: expected object or boolean, but got number`},
		{"patterns", typed + `-- json/a.json --
{
  "properties": {
    "val": {"pattern": "^(?!x)"},
    "pattern": {"enum": [{"pattern": "(?=x)"}]}
  },
  "patternProperties": {"(a)\\1": {"items": [{"pattern": "a"}, {"pattern": "a{2,1}"}]}}
}
`, `json/a.json:3:24: error json-schema-pattern: pattern ^(?!x) cannot be used: invalid or unsupported Perl syntax: (?!
json/a.json:6:25: error json-schema-pattern: pattern (a)\1 cannot be used: invalid escape sequence: \1
json/a.json:6:76: error json-schema-pattern: pattern a{2,1} cannot be used: invalid repeat count: {2,1}`},
		{"a default that the JSON schema refuses", typed + "-- json/a.json --\n{\"properties\": {\"val\": {\"type\": \"string\"}}}\n", `schema.yaml:5:20: warning json-schema-default: the default of field val of type t is refused by its JSON schema: must be of type string, not null (rule all)`},
		{"once for all objects and rules", typed + "      other: {schema: b.json, selector: \"dc=a\"}\n      none: {schema: b.json, selector: \"dc=x\"}\n" +
			"-- json/a.json --\n{\"properties\": {\"val\": {\"type\": \"string\"}}}\n-- json/b.json --\n{\"properties\": {\"val\": {\"enum\": [1]}}}\n-- data/t/x.yaml --\na: [b, c]\n",
			`schema.yaml:5:20: warning json-schema-default: the default of field val of type t is refused by its JSON schema: must be of type string, not null (rule all); must be 1, not null (rule other)
schema.yaml:11:40: warning json-schema-selects-nothing: selector "dc=x" of rule none selects none of the objects of type t that the data declares`},
		{"a field that is not there", typed + "-- json/a.json --\n{\"required\": [\"owner\"]}\n", `schema.yaml:9:7: warning json-schema-default: a new object of type t is refused by its JSON schema: owner: is missing (rule all)`},
		{"unused", typed + "-- json/a.json --\n{\"$ref\": \"sub/b.json\"}\n-- json/sub/b.json --\n{}\n-- json/sub/c.schema --\n{}\n-- json/README --\n-- json/.d.json --\n",
			`json/sub/c.schema:1:1: warning json-schema-unused: no rule uses this JSON schema, and none that is used refers to it`},
		{"not unused while it may be what was meant", typed + "-- json/b.json --\n{}\n", `schema.yaml:9:7: error json-schema-missing: JSON schema DIR/json/a.json cannot be read: no such file or directory`},
		{"a format", typed + "-- json/a.json --\n{\"properties\": {\"val\": {\"format\": \"email\"}, \"format\": {\"type\": \"null\"}}}\n", `json/a.json:1:25: warning json-schema-format: format "email" is not asserted: a value that does not fit is stored, with a warning`},
		{"a default not in its format", strings.Replace(typed, "default: null", "default: x", 1) + "-- json/a.json --\n{\"properties\": {\"val\": {\"format\": \"email\"}}}\n", `json/a.json:1:25: warning json-schema-format: format "email" is not asserted: a value that does not fit is stored, with a warning
schema.yaml:5:20: warning json-schema-format: a default of type t is not in its format: val: must be a valid email, not "x" (rule all)`},
		{"a default with host bits", "-- schema.yaml --\nt: {path: ts, tags: [], schema: {c: {type: cidr_list, default: [10.0.0.1/8, 10.0.0.0/8]}}}\n", `schema.yaml:1:64: warning schema-network: the default of field c of type t: c: "10.0.0.1/8" has bits set to the right of its mask; the network is 10.0.0.0/8`},
		{"patterns that mean two things", typed + "-- json/a.json --\n{\"properties\": {\"val\": {\"pattern\": \"^a{,2}$\"}, \"b\": {\"pattern\": \"^\\\\w$\"}}}\n", `json/a.json:1:36: warning regex-two-meanings: pattern ^a{,2}$: {,2} means that text itself here (RE2), but 0 to 2 repetitions in Python; write {0,2}, or \{,2} for the text
json/a.json:1:65: note regex-ascii: pattern ^\w$: \w means ASCII characters alone here (RE2), but characters of all of Unicode in Python`},
		{"a selector that means two things", strings.Replace(typed, "name=.*", "name=[[:alpha:]]", 1) + "-- json/a.json --\n{}\n", `schema.yaml:9:39: warning regex-two-meanings: selector "name=[[:alpha:]]" of rule all: name: [:alpha:] means the named class here (RE2), but single characters and the end of the outer class in Python; write A-Za-z`},
		{"only that means two things", records + "-- safety.yaml --\nrecord:\n  - {rule: min-pooled, only: 'dc=a{,2}', at_least: 1}\n-- readers.yaml --\nrecord:\n  - {kind: file, path: /x, only: 'dc=a{,2}', pattern: 'a{,2}([0-9]+)'}\n",
			`readers.yaml:2:5: warning regex-two-meanings: only: dc: {,2} means that text itself here (RE2), but 0 to 2 repetitions in Python; write {0,2}, or \{,2} for the text
readers.yaml:2:5: warning regex-two-meanings: pattern: {,2} means that text itself here (RE2), but 0 to 2 repetitions in Python; write {0,2}, or \{,2} for the text
safety.yaml:2:30: warning regex-two-meanings: only: "dc=a{,2}" of rule min-pooled: dc: {,2} means that text itself here (RE2), but 0 to 2 repetitions in Python; write {0,2}, or \{,2} for the text`},

		// Safety rules.
		{"no safety rule", records + "-- safety.yaml --\nrecord:\n  - {rule: min-poled}\n", `safety.yaml:2:12: error safety-rule: no safety rule "min-poled" (did you mean min-pooled?); rules are min-pooled, max-pooled, mass-change, pool-needs-weight, last-of-type, mass-removal, remove-pooled`},
		{"a list of safety rules", records + "-- safety.yaml --\n- {rule: min-pooled}\n", `safety.yaml:1:1: error safety-rule: a file of safety rules must be a map, not a list`},
		{"an unknown tag in only", records + "-- safety.yaml --\nrecord:\n  - {rule: min-pooled, only: \"cluster=a\"}\n", `safety.yaml:2:30: error safety-rule: only: selector "cluster=a": no tag "cluster"`},
		{"no type of safety rules", records + "-- safety.yaml --\nrecords: []\n", `safety.yaml:1:1: error safety-type: no object type "records" (did you mean record?)`},
		{"only that cannot match", records + "-- safety.yaml --\nrecord:\n  - {rule: min-pooled, only: 'dc=a b', at_least: 1}\n", `safety.yaml:2:30: error safety-never-matches: only: "dc=a b" of rule min-pooled cannot match any object of type record`},
		{"only that selects nothing", records + "-- safety.yaml --\nrecord:\n  - {rule: min-pooled, only: dc=x}\n-- data/record/x.yaml --\na: [b]\n", `safety.yaml:2:30: warning safety-selects-nothing: only: "dc=x" of rule min-pooled selects none of the objects of type record that the data declares`},
		{"a floor too high", records + "-- safety.yaml --\nrecord:\n  - {rule: min-pooled, at_least: 3}\n-- data/record/x.yaml --\na: [a, b]\nb: [a, b, c]\nc: [a]\n",
			`safety.yaml:2:34: warning safety-unreachable-floor: at_least 3 of rule min-pooled cannot be reached in a, where the data declares 2, and in 1 more`},
		{"active in one place", records + "-- safety.yaml --\nrecord:\n  - {rule: max-pooled, at_most: 1}\n-- data/record/x.yaml --\na: [b]\nc: [a, b]\n",
			`safety.yaml:2:5: warning safety-max-without-min: with at_most 1 of rule max-pooled and the built-in floor of 1, what serves in c could not be moved to another: neither one more nor one fewer may serve`},
		{"all serve from the start", "-- schema.yaml --\nrecord: {path: records, tags: [a], schema: {pooled: {type: bool, default: true}}, safety: [{rule: max-pooled, at_most: 1}, {rule: min-pooled, at_least: 1, mode: warn}]}\n-- data/record/x.yaml --\na: [b, c]\n",
			`schema.yaml:1:92: error safety-defaults-serve: with the defaults of type record objects serve as soon as they are created: all 2 in a, where at_most 1 of rule max-pooled may`},

		// Readers.
		{"readers that are right", "-- schema.yaml --\nt: {path: ts, tags: [dc], schema: {}, readers: [{kind: index, url: 'http://app/{dc}'}, {kind: file, path: /etc/x}]}\n", ``},
		{"no readers", "-- schema.yaml --\nt:\n  path: ts\n  tags: [dc]\n  schema: {}\n  readers:\n    - {kind: indx, url: 'http://app'}\n    - {kind: index, urls: 'http://app'}\n    - {kind: pybal, url: 'http://lvs/pools/x'}\n",
			`schema.yaml:6:14: error reader: a reader has to say of what kind it is (did you mean index?): mediawiki, pybal, dns, file, index, rendered
schema.yaml:7:7: error reader: a reader of kind index needs url
schema.yaml:7:21: error reader: a reader of kind index has no "urls" (did you mean url?); it takes url, pattern, unit, reports, headers, ca, hosts, kind, label, only, within
schema.yaml:8:7: error reader: a reader of kind pybal is of no use for type t, which has no field pooled`},
		{"readers beside the schema", records + "-- readers.yaml --\nnode: [{kind: pybal, url: 'http://lvs/pools/x'}]\nrecords: []\nrecord:\n  - {kind: file, path: x}\n",
			`readers.yaml:2:1: error reader: no object type "records" (did you mean record?)
readers.yaml:4:24: error reader: path: the path of a file begins with /`},
		{"a place that is misspelled", records + "-- readers.yaml --\nrecord:\n  - {kind: dns, name: x, server: ns0, answers: {nroth: 10.2.2.0/24, south: 10.2.1.0/24}}\n-- data/record/x.yaml --\na: [north, south]\n",
			`readers.yaml:2:5: warning schema-unknown-key: answers: no object of type record is called "nroth" (did you mean north?)`},
		{"a wiki without its api.php", records + "-- readers.yaml --\nrecord:\n  - {kind: mediawiki, url: 'https://en.example.org/wiki/'}\n",
			`readers.yaml:2:28: error reader: url: MediaWiki is asked at its api.php: https://en.example.org/w/api.php is expected`},
		{"networks before places", records + "-- readers.yaml --\nrecord:\n  - {kind: dns, name: x, server: ns0, answers: {10.2.2.0/24: north}}\n",
			`readers.yaml:2:49: error reader: answers: 10.2.2.0/24 and north are swapped: the name of the object comes first, as in {north: 10.2.2.0/24}`},
		{"two readers that differ", records + "-- readers.yaml --\nrecord:\n  - {kind: dns, name: x, server: ns0, answers: {north: 10.2.2.0/24, south: 10.2.1.0/24}}\n  - {kind: dns, name: y, server: ns0, answers: {north: 10.2.1.0/24}}\n",
			`readers.yaml:3:5: warning reader-swapped: answers: 10.2.1.0/24 is of north here, and of south at DIR/readers.yaml:2:5: are they swapped?`},
		{"readers without a schema", "-- schema.yaml --\n[\n-- readers.yaml --\na: {\n", `readers.yaml:1:1: error yaml-syntax: 
schema.yaml:1:1: error yaml-syntax: `},

		// The data.
		{"a word for names", records + "-- data/record/x.yaml --\na: b\n", `data/record/x.yaml:1:4: error data-shape: the names below a must be a list, not "b"; write a: [b]`},
		{"nothing for names", records + "-- data/record/x.yaml --\na:\n", `data/record/x.yaml:1:3: error data-null: the names below a must be a list, not nothing; write a: [NAME, ...], or take a out`},
		{"a word for services", "-- schema.yaml --\n-- data/node/x.yaml --\na: {b: {c: d}}\n", `data/node/x.yaml:1:12: error data-service: the services of c must be a list, not "d"; write c: [d]`},
		{"a slash", records + "-- data/record/x.yaml --\na: [b/c]\n", `data/record/x.yaml:1:5: error data-name: name "b/c" has a slash in it`},
		{"an empty file", records + "-- data/record/x.yaml --\n", `data/record/x.yaml:1:1: error data-empty: declares nothing; `},
		{"a directory below a type", records + "-- data/record/x.yaml --\na: [b]\n-- data/record/y/z.yaml --\na: [b]\n", `data/record/y:1:1: error data-file: is a directory; `},
		{"twice", records + "-- data/record/x.yaml --\na: [b, c,\n  b]\n", `data/record/x.yaml:2:3: warning data-duplicate: a/b is declared again; `},
		{"a file that is not read", records + "-- data/x.yaml --\na: [b]\n", `data/x.yaml:1:1: warning data-ignored: is not read: `},
		{"a directory of no type", records + "-- data/zzzzzzzz/x.yaml --\na: [b]\n", `data/zzzzzzzz:1:1: error data-directory: no type is called zzzzzzzz, `},
		{"a directory of nearly a type", records + "-- data/records/x.yaml --\na: [b]\n", `data/records:1:1: error data-directory: no type is called records, `},
		{"no YAML in the data", records + "-- data/record/x.yaml --\na: [\n", `data/record/x.yaml:1:1: error yaml-syntax: `},

		// Whatever does not depend on a mistake is checked.
		{"a default, and the data", "-- schema.yaml --\nt: {path: ts, tags: [dc], schema: {f: {type: int, default: x}}}\n-- data/t/x.yaml --\na: b\n", `data/t/x.yaml:1:4: error data-shape: 
schema.yaml:1:60: error schema-default: `},
		{"no tags, so the data has no shape", "-- schema.yaml --\nt: {path: ts, schema: {}}\n-- data/t/x.yaml --\na: b\n", `schema.yaml:1:1: error schema-missing-key: type t has no tags`},
		{"a part of the data is no ground for doubts", records + "-- safety.yaml --\nrecord:\n  - {rule: min-pooled, only: dc=x}\n-- data/record/x.yaml --\na: [b]\n-- data/record/y.yaml --\nx: b\n", `data/record/y.yaml:1:4: error data-shape: `},
		{"breaks in what is quoted", "-- schema.yaml --\n\"a\\nb\": 1\n", "schema.yaml:1:1: error schema-name: \"a\\nb\" cannot be the name of a type: \nschema.yaml:1:9: error schema-shape: type a\\nb must be a map, not \"1\""},
	}
}

func TestCheck(t *testing.T) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			dir, in := site(t, c.files)
			r := lint.Check(in)
			got := lines(t, dir, r.Findings)
			var want []string
			if c.want != "" {
				want = strings.Split(c.want, "\n")
			}
			for i, w := range want { // if they end in a blank, the rest of the message is tested in its own package
				if i < len(got) && strings.HasSuffix(w, " ") && strings.HasPrefix(got[i], w) {
					want[i] = got[i]
				}
				want[i] = strings.ReplaceAll(want[i], "DIR", dir)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			for _, f := range r.Findings {
				if err := sound(f); err != nil {
					t.Errorf("%v: %v", f, err)
				}
			}
		})
	}
}

// sound returns an error if a finding is incomplete.
func sound(f lint.Finding) error {
	known := slices.ContainsFunc(lint.Rules(), func(r lint.Rule) bool { return r.Name == f.Rule })
	switch {
	case f.Pos.File == "" || f.Pos.Line < 1 || f.Pos.Column < 1:
		return fmt.Errorf("no position")
	case !known:
		return fmt.Errorf("unknown rule")
	case f.Msg == "" || f.Advice == "" || strings.ContainsAny(f.Msg+f.Advice, "\n\x1b"):
		return fmt.Errorf("no words, or more than a line of them")
	}
	return nil
}

// TestRules checks that a case shows each rule of the table, and that each rule of
// the packages is in the table.
func TestRules(t *testing.T) {
	var listed []string
	for _, r := range lint.Rules() {
		if r.Says == "" || r.Advice == "" || slices.Contains(listed, r.Name) {
			t.Errorf("%+v says nothing, or is there twice", r)
		}
		listed = append(listed, r.Name)
		shows := func(want string) bool { return strings.Contains(want, " "+r.Name+": ") }
		if !slices.ContainsFunc(cases(), func(c struct{ name, files, want string }) bool { return shows(c.want) }) &&
			!slices.ContainsFunc(treeCases(), func(c treeCase) bool { return shows(c.want) }) {
			t.Errorf("no case shows %s", r.Name)
		}
	}
	for _, pkg := range []string{".", "../../pkg/yamldoc", "../../pkg/schema", "../../pkg/safety", "../readers", "../seed"} {
		for _, rule := range constants(t, pkg) {
			if !slices.Contains(listed, rule) {
				t.Errorf("%s complains of %s, which is not in the table", pkg, rule)
			}
		}
	}
}

// constants returns the values of a package's constants whose names begin with Rule.
func constants(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", dir, err)
	}
	var values []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, isSpec := n.(*ast.ValueSpec)
			if isSpec && strings.HasPrefix(spec.Names[0].Name, "Rule") && len(spec.Values) == 1 {
				if literal, isText := spec.Values[0].(*ast.BasicLit); isText {
					values = append(values, strings.Trim(literal.Value, `"`))
				}
			}
			return true
		})
	}
	if len(values) == 0 {
		t.Fatalf("%s has no rules", dir)
	}
	return values
}

// Without a schema file, only the built-in type is checked.
func TestBuiltInTypeAlone(t *testing.T) {
	dir, in := site(t, "-- data/node/x.yaml --\na: {b: {c: [d]}}\n-- safety.yaml --\nnode: [{rule: min-pooled, at_least: 2}]\n")
	in.Schema = ""
	r := lint.Check(in)
	want := []string{"safety.yaml:1:37: warning safety-unreachable-floor: at_least 2 of rule min-pooled cannot be reached in a/b/d, where the data declares 1"}
	if d := cmp.Diff(want, lines(t, dir, r.Findings)); d != "" {
		t.Error(d)
	}
	if r.Files != 2 || r.Objects != 1 || len(r.Data.Types) != 1 || r.Rules == nil {
		t.Errorf("got %d files, %d objects, %v", r.Files, r.Objects, r.Data)
	}
}

// Read reports a file that was read under any of its names.
func TestReadThroughALink(t *testing.T) {
	dir, in := site(t, "-- schema.yaml --\n{}\n-- other.yaml --\n{}\n")
	link := filepath.Join(dir, "link.yaml")
	if err := os.Symlink("schema.yaml", link); err != nil {
		t.Fatal(err)
	}
	r := lint.Check(in)
	if !r.Read(link) || !r.Read(in.Schema) || r.Read(filepath.Join(dir, "other.yaml")) {
		t.Errorf("read: by a link %t, by name %t, another %t", r.Read(link), r.Read(in.Schema), r.Read(filepath.Join(dir, "other.yaml")))
	}
}

// The data in the result has only types that can be used.
func TestDataOfBrokenTypes(t *testing.T) {
	_, in := site(t, "-- schema.yaml --\nt: {path: ts, tags: [dc], schema: {f: {type: int, default: x}}}\n-- data/t/x.yaml --\na: [b]\n-- data/node/x.yaml --\na: {b: {c: [d]}}\n")
	r := lint.Check(in)
	if len(r.Data.Types) != 1 || r.Data.Types[0].Type.Name != "node" || r.Objects != 2 {
		t.Errorf("got %d objects, %v", r.Objects, r.Data)
	}
}
