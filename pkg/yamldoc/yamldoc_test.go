package yamldoc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestSyntaxErrors(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"a: [1, 2\nb: 3\n", "f:2: not valid YAML: did not find expected ',' or ']'"},
		{"x:\n  - [1, 2\n  - 3\nb: 4\n", "f:2: not valid YAML: did not find expected ',' or ']'"},
		{"x: 1\ny: 2\nz: [1,\n\n}\n", "f:5: not valid YAML: did not find expected node content"},
		{"x: 1\ny:\n  a: 1\n b: 2\n", "f:4: not valid YAML: did not find expected key"},
		{"- a\nb: 1\n", "f:2: not valid YAML: did not find expected '-' indicator"},
		{"a: 1\n]", "f:2: not valid YAML: did not find expected key"},
		{"{a: 1}}", "f:1: not valid YAML: did not find expected <document start>"},
		{"%YAML 2.0\n---\na", "f:1: not valid YAML: found incompatible YAML document"},
		{"a: b: c\n", "f:1: not valid YAML: mapping values are not allowed in this context"},
		{"x: 1\na: b: c\n", "f:2: not valid YAML: mapping values are not allowed in this context"},
		{"x: 1\n\ta: b\n", "f:2: not valid YAML: found a tab character that violates indentation"},
		{"a: @x", "f:1: not valid YAML: found character that cannot start any token"},
		{"l1: x\nl2: \"\\q\"", "f:2: not valid YAML: found unknown escape character"},
		{"k: |0\n x", "f:1: not valid YAML: found an indentation indicator equal to 0"},
		// For a part that is missing at the end of the text, the error names the last
		// line that is not blank.
		{"{a", "f:1: not valid YAML: did not find expected ',' or '}'"},
		{"a: [\n\n", "f:1: not valid YAML: did not find expected node content"},
		{"a: 'x\n", "f:1: not valid YAML: found unexpected end of stream"},
		// Bytes that are not text.
		{"a: \xff\n", "f:1: not valid YAML: invalid leading UTF-8 octet"},
		{"x: 1\r\ny: caf\xe9\r\n", "f:2: not valid YAML: invalid trailing UTF-8 octet"},
		{"x: \u0085 # \ta\nb: \x00\n", "f:2: not valid YAML: control characters are not allowed"},
		{"a: b\n\nc: *foo\n", "f: not valid YAML: unknown anchor 'foo' referenced"},
		// A second document.
		{"a: 1\n---\nb: 2\n", "f:3:1: a second document begins here; only one is allowed in a file"},
		{"--- a\n--- b\n", "f:2:5: a second document begins here; only one is allowed in a file"},
		{"a: 1\n---\nb: [\n", "f:3: not valid YAML: did not find expected node content"},
		// Unknown tags.
		{"a: 1\nb: !foo {c: 1}", "f:2:4: tag !foo is not known here"},
		{"b: !!set {c, d}", "f:1:4: tag !!set is not known here"},
		{"- !!str [1]", "f:1:3: tag !!str is not known here"},
		{"- !!map [1]", "f:1:3: tag !!map is not known here"},
		{"- !!null x", "f:1:3: tag !!null is not known here"},
		// Aliases that contain themselves.
		{"a: &x [1, *x]", "f:1:11: alias *x stands inside what it names"},
		{"a: &x\n  <<: *x\n", "f:2:7: alias *x stands inside what it names"},
		{"&x {k: {*x : 1}}", "f:1:9: alias *x stands inside what it names"},
	} {
		n, err := Parse("f", []byte(c.yaml))
		var e *Error
		if !errors.As(err, &e) || err.Error() != c.want {
			t.Errorf("%q: %v, %v; want %s", c.yaml, n.Describe(), err, c.want)
		}
	}
}

