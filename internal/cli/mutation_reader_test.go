package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gopkg.in/yaml.v3"
)

// otherSite is a site as another reader sees it: one that knows what the
// contract says and uses nothing of this program.
type otherSite map[string]*otherType

type otherType struct {
	path  string
	tags  []string
	paths map[string]bool // of objects: tag values and name, with slashes
	files int
	err   error // of the first file that makes no sense
}

// readOther reads a schema and the data of its types.
func readOther(schemaFile, data string) (otherSite, error) {
	all, err := otherSchema(schemaFile)
	if err != nil {
		return nil, err
	}
	for name, t := range all {
		t.paths = map[string]bool{}
		entries, err := os.ReadDir(filepath.Join(data, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.err = err
		}
		for _, e := range entries {
			base := e.Name()
			if ext := filepath.Ext(base); base[0] == '.' || ext != ".yaml" && ext != ".yml" {
				continue
			}
			t.files++
			paths, err := otherFile(filepath.Join(data, name, base), t.layout(name))
			if err != nil && t.err == nil {
				t.err = err
			}
			maps.Copy(t.paths, paths)
		}
	}
	return all, nil
}

// keys returns where the objects are stored, in order.
func (s otherSite) keys() []string {
	var keys []string
	for _, t := range s {
		for p := range t.paths {
			keys = append(keys, path.Join("/conftool/v1", t.path, p))
		}
	}
	slices.Sort(keys)
	return keys
}

// overlap returns two types of which one's objects could be taken for the
// other's.
func (s otherSite) overlap() (a, b string, found bool) {
	for a, one := range s {
		for b, two := range s {
			if a != b && strings.HasPrefix(path.Join("/", one.path)+"/", path.Join("/", two.path)+"/") {
				return a, b, true
			}
		}
	}
	return "", "", false
}

// layout is how the files of a type are made.
type layout struct {
	Node   bool // hosts with their services, below two more maps
	Levels int  // of maps above a list
}

func (t *otherType) layout(name string) layout {
	if name == "node" && len(t.tags) == 3 {
		return layout{true, 3}
	}
	return layout{false, len(t.tags)}
}

// otherSchema reads where types have their objects and what tags they have.
func otherSchema(file string) (otherSite, error) {
	all := otherSite{"node": {path: "pools", tags: []string{"dc", "cluster", "service"}}}
	doc, err := otherYAML(file)
	if err != nil || isNull(doc) {
		return all, err
	}
	types, err := otherMap(doc, 0)
	if err != nil {
		return nil, err
	}
	for name, n := range types {
		parts, err := otherMap(n, 0)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		t := &otherType{}
		if t.path, err = otherWord(parts["path"]); err != nil {
			return nil, fmt.Errorf("path of %s: %w", name, err)
		}
		if t.tags, err = otherList(parts["tags"]); err != nil {
			return nil, fmt.Errorf("tags of %s: %w", name, err)
		}
		all[name] = t
	}
	return all, nil
}

// otherFile returns the objects that a file declares.
func otherFile(file string, of layout) (map[string]bool, error) {
	doc, err := otherYAML(file)
	if err != nil {
		return nil, err
	}
	paths := map[string]bool{}
	var walk func(n *yaml.Node, above []string) error
	walk = func(n *yaml.Node, above []string) error {
		if len(above) == of.Levels {
			names, err := otherList(n)
			for _, name := range names {
				words := append(slices.Clone(above), name)
				if of.Node { // host and service change places
					words[2], words[3] = words[3], words[2]
				}
				paths[strings.Join(words, "/")] = true
			}
			return err
		}
		below, err := otherMap(n, 0)
		for key, val := range below {
			if err == nil {
				err = walk(val, append(slices.Clone(above), key))
			}
		}
		return err
	}
	return paths, walk(doc, nil)
}

// otherYAML reads the one document of a file; there may be none.
func otherYAML(file string) (n *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil { // as this library does on some malformed text
			err = fmt.Errorf("%s: %v", file, r)
		}
	}()
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	case !errors.Is(d.Decode(&second), io.EOF):
		return nil, errors.New("a second document, or none that can be read")
	}
	return doc.Content[0], nil
}

