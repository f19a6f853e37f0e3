package schema_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/internal/sitetest"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// parse reads a schema, which must be a map.
func parse(t *testing.T, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Parse("s.yaml", []byte(text), "pools")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// problems returns the problems of a schema, one line for each.
func problems(s *schema.Schema) []string {
	var lines []string
	for _, p := range s.Problems() {
		lines = append(lines, p.Err.Error())
	}
	return lines
}

func names(types []*schema.Type) []string {
	var all []string
	for _, t := range types {
		all = append(all, t.Name)
	}
	return all
}

func TestFieldTypes(t *testing.T) {
	s := parse(t, `
all:
  path: /all/
  tags: [dc, cluster]
  schema:
    s: {type: string, default: no}
    i: {type: int, default: -5}
    b: {type: bool, default: no}
    l: {type: list, default: [a, 1]}
    d: {type: dict, default: {k: yes}}
    e: {type: enum:yes|no, default: yes}
    c: {type: cidr_list, default: [192.0.2.0/24, "2001:db8::1"]}
    a: {type: any, default: null}
    j: {default: yes}
`)
	if len(s.Problems()) > 0 {
		t.Fatal(problems(s))
	}
	all, err := s.Type("all")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range all.Fields {
		got = append(got, f.Name+" "+f.Type()+" "+f.Default.Text())
	}
	want := []string{
		`s string "no"`,
		`i int -5`,
		`b bool false`,
		`l list ["a", 1]`,
		`d dict {"k": "yes"}`,
		`e enum:yes|no "yes"`,
		`c cidr_list ["192.0.2.0/24", "2001:db8::1"]`,
		`a any null`,
		`j any "yes"`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if all.Path != "all" || !slices.Equal(all.Tags, []string{"dc", "cluster"}) || all.FreeForm {
		t.Errorf("got %+v", all)
	}
}

// Each schema has one mistake. The message names its position, the mistake and the
// allowed values.
func TestProblems(t *testing.T) {
	const ok = "t: {path: ts, tags: [a], schema: {f: {type: int, default: 0}}"
	tests := []struct{ name, text, want string }{
		{"no path", "\nt: {tags: [], schema: {}}", "s.yaml:2:1: type t has no path"},
		{"no tags", "t: {path: ts, schema: {}}", "s.yaml:1:1: type t has no tags"},
		{"no schema", "t: {path: ts, tags: []}", "s.yaml:1:1: type t has no schema"},
		{"no map", "t: 5", `s.yaml:1:4: type t must be a map, not "5"`},
		{"null", "t:", `s.yaml:1:3: type t must be a map, not nothing`},
		{"path with ..", "t: {path: a/../b, tags: [], schema: {}}", `s.yaml:1:11: path of type t cannot be "a/../b"; it is the part of the key above the tags, such as "ts"`},
		{"path null", "t: {path: null, tags: [], schema: {}}", `s.yaml:1:11: path of type t cannot be nothing; it`},
		{"path ~", "t: {path: ~, tags: [], schema: {}}", `s.yaml:1:11: path of type t cannot be nothing; it`},
		{"path a list", "t: {path: [a], tags: [], schema: {}}", `s.yaml:1:11: path of type t cannot be a list; it`},
		{"path empty", "t: {path: /, tags: [], schema: {}}", `s.yaml:1:11: path of type t cannot be "/"; it`},
		{"tags null", "t: {path: ts, tags: , schema: {}}", "s.yaml:1:21: tags of type t are missing; a type without tags has: tags: []"},
		{"tags a word", "t: {path: ts, tags: dc, schema: {}}", `s.yaml:1:21: tags must be a list, not "dc"`},
		{"tag null", "t: {path: ts, tags: [null], schema: {}}", `s.yaml:1:22: tags cannot hold nothing: a word is expected`},
		{"tag a list", "t: {path: ts, tags: [[a]], schema: {}}", `s.yaml:1:22: tags cannot hold a list: a word is expected`},
		{"tag with =", "t: {path: ts, tags: [a=b], schema: {}}", `s.yaml:1:22: tags cannot hold "a=b": a word is expected`},
		{"tag name", "t: {path: ts, tags: [name], schema: {}}", "s.yaml:1:21: a tag of type t cannot be called name: that is the object's own name"},
		{"tag twice", "t: {path: ts, tags: [a, b, a], schema: {}}", "s.yaml:1:21: tag a of type t is there twice"},
		{"type name", "'a b': {path: ts, tags: [], schema: {}}", `s.yaml:1:1: "a b" cannot be the name of a type: letters, digits, - and _ can`},
		{"type ..", "'..': {path: ts, tags: [], schema: {}}", `s.yaml:1:1: ".." cannot be the name of a type: letters, digits, - and _ can`},
		{"schema a list", "t: {path: ts, tags: [], schema: [f]}", "s.yaml:1:33: the schema of type t must be a map, not a list"},
		{"field no map", "t: {path: ts, tags: [], schema: {f: int}}", `s.yaml:1:37: field f must be a map, not "int"`},
		{"field without name", "t: {path: ts, tags: [], schema: {'': {default: 1}}}", "s.yaml:1:34: a field of type t has no name"},
		{"no default", "t: {path: ts, tags: [], schema: {f: {type: int}}}", "s.yaml:1:34: field f of type t has no default"},
		{"type unknown", "t: {path: ts, tags: [], schema: {f: {type: strin, default: a}}}", `s.yaml:1:44: field f cannot be of type "strin" (did you mean string?); types are string, int, bool, list, dict, enum:a|b, cidr_list, any`},
		{"type null", "t: {path: ts, tags: [], schema: {f: {type: , default: a}}}", `field f cannot be of type nothing; types are`},
		{"enum without words", "t: {path: ts, tags: [], schema: {f: {type: enum, default: a}}}", `s.yaml:1:44: field f cannot be of type "enum"`},
		{"enum with no word", "t: {path: ts, tags: [], schema: {f: {type: 'enum:', default: a}}}", `s.yaml:1:44: field f cannot be of type "enum:"`},
		{"enum with an empty word", "t: {path: ts, tags: [], schema: {f: {type: 'enum:a|', default: a}}}", `s.yaml:1:44: field f cannot be of type "enum:a|"`},
		{"words for no enum", "t: {path: ts, tags: [], schema: {f: {type: 'int:3', default: 0}}}", `s.yaml:1:44: field f cannot be of type "int:3"`},
		{"default refused", "t: {path: ts, tags: [], schema: {f: {type: int, default: 1_000}}}", `s.yaml:1:58: the default of field f of type t: f cannot be "1_000"; it takes a whole number in plain digits`},
		{"default no word of the enum", "t: {path: ts, tags: [], schema: {f: {type: 'enum:yes|no', default: maybe}}}", `s.yaml:1:68: the default of field f of type t: f cannot be "maybe"; it takes one of yes, no`},
		{"default null", "t: {path: ts, tags: [], schema: {f: {type: list, default: }}}", `the default of field f of type t: f cannot be null; it takes a list`},
		{"negative weight", "node: {path: ts, tags: [], schema: {weight: {type: int, default: -1}}}", `s.yaml:1:66: the default of field weight of type node: weight cannot be -1; it takes a whole number, 0 or more, in plain digits`},
		{"depends unknown", ok + ", depends: [nodes]}", "s.yaml:1:1: type t depends on nodes, which is no type (did you mean node?)"},
		{"depends on itself", ok + ", depends: [t]}", "s.yaml:1:1: dependency loop: t -> t"},
		{"free_form in quotes", ok + ", free_form: 'yes'}", `free_form cannot be "yes"; it takes true or false`},
		{"json_schema without rules", ok + ", json_schema: {base_path: .}}", "json_schema of type t needs base_path (a directory) and rules"},
		{"json_schema with null base_path", ok + ", json_schema: {base_path: ~, rules: {r: {schema: f, selector: name=x}}}}", "json_schema of type t needs base_path (a directory) and rules"},
		{"rule without schema", ok + ", json_schema: {base_path: ., rules: {r: {schema: ~, selector: name=x}}}}", "rule r of type t needs schema (a file) and selector"},
		{"rule without selector", ok + ", json_schema: {base_path: ., rules: {r: {schema: f}}}}", "rule r of type t needs schema (a file) and selector"},
		{"rule with an unknown tag", ok + ", json_schema: {base_path: ., rules: {r: {schema: f, selector: dc=x}}}}", `rule r: selector "dc=x": no tag "dc"`},
		{"path of the built-in type", "t: {path: pools/x, tags: [], schema: {}}", "s.yaml:1:1: type t has path pools/x, which is in the way of type node with path pools"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := parse(t, tt.text)
			got := problems(s)
			if !slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, tt.want) }) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for _, p := range s.Problems() {
				if p.Err.Pos.Line == 0 {
					t.Errorf("%v has no line", p.Err)
				}
			}
		})
	}
}