func mustParse(t *testing.T, text string) Node {
	t.Helper()
	n, err := Parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func pairs(t *testing.T, n Node) []Pair {
	t.Helper()
	p, err := n.Pairs("it")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Each key and value has the position where it is written: an alias its own, a merged
// pair that in the map that is merged.
func TestPositions(t *testing.T) {
	n := mustParse(t, "# top\na: 1\nb: &b\n  c: [x,\r\n    {y: z}]\ném: *b\nd:\n  <<: *b\ne:\n")
	var got []string
	var walk func(n Node)
	walk = func(n Node) {
		switch {
		case n.IsMap():
			for _, p := range pairs(t, n) {
				got = append(got, fmt.Sprintf("%s %s %s", p.Name, p.Key.Pos(), p.Value.Pos()))
				walk(p.Value)
			}
		case n.IsList():
			items, err := n.Items("it")
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range items {
				got = append(got, "- "+item.Pos().String())
				walk(item)
			}
		}
	}
	walk(n)
	c := []string{"c f:4:3 f:4:6", "- f:4:7", "- f:5:5", "y f:5:6 f:5:9"}
	want := slices.Concat([]string{"a f:2:1 f:2:4", "b f:3:1 f:3:4"}, c, []string{"ém f:6:1 f:6:5"}, c, []string{"d f:7:1 f:8:3"}, c, []string{"e f:9:1 f:9:3"})
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if p := mustParse(t, "").Pos(); p.String() != "f" {
		t.Errorf("an empty file is at %s", p)
	}
}

func TestPosString(t *testing.T) {
	for want, p := range map[string]Pos{
		"f":     {File: "f", Column: 3},
		"f:2":   {File: "f", Line: 2},
		"f:2:3": {File: "f", Line: 2, Column: 3},
	} {
		if p.String() != want {
			t.Errorf("%#v is %s, want %s", p, p, want)
		}
	}
}

// A node and an alias of it have the same kind and text.
func TestNodes(t *testing.T) {
	for _, c := range []struct {
		yaml, is, text, describe string
	}{
		{"", "empty", "", "nothing"},
		{"~", "empty scalar null", "~", "nothing"},
		{"null", "empty scalar null", "null", "nothing"},
		{"'null'", "scalar quoted", "null", `"null"`},
		{"''", "scalar quoted", "", `""`},
		{"no", "scalar", "no", `"no"`},
		{`"no"`, "scalar quoted", "no", `"no"`},
		{"!!str no", "scalar quoted", "no", `"no"`},
		{"!!int 5", "scalar", "5", `"5"`},
		{"|\n a\n", "scalar quoted", "a\n", `"a\n"`},
		{">\n a\n", "scalar quoted", "a\n", `"a\n"`},
		{"{}", "map", "", "a map"},
		{"[]", "list", "", "a list"},
		{strings.Repeat("é", 61), "scalar", strings.Repeat("é", 61), `"` + strings.Repeat("é", 59) + `…"`},
	} {
		nodes := []Node{mustParse(t, c.yaml)}
		if c.yaml != "" {
			nodes = append(nodes, pairs(t, mustParse(t, "a: &x "+strings.ReplaceAll(c.yaml, "\n ", "\n  ")+"\nb: *x"))[1].Value)
		}
		for _, n := range nodes {
			var is []string
			for _, q := range []struct {
				word string
				is   bool
			}{{"empty", n.IsEmpty()}, {"map", n.IsMap()}, {"list", n.IsList()}, {"scalar", n.IsScalar()}, {"null", n.IsNull()}, {"quoted", n.IsQuoted()}} {
				if q.is {
					is = append(is, q.word)
				}
			}
			if got := strings.Join(is, " "); got != c.is || n.Text() != c.text || n.Describe() != c.describe {
				t.Errorf("%q is %s, %q, %s; want %s, %q, %s", c.yaml, got, n.Text(), n.Describe(), c.is, c.text, c.describe)
			}
		}
	}
}

func TestExpectations(t *testing.T) {
	n := mustParse(t, "\n- a")
	if _, err := n.Pairs("the file"); err == nil || err.Error() != "f:2:1: the file must be a map, not a list" {
		t.Error(err)
	}
	if _, err := mustParse(t, "").Items("the file"); err == nil || err.Error() != "f: the file must be a list, not nothing" {
		t.Error(err)
	}
}

// Aliases of aliases multiply. Parse refuses them before a caller follows them, which
// would not end.
func TestAliasBombIsRefusedQuickly(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 40 {
		fmt.Fprintf(&bomb, "l%d: &l%d [%s*l%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*l%d, ", i), 9), i)
	}
	merges := strings.NewReplacer("[", "{<<: [", "]", "]}", "[x,", "[{a: 1},").Replace(bomb.String())
	for _, text := range []string{bomb.String(), merges} {
		_, err := Parse("f", []byte(text))
		if err == nil || !strings.Contains(err.Error(), "with all aliases followed there are more than") {
			t.Error(err)
		}
	}
}