func otherTarget(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool {
	n = otherTarget(n)
	return n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

func otherWord(n *yaml.Node) (string, error) {
	if n = otherTarget(n); isNull(n) || n.Kind != yaml.ScalarNode {
		return "", errors.New("no word")
	}
	return n.Value, nil
}

func otherList(n *yaml.Node) ([]string, error) {
	if n = otherTarget(n); n == nil || n.Kind != yaml.SequenceNode {
		return nil, errors.New("no list")
	}
	words := make([]string, len(n.Content))
	for i, item := range n.Content {
		var err error
		if words[i], err = otherWord(item); err != nil {
			return nil, err
		}
	}
	return words, nil
}

// otherMap returns a map's values. What stands in it comes before what is merged
// into it, and of that the first before the others.
func otherMap(n *yaml.Node, depth int) (map[string]*yaml.Node, error) {
	if n = otherTarget(n); n == nil || n.Kind != yaml.MappingNode || depth > 50 {
		return nil, errors.New("no map")
	}
	own := map[string]*yaml.Node{}
	var merges []*yaml.Node
	for i := 0; i < len(n.Content); i += 2 {
		key, val := n.Content[i], otherTarget(n.Content[i+1])
		if otherTarget(key).ShortTag() == "!!merge" {
			switch {
			case merges != nil:
				return nil, errors.New("a map has two merge keys; there is no telling which comes first")
			case val.Kind == yaml.SequenceNode:
				merges = val.Content
			default:
				merges = []*yaml.Node{val}
			}
			continue
		}
		word, err := otherWord(key)
		if err != nil {
			return nil, err
		}
		if _, twice := own[word]; twice {
			return nil, fmt.Errorf("%q is there twice", word)
		}
		own[word] = val
	}
	all := map[string]*yaml.Node{}
	for _, from := range slices.Backward(merges) {
		merged, err := otherMap(from, depth+1)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, merged)
	}
	maps.Copy(all, own)
	return all, nil
}

// pythonReader is the same in Python, with a YAML library that shares nothing
// with that of Go. Names stay as they are written. It reads a file for each line
// of its input.
const pythonReader = `
import json, sys, yaml

def tag(n): return n.tag.rpartition(":")[2]

def word(n):
    if not isinstance(n, yaml.ScalarNode) or tag(n) == "null":
        raise ValueError("no word")
    return n.value

def pairs(n):
    if not isinstance(n, yaml.MappingNode):
        raise ValueError("no map")
    own, merged = {}, {}
    for key, val in n.value:
        if tag(key) == "merge":
            for m in val.value if isinstance(val, yaml.SequenceNode) else [val]:
                for k, v in pairs(m).items():
                    merged.setdefault(k, v)
        elif word(key) in own:
            raise ValueError("there twice: " + word(key))
        else:
            own[word(key)] = val
    return {**merged, **own}

def walk(n, levels, above):
    if levels == 0:
        if not isinstance(n, yaml.SequenceNode):
            raise ValueError("no list")
        for item in n.value:
            yield above + [word(item)]
    else:
        for key, val in pairs(n).items():
            yield from walk(val, levels - 1, above + [key])

for line in sys.stdin:
    ask = json.loads(line)
    try:
        with open(ask["File"], "rb") as f:
            root = yaml.compose(f, Loader=yaml.SafeLoader)
        found = set()
        for w in walk(root, ask["Levels"], []):
            if ask["Node"]:
                w[2], w[3] = w[3], w[2]
            found.add("/".join(w))
        answer = {"Paths": sorted(found)}
    except Exception as e:
        answer = {"Err": "%s: %s" % (type(e).__name__, e)}
    print(json.dumps(answer), flush=True)
`

// python is a process that reads files; nil if there is none.
type python struct {
	sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

// startPython starts a reader in Python, where that and PyYAML are installed.
func startPython(t *testing.T) *python {
	t.Helper()
	if out, err := exec.Command("python3", "-c", "import yaml").CombinedOutput(); err != nil {
		t.Logf("without a reader in Python: needs python3 with PyYAML: %v %s", err, out)
		return nil
	}
	cmd := exec.Command("python3", "-c", pythonReader)
	cmd.Stderr = os.Stderr
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			t.Error(err)
		}
	})
	return &python{in: in, out: bufio.NewReader(out)}
}

// read returns the objects that a file declares.
func (p *python) read(file string, of layout) (map[string]bool, error) {
	p.Lock()
	defer p.Unlock()
	ask, err := json.Marshal(struct {
		File string
		layout
	}{file, of})
	if err == nil {
		_, err = p.in.Write(append(ask, '\n'))
	}
	if err != nil {
		return nil, err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	var answer struct {
		Paths []string
		Err   string
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return nil, err
	}
	if answer.Err != "" {
		return nil, errors.New(answer.Err)
	}
	paths := map[string]bool{}
	for _, p := range answer.Paths {
		paths[p] = true
	}
	return paths, nil
}
