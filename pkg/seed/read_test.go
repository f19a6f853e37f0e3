package seed_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/seed"
	"github.com/conftool/confctl/pkg/yamldoc"
)

const types = `
flat: {path: flats, tags: [], schema: {}}
one: {path: ones, tags: [a], schema: {f: {default: 1}}}
two: {path: twos, tags: [a, b], schema: {}, depends: [one, flat]}
`

func load(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Parse("s.yaml", []byte(text), "pools")
	if err != nil {
		t.Fatal(err)
	}
	if p := s.Problems(); len(p) > 0 {
		t.Fatal(p)
	}
	return s
}

// directory makes one of files, given by name and text.
func directory(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// read returns what a directory declares for one type, faults and gaps as text
// relative to the type's directory.
func read(t *testing.T, typ string, files map[string]string) (paths, faults, gaps []string) {
	t.Helper()
	dir := directory(t, files)
	return declared(t, dir, typ)
}

func declared(t *testing.T, dir, typ string) (paths, faults, gaps []string) {
	t.Helper()
	one, err := load(t, types).Type(typ)
	if err != nil {
		t.Fatal(err)
	}
	data, err := seed.Read(dir, []*schema.Type{one})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range data.Types[0].Objects {
		paths = append(paths, o.Path())
	}
	lines := func(all []*yamldoc.Error) (lines []string) {
		for _, e := range all {
			if e.Pos.File == "" {
				t.Errorf("%v has no position", e)
			}
			lines = append(lines, strings.TrimPrefix(e.Error(), filepath.Join(dir, typ)+"/"))
		}
		return lines
	}
	return paths, lines(data.Types[0].Faults), lines(data.Types[0].Gaps)
}

// Shapes by the depth of tags, and what is not one of them.
func TestRead(t *testing.T) {
	const nothing = "declares nothing; a file without objects is taken for a mistake: delete it if there are none"
	tests := []struct {
		name, typ, text     string
		paths, faults, gaps string // lines
	}{
		{"nodes", "node", "north:\n  edge:\n    cp1: [cdn, tls]\n    cp2: [cdn]\n", "north/edge/cdn/cp1\nnorth/edge/tls/cp1\nnorth/edge/cdn/cp2", "", ""},
		{"a host without services", "node", "north:\n  edge:\n    cp1: [cdn]\n    cp2: []\n", "north/edge/cdn/cp1", "", ""},
		{"services as a string", "node", "north:\n  edge:\n    cp1: cdn\n", "", `a.yaml:3:10: the services of cp1 must be a list, not "cdn"`, ""},
		{"services as a map", "node", "north:\n  edge:\n    cp1: {cdn: x}\n", "", `a.yaml:3:10: the services of cp1 must be a list, not a map`, ""},
		{"services null", "node", "north:\n  edge:\n    cp1:\n", "", `a.yaml:3:9: the services of cp1 must be a list, not nothing`, ""},
		{"a cluster as a list", "node", "north:\n  edge: [cp1]\n", "", `a.yaml:2:9: the part below north/edge, by host, must be a map, not a list`, ""},
		{"a cluster null", "node", "north:\n  edge:\n", "", `a.yaml:2:8: the part below north/edge, by host, must be a map, not nothing`, ""},
		{"a list of nodes", "node", "- cp1", "", "a.yaml:1:1: the file, by dc, must be a map, not a list", ""},
		{"a service null", "node", "n:\n  e:\n    c: [~]\n", "", "a.yaml:3:9: service must be a word, not nothing", ""},

		{"no tags", "flat", "[a, b]", "a\nb", "", ""},
		{"no tags, a map", "flat", "a: [b]", "", "a.yaml:1:1: the names of type flat must be a list, not a map", ""},
		{"no tags, a word", "flat", "abc", "", `a.yaml:1:1: the names of type flat must be a list, not "abc"`, ""},
		{"one tag", "one", "x: [a, b]\ny: [a]\n", "x/a\nx/b\ny/a", "", ""},
		{"names as a string", "one", "x: abc\n", "", `a.yaml:1:4: the names below x must be a list, not "abc"`, ""},
		{"names as a map", "one", "x: {y: [a]}\n", "", "a.yaml:1:4: the names below x must be a list, not a map", ""},
		{"names null", "one", "x:\ny: [a]", "y/a", "a.yaml:1:3: the names below x must be a list, not nothing", ""},
		{"two tags", "two", "x: {y: [a]}\n", "x/y/a", "", ""},
		{"two tags, a list for one", "two", "x: [a]\n", "", "a.yaml:1:4: the part below x, by b, must be a map, not a list", ""},

		{"numbers and booleans as names", "one", "1: [2, 0x10, 1.0, true, no, 2001-01-01]\n", "1/2\n1/0x10\n1/1.0\n1/true\n1/no\n1/2001-01-01", "", ""},
		{"null as a key", "one", "~: [a]\n", "", "a.yaml:1:1: a must be a word, not nothing", ""},
		{"a list as a key", "one", "? [a]\n: [b]\n", "", "a.yaml:1:3: a key of the file, by a, must be a word, not a list", ""},
		{"a name in a list of its own", "one", "x: [[a]]\n", "", "a.yaml:1:5: name must be a word, not a list", ""},
		{"twice in a list", "one", "x: [a, a]\n", "x/a", "", ""},
		{"a key twice", "one", "x: [a]\ny: [a]\nx: [b]\n", "", `a.yaml:3:1: key "x" is there already, in line 1`, ""},
		{"slash", "one", "x: [a/b]\n", "", `a.yaml:1:5: name "a/b" has a slash in it`, ""},
		{"slash in a tag", "one", "x/y: [a]\n", "", `a.yaml:1:1: a "x/y" has a slash in it`, ""},
		{"blank", "one", "x: [a b]\n", "", `a.yaml:1:5: name "a b" has a blank or control character in it`, ""},
		{"control character", "one", "x: [\"a\\x01\"]\n", "", `a.yaml:1:5: name "a\x01" has a blank or control character in it`, ""},
		{"empty", "one", "x: ['']\n", "", `a.yaml:1:5: name is empty`, ""},
		{"..", "one", "..: [x]\n", "", `a.yaml:1:1: a cannot be ".."`, ""},
		{"too long", "one", "x: [" + strings.Repeat("a", 254) + "]\n", "", "a.yaml:1:5: name is 254 bytes long; 253 are allowed", ""},
		{"each fault is told", "one", "x: [a/b, c, d/e]\ny: z\n", "x/c", "a.yaml:1:5: name \"a/b\" has a slash in it\na.yaml:1:13: name \"d/e\" has a slash in it\na.yaml:2:4: the names below y must be a list, not \"z\"", ""},

		{"an anchor", "two", "x: &x {p: [a]}\ny: *x\n", "x/p/a\ny/p/a", "", ""},
		{"a merge", "two", "x: &x {p: [a], q: [b]}\ny: {<<: *x, q: [c]}\n", "x/p/a\nx/q/b\ny/q/c\ny/p/a", "", ""},
		{"an alias inside itself", "two", "x: &x {p: *x}\n", "", "a.yaml:1:11: alias *x stands inside what it names", ""},

		{"empty file", "one", "", "", "", "a.yaml: " + nothing},
		{"only comments", "one", "# x: [a]\n", "", "", "a.yaml: " + nothing},
		{"null", "one", "~\n", "", "", "a.yaml:1:1: " + nothing},
		{"an empty map", "one", "{}\n", "", "", "a.yaml:1:1: " + nothing},
		{"an empty list", "flat", "[]\n", "", "", "a.yaml:1:1: " + nothing},
		{"empty further down", "two", "x: {y: [], z: []}\nq: {}\n", "", "", "a.yaml:1:1: " + nothing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			paths, faults, gaps := read(t, tt.typ, map[string]string{tt.typ + "/a.yaml": tt.text})
			got := []string{strings.Join(paths, "\n"), strings.Join(faults, "\n"), strings.Join(gaps, "\n")}
			if d := cmp.Diff([]string{tt.paths, tt.faults, tt.gaps}, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// What is no YAML is a fault, and not a file that is not there.
func TestReadNoYAML(t *testing.T) {
	for _, text := range []string{"x: [a\n", "x: [a]\n---\ny: [a]\n", "\x00", "x: [a]\n\ty: [a]\n", "\xff\xfe\x00"} {
		paths, faults, gaps := read(t, "one", map[string]string{"one/a.yaml": text})
		if paths != nil || gaps != nil || len(faults) != 1 || !strings.HasPrefix(faults[0], "a.yaml:") {
			t.Errorf("%q: got %v, %v, %v", text, paths, faults, gaps)
		}
	}
}

func TestReadFiles(t *testing.T) {
	dir := directory(t, map[string]string{
		"one/b.yaml":     "x: [b, a]\n",
		"one/a.yml":      "x: [c]\n",
		"one/again.yaml": "x: [a, b]\n", // declares again what is there
		"one/README":     "x: [no]",
		"one/c.yaml~":    "x: [no]",
		"one/.c.yaml":    "x: [no]",
		"other/a.yaml":   "x: [no]",
		"a.yaml":         "x: [no]",
	})
	paths, faults, gaps := declared(t, dir, "one")
	if !slices.Equal(paths, []string{"x/c", "x/a", "x/b"}) || faults != nil || gaps != nil {
		t.Errorf("got %v, %v, %v", paths, faults, gaps)
	}
}

// What looks like data and is not read removes nothing: it is a gap.
func TestReadWhatLooksLikeData(t *testing.T) {
	dir := directory(t, map[string]string{"one/a.yaml": "x: [a]\n", "one/b.YAML": "x: [b]\n", "one/sub/c.yaml": "x: [c]\n", "one/d.yaml/e.yaml": "x: [e]\n"})
	if err := syscall.Mkfifo(filepath.Join(dir, "one", "fifo.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	paths, faults, gaps := declared(t, dir, "one")
	want := []string{
		"b.YAML: is not read: its name has to end in .yaml or .yml",
		"d.yaml: is a directory; files in it are not read",
		"fifo.yaml: is no regular file",
		"sub: is a directory; files in it are not read",
	}
	if !slices.Equal(paths, []string{"x/a"}) || faults != nil || !slices.Equal(gaps, want) {
		t.Errorf("got %v, %v, %q", paths, faults, gaps)
	}
}

func TestReadWhatCannotBeRead(t *testing.T) {
	dir := directory(t, map[string]string{"one/a.yaml": "x: [a]\n", "two": "no directory"})
	if err := os.Symlink("nowhere", filepath.Join(dir, "one", "b.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "one", ".#a.yaml")); err != nil {
		t.Fatal(err)
	}
	paths, faults, gaps := declared(t, dir, "one")
	if !slices.Equal(paths, []string{"x/a"}) || faults != nil || !slices.Equal(gaps, []string{"b.yaml: cannot be read: no such file or directory"}) {
		t.Errorf("got %v, %v, %v", paths, faults, gaps)
	}
	if _, _, gaps := declared(t, dir, "two"); len(gaps) != 1 || !strings.HasSuffix(gaps[0], "/two: cannot be read: not a directory") {
		t.Errorf("got %v", gaps)
	}
	if paths, faults, gaps := declared(t, dir, "flat"); paths != nil || faults != nil || gaps != nil {
		t.Errorf("got %v, %v, %v", paths, faults, gaps)
	}
}

func TestReadWithoutDirectory(t *testing.T) {
	dir := directory(t, map[string]string{"file": ""})
	for name, want := range map[string]string{"none": "no such file or directory", "file": "not a directory"} {
		_, err := seed.Read(filepath.Join(dir, name), nil)
		if want = "data directory " + filepath.Join(dir, name) + ": " + want; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// New objects have the defaults of their type.
func TestReadObjects(t *testing.T) {
	s := load(t, types)
	data, err := seed.Read(directory(t, map[string]string{"node/a.yaml": "n: {e: {c: [s]}}", "one/a.yaml": "x: [a]"}), s.Types())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, typ := range data.Types {
		for _, o := range typ.Objects {
			got = append(got, o.Key()+" "+string(o.AppendStored(nil)))
		}
	}
	want := []string{`pools/n/e/s/c {"weight": 0, "pooled": "inactive"}`, `ones/x/a {"f": 1}`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// A type called node with other tags has the shape that its tags say.
func TestReadNodeRedefined(t *testing.T) {
	s := load(t, "node: {path: nodes, tags: [dc], schema: {}}")
	data, err := seed.Read(directory(t, map[string]string{"node/a.yaml": "north: [cp1]"}), s.Types())
	if err != nil || len(data.Types[0].Faults) > 0 || data.Types[0].Objects[0].Key() != "nodes/north/cp1" {
		t.Errorf("got %+v, %v", data, err)
	}
}

func TestExampleData(t *testing.T) {
	for _, site := range []struct {
		schema, data string
		nodes        int // at least
	}{
		{"../../schemas/schema.yaml", "../../conftool-data", 50},
		{"../../../shared/wikimedia/schema.yaml", "../../../shared/wikimedia/conftool-data", 1500},
	} {
		t.Run(filepath.Base(filepath.Dir(site.data)), func(t *testing.T) {
			if _, err := os.Stat(site.data); err != nil {
				t.Skip("not there: " + site.data)
			}
			s, err := schema.Load(site.schema, "pools")
			if err != nil {
				t.Fatal(err)
			}
			data, err := seed.Read(site.data, s.InDependencyOrder())
			if err != nil {
				t.Fatal(err)
			}
			if lines := data.Problems(object.Snapshot{}); lines != nil {
				t.Error(lines)
			}
			for _, typ := range data.Types {
				if typ.Type.Name == schema.Node && len(typ.Objects) < site.nodes || len(typ.Objects) == 0 {
					t.Errorf("%s: %d objects", typ.Type.Name, len(typ.Objects))
				}
			}
		})
	}
}

// Whatever is in a data file: it is declared, or said to be wrong with a place.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"", "n: {e: {c: [s, t]}}", "x: [a, b]\ny: [1]", "[a]", "x: &x [a]\ny: *x\n", "x: {<<: {y: [a]}}", "x: ['', a/b, ~]", "a: &a [*a]", "? {}\n: 1", "---\n---\n", "x: [\"\\u2028\"]",
	} {
		f.Add([]byte(text))
	}
	all := load(f, types).Types()
	dir := f.TempDir()
	for _, typ := range all {
		if err := os.Mkdir(filepath.Join(dir, typ.Name), 0o700); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, typ := range all {
			if err := os.WriteFile(filepath.Join(dir, typ.Name, "a.yaml"), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		data, err := seed.Read(dir, all)
		if err != nil {
			t.Fatal(err)
		}
		for _, typ := range data.Types {
			if len(typ.Objects)+len(typ.Faults)+len(typ.Gaps) == 0 {
				t.Errorf("%s: nothing is declared, and nothing is wrong", typ.Type.Name)
			}
			for _, e := range slices.Concat(typ.Faults, typ.Gaps) {
				if e.Pos.File == "" || e.Msg == "" {
					t.Errorf("no position: %v", e)
				}
			}
			for _, o := range typ.Objects {
				for _, word := range append(slices.Clone(o.Tags), o.Name) {
					if err := object.CheckName("word", word); err != nil || len(o.Tags) != len(o.Type.Tags) {
						t.Errorf("%s: %v", o, err)
					}
				}
			}
		}
	})
}
