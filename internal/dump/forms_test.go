package dump_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/dump"
	"github.com/conftool/confctl/pkg/schema"
)

// TestFileForms reads a file of two objects in the forms in which editors, programs
// and people write it. Each form gives the same objects, or is refused.
func TestFileForms(t *testing.T) {
	const (
		block = "objects:\n  node:\n    n/c/s/a: {weight: 1, pooled: no}\n    n/c/s/b: {weight: 2, pooled: yes}\n"
		lineA = `{"type": "node", "tags": {"dc": "n", "cluster": "c", "service": "s"}, "name": "a", "values": {"weight": 1, "pooled": "no"}}`
		lineB = `{"type": "node", "tags": {"dc": "n", "cluster": "c", "service": "s"}, "name": "b", "values": {"weight": 2, "pooled": "yes"}}`
		lines = lineA + "\n" + lineB + "\n"
		head  = "confctl_export: {version: 1, types: [node], objects: 2}\n"
		jhead = `{"confctl_export": 1, "types": ["node"], "objects": 2}` + "\n"
	)
	for _, c := range []struct{ name, text, refused string }{
		{"block", block, ""},
		{"flow", "{objects: {node: {n/c/s/a: {weight: 1, pooled: no}, n/c/s/b: {weight: 2, pooled: yes}}}}", ""},
		{"one JSON document", `{"objects": {"node": {"n/c/s/a": {"weight": 1, "pooled": "no"}, "n/c/s/b": {"weight": 2, "pooled": "yes"}}}}`, ""},
		{"one JSON document over lines", "{\n \"objects\": {\n  \"node\": {\n   \"n/c/s/a\": {\"weight\": 1, \"pooled\": \"no\"},\n   \"n/c/s/b\": {\"weight\": 2, \"pooled\": \"yes\"}\n  }\n }\n}\n", ""},
		{"a field a line", "objects:\n  node:\n    n/c/s/a:\n      weight: 1\n      pooled: no\n    n/c/s/b:\n      weight: 2\n      pooled: yes\n", ""},
		{"in quotes", strings.NewReplacer("no}", "'no'}", "yes}", `"yes"}`).Replace(block), ""},
		{"another order", "objects:\n  node:\n    n/c/s/b: {pooled: yes, weight: 2}\n    n/c/s/a: {pooled: no, weight: 1}\n", ""},
		{"comments", "# what is here\n\n" + strings.ReplaceAll(block, "\n", " # so\n"), ""},
		{"a start and an end", "---\n" + block + "...\n", ""},
		{"a byte order mark", "\ufeff" + block, ""},
		{"line ends of another system", strings.ReplaceAll(block, "\n", "\r\n"), ""},
		{"no end of the last line", strings.TrimSuffix(block, "\n"), ""},
		{"an anchor and a merge", "objects:\n  node:\n    n/c/s/a: &x {weight: 1, pooled: no}\n    n/c/s/b: {<<: *x, weight: 2, pooled: yes}\n", ""},
		{"JSON lines", lines, ""},
		{"JSON lines, blank ones between", "\n" + lineA + "\n\n" + lineB + "\n\n", ""},
		{"JSON lines with a byte order mark", "\ufeff" + lines, ""},
		{"JSON lines of another system", strings.ReplaceAll(lines, "\n", "\r\n"), ""},
		{"JSON lines without the last end", strings.TrimSuffix(lines, "\n"), ""},
		{"an export", head + block + "...\n", ""},
		{"an export in JSON lines", jhead + lines, ""},

		{"an export, cut off", head + block, "there is no line ... at the end"},
		{"an export that lacks an object", head + "objects:\n  node:\n    n/c/s/a: {weight: 1}\n...\n", "header says 2 objects, but it has 1"},
		{"an export in JSON lines, cut off", jhead + lineA + "\n", "header says 2 objects, but it has 1"},
		{"an export in JSON lines, cut off in a line", jhead + lines[:len(lines)-9], "the last line has no end"},
		{"indented by tabs", strings.ReplaceAll(block, "  ", "\t"), "f:2: not valid YAML"},
		{"an object twice", block + "    n/c/s/a: {weight: 1}\n", `key "n/c/s/a" is there already`},
		{"an object twice in JSON lines", lines + lineA + "\n", "is there already"},
		{"two documents", block + "---\n" + block, "a second document begins here"},
		{"UTF-16", "\xff\xfeo\x00b\x00", "this is UTF-16"},
		{"gzip", "\x1f\x8b\x08\x00", "this is compressed with gzip"},
		{"a list", "- node\n", "this looks like a file of a data directory"},
		{"a data file", "n: {c: {a: [s]}}\n", "this looks like a file of a data directory"},
		{"a schema", "t: {path: ts, tags: []}\n", "this looks like a schema"},
		{"nothing", "", "there is nothing in the file"},
		{"a comment alone", "# nothing\n", "there is nothing in the file"},
	} {
		d, err := dump.Parse("f", []byte(c.text), schema.BuiltIn("pools"))
		want := "pools/n/c/s/a {\"weight\": 1, \"pooled\": \"no\"} pools/n/c/s/b {\"weight\": 2, \"pooled\": \"yes\"}"
		var got []string
		for _, i := range d.Objects {
			got = append(got, fmt.Sprintf("%s %s", i.Object.Key(), i.Object.AppendStored(nil)))
		}
		var faults *dump.FaultsError
		switch {
		case errors.As(err, &faults):
			if c.refused == "" || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: refused: %v; want %q", c.name, err, c.refused)
			}
		case err != nil, c.refused != "":
			t.Errorf("%s: read as %q, %v; want refused: %s", c.name, got, err, c.refused)
		case strings.Join(got, " ") != want:
			t.Errorf("%s: read as %q", c.name, got)
		}
	}
}
