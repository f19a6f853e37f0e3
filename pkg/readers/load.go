package readers

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// RuleInvalid is what sort of mistake a yamldoc.Error of this package is about:
// what is declared is no reader.
const RuleInvalid = "reader"

// Load compiles the readers that are declared beside the types of a schema, and
// those of a file, {type: [readers]}, if it is there: a name that is empty is no
// file. Both may have readers for a type; they add up. A reader is a map:
//
//	readers:
//	  - {kind: mediawiki, url: "https://en.example.org/w/api.php", within: 30s}
//	  - {kind: mediawiki, url: "http://en.example.org/w/api.php", hosts: {type: node, select: "cluster=appserver"}}
//	  - {kind: pybal, url: "http://lvs1001:9090/pools/{cluster}_{service}", only: "dc=eqiad"}
//	  - {kind: dns, name: "{dnsdisc}.discovery.example.net", server: ns0.example.net,
//	     answers: {eqiad: 10.2.2.0/24, codfw: [10.2.1.0/24, "2001:db8:1::/48"]}, ttl: 10-300}
//	  - {kind: file, path: /etc/x.conf, pattern: "index: ([0-9]+)"}
//	  - {kind: rendered, path: /etc/x.conf, pattern: '^server (?P<name>\S+) weight=(?P<weight>\d+)$', lists: pooled}
//	  - {kind: index, url: "http://app1001/status", pattern: "rev=([0-9]+)", unit: revision, reports: store}
//
// All take label, only (a selector) and within; those with a url, headers and ca.
// Those that are asked over the network take hosts: a list, the names of objects,
// or a name in the DNS whose every address is asked.
// Keys of answers are names of objects. No two are called the same.
//
// The readers are in the order of the types. Those with a mistake are left out,
// and so are those of types that the schema has no use for; what is wrong with
// readers has file and line.
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

// loader compiles readers and gathers what is wrong with them.
type loader struct {
	schema   *schema.Schema
	typ      *schema.Type // whose they are; nil before the first
	readers  []Reader
	problems []schema.Problem
	names    map[string]yamldoc.Pos // where those are that have a name, by its label
}

// list compiles a list of readers; nothing is the empty list.
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

// declaration is one reader as it is written.
type declaration struct {
	yamldoc.Node
	parts map[string]yamldoc.Node
}

// keysOf returns what a reader can be given, what it must have first.
func keysOf(kind Kind) (keys []string, needed int) {
	switch kind {
	case File:
		keys, needed = []string{"path", "pattern", "unit", "reports"}, 1
	case DNS:
		keys, needed = []string{"name", "answers", "server", "hosts", "ttl"}, 2
	case Rendered:
		keys, needed = renderedKeys(), 0
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
	d := declaration{n, map[string]yamldoc.Node{}}
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
	r := Reader{Kind: Kind(kind.Text()), Type: l.typ, Pos: n.Pos(), Within: DefaultWithin}
	l.keys(r.Kind, d, pairs)
	l.common(&r, d)
	l.particular(&r, d)
	l.applies(r, d)
	l.name(r, d)
	return r
}

// keys finds what a reader of the kind does not take, and what it lacks.
func (l *loader) keys(kind Kind, d declaration, pairs []yamldoc.Pair) {
	known, needed := keysOf(kind)
	for _, p := range pairs {
		if !slices.Contains(known, p.Name) {
			l.failAt(p.Key, "a reader of kind %s has no %q%s; it takes %s", kind, p.Name, nearest.Suggest(p.Name, known), strings.Join(known, ", "))
		}
	}
	for _, key := range known[:needed] {
		if _, given := d.parts[key]; !given {
			l.failAt(d.Node, "a reader of kind %s needs %s", kind, key)
		}
	}
	_, server := d.parts["server"]
	if _, hosts := d.parts["hosts"]; kind == DNS && server == hosts {
		l.failAt(d.Node, "a reader of kind %s needs server, or hosts if there are several", kind)
	}
}

// part is a scalar of the declaration.
func (l *loader) part(d declaration, key string) (n yamldoc.Node, text string, given bool) {
	n, given = d.parts[key]
	if !given {
		return n, "", false
	}
	if text = strings.TrimSpace(n.Text()); text == "" || n.IsNull() || oneLine(text) != strings.ReplaceAll(text, "|", "/") {
		l.failAt(n, "%s cannot be %s: a word, or a line of text, is expected", key, n.Describe())
		return n, "", false
	}
	return n, text, true
}

// common reads what all readers take.
func (l *loader) common(r *Reader, d declaration) {
	_, r.Label, _ = l.part(d, "label")
	if n, text, given := l.part(d, "only"); given {
		only, err := l.typ.Selector(text)
		if err != nil {
			l.failAt(n, "only: %v", err)
		}
		r.Only = only
	}
	if n, text, given := l.part(d, "within"); given {
		within, err := time.ParseDuration(text)
		if err != nil || within <= 0 || within > 24*time.Hour {
			l.failAt(n, "within cannot be %s: how late it may be is expected, as 30s or 5m, up to 24h", n.Describe())
		}
		r.Within = within
	}
	l.headers(r, d)
	if n, text, given := l.part(d, "ca"); given {
		if r.ca = text; !isHTTPS(d.parts["url"].Text()) {
			l.failAt(n, "ca is the file of the authorities for https://, and the url is none")
		}
	}
}

func (l *loader) headers(r *Reader, d declaration) {
	n, given := d.parts["headers"]
	if !given {
		return
	}
	pairs, err := n.Pairs("headers")
	if err != nil {
		l.fail(err)
		return
	}
	r.headers = map[string]string{}
	for _, p := range pairs {
		text := p.Value.Text()
		if !headerName.MatchString(p.Name) || text == "" || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
			l.failAt(p.Key, "headers cannot hold %q: %s", p.Name, p.Value.Describe())
		}
		r.headers[p.Name] = text
	}
}

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// particular reads what readers of the kind take.
func (l *loader) particular(r *Reader, d declaration) {
	key := map[Kind]string{File: "path", DNS: "name"}[r.Kind]
	if _, local := d.parts["path"]; local && r.Kind == Rendered {
		key = "path"
	} else if key == "" {
		key = "url"
	}
	r.local = key == "path"
	n, text, given := l.part(d, key)
	if r.Target = text; given {
		if err := r.checkTarget(); err != nil {
			l.failAt(n, "%s: %v", key, err)
		}
	}
	if _, err := placeholders(r.Label, l.typ); err != nil {
		l.failAt(d.parts["label"], "label: %v", err)
	}
	if n, text, given := l.part(d, "pattern"); given && r.Kind != Rendered {
		pattern, err := regexp.Compile(text)
		if err != nil || pattern.NumSubexp() != 1 {
			l.failAt(n, "pattern cannot be %s: a regular expression (RE2) with one group is expected, as in: index: ([0-9]+)", n.Describe())
		}
		r.pattern = pattern
	}
	if n, text, given := l.part(d, "unit"); given {
		if r.revision = text == "revision"; !r.revision && text != "index" {
			l.failAt(n, "unit cannot be %s: index, which is the gateway's, or revision, which is the store's, is expected", n.Describe())
		}
	}
	if n, text, given := l.part(d, "reports"); given {
		if r.wholeStore = text == "store"; !r.wholeStore && text != "objects" {
			l.failAt(n, "reports cannot be %s: objects, of which it is the highest index, or store, for how far it has read that, is expected", n.Describe())
		}
	}
	if n, text, given := l.part(d, "server"); given {
		server, err := hostPort(text, "53")
		if err != nil {
			l.failAt(n, "server: %v", err)
		}
		r.server = server
	}
	l.hosts(r, d)
	l.answers(r, d)
	l.ttl(r, d)
	l.rendered(r, d)
}

