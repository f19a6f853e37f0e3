package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/store"
)

// Commit makes the changes of a plan and writes their record in one
// transaction: all or nothing, and at most once. The transaction is guarded
// against changes since the snapshot of the same objects and of all objects in
// the counted groups. The snapshot must have been read by ReadToChange for all
// of these.
//
// Errors are those of store.Store.Commit. A group of a type that was not read
// for a change is an error, too.
func (c *Catalog) Commit(ctx context.Context, plan object.Plan, snapshot object.Snapshot, counted []safety.Group, record Record) (store.Receipt, error) {
	guards, err := c.guards(plan, snapshot, counted)
	if err != nil {
		return store.Receipt{}, err
	}
	txn := store.Txn{Once: record.Key, Void: record.Void, Guards: guards, Writes: record.Writes}
	for _, change := range plan.Changes {
		txn.Writes = append(txn.Writes, c.write(change))
	}
	for _, t := range deletes(plan) {
		txn.Writes = append(txn.Writes, store.Write{Key: c.Own("fence", t), Value: []byte(record.ID)})
	}
	return c.store.Commit(ctx, txn)
}

// Record is the data that is written in the same transaction as a change: its
// journal record, which makes sure that the change happens at most once, and
// the announcements in the outbox.
type Record struct {
	ID     string        // the change's id
	Key    string        // the key of the journal record
	Void   []byte        // the record that the change was not made; see store.Txn
	Writes []store.Write // all writes, including the record itself
}

// Size returns the approximate number of bytes of a change in a transaction:
// those of the key and of the values before and after, which the journal record
// repeats.
func (c *Catalog) Size(change object.Change) int {
	size := 0
	for _, o := range []*object.Object{change.Before, change.After} {
		if o != nil {
			size += len(c.Key(*o)) + len(o.AppendStored(nil)) + len(o.Raw)
		}
	}
	return size
}

// Key returns the key of an object in the store.
func (c *Catalog) Key(o object.Object) string { return c.objects + o.Key() }

func (c *Catalog) write(change object.Change) store.Write {
	w := store.Write{Key: c.Key(*change.Object())}
	if change.After == nil {
		w.Delete = true
		return w
	}
	w.Value = change.After.AppendStored(nil)
	return w
}

// deletes returns the sorted names of the types of which the plan deletes
// objects.
func deletes(plan object.Plan) []string {
	types := map[string]bool{}
	for _, change := range plan.Changes {
		if change.After == nil {
			types[change.Before.Type.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(types))
}

// guards returns the guards that fail if the plan is no longer based on the
// current state.
func (c *Catalog) guards(plan object.Plan, snapshot object.Snapshot, counted []safety.Group) ([]store.Guard, error) {
	g := guardSet{revision: snapshot.Revision, keys: map[string]store.Revision{}, prefixes: map[string]bool{}}
	fenced := map[string]bool{}
	for _, change := range plan.Changes {
		g.keys[c.Key(*change.Object())] = change.Object().Revision
		// A guard on an absent object would hold again after the object was
		// created and deleted. The fence changes then, so a delayed duplicate
		// of the request can never take effect. The record of a deletion has
		// the revision of the deletion before it.
		if change.Before == nil || change.After == nil {
			fenced[change.Object().Type.Name] = true
		}
	}
	for _, group := range counted {
		fenced[group.Type.Name] = true
		if !group.Deletions {
			g.prefixes[c.groupPrefix(group)] = true
		}
	}
	if len(g.keys)+len(g.prefixes)+len(fenced) > store.MaxGuards {
		// A merged guard covers a prefix, which does not detect deletions.
		for _, change := range plan.Changes {
			fenced[change.Object().Type.Name] = true
		}
	}
	g.merge(store.MaxGuards - len(fenced))
	for name := range fenced {
		revision, read := snapshot.Fences[name]
		if !read {
			return nil, fmt.Errorf("objects of type %s are guarded, but were not read for a change", name)
		}
		g.keys[c.Own("fence", name)] = revision
	}
	return g.list(), nil
}

// groupPrefix returns the prefix of the objects in a group.
func (c *Catalog) groupPrefix(g safety.Group) string {
	return c.objects + strings.Join(append([]string{g.Type.Path}, g.Tags...), "/") + "/"
}

// guardSet is a set of guards on keys, and of guards on prefixes at one
// revision.
type guardSet struct {
	revision store.Revision
	keys     map[string]store.Revision
	prefixes map[string]bool
}

// merge replaces guards by guards on the enclosing prefixes, the deepest first,
// until there are at most limit. The result covers at least the same keys.
func (g *guardSet) merge(limit int) {
	for len(g.keys)+len(g.prefixes) > limit {
		depth := 0
		for _, key := range g.all() {
			depth = max(depth, strings.Count(strings.TrimSuffix(key, "/"), "/"))
		}
		if depth <= 1 {
			return // a single prefix is left, which cannot be merged further
		}
		for _, key := range g.all() {
			if strings.Count(strings.TrimSuffix(key, "/"), "/") == depth {
				delete(g.keys, key)
				delete(g.prefixes, key)
				g.prefixes[parent(key)] = true
			}
		}
	}
}

func (g *guardSet) all() []string {
	return slices.Concat(slices.Collect(maps.Keys(g.keys)), slices.Collect(maps.Keys(g.prefixes)))
}

// parent returns the prefix that encloses a key or prefix: /a/ for /a/b and
// /a/b/.
func parent(key string) string {
	key = strings.TrimSuffix(key, "/")
	return key[:strings.LastIndexByte(key, '/')+1]
}

// list returns the guards in key order, without prefixes inside other prefixes.
// A key inside a guarded prefix keeps its own guard, because a guard on a
// prefix does not detect deletions.
func (g *guardSet) list() []store.Guard {
	var guards []store.Guard
	for _, key := range slices.Sorted(maps.Keys(g.keys)) {
		guards = append(guards, store.Guard{Key: key, Revision: g.keys[key]})
	}
	for _, prefix := range slices.Sorted(maps.Keys(g.prefixes)) {
		if !g.inside(prefix) {
			guards = append(guards, store.Guard{Key: prefix, Prefix: true, Revision: g.revision})
		}
	}
	return guards
}

// inside reports whether the prefix is inside another guarded prefix.
func (g *guardSet) inside(prefix string) bool {
	for p := parent(prefix); p != "/" && p != ""; p = parent(p) {
		if g.prefixes[p] {
			return true
		}
	}
	return false
}
