package readers

import (
	"errors"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// RuleInvalid is the rule of a mistake in a declared reader.
const RuleInvalid = "reader"

// Load compiles the readers that are declared beside the types of a schema, and
// those of a file, {type: [readers]}. The file need not exist; an empty name is no
// file. If both declare readers for a type, it has all of them. A reader is a map:
//
//	readers:
//	  - {kind: pybal, url: "http://lvs1001:9090/pools/{cluster}_{service}", only: "dc=eqiad"}
//	  - {kind: dns, name: "{dnsdisc}.discovery.example.net", server: ns0.example.net,
//	     answers: {eqiad: 10.2.2.0/24, codfw: [10.2.1.0/24, "2001:db8:1::/48"]}, ttl: 10-300}
//
// docs/readers.md describes the keys of each kind. No two readers may have the same
// name.
//
// The readers are in the order of the types. Readers with a mistake are left out, and
// so are those in the file of types that cannot be used. Every problem with a reader
// names file and line.
func Load(s *schema.Schema, file string) ([]Reader, []schema.Problem) {
	l := loader{schema: s, names: map[string]yamldoc.Pos{}}
	doc, err := s.ReadBeside(file)
	if err != nil {
		l.fail(err)
	}
	inFile, errs := s.ByType(doc, "a file of readers", RuleInvalid)
	for _, err := range errs {
		l.fail(err)
	}
	for _, t := range s.Types() {
		l.typ = t
		l.list(t.Readers)
		l.list(inFile[t.Name])
	}
	return l.readers, l.problems
}

// loader compiles readers and collects the problems with them.
type loader struct {
	schema   *schema.Schema
	typ      *schema.Type // the type of the readers; nil before the first type
	readers  []Reader
	problems []schema.Problem
	names    map[string]yamldoc.Pos // the positions of the readers, by their names as perfdata labels
}

// list compiles a list of readers. A missing list is an empty list.
func (l *loader) list(n yamldoc.Node) {
	if n.IsEmpty() {
		return
	}
	items, err := n.Items("the readers of type " + l.typ.Name)
	if err != nil {
		l.fail(err)
	}
	for _, item := range items {
		before := len(l.problems)
		if r := l.reader(item); len(l.problems) == before {
			l.readers = append(l.readers, r)
		}
	}
}

func (l *loader) fail(err error) {
	typ := ""
	if l.typ != nil {
		typ = l.typ.Name
	}
	l.problems = append(l.problems, schema.NewProblem(typ, err, RuleInvalid))
}

func (l *loader) failAt(n yamldoc.Node, format string, args ...any) {
	l.fail(n.Errorf(format, args...))
}

// expected is an error that names the allowed values of a key.
type expected string

func (e expected) Error() string { return string(e) }

// failKey adds a problem with the value of a key.
func (l *loader) failKey(n yamldoc.Node, key string, err error) {
	if errors.As(err, new(expected)) {
		l.failAt(n, "%s cannot be %s: %v", key, n.Describe(), err)
	} else {
		l.failAt(n, "%s: %v", key, err)
	}
}

// declaration is a reader as it is written, and as far as it is compiled.
type declaration struct {
	*loader
	node  yamldoc.Node
	parts map[string]yamldoc.Node
	r     Reader
}

func (d *declaration) has(key string) bool {
	_, has := d.parts[key]
	return has
}

// keysOf returns the keys that a reader can have. The first needed of them are
// required.
func keysOf(kind Kind) (keys []string, needed int) {
	switch kind {
	case File:
		keys, needed = []string{"path", "pattern", "unit", "reports"}, 1
	case DNS:
		keys, needed = []string{"name", "answers", "server", "hosts", "ttl"}, 2
	case Rendered:
		keys = []string{"path", "url", "pattern", "json", "name", "field", "fields", "values", "lists", "headers", "ca", "hosts"}
	case Index:
		keys, needed = []string{"url", "pattern", "unit", "reports", "headers", "ca", "hosts"}, 1
	default:
		keys, needed = []string{"url", "headers", "ca", "hosts"}, 1
	}
	return append(keys, "kind", "label", "only", "within"), needed
}

func (l *loader) reader(n yamldoc.Node) Reader {
	pairs, err := n.Pairs("a reader")
	if err != nil {
		l.fail(err)
		return Reader{}
	}
	d := declaration{l, n, map[string]yamldoc.Node{}, Reader{Type: l.typ, Pos: n.Pos(), Within: DefaultWithin}}
	for _, p := range pairs {
		d.parts[p.Name] = p.Value
	}
	kind, given := d.parts["kind"]
	if !given || !slices.Contains(Kinds(), kind.Text()) {
		if !given {
			kind = n
		}
		l.failAt(kind, "a reader has to say of what kind it is%s: %s", nearest.Suggest(kind.Text(), Kinds()), strings.Join(Kinds(), ", "))
		return Reader{}
	}
	d.r.Kind = Kind(kind.Text())
	d.r.local = d.has("path")
	d.r.rendered.lists = listsAll
	known, needed := keysOf(d.r.Kind)
	for _, p := range pairs {
		if !slices.Contains(known, p.Name) {
			l.failAt(p.Key, "a reader of kind %s has no %q%s; it takes %s", d.r.Kind, p.Name, nearest.Suggest(p.Name, known), strings.Join(known, ", "))
		}
	}
	d.together(known[:needed])
	for _, key := range known {
		if n, given := d.parts[key]; given && key != "kind" {
			d.read(key, n)
		}
	}
	if err := d.r.comparable(); err != nil {
		d.failAt(d.node, "%v", err)
	}
	d.name()
	return d.r
}

// together checks which keys may be combined.
func (d *declaration) together(needed []string) {
	need := func(given bool, format string) {
		if !given {
			d.failAt(d.node, "a reader of kind %s needs "+format, d.r.Kind)
		}
	}
	only := func(what string, keys ...string) {
		for _, key := range keys {
			if n, given := d.parts[key]; given {
				d.failAt(n, "%s is for %s", key, what)
			}
		}
	}
	for _, key := range needed {
		need(d.has(key), key)
	}
	switch d.r.Kind {
	case DNS:
		need(d.has("server") != d.has("hosts"), "server, or hosts if there are several")
	case Rendered:
		need(d.has("path") != d.has("url"), "path, of a file here, or url")
		need(d.has("pattern") != d.has("json"), "pattern, which finds the objects in text, or json, which does so in JSON")
		if d.has("path") {
			only("what is asked by its url, and not for a file here", "headers", "ca", "hosts")
		}
		if d.has("pattern") {
			only("json; a pattern has groups: (?P<name>[^ ]+) (?P<FIELD>[0-9]+)", "name", "fields")
		}
	}
	if url := strings.ToLower(d.parts["url"].Text()); d.has("url") && !strings.HasPrefix(url, "https://") {
		only("the authorities of https://, and the url is none", "ca")
	}
}

// name refuses a reader whose name another reader has: a monitoring system could not
// tell them apart.
func (d *declaration) name() {
	if d.r.Target == "" {
		return // it already has a problem
	}
	key := perfLabel(d.r.Name())
	if was, taken := d.names[key]; taken {
		at, labelled := d.parts["label"]
		if !labelled {
			at = d.node
		}
		d.failAt(at, "the reader at %s is called %q, too: give one of them another label", was, printable(d.r.Name()))
		return
	}
	d.names[key] = d.node.Pos()
}