// The document is nested as deep as the parser allows, with an alias at each level.
func TestDeepNesting(t *testing.T) {
	const depth = 9990
	for i, text := range []string{
		strings.Repeat("[", depth) + strings.Repeat("]", depth),
		strings.Repeat("{a: ", depth) + "1" + strings.Repeat("}", depth),
		strings.Repeat("- ", depth) + "1",
		"&a " + strings.Repeat("[", depth-1) + "&x 1" + strings.Repeat(", *x", 100_000) + strings.Repeat("]", depth-1),
	} {
		n, err := Parse("f", []byte(text))
		if err != nil {
			t.Errorf("%.20s: %v", text, err)
			continue
		}
		if i == 0 {
			if v, err := n.Value(); err != nil || v.Text() != text {
				t.Errorf("%.20s is %.20s, %v", text, v.Text(), err)
			}
		}
	}
	for _, open := range []string{"[", "{", "- ", "? ", "{a: ", "[{", "!!x "} {
		if n, err := Parse("f", []byte(strings.Repeat(open, 100_000))); err == nil {
			t.Errorf("100,000 %q are read as %s", open, n.Describe())
		}
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.yaml")
	if err := os.WriteFile(file, []byte("a: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, MaxSettings+1); err != nil {
		t.Fatal(err)
	}
	if n, err := Read(file); err != nil || n.Pos().String() != file+":1:1" {
		t.Errorf("%s: %v", n.Pos(), err)
	}
	none := filepath.Join(dir, "none")
	for name, want := range map[string]string{
		none:        none + ": cannot be read: no such file or directory",
		dir:         dir + ": is a directory",
		large:       large + ": is 1048577 bytes, more than the 1048576 that are read",
		file + "/b": file + "/b: cannot be read: not a directory",
	} {
		if _, err := Read(name); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := Read(none); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the file system's error is lost")
	}
}

// Read refuses a file that is endless, has too many nodes or too many levels before
// it takes much time or memory.
func TestHostileFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	for text, want := range map[string]string{
		"[" + strings.Repeat("a,", MaxSettings/4) + "]":                            "has more than 262144 lines, lists, maps and commas",
		strings.Repeat("- a\n", MaxSettings/8+1):                                   "has more than 262144 lines, lists, maps and commas",
		strings.Repeat("[", 101) + strings.Repeat("]", 101):                        "with all aliases followed there are more than 100 levels of maps and lists",
		"- &a " + strings.Repeat("[", 98) + strings.Repeat("]", 98) + "\n- [[*a]]": "with all aliases followed there are more than 100 levels of maps and lists",
		strings.Repeat("[", 100) + strings.Repeat("]", 100):                        "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Read(file)
		switch {
		case want == "" && err == nil:
		case want == "" || err == nil || !strings.HasSuffix(err.Error(), want):
			t.Errorf("%.20s: %v, want %s", text, err, want)
		}
	}
	if _, err := Read("/dev/zero"); err == nil || err.Error() != "/dev/zero: is a device, not a regular file" {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"a: &x {b: [1, 0x10, .5, yes, ~]}\nc:\n  <<: [*x, {d: !!int 08}]\n", "- |+2\n   a\n- >-\n b\n", "&a [*a]", "%TAG ! x:\n--- !y\n...\n",
		"? [a]\n: \"\\u00e9\\\n\"\n", "a: 1\n---\nb", "\xef\xbb\xbf{a: 'b'}\r\n", "\xff\xfea\x00", "12:30:45: 2001-01-01 # x",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := Parse("f", text)
		if err != nil {
			checkError(t, err)
			return
		}
		v, err := n.Value()
		if err != nil {
			checkError(t, err)
			return
		}
		var whole yaml.Node
		if err := yaml.Unmarshal(text, &whole); err != nil {
			t.Fatalf("%q is read as %s, but is not valid: %v", text, v.Text(), err)
		}
		written, err := Encode(OfValue(v))
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("f", written)
		if err != nil {
			t.Fatalf("%v in %q", err, written)
		}
		if got, err := again.Value(); err != nil || got != v {
			t.Fatalf("%s came back as %s, %v from\n%s", v.Text(), got.Text(), err, written)
		}
	})
}

func checkError(t *testing.T, err error) {
	var e *Error
	if !errors.As(err, &e) || e.Pos.File != "f" || e.Pos.Line < 0 || e.Msg == "" {
		t.Fatalf("%#v", err)
	}
}
