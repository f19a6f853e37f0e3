// Package catalog is typed objects over a store: it knows where objects are
// kept and how, and turns a plan into one transaction.
//
// An object is at <namespace>/<api version>/<path>/<tag values>/<name>, and
// nothing else is ever written under <namespace>/<api version>/. What confctl
// keeps for itself is under <namespace>/.confctl/, where no reader looks.
package catalog

import (
	"context"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// Catalog reads and commits objects. Make one with New.
type Catalog struct {
	store   store.Store
	objects string // prefix of all objects, with a slash at the end
	own     string // prefix of what confctl keeps for itself
}

// New returns the catalog of a store. The namespace is as the configuration
// has it, such as /conftool.
func New(s store.Store, namespace, apiVersion string) *Catalog {
	ns := "/" + strings.Trim(namespace, "/")
	return &Catalog{store: s, objects: ns + "/" + strings.Trim(apiVersion, "/") + "/", own: ns + "/.confctl/"}
}

// Own returns the key of something confctl keeps for itself, such as a record
// of the journal.
func (c *Catalog) Own(parts ...string) string { return c.own + strings.Join(parts, "/") }

// Query is what to read: the objects of a type that a selector chooses. The
// zero selector chooses all.
type Query struct {
	Type     *schema.Type
	Selector selector.Selector
}

// Around returns the query for all objects that have the same values of the
// first tags, at most so many, as far as this one names them.
func (q Query) Around(depth int) Query {
	values := map[string]string{}
	for i, literal := range q.Selector.Literals() {
		if i < min(depth, len(q.Type.Tags)) {
			values[q.Type.Tags[i]] = literal
		}
	}
	return Query{Type: q.Type, Selector: selector.Exactly(q.Type.Tags, values)}
}

// prefix returns what has to be read of the store to have all matches.
func (c *Catalog) prefix(q Query) string {
	literals := q.Selector.Literals()
	key := c.objects + strings.Join(append([]string{q.Type.Path}, literals...), "/")
	if len(literals) > len(q.Type.Tags) { // down to the name: exactly that key
		return key
	}
	return key + "/"
}

// Read returns the objects that any of the queries chooses, each once, at one
// revision, by one request. Keys that cannot belong to an object are in the snapshot as strays,
// as far as they are under what was read.
func (c *Catalog) Read(ctx context.Context, queries ...Query) (object.Snapshot, error) {
	snapshot, _, err := c.read(ctx, nil, queries)
	return snapshot, err
}

// ReadToChange is Read for a change: the snapshot has the fences of the types.
// In the same request it reads what is under other prefixes of confctl's own.
func (c *Catalog) ReadToChange(ctx context.Context, own []string, queries ...Query) (object.Snapshot, []store.Entry, error) {
	prefixes := slices.Clone(own)
	for _, q := range queries {
		if key := c.fence(q.Type); !slices.Contains(prefixes, key) {
			prefixes = append(prefixes, key)
		}
	}
	return c.read(ctx, prefixes, queries)
}

// fence is the key that every deletion of an object of the type rewrites. A
// guard on a group does not see deletions; one on the fence does.
func (c *Catalog) fence(t *schema.Type) string { return c.Own("fence", t.Name) }

// read reads objects and, for a change, keys of confctl's own, of which the
// fences go into the snapshot and the others are returned.
func (c *Catalog) read(ctx context.Context, own []string, queries []Query) (object.Snapshot, []store.Entry, error) {
	prefixes := slices.Clone(own)
	for _, q := range queries {
		prefixes = append(prefixes, c.prefix(q))
	}
	found, err := c.store.Read(ctx, prefixes...)
	if err != nil {
		return object.Snapshot{}, nil, err
	}
	snapshot := object.Snapshot{Revision: found.Revision, Objects: make([]object.Object, 0, len(found.Entries))}
	decoders := c.decoders(queries)
	if own != nil {
		snapshot.Fences = map[string]store.Revision{}
		for _, d := range decoders {
			snapshot.Fences[d.typ.Name] = 0
		}
	}
	var others []store.Entry
	for i, e := range found.Entries {
		found.Entries[i].Value = nil // each is let go of once it is decoded: large ones add up
		if name, isFence := strings.CutPrefix(e.Key, c.Own("fence", "")); isFence {
			snapshot.Fences[name] = e.Modified
			continue
		}
		if strings.HasPrefix(e.Key, c.own) {
			others = append(others, e)
			continue
		}
		for _, d := range decoders {
			if d.decode(e, &snapshot) == misplaced {
				snapshot.Strays = append(snapshot.Strays, e.Key)
			}
		}
	}
	return snapshot, others, nil
}

// decoders returns one decoder for each type that is asked for.
func (c *Catalog) decoders(queries []Query) []*decoder {
	var all []*decoder
	for _, q := range queries {
		i := slices.IndexFunc(all, func(d *decoder) bool { return d.typ == q.Type })
		if i < 0 {
			i = len(all)
			all = append(all, &decoder{typ: q.Type, prefix: c.objects + q.Type.Path + "/", known: map[string]decoded{}})
		}
		all[i].chosen = append(all[i].chosen, q.Selector)
	}
	return all
}

// decoder makes objects of entries. Values and directories repeat a lot: each
// is decoded once.
type decoder struct {
	typ    *schema.Type
	chosen []selector.Selector // an object is chosen by any of them
	prefix string              // of all the type's objects
	known  map[string]decoded
	dir    string // the last one seen, and its parts
	tags   []string
}

// decoded is what a stored value means.
type decoded struct {
	fields     []value.Field
	violations []schema.Violation
	err        error
}

// place is where a key is, as a type sees it.
type place int

const (
	elsewhere place = iota // outside the type's path
	misplaced              // in it, but where no object can be
	inPlace                // where an object is
)

// decode adds the object of an entry to the snapshot, if it is one of the
// type's and a selector chooses it.
func (d *decoder) decode(e store.Entry, snapshot *object.Snapshot) place {
	path, ok := strings.CutPrefix(e.Key, d.prefix)
	if !ok {
		return elsewhere
	}
	slash := strings.LastIndexByte(path, '/')
	dir, name := path[:max(slash, 0)], path[slash+1:]
	if dir != d.dir || d.tags == nil {
		d.dir, d.tags = dir, parts(dir)
	}
	if len(d.tags) != len(d.typ.Tags) || name == "" || slices.Contains(d.tags, "") {
		return misplaced
	}
	if !slices.ContainsFunc(d.chosen, func(s selector.Selector) bool { return s.Match(d.tags, name) }) {
		return inPlace
	}
	const small = 4096 // bytes of a value that is worth keeping for the next that is the same
	v, seen := d.known[string(e.Value)]
	if !seen {
		v = decode(d.typ, e.Value)
		if len(e.Value) <= small {
			d.known[string(e.Value)] = v
		}
	}
	snapshot.Objects = append(snapshot.Objects, v.object(d.typ, d.tags, name, e))
	return inPlace
}

func parts(dir string) []string {
	if dir == "" {
		return []string{}
	}
	return strings.Split(dir, "/")
}

func decode(t *schema.Type, stored []byte) decoded {
	v, err := value.Parse(stored)
	switch {
	case err != nil:
		return decoded{fields: t.Defaults(), err: err}
	case v.Kind() != value.Map:
		return decoded{fields: t.Defaults(), err: &notAnObject{v.Kind()}}
	}
	if err := object.CheckFields(v.Len()); err != nil {
		return decoded{fields: t.Defaults(), err: err}
	}
	fields := object.Order(t, v.Fields())
	return decoded{fields: fields, violations: t.ValidateFields(fields[:len(t.Fields)])}
}

// Object makes an object of what is stored for it.
func Object(t *schema.Type, tags []string, name string, e store.Entry) object.Object {
	return decode(t, e.Value).object(t, tags, name, e)
}

func (v decoded) object(t *schema.Type, tags []string, name string, e store.Entry) object.Object {
	o := object.Object{
		Type: t, Tags: tags, Name: name, Revision: e.Modified, Created: e.Created,
		Fields: v.fields, Violations: v.violations, Malformed: v.err,
	}
	if v.err != nil {
		o.Raw = e.Value
	}
	return o
}

type notAnObject struct{ kind value.Kind }

func (e *notAnObject) Error() string { return "a JSON object is expected, not " + e.kind.String() }