func (l *loader) ttl(r *Reader, d declaration) {
	n, text, given := l.part(d, "ttl")
	if !given {
		return
	}
	var ok bool
	if r.ttl, ok = parseTTL(text); !ok {
		l.failAt(n, "ttl cannot be %s: none, or the range in seconds that the zone allows, as 10-300, is expected", n.Describe())
	}
	if f, has := l.typ.Field(ttlField); !has || f.Kind != schema.Int {
		l.failAt(n, "ttl: type %s has no field %s of type int to compare with", l.typ.Name, ttlField)
	}
}

func (l *loader) answers(r *Reader, d declaration) {
	n, given := d.parts["answers"]
	if !given {
		return
	}
	pairs, err := n.Pairs("answers")
	if err != nil {
		l.fail(err)
		return
	}
	if len(pairs) == 0 {
		l.failAt(n, "answers is empty: by the name of an object, the addresses of its place are expected")
	}
	r.answers = map[string][]netip.Prefix{}
	for _, p := range pairs {
		items := []yamldoc.Node{p.Value}
		if p.Value.IsList() {
			if items, _ = p.Value.Items("answers"); len(items) == 0 {
				l.failAt(p.Value, "answers: %s has no network", p.Name)
			}
		}
		for _, item := range items {
			if _, err := parsePrefix(p.Name); err == nil {
				l.failAt(p.Key, "answers: %s and %s are swapped: the name of the object comes first, as in {%s: %s}", p.Name, printable(item.Text()), printable(item.Text()), p.Name)
				continue
			}
			l.network(r, p.Name, item)
		}
	}
}

// network reads one network of a place. Of two that hold each other the smaller
// one tells the place; two that are the same tell none.
func (l *loader) network(r *Reader, place string, n yamldoc.Node) {
	network, err := parsePrefix(n.Text())
	if err != nil {
		l.failAt(n, "answers: %s is neither an address nor a network: 10.2.1.0/24, for one", n.Describe())
		return
	}
	for _, other := range slices.Sorted(maps.Keys(r.answers)) {
		if other != place && slices.Contains(r.answers[other], network) {
			l.failAt(n, "answers: %s is of %s, too, and can tell one place only", network, other)
		}
	}
	r.answers[place] = append(r.answers[place], network)
}

// parsePrefix reads a network, or one address.
func parsePrefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	return network.Masked(), err
}

// applies finds readers that nothing of the type can be compared with.
func (l *loader) applies(r Reader, d declaration) {
	if err := r.comparable(); err != nil {
		l.fail(d.Errorf("%v", err))
	}
}

// name finds readers that are called as another one is: a monitoring system takes
// both for one.
func (l *loader) name(r Reader, d declaration) {
	if r.Target == "" {
		return // it has a mistake already
	}
	key := perfLabel(r.Name())
	if was, taken := l.names[key]; taken {
		at, named := d.parts["label"]
		if !named {
			at = d.Node
		}
		l.failAt(at, "the reader at %s is called %q, too: give one of them another label", was, printable(r.Name()))
		return
	}
	l.names[key] = d.Pos()
}

// comparable reports why objects of the type are nothing to compare the reader
// with.
func (r Reader) comparable() error {
	if _, ok := r.Type.Field(pooledField); !ok && (r.Kind == PyBal || r.Kind == DNS || r.Kind == Rendered && r.rendered.lists != listsAll) {
		return fmt.Errorf("a reader of kind %s is of no use for type %s, which has no field %s", r.Kind, r.Type.Name, pooledField)
	}
	return nil
}
