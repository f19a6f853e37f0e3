package catalog

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/local"
)

// watching records the reads and commits of a store.
type watching struct {
	store.Store
	reads [][]string
	txns  []store.Txn
}

func (w *watching) Read(ctx context.Context, prefixes ...string) (store.Snapshot, error) {
	w.reads = append(w.reads, prefixes)
	return w.Store.Read(ctx, prefixes...)
}

func (w *watching) Commit(ctx context.Context, txn store.Txn) (store.Receipt, error) {
	w.txns = append(w.txns, txn)
	return w.Store.Commit(ctx, txn)
}

func newCatalog(t *testing.T) (*Catalog, *watching, *schema.Type) {
	t.Helper()
	l, err := local.Open(filepath.Join(t.TempDir(), "state.db"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &watching{Store: l}
	node, err := schema.BuiltIn("/pools/").Type(schema.Node)
	if err != nil {
		t.Fatal(err)
	}
	return New(w, "conftool/", "v1"), w, node
}

func (w *watching) put(t *testing.T, entries ...string) {
	t.Helper()
	var txn store.Txn
	for i := 0; i < len(entries); i += 2 {
		txn.Writes = append(txn.Writes, store.Write{Key: entries[i], Value: []byte(entries[i+1])})
	}
	if _, err := w.Store.Commit(t.Context(), txn); err != nil {
		t.Fatal(err)
	}
}

// TestReadIsNarrow tests that literal first tags limit the prefix to read, down
// to a single key if everything is literal.
func TestReadIsNarrow(t *testing.T) {
	c, w, node := newCatalog(t)
	for text, want := range map[string]string{
		"name=.*":                           "/conftool/v1/pools/",
		"cluster=web":                       "/conftool/v1/pools/",
		"dc=north":                          "/conftool/v1/pools/north/",
		"dc=north,service=http":             "/conftool/v1/pools/north/",
		"service=http,cluster=web,dc=no":    "/conftool/v1/pools/no/web/http/",
		"dc=(north|south),cluster=web":      "/conftool/v1/pools/",
		"dc=north,cluster=web.*":            "/conftool/v1/pools/north/",
		"dc=a,cluster=b,service=c,name=d":   "/conftool/v1/pools/a/b/c/d",
		"dc=a,cluster=b,service=c,name=d.e": "/conftool/v1/pools/a/b/c/",
	} {
		chosen, err := selector.Parse(text, node.Tags)
		if err != nil {
			t.Fatal(err)
		}
		w.reads = nil
		if _, err := c.Read(t.Context(), Query{node, chosen}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]string{{want}}, w.reads); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestReadMakesObjects(t *testing.T) {
	c, w, node := newCatalog(t)
	w.put(t,
		"/conftool/v1/pools/a/b/c/full", `{"weight": 1, "pooled": "no"}`,
		"/conftool/v1/pools/a/b/c/extra", `{"z":1,"pooled":"yes","weight":2}`,
		"/conftool/v1/pools/a/b/c/bare", `{}`,
		"/conftool/v1/pools/a/b/c/odd", `{"weight": "x", "pooled": "yes"}`,
		"/conftool/v1/pools/a/b/c/broken", `{"weight`,
		"/conftool/v1/pools/a/b/short", `{}`,
		"/conftool/v1/pools/a//c/empty", `{}`,
		"/conftool/v1/pools/a/b/c/", `{}`,
		"/conftool/v1/poolside/a/b/c/other", `{}`,
	)
	snapshot, err := c.Read(t.Context(), Query{Type: node})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, o := range snapshot.Objects {
		got[o.Path()] = fmt.Sprintf("%s %v %v %s", o.AppendStored(nil), o.Violations, o.Malformed != nil, o.Raw)
	}
	want := map[string]string{
		"a/b/c/full":   `{"weight": 1, "pooled": "no"} [] false `,
		"a/b/c/extra":  `{"weight": 2, "pooled": "yes", "z": 1} [] false `,
		"a/b/c/bare":   `{"weight": 0, "pooled": "inactive"} [] false `,
		"a/b/c/odd":    `{"weight": "x", "pooled": "yes"} [weight cannot be "x"; it takes a whole number, 0 or more, in plain digits] false `,
		"a/b/c/broken": `{"weight": 0, "pooled": "inactive"} [] true {"weight`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/conftool/v1/pools/a//c/empty", "/conftool/v1/pools/a/b/c/", "/conftool/v1/pools/a/b/short"}, snapshot.Strays); diff != "" {
		t.Error(diff)
	}
}

// plan returns a plan for n nodes of several services in two clusters.
func plan(node *schema.Type, n int, what func(*object.Object) object.Change) object.Plan {
	var p object.Plan
	for i := range n {
		o := object.New(node, []string{"dc", fmt.Sprintf("cluster%d", i%2), fmt.Sprintf("service%d", i%3)}, fmt.Sprintf("host%d", i))
		o.Revision = store.Revision(i + 1)
		p.Changes = append(p.Changes, what(&o))
	}
	return p
}

func changed(o *object.Object) object.Change { return object.Change{Before: o, After: o} }

func guardText(guards []store.Guard) []string {
	var all []string
	for _, g := range guards {
		all = append(all, fmt.Sprintf("%s@%d", strings.TrimPrefix(g.Key, "/conftool/"), g.Revision))
	}
	return all
}

func TestGuards(t *testing.T) {
	c, _, node := newCatalog(t)
	snapshot := object.Snapshot{Revision: 50, Fences: map[string]store.Revision{"node": 7}}
	for _, test := range []struct {
		name    string
		plan    object.Plan
		counted []safety.Group
		want    []string
	}{
		{"each object", plan(node, 2, changed), nil, []string{
			"v1/pools/dc/cluster0/service0/host0@1", "v1/pools/dc/cluster1/service1/host1@2",
		}},
		{"a counted group and the fence", plan(node, 1, changed), []safety.Group{{Type: node, Tags: []string{"dc", "cluster0"}}}, []string{
			".confctl/fence/node@7", "v1/pools/dc/cluster0/service0/host0@1", "v1/pools/dc/cluster0/@50",
		}},
		{"a type that only deletions matter to", plan(node, 1, changed), []safety.Group{{Type: node, Deletions: true}}, []string{
			".confctl/fence/node@7", "v1/pools/dc/cluster0/service0/host0@1",
		}},
		{"the fence of what is created", plan(node, 1, func(o *object.Object) object.Change { o.Revision = 0; return object.Change{After: o} }), nil, []string{
			".confctl/fence/node@7", "v1/pools/dc/cluster0/service0/host0@0",
		}},
		{"a group in a group", plan(node, 1, changed), []safety.Group{{Type: node, Tags: []string{"dc", "cluster0"}}, {Type: node, Tags: []string{"dc"}}}, []string{
			".confctl/fence/node@7", "v1/pools/dc/cluster0/service0/host0@1", "v1/pools/dc/@50",
		}},
		{"too many are merged", plan(node, store.MaxGuards+1, changed), nil, []string{
			".confctl/fence/node@7",
			"v1/pools/dc/cluster0/service0/@50", "v1/pools/dc/cluster0/service1/@50", "v1/pools/dc/cluster0/service2/@50",
			"v1/pools/dc/cluster1/service0/@50", "v1/pools/dc/cluster1/service1/@50", "v1/pools/dc/cluster1/service2/@50",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			guards, err := c.guards(test.plan, snapshot, test.counted)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, guardText(guards)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestCountedButNotRead tests that counted groups that were not read are an
// error, and nothing is committed.
func TestCountedButNotRead(t *testing.T) {
	c, _, node := newCatalog(t)
	other := &schema.Type{Name: "other", Path: "others"}
	snapshot := object.Snapshot{Revision: 50, Fences: map[string]store.Revision{"node": 7}}
	if guards, err := c.guards(plan(node, 1, changed), snapshot, []safety.Group{{Type: other}}); err == nil {
		t.Errorf("guards %v", guards)
	}
}

// TestGuardsAreFewEnough tests that guards stay within the limit for any number
// of groups.
func TestGuardsAreFewEnough(t *testing.T) {
	c, _, node := newCatalog(t)
	var p object.Plan
	for i := range 3000 {
		o := object.New(node, []string{fmt.Sprintf("dc%d", i%700), fmt.Sprintf("cluster%d", i), "s"}, "host")
		p.Changes = append(p.Changes, object.Change{After: &o})
	}
	guards, err := c.guards(p, object.Snapshot{Revision: 9, Fences: map[string]store.Revision{"node": 0}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(guards) > store.MaxGuards {
		t.Errorf("%d guards", len(guards))
	}
	for _, change := range p.Changes {
		held := false
		for _, g := range guards {
			held = held || (g.Prefix && store.Under(c.Key(*change.Object()), g.Key))
		}
		if !held {
			t.Fatalf("%s is not guarded", change.Object())
		}
	}
}

// TestDeletionRewritesTheFence tests that a deletion changes the fence, which
// guards depend on.
func TestDeletionRewritesTheFence(t *testing.T) {
	c, w, node := newCatalog(t)
	w.put(t, "/conftool/v1/pools/a/b/c/d", "{}")
	snapshot, _, err := c.ReadToChange(t.Context(), nil, Query{Type: node})
	if err != nil {
		t.Fatal(err)
	}
	record := Record{ID: "id", Key: c.Own("journal", "id"), Writes: []store.Write{{Key: c.Own("journal", "id")}}}
	if _, err := c.Commit(t.Context(), object.Delete(snapshot.Objects), snapshot, nil, record); err != nil {
		t.Fatal(err)
	}
	after, _, err := c.ReadToChange(t.Context(), nil, Query{Type: node})
	if err != nil {
		t.Fatal(err)
	}
	if snapshot.Fences["node"] != 0 || after.Fences["node"] != after.Revision || len(after.Objects) != 0 {
		t.Errorf("fence %v, then %v at revision %d", snapshot.Fences, after.Fences, after.Revision)
	}
}

// TestOverlappingQueries tests that an object that matches two queries is
// returned once.
func TestOverlappingQueries(t *testing.T) {
	c, w, node := newCatalog(t)
	w.put(t, "/conftool/v1/pools/a/b/c/x", "{}", "/conftool/v1/pools/a/b/c/y", "{}", "/conftool/v1/pools/z/b/c/y", "{}")
	narrow, err := selector.Parse("dc=a,name=x", node.Tags)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := selector.Parse("dc=a", node.Tags)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, _, err := c.ReadToChange(t.Context(), nil, Query{node, narrow}, Query{node, wide})
	if err != nil {
		t.Fatal(err)
	}
	if len(snapshot.Objects) != 2 || len(snapshot.Select(node, narrow)) != 1 || len(snapshot.Select(node, wide)) != 2 {
		t.Errorf("%v", snapshot.Objects)
	}
}
