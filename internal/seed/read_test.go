package seed_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/internal/sitetest"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
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

// directory writes files, given by name and text, to a new directory.
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

// result is what a directory declares for one type, and the faults, gaps and notes,
// relative to the type's directory and with the rule at the end.
type result struct{ paths, faults, gaps, notes []string }

func read(t *testing.T, typ string, files map[string]string) result {
	t.Helper()
	return declared(t, directory(t, files), typ)
}

func declared(t *testing.T, dir, typ string) result {
	t.Helper()
	one, err := load(t, types).Type(typ)
	if err != nil {
		t.Fatal(err)
	}
	data, err := seed.Read(dir, []*schema.Type{one})
	if err != nil {
		t.Fatal(err)
	}
	var s result
	for _, o := range data.Types[0].Objects {
		s.paths = append(s.paths, o.Path())
	}
	at := filepath.Join(dir, typ) + "/"
	s.faults, s.gaps, s.notes = ruled(t, at, data.Types[0].Faults), ruled(t, at, data.Types[0].Gaps), ruled(t, at, data.Types[0].Notes)
	return s
}

// ruled returns a line for each error, without the directory.
func ruled(t *testing.T, dir string, all []*yamldoc.Error) []string {
	t.Helper()
	var lines []string
	for _, e := range all {
		if e.Pos.File == "" || e.Msg == "" || e.Rule == "" {
			t.Errorf("%+v is without a file, message or rule", e)
		}
		lines = append(lines, strings.ReplaceAll(e.Error(), dir, "")+" ("+e.Rule+")")
	}
	return lines
}

func TestReadFiles(t *testing.T) {
	got := read(t, "one", map[string]string{
		"one/b.yaml":     "x: [b, a]\n",
		"one/a.yml":      "x: [c]\n",
		"one/again.yaml": "x: [a, b]\n", // declares existing objects again
		"one/README":     "x: [no]",
		"one/readme.md":  "x: [no]",
		"one/.gitkeep":   "",
		"other/a.yaml":   "x: [no]",
		"a.yaml":         "x: [no]",
	})
	want := result{paths: []string{"x/c", "x/a", "x/b"}, notes: []string{
		"b.yaml:1:5: x/b is declared again; first in again.yaml:1:8: take one of the two out (data-duplicate)",
		"b.yaml:1:8: x/a is declared again; first in again.yaml:1:5: take one of the two out (data-duplicate)",
	}}
	same(t, want, got)
}

func same(t *testing.T, want, got result) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.AllowUnexported(result{})); d != "" {
		t.Error(d)
	}
}

// An object that is declared twice counts once, at its first position.
func TestReadPlaces(t *testing.T) {
	dir := directory(t, map[string]string{"node/a.yaml": "n:\n  e:\n    c: [s, s, t]\n", "node/b.yaml": "n: {e: {c: [t], d: [t]}}\n"})
	s := load(t, types)
	data, err := seed.Read(dir, s.Types())
	if err != nil {
		t.Fatal(err)
	}
	node := data.Types[0]
	got := map[string]string{}
	for path, pos := range node.Places {
		got[path] = strings.TrimPrefix(pos.String(), node.Dir+"/")
	}
	want := map[string]string{"n/e/s/c": "a.yaml:3:9", "n/e/t/c": "a.yaml:3:15", "n/e/t/d": "b.yaml:1:21"}
	if d := cmp.Diff(want, got); d != "" || len(node.Objects) != len(want) {
		t.Error(d)
	}
	notes := []string{
		"a.yaml:3:12: n/e/s/c is declared again; first in line 3: take one of the two out (data-duplicate)",
		"b.yaml:1:13: n/e/t/c is declared again; first in a.yaml:3:15: take one of the two out (data-duplicate)",
	}
	if d := cmp.Diff(notes, ruled(t, node.Dir+"/", node.Notes)); d != "" {
		t.Error(d)
	}
}

