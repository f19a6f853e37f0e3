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

// Commit makes the changes of a plan, and writes what belongs with them, in
// one transaction: all or nothing, and once. It is guarded against changes of
// the same objects since the snapshot, and of anything in the groups counted,
// which the snapshot must have been read for.
//
// Errors are those of store.Store.Commit.
func (c *Catalog) Commit(ctx context.Context, plan object.Plan, on object.Snapshot, counted []safety.Group, with Record) (store.Receipt, error) {
	guards, err := c.guards(plan, on, counted)
	if err != nil {
		return store.Receipt{}, err
	}
	txn := store.Txn{Once: with.Key, Void: with.Void, Guards: guards, Writes: with.Writes}
	for _, change := range plan.Changes {
		txn.Writes = append(txn.Writes, c.write(change))
	}
	for _, t := range deletes(plan) {
		txn.Writes = append(txn.Writes, store.Write{Key: c.Own("fence", t), Value: []byte(with.ID)})
	}
	return c.store.Commit(ctx, txn)
}

// Record is what is written with a change: its record in the journal, by which
// the change happens once, and what waits for delivery.
type Record struct {
	ID     string        // of the change
	Key    string        // of the journal's record
	Void   []byte        // the record that says that the change was not made; see store.Txn
	Writes []store.Write // the record itself included
}

// Size returns about how many bytes a change takes in a transaction: those of
// the key and of the values before and after, which the record has too.
func (c *Catalog) Size(change object.Change) int {
	size := 0
	for _, o := range []*object.Object{change.Before, change.After} {
		if o != nil {
			size += len(c.Key(*o)) + len(o.AppendStored(nil)) + len(o.Raw)
		}
	}
	return size
}

// Key returns where an object is kept.
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

// deletes returns the names of the types of which the plan deletes something.
func deletes(plan object.Plan) []string {
	types := map[string]bool{}
	for _, change := range plan.Changes {
		if change.After == nil {
			types[change.Before.Type.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(types))
}

// guards returns the conditions under which the plan is still the right one.
func (c *Catalog) guards(plan object.Plan, on object.Snapshot, counted []safety.Group) ([]store.Guard, error) {
	g := guardSet{revision: on.Revision, keys: map[string]store.Revision{}, prefixes: map[string]bool{}}
	fenced := map[string]bool{}
	for _, change := range plan.Changes {
		g.keys[c.Key(*change.Object())] = change.Object().Revision
		// That an object is absent holds again once it was created and deleted,
		// the fence not: a request that was overtaken by that, and repeated by
		// something on its way, stays without effect for good. The record of a
		// deletion names the deletion before it.
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
		// A merged guard is on a group, which does not see deletions.
		for _, change := range plan.Changes {
			fenced[change.Object().Type.Name] = true
		}
	}
	g.merge(store.MaxGuards - len(fenced))
	for name := range fenced {
		revision, read := on.Fences[name]
		if !read {
			return nil, fmt.Errorf("objects of type %s are guarded, but were not read for a change", name)
		}
		g.keys[c.Own("fence", name)] = revision
	}
	return g.list(), nil
}

// groupPrefix is where the objects of a group are.
func (c *Catalog) groupPrefix(g safety.Group) string {
	return c.objects + strings.Join(append([]string{g.Type.Path}, g.Tags...), "/") + "/"
}

// guardSet is guards on keys, and on prefixes as of one revision.
type guardSet struct {
	revision store.Revision
	keys     map[string]store.Revision
	prefixes map[string]bool
}

// merge replaces guards by those of the prefixes around them, the deepest
// first, until there are few enough. What it guards only grows.
func (g *guardSet) merge(most int) {
	for len(g.keys)+len(g.prefixes) > most {
		depth := 0
		for _, key := range g.all() {
			depth = max(depth, strings.Count(strings.TrimSuffix(key, "/"), "/"))
		}
		if depth <= 1 {
			return // everything below one prefix: there is nothing to merge into
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

// parent returns the prefix around a key or prefix: /a/b and /a/b/ are in /a/.
func parent(key string) string {
	key = strings.TrimSuffix(key, "/")
	return key[:strings.LastIndexByte(key, '/')+1]
}

// list returns the guards in order, without prefixes inside another. A key
// inside a guarded prefix keeps its guard: that it is deleted shows only there.
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

// inside reports whether another guarded prefix holds this one.
func (g *guardSet) inside(prefix string) bool {
	for p := parent(prefix); p != "/" && p != ""; p = parent(p) {
		if g.prefixes[p] {
			return true
		}
	}
	return false
}
