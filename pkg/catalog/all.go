package catalog

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
)

// ReadAll returns all objects of the types, and as strays all other keys below
// namespace and API version, including keys in paths that belong to no type;
// see Outside for types that were left out. It makes one request and reads one
// revision.
//
// The snapshot has no fences, so it must not be used to make a change.
func (c *Catalog) ReadAll(ctx context.Context, types ...*schema.Type) (object.Snapshot, error) {
	found, err := c.store.Read(ctx, c.objects)
	if err != nil {
		return object.Snapshot{}, err
	}
	snapshot := c.Decode(found.Entries, types...)
	snapshot.Revision = found.Revision
	return snapshot, nil
}

// Decode decodes entries as Read does, whatever their source; their keys must
// be keys of this store. Keys that belong to no object of the types are strays.
// Of several entries with the same key, the last one counts.
//
// Objects and strays are in key order. The revisions of the objects are those
// of the entries; the revision of the snapshot is 0.
func (c *Catalog) Decode(entries []store.Entry, types ...*schema.Type) object.Snapshot {
	entries = inOrder(entries)
	queries := make([]Query, len(types))
	for i, t := range types {
		queries[i] = Query{Type: t}
	}
	decoders := c.decoders(queries)
	snapshot := object.Snapshot{Objects: make([]object.Object, 0, len(entries))}
	for _, e := range entries {
		stray := true
		for _, d := range decoders {
			if d.decode(e, &snapshot) == inPlace {
				stray = false
			}
		}
		if stray {
			snapshot.Strays = append(snapshot.Strays, e.Key)
		}
	}
	return snapshot
}

// inOrder returns the entries in key order. Of several entries with the same
// key, it keeps the last.
func inOrder(entries []store.Entry) []store.Entry {
	ordered := true
	for i := 1; i < len(entries) && ordered; i++ {
		ordered = entries[i-1].Key < entries[i].Key
	}
	if ordered { // as a store returns them
		return entries
	}
	sorted := slices.Clone(entries)
	slices.Reverse(sorted)
	slices.SortStableFunc(sorted, func(a, b store.Entry) int { return cmp.Compare(a.Key, b.Key) })
	return slices.CompactFunc(sorted, func(a, b store.Entry) bool { return a.Key == b.Key })
}

// Outside returns the keys that are not below any of the paths, which are paths
// of types. Use it for strays if a type of the schema could not be read: the
// keys in its path are probably its objects.
func (c *Catalog) Outside(keys []string, paths ...string) []string {
	var outside []string
	for _, key := range keys {
		within := func(path string) bool {
			return path != "" && strings.HasPrefix(key, c.objects+strings.Trim(path, "/")+"/")
		}
		if !slices.ContainsFunc(paths, within) {
			outside = append(outside, key)
		}
	}
	return outside
}