// Files that people and editors leave beside the data are noted, and change nothing.
func TestReadWhatIsLeftBeside(t *testing.T) {
	const ending = " is not read, since its name does not end in .yaml or .yml: rename it, or delete it if it is a leftover (data-ignored)"
	got := read(t, "one", map[string]string{
		"one/a.yaml":      "x: [a]\n",
		"one/a.yaml.bak":  "x: [no]\n",
		"one/a.yaml~":     "x: [no]\n",
		"one/#a.yaml#":    "x: [no]\n",
		"one/.a.yaml.swp": "x: [no]\n",
		"one/.#a.yaml":    "x: [no]\n",
		"one/.b.yaml":     "x: [no]\n",
		"one/.b.YML":      "x: [no]\n",
		"one/.d.yaml/a":   "x: [no]\n",
		"one/.git/a.yaml": "x: [no]\n",
		"one/notes.txt":   "x: [no]\n",
	})
	same(t, result{paths: []string{"x/a"}, notes: []string{
		"#a.yaml#:" + ending,
		".b.YML: is not read, since its name begins with a dot: rename it, or delete it if it is a leftover (data-ignored)",
		".b.yaml: is not read, since its name begins with a dot: rename it, or delete it if it is a leftover (data-ignored)",
		"a.yaml.bak:" + ending,
		"a.yaml~:" + ending,
		"notes.txt:" + ending,
	}}, got)
}

