package catalog

import (
	"context"
	"iter"
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/store"
)

// Watch yields every transaction after a revision that wrote a key in the
// prefix of the query, or under the given prefixes of confctl's own data, as
// store.Store.Watch does.
func (c *Catalog) Watch(ctx context.Context, after store.Revision, q Query, own ...string) iter.Seq2[store.Batch, error] {
	return c.store.Watch(ctx, after, append(slices.Clone(own), c.prefix(q))...)
}

// Chosen decodes an entry, and reports whether it is an object that matches the
// query. For an entry without a value, such as a deletion, only Type, Tags,
// Name and the revisions of the object are meaningful.
func (c *Catalog) Chosen(q Query, e store.Entry) (object.Object, bool) {
	found := c.Decode([]store.Entry{e}, q.Type)
	if len(found.Objects) == 0 {
		return object.Object{}, false
	}
	o := found.Objects[0]
	return o, q.Selector.Match(o.Tags, o.Name)
}

// Objects returns the prefix of all objects, ending in a slash.
func (c *Catalog) Objects() string { return c.objects }