// A problem is unclear if the intended type is not known because of it.
func TestUnclear(t *testing.T) {
	const rest = ", path: ts, schema: {f: {type: int, default: 0}}"
	for text, want := range map[string]bool{
		"t: {tags: dc" + rest + "}":                                       true,
		"t: {tags: [name]" + rest + "}":                                   true,
		"t: {tags: [dc], tags: [dc]" + rest + "}":                         true,
		"t: {tags: [dc], path: ts}":                                       true,
		"t: {tags: [dc], json_schema: {}" + rest + "}":                    true,
		"t: {tags: [dc], depends: [x]" + rest + "}":                       false,
		"t: {tags: [dc], path: /, schema: {}}":                            false,
		"t: {tags: [dc], path: ts, schema: {f: {type: x, default: 0}}}":   false,
		"t: {tags: [dc], path: ts, schema: {f: {type: int, default: x}}}": false,
	} {
		s := parse(t, text)
		if p := s.Problems(); len(p) != 1 || p[0].Unclear != want {
			t.Errorf("%s: got %+v, want one that is unclear: %t", text, p, want)
		}
	}
}

func TestNoSchema(t *testing.T) {
	for _, text := range []string{"[]", "word", "a: {\n", "a: 1\na: 2\n", "a: 1\n---\nb: 2\n", "\x00"} {
		s, err := schema.Parse("s.yaml", []byte(text), "pools")
		var at *yamldoc.Error
		if !errors.As(err, &at) || at.Pos.Line == 0 || s != nil {
			t.Errorf("%q: got %v, %v", text, s, err)
		}
	}
	if _, err := schema.Load(filepath.Join(t.TempDir(), "none.yaml"), "pools"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestEmptyFileHasNodes(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "{}", "null"} {
		if got := names(parse(t, text).Types()); !slices.Equal(got, []string{"node"}) {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestProblemsLeaveOtherTypesUsable(t *testing.T) {
	s := parse(t, `
bad: {path: bads, tags: [name], schema: {f: {type: nope, default: 1}}}
good: {path: goods, tags: [], schema: {}, news: kept, safety: [1],
  readers: [2]}
`)
	if got := names(s.Types()); !slices.Equal(got, []string{"node", "good"}) {
		t.Errorf("usable: %v", got)
	}
	_, err := s.Type("bad")
	var invalid *schema.InvalidError
	if !errors.As(err, &invalid) || len(invalid.Problems) != 2 || strings.Count(err.Error(), "s.yaml:2:") != 2 {
		t.Errorf("got %v", err)
	}
	_, err = s.Type("god")
	var unknown *schema.UnknownTypeError
	if !errors.As(err, &unknown) || err.Error() != `no object type "god" (did you mean good?)` || unknown.File != "s.yaml" {
		t.Errorf("got %v", err)
	}
	good, err := s.Type("good")
	if err != nil || good.Safety.Pos().Line != 3 || good.Readers.Pos().Line != 4 {
		t.Errorf("got %v, %v", good, err)
	}
	if odd := s.Oddities(); len(odd) != 1 || !strings.Contains(odd[0].Msg, `"news"`) {
		t.Errorf("odd: %v", odd)
	}
}

func TestDependencies(t *testing.T) {
	typ := func(name, depends string) string {
		return name + ": {path: " + name + "s, tags: [], schema: {}, depends: [" + depends + "]}\n"
	}
	tests := []struct {
		name, text string
		order      []string
		loops      []string
	}{
		{"none", typ("b", "") + typ("a", ""), []string{"node", "b", "a"}, nil},
		{"chain", typ("a", "b") + typ("b", "c") + typ("c", "node"), []string{"node", "c", "b", "a"}, nil},
		{"a diamond is fine", typ("a", "b, c") + typ("b", "d") + typ("c", "d") + typ("d", ""), []string{"node", "d", "b", "c", "a"}, nil},
		{"twice is fine", typ("a", "b, b") + typ("b", ""), []string{"node", "b", "a"}, nil},
		{"loop", typ("a", "b") + typ("b", "a") + typ("c", ""), []string{"node", "c"}, []string{"dependency loop: a -> b -> a"}},
		{"longer loop", typ("x", "a") + typ("a", "b") + typ("b", "c") + typ("c", "a"), []string{"node", "x"}, []string{"dependency loop: a -> b -> c -> a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := parse(t, tt.text)
			if got := names(s.InDependencyOrder()); !slices.Equal(got, tt.order) {
				t.Errorf("order: got %v, want %v", got, tt.order)
			}
			var loops []string
			for _, p := range s.Problems() {
				if (p.Err.Rule == schema.RuleLoop) == strings.Contains(p.Err.Msg, "is no type") {
					t.Errorf("%v: loop %v", p.Err, p.Err.Rule == schema.RuleLoop)
				}
				if !slices.Contains(loops, p.Err.Msg) {
					loops = append(loops, p.Err.Msg)
				}
			}
			if !slices.Equal(loops, tt.loops) {
				t.Errorf("loops: got %v, want %v", loops, tt.loops)
			}
		})
	}
}

func TestPathsInEachOthersWay(t *testing.T) {
	for _, tt := range []struct {
		a, b    string
		collide bool
	}{
		{"x", "x", true}, {"x", "x/y", true}, {"x/y", "x", true}, {"/x/", "x", true},
		{"x", "xy", false}, {"x/y", "x/z", false},
	} {
		s := parse(t, "a: {path: "+tt.a+", tags: [], schema: {}}\nb: {path: "+tt.b+", tags: [], schema: {}}\n")
		var types []string
		for _, p := range s.Problems() {
			types = append(types, p.Type)
			if p.Err.Rule == schema.RuleLoop || p.Err.Pos.Line != 2 {
				t.Errorf("%q, %q: got %+v", tt.a, tt.b, p)
			}
		}
		if want := []string{"b", "a"}; tt.collide != slices.Equal(types, want) || (!tt.collide && len(types) > 0) {
			t.Errorf("%q, %q: got %v", tt.a, tt.b, types)
		}
	}
}

func TestNodeRedefined(t *testing.T) {
	s := parse(t, "x: {path: xs, tags: [], schema: {}}\nnode: {path: nodes, tags: [dc], schema: {weight: {type: int, default: 1}, other: {type: int, default: -1}}}")
	n, err := s.Type(schema.Node)
	if err != nil || n.Path != "nodes" || n.Pos.Line != 2 || len(n.Fields) != 2 {
		t.Fatalf("got %+v, %v", n, err)
	}
	if _, err := n.Fields[0].Parse("-5"); err == nil {
		t.Error("a node can have a weight of -5")
	}
	if got := names(s.Types()); !slices.Equal(got, []string{"x", "node"}) {
		t.Errorf("got %v", got)
	}
}

func TestBuiltIn(t *testing.T) {
	n, err := schema.BuiltIn("/pools/").Type(schema.Node)
	if err != nil || n.Path != "pools" {
		t.Fatalf("got %+v, %v", n, err)
	}
	if got := n.FieldNames(); !slices.Equal(got, []string{"weight", "pooled"}) {
		t.Errorf("got %v", got)
	}
	if d := n.Defaults(); d[0].Value.Text() != "0" || d[1].Value.Text() != `"inactive"` {
		t.Errorf("got %v", d)
	}
}

// Problems between types are found after those of single types, but all problems are
// in the order of the file.
func TestProblemsAreInTheOrderOfTheFile(t *testing.T) {
	s := parse(t, "a: {path: as, tags: [], schema: {}, depends: [z]}\nb: {path: b s, tags: [], schema: {}}\n")
	if got := problems(s); len(got) != 2 || !strings.HasPrefix(got[0], "s.yaml:1:") || !strings.HasPrefix(got[1], "s.yaml:2:") {
		t.Errorf("got %q", got)
	}
}

func TestExampleSchemas(t *testing.T) {
	for name, dir := range map[string]func(testing.TB) string{
		"example":    func(testing.TB) string { return "../../schemas" },
		"whole site": func(t testing.TB) string { return sitetest.Write(t).Dir },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := schema.Load(filepath.Join(dir(t), "schema.yaml"), "pools")
			if err != nil {
				t.Fatal(err)
			}
			if p := problems(s); len(p) > 0 {
				t.Error(p)
			}
			for _, typ := range s.Types() {
				for _, r := range typ.Rules {
					if err := r.Compile(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

// Oddities are not problems.
func TestOddities(t *testing.T) {
	s := parse(t, `
t:
  path: ts
  tags: [dc]
  shcema: {}
  schema: {f: {type: int, default: 1, note: x}}
  json_schema: {base_path: d, rules: {r: {schema: a.json, selector: dc=a, slector: b}}, rule: {}}
`)
	if len(s.Problems()) > 0 {
		t.Fatal(problems(s))
	}
	var got []string
	for _, odd := range s.Oddities() {
		if odd.Rule != schema.RuleUnknownKey {
			t.Errorf("%v has rule %q", odd, odd.Rule)
		}
		got = append(got, odd.Error())
	}
	want := []string{
		`s.yaml:5:3: type t has a key "shcema" that nothing reads (did you mean schema?)`,
		`s.yaml:6:39: field f of type t has a key "note" that nothing reads`,
		`s.yaml:7:89: json_schema of type t has a key "rule" that nothing reads (did you mean rules?)`,
		`s.yaml:7:75: rule r of type t has a key "slector" that nothing reads (did you mean selector?)`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Declared also returns the types with problems, so that other checks can use them.
func TestDeclared(t *testing.T) {
	s := parse(t, "t: {path: ts, tags: [dc], schema: {f: {type: int, default: x}}}\nu: {path: us, tags: [], schema: {}}\n")
	if got := names(s.Declared()); !slices.Equal(got, []string{"node", "t", "u"}) {
		t.Errorf("got %v", got)
	}
	if got := names(s.Types()); !slices.Equal(got, []string{"node", "u"}) {
		t.Errorf("usable: %v", got)
	}
}
