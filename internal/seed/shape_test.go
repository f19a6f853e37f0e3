package seed_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Valid and invalid structures, by the number of tags.
func TestRead(t *testing.T) {
	const nothing = "declares nothing; a file without objects is taken for a mistake: delete it if there are none (data-empty)"
	tests := []struct {
		name, typ, text     string
		paths, faults, gaps string // lines
	}{
		{"nodes", "node", "north:\n  edge:\n    cp1: [cdn, tls]\n    cp2: [cdn]\n", "north/edge/cdn/cp1\nnorth/edge/tls/cp1\nnorth/edge/cdn/cp2", "", ""},
		{"a host without services", "node", "north:\n  edge:\n    cp1: [cdn]\n    cp2: []\n", "north/edge/cdn/cp1", "", ""},
		{"services as a string", "node", "north:\n  edge:\n    cp1: cdn\n", "", `a.yaml:3:10: the services of cp1 must be a list, not "cdn"; write cp1: [cdn] (data-service)`, ""},
		{"services in a string", "node", "north:\n  edge:\n    cp1: cdn, tls  http\n", "", `a.yaml:3:10: the services of cp1 must be a list, not "cdn, tls  http"; write cp1: [cdn, tls, http] (data-service)`, ""},
		{"services in an odd string", "node", "north:\n  edge:\n    cp1: '[cdn]'\n", "", `a.yaml:3:10: the services of cp1 must be a list, not "[cdn]"; write cp1: [SERVICE, ...] (data-service)`, ""},
		{"services as a map", "node", "north:\n  edge:\n    cp1: {cdn: x}\n", "", `a.yaml:3:10: the services of cp1 must be a list, not a map; write cp1: [SERVICE, ...] (data-shape)`, ""},
		{"services null", "node", "north:\n  edge:\n    cp1:\n", "", `a.yaml:3:9: the services of cp1 must be a list, not nothing; write cp1: [SERVICE, ...], or take cp1 out (data-null)`, ""},
		{"a cluster as a list", "node", "north:\n  edge: [cp1]\n", "", `a.yaml:2:9: the part below north/edge, by host, must be a map, not a list; write edge: {HOST: [SERVICE, ...]} (data-shape)`, ""},
		{"a cluster null", "node", "north:\n  edge:\n", "", `a.yaml:2:8: the part below north/edge, by host, must be a map, not nothing; write edge: {HOST: [SERVICE, ...]}, or take edge out (data-null)`, ""},
		{"a list of nodes", "node", "- cp1", "", "a.yaml:1:1: the file, by dc, must be a map, not a list; write DC: {CLUSTER: {HOST: [SERVICE, ...]}} (data-shape)", ""},
		{"a service null", "node", "n:\n  e:\n    c: [~]\n", "", "a.yaml:3:9: service must be a word, not nothing: take it out, or put it in quotes if that is what it is called (data-name)", ""},

		{"no tags", "flat", "[a, b]", "a\nb", "", ""},
		{"no tags, a map", "flat", "a: [b]", "", "a.yaml:1:1: the names of type flat must be a list, not a map; write [NAME, ...] (data-shape)", ""},
		{"no tags, a word", "flat", "abc", "", `a.yaml:1:1: the names of type flat must be a list, not "abc"; write [abc] (data-shape)`, ""},
		{"one tag", "one", "x: [a, b]\ny: [a]\n", "x/a\nx/b\ny/a", "", ""},
		{"names as a string", "one", "x: abc\n", "", `a.yaml:1:4: the names below x must be a list, not "abc"; write x: [abc] (data-shape)`, ""},
		{"names as a map", "one", "x: {y: [a]}\n", "", "a.yaml:1:4: the names below x must be a list, not a map; write x: [NAME, ...] (data-shape)", ""},
		{"names null", "one", "x:\ny: [a]", "y/a", "a.yaml:1:3: the names below x must be a list, not nothing; write x: [NAME, ...], or take x out (data-null)", ""},
		{"two tags", "two", "x: {y: [a]}\n", "x/y/a", "", ""},
		{"two tags, a list for one", "two", "x: [a]\n", "", "a.yaml:1:4: the part below x, by b, must be a map, not a list; write x: {B: [NAME, ...]} (data-shape)", ""},

		{"numbers and booleans as names", "one", "1: [2, 0x10, 1.0, true, no, 2001-01-01]\n", "1/2\n1/0x10\n1/1.0\n1/true\n1/no\n1/2001-01-01", "", ""},
		{"null as a key", "one", "~: [a]\n", "", "a.yaml:1:1: a must be a word, not nothing: take it out, or put it in quotes if that is what it is called (data-name)", ""},
		{"a list as a key", "one", "? [a]\n: [b]\n", "", "a.yaml:1:3: a key of the file, by a, must be a word, not a list (data-shape)", ""},
		{"a name in a list of its own", "one", "x: [[a]]\n", "", "a.yaml:1:5: name must be a word, not a list: take its brackets, or the second dash, out (data-name)", ""},
		{"twice in a list", "one", "x: [a, a]\n", "x/a", "", ""},
		{"a key twice", "one", "x: [a]\ny: [a]\nx: [b]\n", "", `a.yaml:3:1: key "x" is there already, in line 1 (yaml-duplicate-key)`, ""},
		{"slash", "one", "x: [a/b]\n", "", `a.yaml:1:5: name "a/b" has a slash in it (data-name)`, ""},
		{"slash in a tag", "one", "x/y: [a]\n", "", `a.yaml:1:1: a "x/y" has a slash in it (data-name)`, ""},
		{"blank", "one", "x: [a b]\n", "", `a.yaml:1:5: name "a b" has a blank or control character in it: separate words by commas, or write each in a line of its own with a dash in front (data-name)`, ""},
		{"blank in quotes", "one", "x: ['a b']\n", "", `a.yaml:1:5: name "a b" has a blank or control character in it (data-name)`, ""},
		{"blank in a tag", "one", "x y: [b]\n", "", `a.yaml:1:1: a "x y" has a blank or control character in it (data-name)`, ""},
		{"a colon in a name", "one", "x:\n- a: b\n", "", `a.yaml:2:3: name must be a word, not a map: if the colon belongs to it, put it in quotes (data-name)`, ""},
		{"control character", "one", "x: [\"a\\x01\"]\n", "", `a.yaml:1:5: name "a\x01" has a blank or control character in it (data-name)`, ""},
		{"empty", "one", "x: ['']\n", "", `a.yaml:1:5: name is empty: take it out (data-name)`, ""},
		{"..", "one", "..: [x]\n", "", `a.yaml:1:1: a cannot be ".." (data-name)`, ""},
		{"too long", "one", "x: [" + strings.Repeat("a", 254) + "]\n", "", "a.yaml:1:5: name is 254 bytes long; 253 are allowed (data-name)", ""},
		{"each fault is told", "one", "x: [a/b, c, d/e]\ny: z\n", "x/c", "a.yaml:1:5: name \"a/b\" has a slash in it (data-name)\na.yaml:1:13: name \"d/e\" has a slash in it (data-name)\na.yaml:2:4: the names below y must be a list, not \"z\"; write y: [z] (data-shape)", ""},

		{"an anchor", "two", "x: &x {p: [a]}\ny: *x\n", "x/p/a\ny/p/a", "", ""},
		{"a merge", "two", "x: &x {p: [a], q: [b]}\ny: {<<: *x, q: [c]}\n", "x/p/a\nx/q/b\ny/q/c\ny/p/a", "", ""},
		{"a merge of a list", "one", "x: [a]\n<<: [b]\n", "", "a.yaml:2:6: the file, by a, must be a map, not \"b\" (data-shape)", ""},
		{"an alias inside itself", "two", "x: &x {p: *x}\n", "", "a.yaml:1:11: alias *x stands inside what it names (yaml-syntax)", ""},

		{"empty file", "one", "", "", "", "a.yaml: " + nothing},
		{"only comments", "one", "# x: [a]\n", "", "", "a.yaml: " + nothing},
		{"null", "one", "~\n", "", "", "a.yaml:1:1: " + nothing},
		{"an empty map", "one", "{}\n", "", "", "a.yaml:1:1: " + nothing},
		{"an empty list", "flat", "[]\n", "", "", "a.yaml:1:1: " + nothing},
		{"empty further down", "two", "x: {y: [], z: []}\nq: {}\n", "", "", "a.yaml:1:1: " + nothing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := read(t, tt.typ, map[string]string{tt.typ + "/a.yaml": tt.text})
			got := []string{strings.Join(s.paths, "\n"), strings.Join(s.faults, "\n"), strings.Join(s.gaps, "\n")}
			if d := cmp.Diff([]string{tt.paths, tt.faults, tt.gaps}, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// A file that is not YAML is a fault; it does not count as missing.
func TestReadNoYAML(t *testing.T) {
	for _, text := range []string{"x: [a\n", "x: [a]\n---\ny: [a]\n", "\x00", "x: [a]\n\ty: [a]\n", "\xff\xfe\x00"} {
		s := read(t, "one", map[string]string{"one/a.yaml": text})
		if s.paths != nil || s.gaps != nil || len(s.faults) != 1 || !strings.HasPrefix(s.faults[0], "a.yaml:") || !strings.HasSuffix(s.faults[0], " (yaml-syntax)") {
			t.Errorf("%q: got %+v", text, s)
		}
	}
}

// A few aliases that stand for millions of objects are one fault, and do not exhaust
// memory.
func TestReadTooMany(t *testing.T) {
	list, aliases := "n"+strings.Repeat(", n", 999), strings.Builder{}
	for i := range 600 {
		fmt.Fprintf(&aliases, "k%d: *a\n", i)
	}
	s := read(t, "one", map[string]string{"one/a.yaml": "x: &a [" + list + "]\n" + aliases.String(), "one/b.yaml": "y: [a]\n"})
	want := []string{"a.yaml:251:7: there are more than 250000 objects of type one with these, all aliases followed; that is taken for a mistake (data-shape)"}
	if d := cmp.Diff(want, s.faults); d != "" || len(s.paths) != 250 || s.gaps != nil {
		t.Error(d, len(s.paths), s.gaps)
	}
}
