package lint_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/internal/lint"
)

// treeCase is a checkout in the directory in, with installed files around it. DIR is
// replaced by the directory that holds all of it.
type treeCase struct {
	name, files, want string
	schemas           string            // the directory of JSON schemas
	links             map[string]string // the target of each link
}

// Schemas in a checkout. The one under review has mistakes.
const (
	absolute = `-- in/schema.yaml --
t:
  path: ts
  tags: [dc]
  schema:
    val: {default: null}
  json_schema:
    base_path: DIR/etc/conftool/json/mw
    rules:
      all: {schema: a.json, selector: "name=.*"}
`
	installed = "-- etc/conftool/json/mw/a.json --\n{}\n"
	broken    = "{\"type\": 1}\n"
)

func treeCases() []treeCase {
	const invalid = `a.json:1:10: error json-schema-invalid: no valid JSON schema: `
	mapped := func(to string) string {
		return "\nin/schema.yaml:7:16: note json-schema-mapped: DIR/etc/conftool/json/mw is read from DIR/in/" + to + ", beside the schema"
	}
	const outside, escapes = "warning file-outside: ", "error path-escapes: "
	const unread = "leads out of the tree under review, so it is not read"
	return []treeCase{
		{name: "the last parts are beside the schema", files: absolute + installed + "-- in/json/mw/a.json --\n" + broken,
			want: "in/json/mw/" + invalid + mapped("json/mw")},
		{name: "the last part alone is", files: absolute + installed + "-- in/mw/a.json --\n" + broken,
			want: "in/mw/" + invalid + mapped("mw")},
		{name: "more parts are better", files: absolute + "-- in/mw/a.json --\n{}\n-- in/conftool/json/mw/a.json --\n" + broken,
			want: "in/conftool/json/mw/" + invalid + mapped("conftool/json/mw")},
		{name: "nothing beside it, and something installed", files: absolute + installed,
			want: "in/schema.yaml:9:7: " + escapes + "JSON schema DIR/etc/conftool/json/mw/a.json " + unread},
		{name: "nothing at all", files: absolute, want: "in/schema.yaml:9:7: " + escapes + "JSON schema DIR/etc/conftool/json/mw/a.json " + unread},
		{name: "beside it, but not the file", files: absolute + installed + "-- in/json/mw/b.txt --\n",
			want: mapped("json/mw")[1:] + "\nin/schema.yaml:9:7: error json-schema-missing: JSON schema DIR/in/json/mw/a.json cannot be read: no such file or directory"},
		{name: "another directory", schemas: "elsewhere", files: absolute + installed + "-- elsewhere/mw/a.json --\n" + broken + "-- in/json/mw/a.json --\n{}\n",
			want: "elsewhere/mw/" + invalid},
		{name: "another directory that holds the files", schemas: "elsewhere", files: absolute + installed + "-- elsewhere/a.json --\n" + broken,
			want: "elsewhere/" + invalid},
		{name: "another directory without them", schemas: "elsewhere", files: absolute + installed + "-- elsewhere/ --\n",
			want: "in/schema.yaml:9:7: error json-schema-missing: JSON schema DIR/elsewhere/a.json cannot be read: no such file or directory"},
		{name: "another directory, for a relative base_path", schemas: "elsewhere", files: strings.Replace(absolute, "DIR/etc/conftool/json/mw", "json/mw", 1) + "-- in/json/mw/a.json --\n{}\n-- elsewhere/json/mw/a.json --\n" + broken,
			want: "elsewhere/json/mw/" + invalid},
		{name: "an absolute path of one schema", files: strings.Replace(absolute, "a.json", "DIR/etc/conftool/json/mw/a.json", 1) + installed + "-- in/json/mw/a.json --\n" + broken,
			want: "in/json/mw/" + invalid + mapped("json/mw") + "\nin/schema.yaml:9:21: note json-schema-mapped: DIR/etc/conftool/json/mw/a.json is read from DIR/in/json/mw/a.json, beside the schema"},
		{name: "a reference that leaves the tree", files: absolute + "-- etc/b.json --\n{}\n-- in/json/mw/a.json --\n{\"$ref\": \"../../../etc/b.json\"}\n",
			want: "in/json/mw/a.json:1:2: " + escapes + "JSON schema DIR/etc/b.json " + unread + mapped("json/mw")},
		{name: "the settings", files: "-- in/schema.yaml --\n-- config.yaml --\n", want: "config.yaml:1:1: note file-configuration: these settings count, and are not of the tree under review"},
		{name: "rules and readers that links lead to", files: "-- in/schema.yaml --\n-- etc/safety.yaml --\nnode: []\n-- etc/readers.yaml --\nnode: []\n",
			links: map[string]string{"in/safety.yaml": "etc/safety.yaml", "in/readers.yaml": "etc/readers.yaml"},
			want:  "in/readers.yaml:1:1: " + escapes + unread + "\nin/safety.yaml:1:1: " + escapes + unread},
		{name: "a JSON schema that a link leads to", files: strings.Replace(absolute, "DIR/etc/conftool/json/mw", "json", 1) + installed + "-- in/json/ --\n",
			links: map[string]string{"in/json/a.json": "etc/conftool/json/mw/a.json"},
			want:  "in/schema.yaml:9:7: " + escapes + "JSON schema DIR/in/json/a.json " + unread},
		{name: "data that links lead to", files: "-- in/schema.yaml --\nt: {path: ts, tags: [dc], schema: {}}\n-- etc/x.yaml --\na: [b]\n-- etc/node/n.yaml --\na: {b: {c: [d]}}\n-- in/data/t/y.yaml --\na: [c]\n",
			links: map[string]string{"in/data/t/x.yaml": "etc/x.yaml", "in/data/node": "etc/node"},
			want:  "in/data/node:1:1: " + escapes + unread + "\nin/data/t/x.yaml:1:1: " + escapes + unread},
		{name: "links inside", files: absolute + "-- in/here/mw/a.json --\n{}\n-- in/elsewhere/n.yaml --\na: {b: {c: [d]}}\n-- in/data/t/x.yaml --\na: [b]\n",
			links: map[string]string{"in/json": "in/here", "in/data/node": "in/elsewhere"}, want: mapped("json/mw")[1:]},
		{name: "data of the installed site", files: "-- in/schema.yaml --\n-- data/node/n.yaml --\na: {b: {c: [d]}}\n",
			want: "data:1:1: " + outside + "this data directory is read, and is not in the tree under review"},
		{name: "a schema that a link leads to", files: absolute + installed + "-- schema.yaml --\nt: {path: ts, tags: [dc], schema: {}}\n-- in/data/node/n.yaml --\na: {b: {c: [d]}}\n",
			links: map[string]string{"in/schema.yaml": "schema.yaml"},
			want:  "in/schema.yaml:1:1: " + escapes + unread},
	}
}

