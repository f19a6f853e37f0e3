package dump_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/internal/dump"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/yamldoc"
)

func TestParse(t *testing.T) {
	s := schemaOf(t, site)
	for _, c := range []struct {
		name, text string
		want       []string
		given      []string // of the first object
	}{
		{"by hand", "objects:\n  typed:\n    n/x: {s: 010, i: 010, b: yes, e: yes, a: yes}\n",
			[]string{`"typed/n/x" {"s": "010", "i": 10, "b": true, "l": [], "d": {}, "e": "yes", "a": "yes"}`}, []string{"s", "i", "b", "e", "a"}},
		{"quoted digits are digits", "objects: {node: {a/b/c/d: {weight: '10'}}}",
			[]string{`"pools/a/b/c/d" {"weight": 10, "pooled": "inactive"}`}, []string{"weight"}},
		{"a minus in front of 0 stays", "objects: {node: {a/b/c/d: {weight: -0}}}",
			[]string{`"pools/a/b/c/d" {"weight": -0, "pooled": "inactive"}`}, []string{"weight"}},
		{"aliases and merge keys", "objects:\n  free:\n    x: &x {v: 1}\n    y: {<<: *x, w: 2}\n",
			[]string{`"free/x" {"v": 1}`, `"free/y" {"v": 1, "w": 2}`}, []string{"v"}},
		{"braces", "{\"confctl_export\": {\"version\": 1, \"objects\": 1},\n \"objects\": {\"free\": {\"x\": {\"v\": 1}}}}\n", []string{`"free/x" {"v": 1}`}, []string{"v"}},
		{"braces on one line", `{"objects": {"free": {"x": {"v": 1}}}}`, []string{`"free/x" {"v": 1}`}, []string{"v"}},
		{"braces that are no JSON", `{objects: {free: {x: {v: 1}}}}`, []string{`"free/x" {"v": 1}`}, []string{"v"}},
		{"no objects", "objects: {}", nil, nil},
		{"a type without objects", "objects: {free: {}}", nil, nil},
		{"names as they are", "objects: {typed: {\"a b/\\0\\u00e9\": {}}}", []string{`"typed/a b/\x00é" {"s": "", "i": 0, "b": false, "l": [], "d": {}, "e": "no", "a": null}`}, nil},

		{"lines without a header", "\n  {\"name\":\"x\",\"type\":\"free\",\"values\":{\"v\":1.50}}\r\n\r\n{\"type\": \"free\", \"name\": \"a\", \"tags\": {}, \"values\": {}, \"revision\": 7}",
			[]string{`"free/a" {"v": null}`, `"free/x" {"v": 1.50}`}, nil},
		{"a byte order mark", "\ufeff{\"type\": \"free\", \"name\": \"x\", \"values\": {\"v\": 1}}", []string{`"free/x" {"v": 1}`}, []string{"v"}},
		{"a header alone", "{\"confctl_export\": 1, \"objects\": 0}\n", nil, nil},
		{"a header without a count", "{\"confctl_export\": 1}\n{\"type\": \"free\", \"name\": \"x\", \"values\": {}}\n", []string{`"free/x" {"v": null}`}, nil},
		{"in JSON a value is what it is", `{"type": "typed", "tags": {"dc": "n"}, "name": "x", "values": {"e": "yes", "a": "yes"}}`,
			[]string{`"typed/n/x" {"s": "", "i": 0, "b": false, "l": [], "d": {}, "e": "yes", "a": "yes"}`}, []string{"e", "a"}},
		// Plan checks the values of objects.
		{"values and fields that are refused", "objects: {node: {a/b/c/d: {weight: heavy, wieght: 1}}}",
			[]string{`"pools/a/b/c/d" {"weight": "heavy", "pooled": "inactive", "wieght": 1}`}, []string{"weight", "wieght"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := dump.Parse("f", []byte(c.text), s)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append([]string{}, c.want...), text(d)); diff != "" {
				t.Error(diff)
			}
			if len(d.Objects) > 0 && !slices.Equal(d.Objects[0].Given, c.given) {
				t.Errorf("given are %q, want %q", d.Objects[0].Given, c.given)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	s := schemaOf(t, site)
	const x = `{"type": "free", "name": "x", "values": {}}` + "\n"
	const data = "f:1: this looks like a file of a data directory, and not like an export"
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", []string{"f:1: there is nothing in the file; without objects it would say objects: {}"}},
		{"confctl_export: {version: 1, objects: 0}\n", []string{"f:1: objects is missing; without objects the file would say objects: {}"}},
		{"objects:\n", []string{"f:1:9: objects must be a map, not nothing; without objects it would be {}"}},
		{"objects: {free: }", []string{"f:1:17: type free must be a map, not nothing; without objects it would be {}"}},
		{"[]", []string{"f:1:1: a list is no export; a list of objects in JSON can be read with an object a line: jq -c '.[]'"}},
		{"x", []string{`f:1:1: the file must be a map, not "x"`}},
		{"object: {}\nobjects: {}", []string{`f:1:1: "object" is not known here (did you mean objects?); known: confctl_export, objects`}},
		{"a: [", []string{"f:1: not valid YAML: did not find expected node content"}},
		{"confctl_export: {version: 2, object: 0}\nobjects: {}\n", []string{
			"f:1:1: confctl_export must be of version 1; this is of 2",
			`f:1:30: "object" is not known here (did you mean objects?); known: version, types, objects, left_out, revision, sum`,
		}},
		{"confctl_export: {version: 1, types: [nod, node, node, [a]], objects: 0}\nobjects:\n  free:\n    x: {}\n    y: {}\n  typed:\n    n/x: {}\n...\n", []string{
			"f:1:1: header says 0 objects, but it has 3: it is cut off, or was edited: then correct the number",
			`f:1:38: no object type "nod" (did you mean node?); the types are node, typed, free, broken`,
			"f:1:49: type node is there already",
			"f:1:55: types has the names of types, not a list",
			"f:4:5: types of the header does not have free: the file was edited: then add it there",
			"f:7:5: types of the header does not have typed: the file was edited: then add it there",
		}},
		{"confctl_export: {version: 1, types: node, objects: 0}\nobjects: {}\n...\n", []string{`f:1:37: types must be a list, not "node"`}},
		{"{\"confctl_export\": 1, \"types\": {}, \"objects\": 0}\n", []string{"f:1:23: types must be a list, not a map"}},
		{"{\"confctl_export\": 1, \"types\": [1, \"free\", \"free\"], \"objects\": 0}\n", []string{
			"f:1:23: types has the names of types, not 1", "f:1:23: type free is there already"}},
		{"objects: {free: {\"x\\n/y\": {}}}", []string{`f:1:18: "x\n/y" is no object of type free: one is named name`}},
		{"{\"type\": \"free\", \"name\": \"x\\ny\", \"values\": {}}\n{\"type\": \"free\", \"name\": \"x\\ny\", \"values\": {}}\n", []string{`f:2:1: free "x\ny" is there already, in line 1`}},
		{"confctl_export: {version: 1, types: [], objects: 0}\nobjects: {}\n...", []string{"f:3: the last line has no end: the file is cut off, or was edited: then end the line"}},

		// Other kinds of files.
		{"\xff\xfeo\x00", []string{"f:1: this is UTF-16, and UTF-8 is expected; iconv -f UTF-16 -t UTF-8 makes it so"}},
		{"\xfe\xff\x00o", []string{"f:1: this is UTF-16, and UTF-8 is expected; iconv -f UTF-16 -t UTF-8 makes it so"}},
		{"\x1f\x8b\x08", []string{"f:1: this is compressed with gzip"}},
		{site, []string{"f:1: this looks like a schema, and not like an export"}},
		{"eqiad:\n  web:\n    web1: [http]\n", []string{data}},
		{"api: [eqiad, codfw]\n", []string{data}},
		{"[office]\n", []string{data}},
		{"free: {x: {v: 1}}\n", []string{
			"f:1: objects is missing; without objects the file would say objects: {}",
			`f:1:1: "free" is not known here; known: confctl_export, objects`,
		}},
		{"free: {x: {v: [a]}}\n", []string{
			"f:1: objects is missing; without objects the file would say objects: {}",
			`f:1:1: "free" is not known here; known: confctl_export, objects`,
		}},

		{"confctl_export: {objects: many}\nobjects: {}\n", []string{
			"f:1:1: confctl_export must be of version 1; this is of none",
			`f:1:1: objects must be how many objects the file has, not "many"`,
		}},
		{"confctl_export: {version: 1, objects: 0, revision: -1}\nobjects: {}\n...\n", []string{"f:1:1: revision must be the number of a revision of the store, not -1"}},
		{"{\"confctl_export\": 1, \"objects\": 0, \"revision\": \"9\"}\n", []string{`f:1:1: revision must be the number of a revision of the store, not "9"`}},
		{"objects:\n  nod: {a/b/c/d: {}}\n  broken: {n/x: {}}\n  node:\n    a/b/d: {}\n    a//c/d: {}\n    a/b/c/: {}\n    a/b/c/d:\n    a/b/c/e: {weight: 0x10}\n    a/b/c/f: {weight: 1, weight: 2}\n", []string{
			`f:2:3: no object type "nod" (did you mean node?); the types are node, typed, free, broken`,
			`f:3:3: type broken cannot be used: schema.yaml:15:55: `,
			`f:5:5: "a/b/d" is no object of type node: one is named dc/cluster/service/name`,
			`f:6:5: tag cluster is empty`,
			`f:7:5: the name is empty`,
			`f:8:13: object a/b/c/d must be a map, not nothing`,
			`f:9:23: weight cannot be "0x10"; it takes a whole number, 0 or more, in plain digits`,
			`f:10:26: key "weight" is there already, in line 10`,
		}},
		{"confctl_export: {version: 1, objects: 3}\nobjects:\n  free:\n    x: {}\n    y: {v: .inf}\n", []string{
			"f:1:1: header says 3 objects, but it has 2: it is cut off, or was edited: then correct the number",
			"f:5:12: .inf is no number that can be stored",
		}},
		{"confctl_export: {version: 1, objects: 1}\nobjects:\n  free:\n    x: {}\n    x: {}\n", []string{`f:5:5: key "x" is there already, in line 4`}},
		{"confctl_export: {version: 1, objects: 1}\nobjects:\n  free:\n    x:\n      v: 1", []string{
			"f:5: there is no line ... at the end: the file is cut off, or was edited: then add it"}},

		{"{\"confctl_export\": 1, \"objects\": 2}\n" + x, []string{
			"f:1:1: header says 2 objects, but it has 1: it is cut off, or was edited: then correct the number"}},
		{"{\"confctl_export\": 1, \"objects\": 1, \"more\": 1}\n" + x, []string{
			`f:1:37: "more" is not known here; known: confctl_export, types, objects, left_out, revision, sum`}},
		{"{\"confctl_export\": 2}\n" + x, []string{"f:1:1: confctl_export must be of version 1; this is of 2"}},
		{x + "{\"confctl_export\": 1}\n", []string{"f:2:1: a header here: these are several files in one; import them one by one, or take all headers out"}},
		{x + x, []string{"f:2:1: free x is there already, in line 1"}},
		{x + `{"type": "free"`, []string{"f:2:15: not valid JSON: unexpected end of JSON input; each line is an object"}},
		{x + `1`, []string{"f:2:1: each line must be a map, not a number"}},
		{x + ` {"type": "free", "name": "\ud800"}`, []string{"f:2:2: cannot be read: half of a surrogate pair in a string"}},
		{x + "  {\"type\": \"free\", \"name\": \"y\", \"values\": {\"v\": [{}, {\"k\": 1, \"\\u006b\": 2}]}}", []string{`f:2:63: key "k" is there already`}},
		{`{"type": "fre", "name": "x"}` + "\n" + `{"type": "fre", "name": "y"}`, []string{
			`f:1:2: no object type "fre" (did you mean free?); the types are node, typed, free, broken`}},
		{x + `{"type": 1}` + "\n" + `{"type": "free", "name": "a/b", "value": {}, "values": {}}` + "\n" + `{"type": "free", "name": "a/b", "values": {}}`, []string{
			"f:2:1: name must be text, not nothing",
			"f:2:2: type must be text, not a number",
			`f:3:33: "value" is not known here (did you mean values?); known: type, tags, name, values`,
			`f:4:1: the name "a/b" has a slash in it`,
		}},
		{x + `{"type": "typed", "tags": {"cd": "n"}, "name": "y", "values": {}}` + "\n" + `{"type": "typed", "tags": {"dc": 1}, "name": "z", "values": {}}`, []string{
			"f:2:19: tag dc of type typed is missing",
			`f:2:28: type typed has no tag "cd"; its tags are dc`,
			"f:3:28: tag dc must be text, not 1",
		}},
		{x + `{"type": "typed", "name": "y", "values": []}`, []string{
			"f:2:1: tags must be a map, not nothing; type typed has dc",
			"f:2:32: values must be a map, not a list; without values it would be {}",
		}},
	} {
		_, err := dump.Parse("f", []byte(c.text), s)
		var faults *dump.FaultsError
		if !errors.As(err, &faults) {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		got := strings.Split(faults.Error(), "\n")
		for i := range got { // the messages of the schema are tested elsewhere
			if i < len(c.want) && strings.HasPrefix(c.want[i], "f:3:3: type broken") {
				got[i] = got[i][:min(len(got[i]), len(c.want[i]))]
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q:\n%s", c.text, diff)
		}
	}
}

func TestRead(t *testing.T) {
	s := schemaOf(t, site)
	dir := t.TempDir()
	for file, want := range map[string]string{
		filepath.Join(dir, "missing"): filepath.Join(dir, "missing") + ": cannot be read: no such file or directory",
		dir:                           dir + ": is a directory",
		"/dev/zero":                   "/dev/zero: is a device, not a regular file",
	} {
		if _, err := dump.Read(file, s); err == nil || err.Error() != want {
			t.Errorf("got %v; want %s", err, want)
		}
	}
	if _, err := dump.Read(dir+"/missing", s); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestPlan(t *testing.T) {
	s := schemaOf(t, site)
	broken := object1(t, s, "free", "bad", `{}`)
	broken.Malformed = errors.New("unexpected end")
	on := object.Snapshot{Objects: []object.Object{
		broken,
		object1(t, s, "free", "old", `{"v": 1}`),
		object1(t, s, "node", "a/b/c/gone", `{"weight": 1, "pooled": "yes"}`),
		object1(t, s, "typed", "n/odd", `{"s": 10, "i": "12", "unknown": 1}`),
		object1(t, s, "typed", "n/other", `{}`),
	}}
	const unreadable = "the store: free bad cannot be removed: what is stored cannot be read: unexpected end"
	for _, c := range []struct {
		name, text      string
		others          bool
		changes, faults []string
		warnings        int
	}{
		{"in the order of types, removals in reverse", "objects: {typed: {n/x: {}}, free: {z: {}, y: {}}}", true,
			[]string{"+free/y", "+free/z", "+typed/n/x", "-typed/n/odd", "-typed/n/other", "-free/old"}, []string{unreadable}, 0},
		{"others stay", "objects: {typed: {n/x: {}}, free: {y: {}}}", false, []string{"+free/y", "+typed/n/x"}, nil, 0},
		{"types without objects stay", "objects: {typed: {}}", true, nil, nil, 0},
		{"types that the header names do not", "confctl_export: {version: 1, types: [typed], objects: 0}\nobjects: {}\n...\n", true,
			[]string{"-typed/n/odd", "-typed/n/other"}, nil, 0},
		{"a picture of a store", "confctl_export: {version: 1, objects: 1}\nobjects:\n  typed:\n    'n/a b': {more: 1}\n...\n", false,
			[]string{"+typed/n/a b"}, nil, 2},
		{"a picture of a store in JSON", "{\"confctl_export\": 1}\n{\"type\": \"typed\", \"tags\": {\"dc\": \"n\"}, \"name\": \"a\\nb\", \"values\": {\"more\": 1}}\n", false,
			[]string{"+typed/n/a\nb"}, nil, 2},
		{"values that are taken over, and named", "{\"confctl_export\": 1}\n{\"type\": \"typed\", \"tags\": {\"dc\": \"n\"}, \"name\": \"a\\nb\", \"values\": {\"i\": true}}\n", false,
			[]string{"+typed/n/a\nb"}, []string{`f:2:67: typed "n/a\nb": i cannot be true; it takes a whole number in plain digits`}, 1},
		{"what is there already, invalid as it is", "objects: {typed: {n/odd: {s: 10, i: '12', unknown: 1}}}", false, nil, nil, 0},
		{"the same in JSON", `{"type": "typed", "tags": {"dc": "n"}, "name": "odd", "values": {"s": 10, "i": "12", "unknown": 1}}`, false, nil, nil, 0},
		{"other than what is there", "objects: {typed: {n/odd: {s: 11, i: '13', unknown: 1}}}", false, []string{"=typed/n/odd"}, nil, 1},
		{"refused", "objects:\n  node:\n    a/b/c/d: {weight: 1, pooled: maybe, poold: no}\n    a/b/c/e: {}\n  typed:\n    'n/a b': {}\n    n/odd: {unknown: 2}\n  free: {bad: {}}\n", true,
			[]string{"+pools/a/b/c/e", "-typed/n/other", "-free/old", "-pools/a/b/c/gone"}, []string{
				`f:3:34: node a/b/c/d: pooled cannot be "maybe"; it takes one of yes, no, inactive`,
				`f:3:48: node a/b/c/d: type node has no field "poold" (did you mean pooled?); its fields are weight, pooled`,
				`f:6:5: typed n/a b: the name "a b" has a blank or control character in it`,
				`f:7:22: typed n/odd: type typed has no field "unknown"; its fields are s, i, b, l, d, e, a`,
				`f:8:10: free bad: what is stored cannot be read: unexpected end`,
			}, 0},
		{"refused in JSON", "\n {\"type\": \"typed\", \"tags\": {\"dc\": \"n\"}, \"name\": \"x\", \"values\": {\"i\": 1, \"b\": \"yes\"}}", false, nil, []string{
			`f:2:73: typed n/x: b cannot be "yes"; it takes true or false`}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := dump.Parse("f", []byte(c.text), s)
			if err != nil {
				t.Fatal(err)
			}
			plan, faults := d.Plan(on, dump.Terms{RemoveOthers: c.others})
			var changes, refused []string
			for _, ch := range plan.Changes {
				sign := "="
				if ch.Before == nil {
					sign = "+"
				} else if ch.After == nil {
					sign = "-"
				}
				changes = append(changes, sign+ch.Object().Key())
			}
			for _, f := range faults {
				refused = append(refused, f.Error())
			}
			if diff := cmp.Diff(c.changes, changes); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.faults, refused); diff != "" {
				t.Error(diff)
			}
			if len(plan.Warnings) != c.warnings {
				t.Errorf("warnings are %q", plan.Warnings)
			}
			if plan.Matched != nil {
				t.Errorf("%d objects matched", len(plan.Matched))
			}
		})
	}
}

// A JSON schema that cannot be used is reported once.
func TestPlanWithoutJSONSchema(t *testing.T) {
	s := schemaOf(t, "r: {path: rs, tags: [], schema: {v: {default: 0}}, json_schema: {base_path: ., rules: {r: {selector: 'name=a.*', schema: missing.json}}}}")
	d, err := dump.Parse("f", []byte("objects: {r: {a1: {}, a2: {}, b: {}}}"), s)
	if err != nil {
		t.Fatal(err)
	}
	plan, faults := d.Plan(object.Snapshot{}, dump.Terms{})
	if len(plan.Changes) != 1 || len(faults) != 1 || !strings.HasSuffix(faults[0].Error(), "(needed for 2 objects)") || faults[0].Pos.File != "schema.yaml" {
		t.Errorf("%d changes, %v", len(plan.Changes), faults)
	}
}

// FuzzParse checks, for any file, that each fault has a position, and that a file
// without faults is the same after it is written and read again.
func FuzzParse(f *testing.F) {
	s := schemaOf(f, site)
	for _, format := range dump.Formats() {
		f.Add([]byte(written(f, dump.Format(format), fleet(f, s))))
	}
	for _, text := range []string{
		"", "objects: {}", "objects: {node: {a/b/c/d: {weight: 010, pooled: yes}}}", "objects:\n  free:\n    x: &x {v: [1, *x]}\n",
		"objects: {free: {x: &x {v: 1}, y: {<<: *x}}}", "{objects: {free: {x: {}}}}", "{\n{", "{\"type\": \"free\"\n{", "objects: {typed: {a/: {s: 1}, ? [a] : 1}}",
		"{\"confctl_export\": 1, \"objects\": 1}\n{\"type\":\"typed\",\"tags\":{\"dc\":\"\"},\"name\":\"x\",\"values\":{\"v\":1,\"v\":{}}}",
		"{\"type\":\"free\",\"name\":\"\\u0000\",\"values\":{\"v\":{\"a\":1,\"a\":2e999}},\"revision\":[]}", "confctl_export: 1\nobjects: []", "objects: *x",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		d, err := dump.Parse("f", content, s)
		if err != nil {
			var faults *dump.FaultsError
			if !errors.As(err, &faults) || len(faults.Faults) == 0 {
				t.Fatalf("got %v", err)
			}
			for _, at := range faults.Faults {
				somewhere := at.Pos.Line > 0 || at.Rule == yamldoc.RuleSyntax // the YAML library does not always give a line
				if at.Pos.File != "f" || !somewhere || at.Msg == "" {
					t.Errorf("no place: %v", at)
				}
			}
			return
		}
		objects := d.Snapshot().Objects
		for _, format := range dump.Formats() {
			again, err := dump.Parse("f", []byte(written(t, dump.Format(format), objects)), s)
			if err != nil {
				t.Fatal(err)
			}
			on := object.Snapshot{Objects: objects}
			if diffs := object.Differences(again.Wanted(on), on); len(diffs) > 0 || len(again.Objects) != len(objects) {
				t.Fatalf("%d of %d objects, %v", len(again.Objects), len(objects), diffs)
			}
			if format == string(dump.JSONLines) && !slices.Equal(text(again), text(d)) {
				t.Fatal(cmp.Diff(text(d), text(again)))
			}
		}
		if _, faults := d.Plan(object.Snapshot{}, dump.Terms{RemoveOthers: true}); slices.ContainsFunc(faults, func(at *yamldoc.Error) bool { return at.Pos.Line == 0 }) {
			t.Errorf("no place: %v", faults)
		}
	})
}
