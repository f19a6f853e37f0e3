package seed_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// FuzzRead checks that, for any content and any name of a data file, its
// declarations agree with those seen by another YAML reader, or a fault with a
// position is reported.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"a.yaml", "a.yml", ".a.yaml", "a.YAML", "a.yaml~", "README", ".yaml", "a"} {
		f.Add(name, []byte("n: {e: {c: [s, t]}}"), []byte("x: {y: [a]}"))
	}
	for _, text := range []string{
		"", "~", "{}", "x: [a, b]\ny: [1]", "[a, b, a]", "x: &x [a]\ny: *x\n", "x: {<<: {y: [a]}}", "x: ['', a/b, ~]", "a: &a [*a]", "? {}\n: 1", "---\n---\n",
		"x: [\"\\u2028\"]", "n:\n  e:\n    c: s\n", "n: {e: {c: ~}}", "n: {e: {c: []}, f: {}}", "n: {e: {c: [s], c: [t]}}", "n: {e: &e {c: [s]}, f: {<<: [*e, {d: [t]}], c: [u]}}",
		"- &a b\n- *a\n", "&k x: [a]\ny: {*k : [b]}\n", "x: {y: [0x10, 1.0, true, no, 2001-01-01]}", "x: {<<: {<<: {y: [a]}, z: [b]}, \"<<\": [c]}", "\xef\xbb\xbfx: [a]", "%YAML 1.1\n---\n[a]",
	} {
		f.Add("a.yaml", []byte(text), []byte(text))
	}
	all := load(f, types).Types()
	dir := f.TempDir()
	for _, typ := range all {
		if err := os.Mkdir(filepath.Join(dir, typ.Name), 0o700); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, name string, nodes, others []byte) {
		if name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsAny(name, "/\x00") {
			t.Skip("no name of a file")
		}
		texts := map[string][]byte{"node": nodes, "one": nodes, "two": others, "flat": others}
		for _, typ := range all {
			file := filepath.Join(dir, typ.Name, name)
			if err := os.WriteFile(file, texts[typ.Name], 0o600); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := os.Remove(file); err != nil {
					t.Error(err)
				}
			}()
		}
		data, err := seed.Read(dir, all)
		if err != nil {
			t.Fatal(err)
		}
		for _, typ := range data.Types {
			checkType(t, typ, name, texts[typ.Type.Name])
		}
	})
}

func checkType(t *testing.T, typ seed.Type, name string, text []byte) {
	t.Helper()
	ruled(t, "", slices.Concat(typ.Faults, typ.Gaps, typ.Notes))
	checkObjects(t, typ)
	if ext := filepath.Ext(name); name[0] == '.' || ext != ".yaml" && ext != ".yml" {
		if typ.Files+len(typ.Objects)+len(typ.Faults) > 0 {
			t.Errorf("%s: %q is read", typ.Type.Name, name)
		}
		return
	}
	if len(typ.Objects)+len(typ.Faults)+len(typ.Gaps) == 0 {
		t.Errorf("%s: nothing is declared, and nothing is wrong", typ.Type.Name)
	}
	if !typ.Complete() {
		return
	}
	want := slices.Sorted(maps.Keys(walked(t, typ.Type, text)))
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(typ.Places))); d != "" {
		t.Errorf("%s: another reader sees something else: %s", typ.Type.Name, d)
	}
}

// checkObjects checks that each object can be stored, is declared once, and has a
// position.
func checkObjects(t *testing.T, typ seed.Type) {
	t.Helper()
	if len(typ.Places) != len(typ.Objects) {
		t.Errorf("%s: %d places for %d objects", typ.Type.Name, len(typ.Places), len(typ.Objects))
	}
	for _, o := range typ.Objects {
		for _, word := range append(slices.Clone(o.Tags), o.Name) {
			if err := object.CheckName("word", word); err != nil || len(o.Tags) != len(o.Type.Tags) {
				t.Errorf("%s: %v", o, err)
			}
		}
		if at := typ.Places[o.Path()]; at.Line == 0 || at.Column == 0 || filepath.Dir(at.File) != typ.Dir {
			t.Errorf("%s has no place: %v", o, at)
		}
	}
}

// walked returns the paths that a file without faults declares.
func walked(t *testing.T, typ *schema.Type, text []byte) map[string]bool {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil || len(doc.Content) != 1 {
		t.Fatalf("nothing is said about what is no document: %q, %v", text, err)
	}
	paths := map[string]bool{}
	var walk func(n *yaml.Node, above []string)
	walk = func(n *yaml.Node, above []string) {
		if len(above) < len(typ.Tags) {
			for key, below := range keyed(t, n) {
				walk(below, append(slices.Clone(above), key))
			}
			return
		}
		for _, item := range kind(t, n, yaml.SequenceNode).Content {
			words := append(slices.Clone(above), kind(t, item, yaml.ScalarNode).Value)
			if typ.Name == schema.Node { // dc, cluster, host, service
				words[2], words[3] = words[3], words[2]
			}
			paths[strings.Join(words, "/")] = true
		}
	}
	walk(doc.Content[0], nil)
	return paths
}

// keyed returns the values of a map after its merges: the first merge overrides
// later ones, and the keys of the map itself override all merges.
func keyed(t *testing.T, n *yaml.Node) map[string]*yaml.Node {
	t.Helper()
	own, all := map[string]*yaml.Node{}, map[string]*yaml.Node{}
	var merges []*yaml.Node
	content := kind(t, n, yaml.MappingNode).Content
	for i := 0; i < len(content); i += 2 {
		key, val := kind(t, content[i], yaml.ScalarNode), content[i+1]
		switch {
		case key.ShortTag() != "!!merge":
			own[key.Value] = val
		case followed(val).Kind == yaml.SequenceNode:
			merges = append(merges, followed(val).Content...)
		default:
			merges = append(merges, val)
		}
	}
	for _, m := range slices.Backward(merges) {
		maps.Copy(all, keyed(t, m))
	}
	maps.Copy(all, own)
	return all
}

func kind(t *testing.T, n *yaml.Node, want yaml.Kind) *yaml.Node {
	t.Helper()
	if n = followed(n); n.Kind != want {
		t.Fatalf("nothing is said about line %d, column %d: %q", n.Line, n.Column, n.Value)
	}
	return n
}

func followed(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
