// Package catalog reads and writes typed objects in a store. It maps objects to
// keys and values, and a plan to one transaction.
//
// An object's key is <namespace>/<api version>/<path>/<tag values>/<name>;
// nothing else is written under <namespace>/<api version>/. Confctl keeps its
// own data under <namespace>/.confctl/, which readers do not read.
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

// A Catalog reads and commits objects. Use New to create one.
type Catalog struct {
	store   store.Store
	objects string // prefix of all objects, ending in a slash
	own     string // prefix of confctl's own data, ending in a slash
}

// New returns a catalog for a store. The namespace is the one in the
// configuration, such as /conftool.
func New(s store.Store, namespace, apiVersion string) *Catalog {
	ns := "/" + strings.Trim(namespace, "/")
	return &Catalog{store: s, objects: ns + "/" + strings.Trim(apiVersion, "/") + "/", own: ns + "/.confctl/"}
}

// Own returns the key of confctl's own data with the given path, such as a
// journal record.
func (c *Catalog) Own(parts ...string) string { return c.own + strings.Join(parts, "/") }

// Query selects the objects of a type that match a selector. The zero selector
// matches all.
type Query struct {
	Type     *schema.Type
	Selector selector.Selector
}

// Around returns a query for all objects with the same values of up to depth
// first tags, as far as the selector gives them literally.
func (q Query) Around(depth int) Query {
	values := map[string]string{}
	for i, literal := range q.Selector.Literals() {
		if i < min(depth, len(q.Type.Tags)) {
			values[q.Type.Tags[i]] = literal
		}
	}
	return Query{Type: q.Type, Selector: selector.Exactly(q.Type.Tags, values)}
}

// prefix returns the key, or the prefix ending in a slash, of all keys that can
// match the query.
func (c *Catalog) prefix(q Query) string {
	literals := q.Selector.Literals()
	key := c.objects + strings.Join(append([]string{q.Type.Path}, literals...), "/")
	if len(literals) > len(q.Type.Tags) { // the name is literal, too: a single key
		return key
	}
	return key + "/"
}

// Read returns the objects that match any of the queries, each once, at one
// revision, with one request. The snapshot's strays are the keys in the
// prefixes read that cannot belong to an object.
func (c *Catalog) Read(ctx context.Context, queries ...Query) (object.Snapshot, error) {
	snapshot, _, err := c.read(ctx, nil, queries)
	return snapshot, err
}

// ReadToChange reads as Read does, for a change: the snapshot also has the
// fences of the types. The same request reads the entries under the given
// prefixes of confctl's own data.
func (c *Catalog) ReadToChange(ctx context.Context, own []string, queries ...Query) (object.Snapshot, []store.Entry, error) {
	prefixes := slices.Clone(own)
	for _, q := range queries {
		if key := c.fence(q.Type); !slices.Contains(prefixes, key) {
			prefixes = append(prefixes, key)
		}
	}
	return c.read(ctx, prefixes, queries)
}

// fence returns the key that every deletion of an object of the type rewrites.
// A guard on a group does not detect deletions; a guard on the fence does.
func (c *Catalog) fence(t *schema.Type) string { return c.Own("fence", t.Name) }

// read reads objects and the own prefixes. If own is not nil, it puts fences
// into the snapshot. It returns the other entries of confctl's own data.
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
		found.Entries[i].Value = nil // free each value once it is decoded: large ones add up
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

// decoders returns one decoder for each type in the queries.
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

// decoder decodes entries into objects of one type. Values and directories
// repeat often, so it decodes each once.
type decoder struct {
	typ    *schema.Type
	chosen []selector.Selector // an object matches if any of them matches
	prefix string              // of all objects of the type
	known  map[string]decoded
	dir    string // the last directory seen; tags are its parts
	tags   []string
}

// decoded is the result of decoding a value.
type decoded struct {
	fields     []value.Field
	violations []schema.Violation
	err        error
}

// place is the position of a key relative to the path of a type.
type place int

const (
	elsewhere place = iota // outside the type's path
	misplaced              // in the path, but not the key of an object
	inPlace                // the key of an object
)

// decode adds the object of an entry to the snapshot if it is of the decoder's
// type and matches a selector.
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
	const small = 4096 // bytes; larger values are not cached
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

// Object decodes the entry of an object.
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