// An entry that looks like a data file but is not read is a gap, so nothing is
// deleted.
func TestReadWhatLooksLikeData(t *testing.T) {
	dir := directory(t, map[string]string{"one/a.yaml": "x: [a]\n", "one/b.YAML": "x: [b]\n", "one/sub/c.yaml": "x: [c]\n", "one/d.yaml/e.yaml": "x: [e]\n"})
	if err := syscall.Mkfifo(filepath.Join(dir, "one", "fifo.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	link(t, "sub", filepath.Join(dir, "one", "linked"))
	link(t, "/dev/zero", filepath.Join(dir, "one", "zero.yml"))
	up := "is a directory; files in it are not read: move them up into " + dir + "/one (data-file)"
	same(t, result{paths: []string{"x/a"}, gaps: []string{
		"b.YAML: is not read: its name has to end in .yaml or .yml: rename it to b.yaml (data-file)",
		"d.yaml: " + up,
		"fifo.yaml: is no regular file: put one in its place, or take it out (data-file)",
		"linked: " + up,
		"sub: " + up,
		"zero.yml: is no regular file: put one in its place, or take it out (data-file)",
	}}, declared(t, dir, "one"))
}

func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
}

func TestReadWhatCannotBeRead(t *testing.T) {
	dir := directory(t, map[string]string{"one/a.yaml": "x: [a]\n", "two": "no directory"})
	link(t, "nowhere", filepath.Join(dir, "one", "b.yaml"))
	link(t, "loop.yaml", filepath.Join(dir, "one", "loop.yaml"))
	link(t, "nowhere", filepath.Join(dir, "one", ".#a.yaml"))
	link(t, "a.yaml", filepath.Join(dir, "one", "c.yaml")) // is read, and declares the same objects
	same(t, result{
		paths: []string{"x/a"},
		gaps: []string{
			"b.yaml: cannot be read: no such file or directory (file-unreadable)",
			"loop.yaml: cannot be read: too many levels of symbolic links (file-unreadable)",
		},
		notes: []string{"c.yaml:1:5: x/a is declared again; first in a.yaml:1:5: take one of the two out (data-duplicate)"},
	}, declared(t, dir, "one"))
	if s := declared(t, dir, "two"); len(s.gaps) != 1 || !strings.HasSuffix(s.gaps[0], "/two: cannot be read: not a directory (file-unreadable)") {
		t.Errorf("got %+v", s)
	}
	same(t, result{}, declared(t, dir, "flat"))
}

// A directory that is another kind of file is a gap, and reading it does not block.
func TestReadDirectoryOfAnotherSort(t *testing.T) {
	tests := []struct {
		name, want string
		put        func(name string) error
	}{
		{"a pipe", "not a directory", func(name string) error { return syscall.Mkfifo(name, 0o600) }},
		{"a device", "not a directory", func(name string) error { return os.Symlink("/dev/zero", name) }},
		{"a link to nowhere", "no such file or directory", func(name string) error { return os.Symlink("nowhere", name) }},
		{"a loop of links", "too many levels of symbolic links", func(name string) error { return os.Symlink("one", name) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := tt.put(filepath.Join(dir, "one")); err != nil {
				t.Fatal(err)
			}
			same(t, result{gaps: []string{dir + "/one: cannot be read: " + tt.want + " (file-unreadable)"}}, declared(t, dir, "one"))
		})
	}
}

// A link to a directory is read like a directory.
func TestReadLinkedDirectory(t *testing.T) {
	dir := directory(t, map[string]string{"elsewhere/a.yaml": "x: [a]\n"})
	link(t, "elsewhere", filepath.Join(dir, "one"))
	same(t, result{paths: []string{"x/a"}}, declared(t, dir, "one"))
}

// A file that is too large is a fault.
func TestReadHugeFile(t *testing.T) {
	dir := directory(t, map[string]string{"one/a.yaml": "x: [a]\n", "one/b.yaml": ""})
	if err := os.Truncate(filepath.Join(dir, "one", "b.yaml"), yamldoc.MaxData+1); err != nil {
		t.Fatal(err)
	}
	same(t, result{
		paths:  []string{"x/a"},
		faults: []string{"b.yaml: is 8388609 bytes, more than the 8388608 that are read (file-unreadable)"},
	}, declared(t, dir, "one"))
}

func TestUnclaimed(t *testing.T) {
	dir := directory(t, map[string]string{
		"node/a.yaml": "", "nodes/a.yaml": "", "extra/a": "", ".git/a": "", "README.yaml": "", "notes.txt": "", ".x.yaml": "", "nod.YML": "", "zzz.yaml": "", "one": "",
	})
	link(t, "node", filepath.Join(dir, "linked"))
	link(t, "nowhere", filepath.Join(dir, "dangling"))
	all, err := seed.Unclaimed(dir, []string{"node", "one", "two"})
	want := []string{
		"extra: no type is called extra, so nothing in it is read: rename it, or declare the type in the schema (data-ignored)",
		"linked: no type is called linked, so nothing in it is read: rename it, or declare the type in the schema (data-directory)",
		"nod.YML: is not read: each type has a directory for its files: move it into that (did you mean node?) (data-ignored)",
		"nodes: no type is called nodes, so nothing in it is read: rename it, or declare the type in the schema (did you mean node?) (data-directory)",
		"zzz.yaml: is not read: each type has a directory for its files: move it into that (data-ignored)",
	}
	if d := cmp.Diff(want, ruled(t, dir+"/", all)); d != "" || err != nil {
		t.Error(d, err)
	}
	for _, name := range []string{"none", "README.yaml"} {
		_, err := seed.Unclaimed(filepath.Join(dir, name), nil)
		_, same := seed.Read(filepath.Join(dir, name), nil)
		if err == nil || same == nil || err.Error() != same.Error() {
			t.Errorf("got %v, want %v", err, same)
		}
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

// A type named node with other tags has the structure of its own tags.
func TestReadNodeRedefined(t *testing.T) {
	s := load(t, "node: {path: nodes, tags: [dc], schema: {}}")
	data, err := seed.Read(directory(t, map[string]string{"node/a.yaml": "north: [cp1]"}), s.Types())
	if err != nil || len(data.Types[0].Faults) > 0 || data.Types[0].Objects[0].Key() != "nodes/north/cp1" {
		t.Errorf("got %+v, %v", data, err)
	}
}

func TestExampleData(t *testing.T) {
	for name, c := range map[string]struct {
		read  func(testing.TB) (*schema.Schema, seed.Data)
		nodes int // the minimum
	}{
		"example": {func(t testing.TB) (*schema.Schema, seed.Data) {
			return site(t, "../../schemas/schema.yaml", "../../conftool-data")
		}, 50},
		"whole": {whole, sitetest.Nodes},
	} {
		t.Run(name, func(t *testing.T) {
			_, data := c.read(t)
			if c := data.Compare(object.Snapshot{}); c.Faults() != nil || c.LeftUndone() != nil {
				t.Error(c.Faults(), c.LeftUndone())
			}
			for _, typ := range data.Types {
				if typ.Type.Name == schema.Node && len(typ.Objects) < c.nodes || len(typ.Objects) == 0 {
					t.Errorf("%s: %d objects", typ.Type.Name, len(typ.Objects))
				}
			}
		})
	}
}
