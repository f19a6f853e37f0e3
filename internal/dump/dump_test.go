package dump_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/conftool/confctl/internal/dump"
	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/internal/sitetest"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// site has a type of each kind, in an order that does not satisfy the dependencies.
const site = `
typed:
  path: typed
  tags: [dc]
  depends: [free]
  schema:
    s: {type: string, default: ""}
    i: {type: int, default: 0}
    b: {type: bool, default: false}
    l: {type: list, default: []}
    d: {type: dict, default: {}}
    e: {type: "enum:yes|no", default: no}
    a: {default: null}
free: {path: free, tags: [], free_form: true, schema: {v: {default: null}}}
broken: {path: broken, tags: [dc], schema: {v: {type: nothing}}}
`

func schemaOf(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Parse("schema.yaml", []byte(text), "pools")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func object1(t testing.TB, s *schema.Schema, typeName, path, fields string) object.Object {
	t.Helper()
	typ, err := s.Type(typeName)
	if err != nil {
		t.Fatal(err)
	}
	steps := strings.Split(path, "/")
	n := len(typ.Tags)
	o := object.New(typ, steps[:n:n], steps[n]).WithFields(json(t, fields).Fields())
	o.Created, o.Revision = 3, 9
	return o
}

func json(t testing.TB, text string) value.Value {
	t.Helper()
	v, err := value.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// written returns a file of the objects. It covers their types and the others.
func written(t testing.TB, f dump.Format, objects []object.Object, others ...*schema.Type) string {
	t.Helper()
	var b bytes.Buffer
	if err := dump.Write(&b, f, append(typesOf(objects), others...), objects, dump.Header{Revision: 9, Comment: "Two\n  lines"}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func typesOf(objects []object.Object) []*schema.Type {
	var types []*schema.Type
	for _, o := range objects {
		if !slices.Contains(types, o.Type) {
			types = append(types, o.Type)
		}
	}
	return types
}

// text returns the objects of a dump, one per line.
func text(d dump.Dump) []string {
	lines := []string{}
	for _, i := range d.Objects {
		lines = append(lines, line(i.Object))
	}
	return lines
}

func line(o object.Object) string {
	return fmt.Sprintf("%q %s", o.Key(), o.AppendStored(nil))
}

func fleet(t testing.TB, s *schema.Schema) []object.Object {
	return []object.Object{
		object1(t, s, "node", "n/web/https/web2", `{"weight": 10, "pooled": "yes"}`),
		object1(t, s, "free", "x", `{"v": {"a": [1.0, 1e400, "012"]}, "more": "caf\u00e9\n\u0000"}`),
		object1(t, s, "typed", "n/a b", `{"s": "no", "e": "yes", "a": "2001-01-01"}`),
		object1(t, s, "node", "n/web/https/web1", `{"weight": 0, "pooled": "inactive"}`),
	}
}

func TestWrite(t *testing.T) {
	s := schemaOf(t, site)
	for _, c := range []struct {
		format dump.Format
		want   string
	}{
		{dump.JSONLines, `{"confctl_export": 1, "types": ["node", "typed", "free"], "objects": 4, "revision": 9, "sum": "d3ad324549680ef9c3a0b671f55930fc"}
{"type": "node", "tags": {"dc": "n", "cluster": "web", "service": "https"}, "name": "web1", "values": {"weight": 0, "pooled": "inactive"}}
{"type": "node", "tags": {"dc": "n", "cluster": "web", "service": "https"}, "name": "web2", "values": {"weight": 10, "pooled": "yes"}}
{"type": "typed", "tags": {"dc": "n"}, "name": "a b", "values": {"s": "no", "i": 0, "b": false, "l": [], "d": {}, "e": "yes", "a": "2001-01-01"}}
{"type": "free", "tags": {}, "name": "x", "values": {"v": {"a": [1.0, 1e400, "012"]}, "more": "caf\u00e9\n\u0000"}}
`},
		{dump.YAML, `# Two
#   lines
confctl_export: {version: 1, types: [node, typed, free], objects: 4, revision: 9, sum: "52332ffa0e6fb59e15fae75be8d95120"}
objects:
  node:
    n/web/https/web1:
      weight: 0
      pooled: inactive
    n/web/https/web2:
      weight: 10
      pooled: 'yes'
  typed:
    n/a b:
      s: 'no'
      i: 0
      b: false
      l: []
      d: {}
      e: 'yes'
      a: '2001-01-01'
  free:
    x:
      v:
        a:
          - 1.0
          - !!float 1e400
          - '012'
      more: "café\n\0"
...
`},
	} {
		objects := fleet(t, s)
		got := written(t, c.format, objects)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Error(diff)
		}
		slices.Reverse(objects)
		for i := range objects {
			objects[i].Revision++
		}
		if again := written(t, c.format, objects); again != got {
			t.Errorf("the same objects in another order, changed and changed back, are\n%s", again)
		}
	}
}

func TestWriteNothing(t *testing.T) {
	s := schemaOf(t, site)
	for _, f := range dump.Formats() {
		for _, types := range [][]*schema.Type{nil, s.InDependencyOrder()} {
			d, err := dump.Parse("f", []byte(written(t, dump.Format(f), nil, types...)), s)
			if err != nil || len(d.Objects) != 0 || !slices.Equal(d.Types, types) || !d.Whole {
				t.Errorf("%s: %v, %v", f, d, err)
			}
		}
	}
}

// TestPrefixes checks that every truncated file is refused.
func TestPrefixes(t *testing.T) {
	s := schemaOf(t, site)
	for _, f := range dump.Formats() {
		for _, objects := range [][]object.Object{nil, fleet(t, s), fleet(t, s)[:1]} {
			whole := written(t, dump.Format(f), objects, s.Types()[0])
			if _, err := dump.Parse("f", []byte(whole), s); err != nil {
				t.Fatal(err)
			}
			for n := range len(whole) {
				if d, err := dump.Parse("f", []byte(whole[:n]), s); err == nil {
					t.Errorf("%s, cut at %d: %d objects in\n%s", f, n, len(d.Objects), whole[:n])
				}
			}
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	s := schemaOf(t, site)
	broken := object1(t, s, "free", "x", `{}`)
	broken.Malformed = os.ErrInvalid
	for _, c := range []struct {
		format dump.Format
		object object.Object
		want   string
	}{
		{"yaml", broken, `free "x" cannot be written: what is stored cannot be read: invalid argument`},
		{"jsonl", object1(t, s, "free", "\xff", `{}`), `free "\xff" cannot be written: the name is not valid UTF-8`},
		{"xml", object1(t, s, "free", "x", `{}`), `no format "xml"; known: yaml, jsonl`},
	} {
		var b bytes.Buffer
		err := dump.Write(&b, c.format, s.Types(), append(fleet(t, s), c.object), dump.Header{})
		if err == nil || err.Error() != c.want || b.Len() > 0 {
			t.Errorf("got %v and %d bytes; want %s", err, b.Len(), c.want)
		}
	}
}

func TestOf(t *testing.T) {
	s := schemaOf(t, site)
	broken := object1(t, s, "free", "y", `{}`)
	broken.Malformed = os.ErrInvalid
	from := object.Snapshot{Objects: append(fleet(t, s), broken)}
	d, faults := dump.Of(s, s.Types(), from, func(o object.Object) string { return "http://x/" + o.Key() })
	var types []string
	for _, t := range d.Types {
		types = append(types, t.Name)
	}
	if want := []string{"node", "free", "typed"}; !slices.Equal(types, want) || !d.Whole {
		t.Errorf("types are %v; want %v", types, want)
	}
	if len(d.Objects) != 4 || d.Objects[0].Pos.String() != "http://x/pools/n/web/https/web1" || !slices.Equal(d.Objects[2].Given, []string{"v", "more"}) {
		t.Errorf("got %+v", d.Objects)
	}
	if len(faults) != 1 || faults[0].Error() != "http://x/free/y: what is stored cannot be read: invalid argument" {
		t.Errorf("faults are %v", faults)
	}
}

func TestSnapshot(t *testing.T) {
	s := schemaOf(t, site)
	objects := append(fleet(t, s), object1(t, s, "typed", "n/b", `{"i": "x"}`))
	d, err := dump.Parse("f", []byte(written(t, dump.JSONLines, objects)), s)
	if err != nil {
		t.Fatal(err)
	}
	on := d.Snapshot()
	var keys []string
	for _, o := range on.Objects {
		keys = append(keys, o.Key())
		if untouched := o.Created == o.Revision; untouched != (o.Name == "web1") || o.Revision > on.Revision {
			t.Errorf("%s is of %d and %d, the snapshot of %d", o, o.Created, o.Revision, on.Revision)
		}
		if invalid := len(o.Violations) > 0; invalid != (o.Name == "b") {
			t.Errorf("%s has %v", o, o.Violations)
		}
	}
	if !slices.IsSorted(keys) || len(keys) != 5 {
		t.Errorf("keys are %v", keys)
	}
	if diffs := object.Differences(d.Wanted(on), on); len(diffs) > 0 {
		t.Errorf("a dump differs from itself: %v", diffs)
	}
}

func words() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom([]rune("ab01 -:#,[]{}&*!|>'\"%@`?=<~.+_exT\\\n\r\t\x00\x1b\x7f\u0085\u00a0é\u2028\ufeff\ufffd\uffff\U0001f600")), 1, 10, -1),
		rapid.StringMatching(`[-+]?[0-9_]{1,3}[:.eExob]?[0-9_]{0,3}([:.eE][-+]?[0-9]{0,2}){0,2}`),
		rapid.SampledFrom([]string{"yes", "No", "on", "OFF", "y", "null", "~", "<<", "=", "...", "---", "012", "1_000", "0x1F", "2001-01-01", strings.Repeat("long ", 300)}),
	)
}

func values(depth int) *rapid.Generator[value.Value] {
	leaf := rapid.OneOf(
		rapid.SampledFrom([]value.Value{value.NullValue, value.EmptyList, value.EmptyMap, value.OfBool(true), value.OfBool(false), value.OfString("")}),
		rapid.Map(rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,4})?([eE][-+]?[0-9]{1,3})?`), func(text string) value.Value {
			var v value.Value
			if v.UnmarshalJSON([]byte(text)) != nil {
				panic(text)
			}
			return v
		}),
		rapid.Map(words(), value.OfString),
		rapid.Map(rapid.String(), value.OfString),
	)
	if depth == 0 {
		return leaf
	}
	inner := rapid.Deferred(func() *rapid.Generator[value.Value] { return values(depth - 1) })
	field := rapid.Custom(func(t *rapid.T) value.Field {
		return value.Field{Name: words().Draw(t, "name"), Value: inner.Draw(t, "value")}
	})
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(inner, 0, 3), func(e []value.Value) value.Value { return value.OfList(e...) }),
		rapid.Map(rapid.SliceOfNDistinct(field, 0, 3, func(f value.Field) string { return f.Name }), func(f []value.Field) value.Value { return value.OfMap(f...) }),
	)
}

// anObject generates an object with any value and any name that a store may have.
func anObject(types []*schema.Type) *rapid.Generator[object.Object] {
	step := rapid.Map(words(), func(s string) string { return strings.ReplaceAll(s, "/", "_") })
	return rapid.Custom(func(t *rapid.T) object.Object {
		typ := rapid.SampledFrom(types).Draw(t, "type")
		tags := make([]string, len(typ.Tags))
		for i := range tags {
			tags[i] = step.Draw(t, "tag")
		}
		var fields []value.Field
		for _, f := range typ.Fields {
			switch rapid.IntRange(0, 2).Draw(t, "how") {
			case 0:
				fields = append(fields, value.Field{Name: f.Name, Value: values(1).Draw(t, "any value")})
			case 1:
				if v := values(1).Draw(t, "value"); f.Check(v) == nil {
					fields = append(fields, value.Field{Name: f.Name, Value: v})
				}
			}
		}
		if rapid.Bool().Draw(t, "more") {
			name := words().Draw(t, "field")
			if _, declared := typ.Field(name); !declared {
				fields = append(fields, value.Field{Name: name, Value: values(2).Draw(t, "value")})
			}
		}
		return object.New(typ, tags, step.Draw(t, "name")).WithFields(fields)
	})
}

func someObjects(s *schema.Schema) *rapid.Generator[[]object.Object] {
	return rapid.SliceOfNDistinct(anObject(s.Types()), 0, 6, func(o object.Object) string { return o.Key() })
}

// A written dump that is read again and imported into the same store changes
// nothing, whatever is stored there.
func TestReadBack(t *testing.T) {
	s := schemaOf(t, site)
	rapid.Check(t, func(rt *rapid.T) {
		objects := someObjects(s).Draw(rt, "objects")
		on := object.Snapshot{Objects: objects}
		for _, f := range dump.Formats() {
			text1 := written(t, dump.Format(f), objects)
			d, err := dump.Parse("f", []byte(text1), s)
			if err != nil {
				rt.Fatalf("%v in\n%s", err, text1)
			}
			plan, refused := d.Plan(on, dump.Terms{RemoveOthers: true})
			if len(plan.Changes) > 0 || len(refused) > 0 {
				rt.Fatalf("would change %v, refuse %v of\n%s", plan.Changes, refused, text1)
			}
			if diffs := object.Differences(d.Wanted(on), on); len(diffs) > 0 {
				rt.Fatalf("differs: %v from\n%s", diffs, text1)
			}
			if got := len(d.Objects); got != len(objects) || d.Revision != 9 {
				rt.Fatalf("%d of %d objects in\n%s", got, len(objects), text1)
			}
			if text2 := written(t, dump.Format(f), d.Snapshot().Objects, d.Types...); f == string(dump.JSONLines) && text1 != text2 {
				rt.Fatalf("written again:\n%s\nwas\n%s", text2, text1)
			}
		}
	})
}

// Values that their types allow are exact, whatever is stored.
func TestReadBackWhatIsAllowed(t *testing.T) {
	s := schemaOf(t, site)
	rapid.Check(t, func(rt *rapid.T) {
		objects := someObjects(s).Draw(rt, "objects")
		for i, o := range objects {
			fields := o.Type.Defaults()
			for j, f := range o.Type.Fields {
				if v := o.Get(f.Name); f.Check(v) == nil {
					fields[j].Value = v
				}
			}
			objects[i] = o.WithFields(fields)
		}
		var both [][]string
		for _, f := range dump.Formats() {
			d, err := dump.Parse("f", []byte(written(t, dump.Format(f), objects)), s)
			if err != nil {
				rt.Fatal(err)
			}
			both = append(both, text(d))
		}
		want := make([]string, len(objects))
		for i, o := range objects {
			want[i] = line(o)
		}
		for _, got := range both {
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatal(diff)
			}
		}
	})
}

// The data of a whole site, as seeded.
func TestWholeSite(t *testing.T) {
	files := sitetest.Write(t)
	s, err := schema.Load(files.Schema, "pools")
	if err != nil {
		t.Fatal(err)
	}
	data, err := seed.Read(files.Data, s.InDependencyOrder())
	if err != nil {
		t.Fatal(err)
	}
	var objects []object.Object
	for _, typ := range data.Types {
		objects = append(objects, typ.Objects...)
	}
	if len(objects) < sitetest.Nodes {
		t.Fatalf("only %d objects", len(objects))
	}
	for _, f := range dump.Formats() {
		file := filepath.Join(t.TempDir(), "export")
		if err := os.WriteFile(file, []byte(written(t, dump.Format(f), objects)), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := dump.Read(file, s)
		if err != nil {
			t.Fatal(err)
		}
		plan, refused := d.Plan(object.Snapshot{}, dump.Terms{RemoveOthers: true})
		if len(refused) > 0 || len(plan.Changes) != len(objects) {
			t.Errorf("%d changes for %d objects, refused: %v", len(plan.Changes), len(objects), refused)
		}
		seen := map[string]bool{}
		for _, c := range plan.Changes {
			for _, name := range c.After.Type.Depends {
				if typ, err := s.Type(name); err != nil || (slices.Contains(d.Types, typ) && !seen[name]) {
					t.Fatalf("%s comes before those of type %s, %v", c.After, name, err)
				}
			}
			seen[c.After.Type.Name] = true
		}
	}
}

// large returns the objects of a large site.
func large(t testing.TB) (*schema.Schema, []object.Object) {
	s := schema.BuiltIn("pools")
	var objects []object.Object
	for i := range 10_000 {
		path := fmt.Sprintf("dc%d/cluster%d/https/host%d.example.org", i%5, i%83, i)
		objects = append(objects, object1(t, s, "node", path, `{"weight": 10, "pooled": "yes"}`))
	}
	return s, objects
}

func BenchmarkParse(b *testing.B) {
	s, objects := large(b)
	for _, f := range dump.Formats() {
		b.Run(f, func(b *testing.B) {
			start := time.Now()
			content := []byte(written(b, dump.Format(f), objects))
			b.Logf("written in %v", time.Since(start))
			for b.Loop() {
				if _, err := dump.Parse("f", content, s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
