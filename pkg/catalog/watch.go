package catalog

import (
	"context"
	"iter"
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/store"
)

// Watch yields every transaction after a revision that wrote what a query could
// choose, or under other prefixes of confctl's own, as store.Store.Watch does.
func (c *Catalog) Watch(ctx context.Context, after store.Revision, q Query, own ...string) iter.Seq2[store.Batch, error] {
	return c.store.Watch(ctx, after, append(slices.Clone(own), c.prefix(q))...)
}

// Chosen makes the object of an entry, if it is one that the query chooses. Of an
// entry without a value, as that of a deletion, the object has its place and
// nothing else that could be believed.
func (c *Catalog) Chosen(q Query, e store.Entry) (object.Object, bool) {
	found := c.Decode([]store.Entry{e}, q.Type)
	if len(found.Objects) == 0 {
		return object.Object{}, false
	}
	o := found.Objects[0]
	return o, q.Selector.Match(o.Tags, o.Name)
}

// Objects is the prefix of all objects, with a slash at the end.
func (c *Catalog) Objects() string { return c.objects }
