package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// tree is the files of a site by their paths, with slashes. A path that ends in
// one is a directory without files.
type tree map[string]string

// readTree reads what is below directories and files into one tree; where says
// at which path of the tree each of them is put.
func readTree(t *testing.T, where map[string]string) tree {
	t.Helper()
	all := tree{}
	for from, to := range where {
		err := filepath.WalkDir(from, func(name string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			text, err := os.ReadFile(name)
			all[strings.TrimPrefix(path.Join(to, strings.TrimPrefix(name, from)), "/")] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// write makes a directory what the tree says, whatever was there.
func (all tree) write(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for name, text := range all {
		file := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(file, 0o700); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// below returns the paths of the files in a directory, in order.
func (all tree) below(dir string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(name, dir+"/") && !strings.HasSuffix(name, "/") {
			names = append(names, name)
		}
	}
	return names
}

// The parts of a tree.
const (
	treeSchema = "schema.yaml"
	treeSafety = "safety.yaml"
	treeJSON   = "json-schema"
	treeData   = "conftool-data"
)

// mutant is a tree with one or two files changed. It is the same for the same
// seed, number and site.
type mutant struct {
	tree
	number int
	did    []string // the mutations, in the order they were made
}

func newMutant(from tree, seed uint64, number int) mutant {
	m := &mutator{Rand: rand.New(rand.NewPCG(seed, uint64(number))), tree: maps.Clone(from)}
	files := []string{m.file()}
	if m.IntN(6) == 0 {
		files = append(files, m.file())
	}
	for range 1 + max(0, m.IntN(5)-2) {
		m.mutate(pick(m, files))
	}
	return mutant{m.tree, number, m.did}
}

// mutator makes one mutant.
type mutator struct {
	*rand.Rand
	tree
	did []string
}

func pick[T any](m *mutator, from []T) T { return from[m.IntN(len(from))] }

// file chooses what to change: mostly data, but the schema often for its size.
func (m *mutator) file() string {
	_, hasSafety := m.tree[treeSafety]
	switch n := m.IntN(20); {
	case n < 5:
		return treeSchema
	case n == 5 && hasSafety:
		return treeSafety
	case n < 8:
		return pick(m, m.below(treeJSON))
	}
	return pick(m, m.below(treeData))
}

// mutate changes a file, by one mutation that has an effect on it.
func (m *mutator) mutate(name string) {
	if _, there := m.tree[name]; !there { // an earlier mutation has moved it
		name = m.file()
	}
	if isData := strings.HasPrefix(name, treeData); isData && m.IntN(8) == 0 {
		chosen := pick(m, fileMutations())
		chosen.apply(m, name)
		m.did = append(m.did, name+": "+chosen.name)
		return
	}
	for range 20 {
		chosen := pick(m, m.suited(name))
		if text := chosen.apply(m, m.tree[name]); text != m.tree[name] {
			m.tree[name] = text
			m.did = append(m.did, name+": "+chosen.name)
			return
		}
	}
}

// suited returns the mutations for a sort of file; of those made for it there
// are about as many as of the others.
func (m *mutator) suited(name string) []mutation {
	switch {
	case strings.HasPrefix(name, treeJSON):
		return slices.Concat(jsonMutations(), jsonMutations(), byteMutations())
	case strings.HasPrefix(name, treeData):
		return slices.Concat(lineMutations(), nodeMutations(), byteMutations())
	}
	all := slices.Concat(lineMutations(), nodeMutations(), byteMutations())
	return append(all, slices.Repeat(schemaMutations(), len(all)/len(schemaMutations()))...)
}

// mutation changes a text; it may return it as it is.
type mutation struct {
	name  string
	apply func(m *mutator, text string) string
}

func oddBytes() []string {
	return []string{
		"\x00", "\x01", "\x1b[31m", "\x7f", "\t", "\r", "\v", "\u0085", "\u00a0", "\u200b", "\u2028", "\u202e", "\ufeff", "\ufffd", "\ufffe", "\xff", "\xc3(", "\xed\xa0\x80",
		"🦄", "é", "/", "//", "..", ".", " ", "   ", "\n", "\n\n", "\n---\n", "\n--- x\n", "\n...\n", "\n%YAML 1.1\n", "\n%TAG ! x:\n", "#", " #", ":", ": ", "-", "- ", "\n- ", ",", ", ,",
		"'", `"`, "{", "}", "[", "]", "[]", "&a ", "*a", "<<", "!!int ", "!!str ", "!!binary ", "!x ", "|", "|\n", ">-\n", "?", "? ", "@", "`", "%", "\\", strings.Repeat("x", 300),
	}
}

func oddValues() []string {
	return []string{
		"", "~", "null", "Null", "true", "yes", "no", "off", "5", "-1", "08", "0x10", "0b1", "1_000", "1e3", "1.50", ".inf", ".nan", "2001-01-01", "12:30:45", "''", `""`, `"no"`, `"\u2028"`, `"\0"`, `"a\
  b"`, "[]", "{}", "[a]", "[a, b]", "[[a]]", "{a: b}", "[a: b]", "{a, b}", "{? a}", "[a, ]", "[,]", "a b", "a,b", "a, b", "a: b", "a:b", "a #b", "a#b", "x/y", "..", "|", ">", "|\n  x", "*nosuch", "&x",
		"&x y", "!!str 5", "!!null x", "!!null", "!!int a", "!!binary YQ==", "!!set {a}", "!!map [a]", "!x y", "=", "<<", "?", "-", "- a", "@a", "`a", "%a", strings.Repeat("y", 254), "northern", "eqiad", "north",
	}
}

var (
	mutableWord  = regexp.MustCompile(`[\w.-]+`)
	mutableValue = regexp.MustCompile(`(?m)(:[ \t]+|^[ \t]*- )[^\n#]*`)
	mutableList  = regexp.MustCompile(`\[[^][\n]*\]`)
)

// replaceOne replaces one match.
func (m *mutator) replaceOne(text string, re *regexp.Regexp, with func(match []string) string) string {
	all := re.FindAllStringSubmatchIndex(text, -1)
	if len(all) == 0 {
		return text
	}
	at := pick(m, all)
	var match []string
	for i := 0; i < len(at); i += 2 {
		match = append(match, text[at[i]:at[i+1]])
	}
	return text[:at[0]] + with(match) + text[at[1]:]
}

func lineMutations() []mutation {
	lines := func(change func(m *mutator, lines []string, from, to int) []string, ofBlock bool) func(*mutator, string) string {
		return func(m *mutator, text string) string {
			all := strings.SplitAfter(text, "\n")
			from := m.IntN(len(all))
			to := from + 1
			if ofBlock {
				to = blockEnd(all, from)
			}
			return strings.Join(change(m, all, from, to), "")
		}
	}
	drop := func(_ *mutator, all []string, from, to int) []string { return slices.Delete(all, from, to) }
	double := func(_ *mutator, all []string, from, to int) []string {
		return slices.Insert(all, to, slices.Clone(all[from:to])...)
	}
	move := func(m *mutator, all []string, from, to int) []string {
		taken := slices.Clone(all[from:to])
		all = slices.Delete(all, from, to)
		return slices.Insert(all, m.IntN(len(all)+1), taken...)
	}
	return []mutation{
		{"drop a line", lines(drop, false)},
		{"drop a block", lines(drop, true)},
		{"double a line", lines(double, false)},
		{"double a block", lines(double, true)},
		{"move a line", lines(move, false)},
		{"move a block", lines(move, true)},
		{"reindent a line", lines(reindent, false)},
		{"reindent a block", lines(reindent, true)},
		{"retype a value", func(m *mutator, text string) string {
			return m.replaceOne(text, mutableValue, func(match []string) string { return match[1] + pick(m, oddValues()) })
		}},
		{"retype a word", func(m *mutator, text string) string {
			return m.replaceOne(text, mutableWord, func([]string) string { return pick(m, oddValues()) })
		}},
		{"put a word in a list", func(m *mutator, text string) string {
			return m.replaceOne(text, mutableWord, func(match []string) string { return "[" + match[0] + "]" })
		}},
		{"quote a word", func(m *mutator, text string) string {
			return m.replaceOne(text, mutableWord, func(match []string) string { return `"` + match[0] + `"` })
		}},
		{"take a list's brackets off", func(m *mutator, text string) string {
			return m.replaceOne(text, mutableList, func(match []string) string { return strings.Trim(match[0], "[]") })
		}},
		{"make a list a map", func(m *mutator, text string) string {
			return m.replaceOne(text, mutableList, func(match []string) string { return "{" + strings.Trim(match[0], "[]") + "}" })
		}},
		{"tab for blanks", func(m *mutator, text string) string {
			return m.replaceOne(text, regexp.MustCompile(`  +`), func([]string) string { return "\t" })
		}},
	}
}

// blockEnd is where the lines end that are further in than one of them.
func blockEnd(lines []string, from int) int {
	depth := func(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
	to := from + 1
	for to < len(lines) && depth(lines[to]) > depth(lines[from]) {
		to++
	}
	return to
}

func reindent(m *mutator, all []string, from, to int) []string {
	by := 1 + m.IntN(3)
	out := m.IntN(2) == 0
	for i := from; i < to; i++ {
		if out {
			all[i] = strings.TrimPrefix(all[i], strings.Repeat(" ", by))
		} else {
			all[i] = strings.Repeat(" ", by) + all[i]
		}
	}
	return all
}

func byteMutations() []mutation {
	return []mutation{
		{"truncate", func(m *mutator, text string) string { return text[:m.IntN(len(text)+1)] }},
		{"drop the beginning", func(m *mutator, text string) string { return text[m.IntN(len(text)+1):] }},
		{"drop some bytes", func(m *mutator, text string) string {
			at := m.IntN(len(text) + 1)
			return text[:at] + text[min(len(text), at+1+m.IntN(20)):]
		}},
		{"change a byte", func(m *mutator, text string) string {
			if text == "" {
				return text
			}
			at := m.IntN(len(text))
			return text[:at] + string([]byte{byte(m.IntN(256))}) + text[at+1:]
		}},
		{"odd bytes", oddInside},
		{"odd bytes in a word", func(m *mutator, text string) string {
			return m.replaceOne(text, mutableWord, func(match []string) string { return oddInside(m, match[0]) })
		}},
		{"odd bytes in front", func(m *mutator, text string) string { return pick(m, oddBytes()) + text }},
		{"odd bytes at the end", func(m *mutator, text string) string { return text + pick(m, oddBytes()) }},
		{"a longer end", func(m *mutator, text string) string {
			return text + pick(m, []string{text, "...\n", "---\n", "--- {}\n", "...\nx\n", "# x", "\x00", "\n\n", "x: [y]\n", "- x\n", "<<: {x: [y]}\n"})
		}},
		{"breaks of another system", func(m *mutator, text string) string {
			return strings.ReplaceAll(text, "\n", pick(m, []string{"\r\n", "\r", "\u0085", "\u2028", " \n", "\t\n"}))
		}},
		{"another text", func(m *mutator, _ string) string {
			return pick(m, []string{"", "\n", "# nothing\n", "---\n", "~\n", "{}", "[]", "[[]]", "x", "x: y", "- - x", "\ufeff", "\ufeffa: [b]", "\xff\xfea\x00:\x00 \x00[\x00b\x00]\x00", "%YAML 1.2\n---\na: [b]\n", "&a [*a]", "a: &a {b: *a}", "a: {<<: *a}"})
		}},
		{"JSON", func(m *mutator, text string) string {
			var v any
			if yaml.Unmarshal([]byte(text), &v) != nil {
				return text
			}
			out, err := json.MarshalIndent(v, "", pick(m, []string{"", " ", "\t"}))
			if err != nil {
				return text
			}
			return string(out)
		}},
	}
}

func oddInside(m *mutator, text string) string {
	at := m.IntN(len(text) + 1)
	return text[:at] + pick(m, oddBytes()) + text[at:]
}

// onParts makes a mutation of what changes one of the parts of a document that
// have others in them. The text comes out in the library's own style.
func onParts(change func(m *mutator, all []*yaml.Node, n *yaml.Node)) func(*mutator, string) string {
	return func(m *mutator, text string) (changed string) {
		defer func() {
			if recover() != nil { // what was made of it cannot be written
				changed = text
			}
		}()
		var doc yaml.Node
		if yaml.Unmarshal([]byte(text), &doc) != nil {
			return text
		}
		var all []*yaml.Node
		var walk func(n *yaml.Node)
		walk = func(n *yaml.Node) {
			if n.Kind != yaml.DocumentNode && len(n.Content) > 0 {
				all = append(all, n)
			}
			for _, c := range n.Content {
				walk(c)
			}
		}
		walk(&doc)
		if len(all) == 0 {
			return text
		}
		change(m, all, pick(m, all))
		out, err := yaml.Marshal(&doc)
		if err != nil {
			return text
		}
		return string(out)
	}
}

// step is how many nodes an item is: a key and its value, or an element.
func step(n *yaml.Node) int {
	if n.Kind == yaml.MappingNode {
		return 2
	}
	return 1
}

func (m *mutator) item(n *yaml.Node) int { return m.IntN(len(n.Content)/step(n)) * step(n) }

func parsed(text string) *yaml.Node {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) == 0 {
		return &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	}
	return doc.Content[0]
}

func nodeMutations() []mutation {
	at := func(change func(m *mutator, all []*yaml.Node, n *yaml.Node, i int)) func(*mutator, string) string {
		return onParts(func(m *mutator, all []*yaml.Node, n *yaml.Node) { change(m, all, n, m.item(n)) })
	}
	return []mutation{
		{"drop an item", at(func(_ *mutator, _ []*yaml.Node, n *yaml.Node, i int) {
			n.Content = slices.Delete(n.Content, i, i+step(n))
		})},
		{"double an item", at(func(_ *mutator, _ []*yaml.Node, n *yaml.Node, i int) {
			n.Content = append(n.Content, n.Content[i:i+step(n)]...)
		})},
		{"swap items", at(func(m *mutator, _ []*yaml.Node, n *yaml.Node, i int) {
			j := m.item(n)
			n.Content[i], n.Content[j] = n.Content[j], n.Content[i]
		})},
		{"retype an item", at(func(m *mutator, _ []*yaml.Node, n *yaml.Node, i int) {
			n.Content[i+step(n)-1] = parsed(pick(m, oddValues()))
		})},
		{"retype a key", at(func(m *mutator, _ []*yaml.Node, n *yaml.Node, i int) { n.Content[i] = parsed(pick(m, oddValues())) })},
		{"an item in a list", at(func(_ *mutator, _ []*yaml.Node, n *yaml.Node, i int) {
			i += step(n) - 1
			n.Content[i] = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{n.Content[i]}}
		})},
		{"an item in a map", at(func(_ *mutator, _ []*yaml.Node, n *yaml.Node, i int) {
			i += step(n) - 1
			n.Content[i] = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{parsed("x"), n.Content[i]}}
		})},
		{"an item in place of its parent", at(func(_ *mutator, _ []*yaml.Node, n *yaml.Node, i int) { *n = *n.Content[i+step(n)-1] })},
		{"another style", at(func(m *mutator, _ []*yaml.Node, n *yaml.Node, i int) {
			styles := []yaml.Style{yaml.FlowStyle, yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle, yaml.LiteralStyle, yaml.FoldedStyle, yaml.TaggedStyle}
			n.Content[i].Style = pick(m, styles)
			n.Style ^= yaml.FlowStyle
		})},
		{"a tag", at(func(m *mutator, _ []*yaml.Node, n *yaml.Node, i int) {
			i += m.IntN(step(n))
			n.Content[i].Tag, n.Content[i].Style = pick(m, []string{"!!str", "!!int", "!!bool", "!!null", "!!map", "!!seq", "!!merge", "!!binary", "!x", "!!set", "!!omap"}), yaml.TaggedStyle
		})},
		{"an alias for an item", at(func(m *mutator, all []*yaml.Node, n *yaml.Node, i int) {
			to := pick(m, all)
			to.Anchor = "here"
			n.Content[i+step(n)-1] = &yaml.Node{Kind: yaml.AliasNode, Value: "here", Alias: to}
		})},
		{"an alias for a key", at(func(m *mutator, all []*yaml.Node, n *yaml.Node, i int) {
			other := pick(m, all)
			to := other.Content[m.item(other)]
			to.Anchor = "key"
			n.Content[i] = &yaml.Node{Kind: yaml.AliasNode, Value: "key", Alias: to}
		})},
		{"a merge", onParts(merge1)},
		{"two merges", onParts(func(m *mutator, all []*yaml.Node, n *yaml.Node) {
			merge1(m, all, n)
			merge1(m, all, n)
		})},
		{"a merge in place of an item", at(func(m *mutator, _ []*yaml.Node, n *yaml.Node, i int) {
			n.Content[i] = parsed(pick(m, []string{"<<", `"<<"`}))
		})},
	}
}

// merge1 merges another map, or a list of maps, into one, at its beginning or
// its end.
func merge1(m *mutator, all []*yaml.Node, n *yaml.Node) {
	to := pick(m, all)
	if to.Anchor == "" {
		to.Anchor = fmt.Sprintf("m%d", m.IntN(1000))
	}
	from := &yaml.Node{Kind: yaml.AliasNode, Value: to.Anchor, Alias: to}
	if m.IntN(3) == 0 {
		from = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{from, parsed("{x: [y]}")}}
	}
	pair := []*yaml.Node{{Kind: yaml.ScalarNode, Value: "<<", Tag: "!!merge"}, from}
	if n.Kind != yaml.MappingNode {
		pair = pair[1:]
	}
	n.Content = slices.Insert(n.Content, pick(m, []int{0, len(n.Content)}), pair...)
}

// keysOfSchema are what may stand under the keys of a schema and of safety
// rules, right and wrong.
func keysOfSchema() map[string][]string {
	rest := []string{"~", "[]", "{}", "x", "5", "yes"}
	return map[string][]string{
		"path":        {"pools", "discovery", "discovery/x", "a/b", "/", "''", "..", "a//b", "a b", "pools/eqiad", "x,y", "é", "../../x", ".confctl"},
		"tags":        {"[name]", "[a, a]", "[a, b]", "[dc, cluster, service]", "a", "[a/b]", "[[a]]", "[~]", "[1]", "[datacenter]", "['']", "[a=b]"},
		"type":        {"int", "string", "strin", "bool", "list", "dict", "any", "cidr_list", "enum:", "enum:a||b", "enum:yes|no", "enum", "int:", "[int]", "String"},
		"default":     {"0", "-1", "no", "inactive", "1.5", "yes", "'yes'", "true", "1_000", "0x10", "[a]", "{a: b}", "[10.0.0.0/33]", "[10.0.0.0/8]", ".nan", "!!binary YQ==", "2001-01-01", "[{a: .inf}]"},
		"depends":     {"[x]", "[node]", "[discovery]", "[node, node]", "[~]", "node", "[service]", "[mwconfig]"},
		"selector":    {"name=(", "nosuch=a", "name=a b", "'name=.*,name=x'", "name", "''", "name=(?=x)", "datacenter=eqiad", "'scope=.*,'", `'name=\1'`, "name=$x", "name="},
		"schema":      {"nosuch.schema", "../x", "{f: {}}", "{f: {default: 1}}", "{f: {type: int, default: x}}", "[f]", "{'': {default: 1}}", "{f: ~}", "{pooled: {type: bool, default: false}}"},
		"base_path":   {"nowhere", "/", "/dev/null", "..", "''", ".", "json-schema"},
		"json_schema": {"{base_path: json-schema, rules: {}}", "{base_path: json-schema}", "{rules: {a: {}}}"},
		"rules":       {"{a: ~}", "{a: {schema: x}}", "{a: {selector: name=x}}"},
		"free_form":   {"true", "false", "maybe"},
		"rule":        {"min-poled", "max-pooled", "mass-change"},
		"only":        {"x=y", "dc=(", "cluster=a b"},
		"group_by":    {"[x]", "x", "[dc]", "[dc, dc]"},
		"at_least":    {"-1", "1.5", "1000000"},
		"at_most":     {"-1", "0"},
		"ratio":       {"2", "-0.5", ".nan", "x"},
		"mode":        {"refuse", "warn", "none", "off", "false"},
		"safety":      append(rest, "[{rule: min-pooled}]", "[{rule: max-pooled, at_most: 1}]", "[x]"),
		"":            rest,
	}
}

func schemaMutations() []mutation {
	table := keysOfSchema()
	return []mutation{
		{"another value of a key", onParts(func(m *mutator, all []*yaml.Node, _ *yaml.Node) {
			all = slices.DeleteFunc(slices.Clone(all), func(n *yaml.Node) bool { return n.Kind != yaml.MappingNode })
			for range 30 {
				n := pick(m, all)
				i := m.item(n)
				if values := table[n.Content[i].Value]; values != nil {
					n.Content[i+1] = parsed(pick(m, append(values, table[""]...)))
					return
				}
			}
		})},
		{"a key with another's value", onParts(func(m *mutator, all []*yaml.Node, n *yaml.Node) {
			i := m.item(n)
			for _, other := range all {
				for j := 0; j+1 < len(other.Content) && n.Kind == yaml.MappingNode && other.Kind == yaml.MappingNode; j += 2 {
					if other.Content[j].Value == n.Content[i].Value && m.IntN(2) == 0 {
						n.Content[i+1] = other.Content[j+1]
					}
				}
			}
		})},
		{"misspell a key", onParts(func(m *mutator, _ []*yaml.Node, n *yaml.Node) {
			word := &n.Content[m.item(n)].Value
			if len(*word) > 1 {
				at := m.IntN(len(*word) - 1)
				*word = pick(m, []string{(*word)[:at] + (*word)[at+1:], (*word)[:at] + "x" + (*word)[at:], (*word) + "s", strings.ToUpper(*word), *word + " "})
			}
		})},
		{"drop a key", onParts(func(m *mutator, _ []*yaml.Node, n *yaml.Node) {
			i := m.item(n)
			n.Content = slices.Delete(n.Content, i, i+step(n))
		})},
	}
}

func jsonMutations() []mutation {
	into := func(texts ...string) func(*mutator, string) string {
		return func(m *mutator, text string) string {
			return m.replaceOne(text, regexp.MustCompile(`\{`), func([]string) string { return "{" + pick(m, texts) + "," })
		}
	}
	return []mutation{
		{"drop a mark", func(m *mutator, text string) string {
			return m.replaceOne(text, regexp.MustCompile(`[][{}":,]`), func([]string) string { return "" })
		}},
		{"double a mark", func(m *mutator, text string) string {
			return m.replaceOne(text, regexp.MustCompile(`[][{}":,]`), func(match []string) string { return match[0] + match[0] })
		}},
		{"look-around", into(`"pattern": "(?=x)"`, `"pattern": "a(?<!b)"`, `"patternProperties": {"(a)\\1": {}}`)},
		{"a reference to nowhere", into(`"$ref": "nowhere.json"`, `"$ref": "#/nowhere"`, `"$ref": "http://example.net/x"`, `"$ref": "#"`, `"$ref": ".."`, `"$ref": 5`, `"$schema": "x"`, `"$id": "http://example.net/x"`)},
		{"an odd part", into(`"type": 5`, `"type": "strin"`, `"enum": []`, `"required": ["zzz"]`, `"additionalProperties": 1`, `"minimum": "a"`, `"not": {}`, `"multipleOf": 0`, `"const": 1`)},
		{"another word", func(m *mutator, text string) string {
			return m.replaceOne(text, regexp.MustCompile(`"[^"\n]*"`), func([]string) string {
				return pick(m, []string{`"x"`, `5`, `null`, `"$ref"`, `"type"`, `[]`, `{}`, `"\ud800"`, `""`})
			})
		}},
	}
}

// fileMutations are of files and directories of the data; they are given a
// path in place of a text.
func fileMutations() []mutation {
	rename := func(m *mutator, from, to string) {
		if text, there := m.tree[from]; there {
			delete(m.tree, from)
			m.tree[to] = text
		}
	}
	return []mutation{
		{"rename the file", func(m *mutator, name string) string {
			dir, base := path.Split(name)
			stem := strings.TrimSuffix(base, path.Ext(base))
			rename(m, name, dir+pick(m, []string{stem + ".yml", stem + ".YAML", stem + ".Yml", stem + ".yaml.bak", stem, base + "~", "." + base, ".#" + base, stem + ".json", "README", "README.yaml", stem + " .yaml", "-.yaml", "é.yaml", "a\nb.yaml", ".yaml"}))
			return ""
		}},
		{"rename the directory", func(m *mutator, name string) string {
			dir := path.Dir(name)
			to := pick(m, []string{dir + "s", dir[:len(dir)-1], treeData + "/" + strings.ToUpper(path.Base(dir)), treeData + "/." + path.Base(dir), treeData + "/unrelated-thing", dir + "/sub", dir + ".yaml"})
			for _, file := range m.below(dir) {
				rename(m, file, to+strings.TrimPrefix(file, dir))
			}
			return ""
		}},
		{"make the file a directory", func(m *mutator, name string) string {
			rename(m, name, name+pick(m, []string{"/", "/x.yaml", "/x"}))
			return ""
		}},
		{"drop the file", func(m *mutator, name string) string {
			delete(m.tree, name)
			return ""
		}},
		{"empty the directory", func(m *mutator, name string) string {
			for _, file := range m.below(path.Dir(name)) {
				delete(m.tree, file)
			}
			m.tree[path.Dir(name)+"/"] = ""
			return ""
		}},
		{"make the directory a file", func(m *mutator, name string) string {
			text := m.tree[name]
			for _, file := range m.below(path.Dir(name)) {
				delete(m.tree, file)
			}
			m.tree[path.Dir(name)] = text
			return ""
		}},
		{"copy the file", func(m *mutator, name string) string {
			to := pick(m, []string{path.Dir(name) + "/copy.yaml", path.Dir(name) + "/copy.yml", path.Dir(name) + "/sub/copy.yaml", treeData + "/copy.yaml", path.Dir(pick(m, m.below(treeData))) + "/copy.yaml"})
			m.tree[to] = m.tree[name]
			return ""
		}},
		{"swap two files", func(m *mutator, name string) string {
			other := pick(m, m.below(treeData))
			m.tree[name], m.tree[other] = m.tree[other], m.tree[name]
			return ""
		}},
	}
}