// A checkout is checked against its own files, not against those installed on the
// machine.
func TestOnlyTheTreeUnderReview(t *testing.T) {
	for _, c := range treeCases() {
		t.Run(c.name, func(t *testing.T) {
			dir, in := site(t, c.files)
			for name, target := range c.links {
				file := filepath.Join(dir, name)
				_ = os.Remove(file)
				if err := os.Symlink(filepath.Join(dir, target), file); err != nil {
					t.Fatal(err)
				}
			}
			in.Schema, in.Safety, in.Readers = filepath.Join(dir, "in/schema.yaml"), filepath.Join(dir, "in/safety.yaml"), filepath.Join(dir, "in/readers.yaml")
			in.Trees = []string{filepath.Join(dir, "in")}
			if c.schemas != "" {
				in.JSONSchemas = filepath.Join(dir, c.schemas)
				in.Trees = append(in.Trees, in.JSONSchemas)
			}
			if config := filepath.Join(dir, "config.yaml"); exists(config) {
				in.Config = config
			}
			if data := filepath.Join(dir, "in/data"); exists(data) {
				in.Data = data
			}
			var want []string
			if c.want != "" {
				want = strings.Split(strings.ReplaceAll(c.want, "DIR", dir), "\n")
			}
			got := lines(t, dir, lint.Check(in).Findings)
			for i, w := range want { // if they end in a blank, the rest of the message is tested in its own package
				if i < len(got) && strings.HasSuffix(w, " ") && strings.HasPrefix(got[i], w) {
					want[i] = got[i]
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// Without a tree under review, every file is read from the path that names it.
func TestNoTreeUnderReview(t *testing.T) {
	dir, in := site(t, absolute+installed+"-- in/json/mw/a.json --\n"+broken)
	in.Schema = filepath.Join(dir, "in/schema.yaml")
	if got := lines(t, dir, lint.Check(in).Findings); got != nil {
		t.Errorf("%q", got)
	}
}
