package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
)

func chosen(t *testing.T, typ *schema.Type, text string) Query {
	t.Helper()
	s, err := selector.Parse(text, typ.Tags)
	if err != nil {
		t.Fatal(err)
	}
	return Query{typ, s}
}

// TestAround tests that a query is extended to all objects with the same first
// tags.
func TestAround(t *testing.T) {
	c, _, node := newCatalog(t)
	for _, test := range []struct {
		text  string
		depth int
		want  string
	}{
		{"dc=a,cluster=b,service=c,name=d", 3, "/conftool/v1/pools/a/b/c/"},
		{"dc=a,cluster=b,service=c,name=d", 4, "/conftool/v1/pools/a/b/c/"},
		{"dc=a,cluster=b,service=c,name=d", 2, "/conftool/v1/pools/a/b/"},
		{"dc=a,cluster=b,service=c,name=d", 0, "/conftool/v1/pools/"},
		{"dc=a,cluster=b.*,service=c", 3, "/conftool/v1/pools/a/"},
		{"name=d", 3, "/conftool/v1/pools/"},
	} {
		q := chosen(t, node, test.text).Around(test.depth)
		if got := c.prefix(q); got != test.want || !q.Selector.Match([]string{"a", "b", "c"}, "another") {
			t.Errorf("%s around %d: %s, want %s", test.text, test.depth, got, test.want)
		}
	}
}

// TestCommitIsOneTransaction tests that a transaction has exactly the changes
// and the record.
func TestCommitIsOneTransaction(t *testing.T) {
	c, w, node := newCatalog(t)
	w.put(t, "/conftool/v1/pools/a/b/c/x", `{"weight": 1, "pooled": "no"}`, "/conftool/v1/pools/a/b/c/y", "{}")
	snapshot, _, err := c.ReadToChange(t.Context(), nil, Query{Type: node})
	if err != nil {
		t.Fatal(err)
	}
	created := object.New(node, []string{"a", "b", "c"}, "z")
	changed, err := object.ParseWords(node, []string{"weight=5"})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := object.Set(snapshot.Objects[:1], changed)
	if err != nil {
		t.Fatal(err)
	}
	plan.Changes = append(plan.Changes, object.Change{Before: &snapshot.Objects[1]}, object.Change{After: &created})
	record := store.Write{Key: c.Own("journal", "id"), Value: []byte("record")}
	receipt, err := c.Commit(t.Context(), plan, snapshot, nil, Record{ID: "id", Key: record.Key, Void: []byte("void"), Writes: []store.Write{record}})
	if err != nil || receipt.Revision != snapshot.Revision+1 {
		t.Fatal(receipt, err)
	}
	want := []store.Txn{{Once: record.Key, Void: []byte("void"), Guards: []store.Guard{
		{Key: "/conftool/.confctl/fence/node"},
		{Key: "/conftool/v1/pools/a/b/c/x", Revision: snapshot.Revision}, {Key: "/conftool/v1/pools/a/b/c/y", Revision: snapshot.Revision}, {Key: "/conftool/v1/pools/a/b/c/z"},
	}, Writes: []store.Write{
		record,
		{Key: "/conftool/v1/pools/a/b/c/x", Value: []byte(`{"weight": 5, "pooled": "no"}`)},
		{Key: "/conftool/v1/pools/a/b/c/y", Delete: true},
		{Key: "/conftool/v1/pools/a/b/c/z", Value: []byte(`{"weight": 0, "pooled": "inactive"}`)},
		{Key: "/conftool/.confctl/fence/node", Value: []byte("id")},
	}}}
	if diff := cmp.Diff(want, w.txns); diff != "" {
		t.Error(diff)
	}
}

// TestReadToChange tests that entries under other prefixes are returned,
// without the fences.
func TestReadToChange(t *testing.T) {
	c, w, node := newCatalog(t)
	typ := setting()
	w.put(t, "/conftool/v1/pools/a/b/c/x", "{}", "/conftool/v1/settings/global/one", "{}",
		"/conftool/.confctl/outbox/a", "1", "/conftool/.confctl/outbox/b", "2", "/conftool/.confctl/fence/node", "id", "/conftool/.confctl/journal/a", "3")
	snapshot, others, err := c.ReadToChange(t.Context(), []string{c.Own("outbox", "")}, Query{Type: node}, Query{Type: typ}, Query{Type: node})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, e := range others {
		keys = append(keys, e.Key+"="+string(e.Value))
	}
	if want := []string{"/conftool/.confctl/outbox/a=1", "/conftool/.confctl/outbox/b=2"}; !slices.Equal(keys, want) {
		t.Errorf("got %q", keys)
	}
	if diff := cmp.Diff(map[string]store.Revision{"node": snapshot.Revision, "setting": 0}, snapshot.Fences); diff != "" || len(snapshot.Objects) != 2 || len(snapshot.Strays) != 0 {
		t.Errorf("%s %v %v", diff, snapshot.Objects, snapshot.Strays)
	}
	if want := [][]string{{"/conftool/.confctl/outbox/", "/conftool/.confctl/fence/node", "/conftool/.confctl/fence/setting", "/conftool/v1/pools/", "/conftool/v1/settings/global/", "/conftool/v1/pools/"}}; !cmp.Equal(w.reads, want) {
		t.Errorf("read %q", w.reads)
	}
	if snapshot, err := c.Read(t.Context(), Query{Type: node}); err != nil || snapshot.Fences != nil {
		t.Errorf("not to change: fences %v, %v", snapshot.Fences, err)
	}
}

// away is a store that cannot be reached.
type away struct {
	store.Store
	err error
}

func (a away) Read(context.Context, ...string) (store.Snapshot, error) {
	return store.Snapshot{}, a.err
}

func (a away) Commit(context.Context, store.Txn) (store.Receipt, error) {
	return store.Receipt{}, a.err
}

// TestErrorsOfTheStore tests that errors of the store are returned unchanged.
func TestErrorsOfTheStore(t *testing.T) {
	gone := errors.New("gone")
	c := New(away{err: gone}, "/conftool", "v1")
	node, err := schema.BuiltIn("pools").Type(schema.Node)
	if err != nil {
		t.Fatal(err)
	}
	_, errRead := c.Read(t.Context(), Query{Type: node})
	_, errAll := c.ReadAll(t.Context(), node)
	_, _, errChange := c.ReadToChange(t.Context(), nil, Query{Type: node})
	_, errCommit := c.Commit(t.Context(), object.Plan{}, object.Snapshot{}, nil, Record{})
	for i, err := range []error{errRead, errAll, errChange, errCommit} {
		if !errors.Is(err, gone) {
			t.Errorf("%d: %v", i, err)
		}
	}
	unread := object.Plan{Changes: []object.Change{{After: new(object.New(node, []string{"a", "b", "c"}, "x"))}}}
	if _, err := c.Commit(t.Context(), unread, object.Snapshot{}, nil, Record{}); err == nil || errors.Is(err, gone) {
		t.Errorf("what was not read for a change: %v", err)
	}
}

// TestSize tests that the size includes the key and the stored values before
// and after.
func TestSize(t *testing.T) {
	c, _, node := newCatalog(t)
	o := object.New(node, []string{"a", "b", "c"}, "x")
	n := len("/conftool/v1/pools/a/b/c/x" + `{"weight": 0, "pooled": "inactive"}`)
	broken := o
	broken.Raw = []byte("12345")
	for want, change := range map[int]object.Change{n: {After: &o}, n + 5: {Before: &broken}, 2*n + 5: {Before: &broken, After: &o}} {
		if got := c.Size(change); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
}

// TestWatchOfAQuery tests that Watch yields keys in the prefix of a query, and
// that Chosen filters them.
func TestWatchOfAQuery(t *testing.T) {
	c, w, node := newCatalog(t)
	w.put(t, "/conftool/v1/pools/a/b/c/x", "{}")
	snapshot, err := c.Read(t.Context(), Query{Type: node})
	if err != nil {
		t.Fatal(err)
	}
	q := chosen(t, node, "dc=a,name=x")
	for _, key := range []string{c.Objects() + "pools/z/b/c/x", c.Objects() + "pools/a/b/c/y", c.Own("journal", "1"), c.Own("outbox", "1"), c.Objects() + "pools/a/b/x", c.Objects() + "pools/a/b/c/x"} {
		w.put(t, key, `{"weight": 7}`)
	}
	var got []string
	for batch, err := range c.Watch(t.Context(), snapshot.Revision, q, c.Own("journal", "")) {
		if err != nil {
			t.Fatal(err)
		}
		if len(batch.Events) == 0 {
			continue // a progress notification
		}
		e := batch.Events[0].Entry
		o, ok := c.Chosen(q, e)
		got = append(got, fmt.Sprint(e.Key, " ", ok))
		if ok && (o.Path() != "a/b/c/x" || o.Get("weight").Text() != "7") {
			t.Errorf("%s is %s", e.Key, o)
		}
		if ok {
			break
		}
	}
	want := []string{"/conftool/v1/pools/a/b/c/y false", "/conftool/.confctl/journal/1 false", "/conftool/v1/pools/a/b/x false", "/conftool/v1/pools/a/b/c/x true"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestNotAnObject tests that a malformed object has the stored bytes and the
// reason.
func TestNotAnObject(t *testing.T) {
	_, _, node := newCatalog(t)
	o := Object(node, []string{"a", "b", "c"}, "x", store.Entry{Value: []byte("[1]"), Modified: 3, Created: 2})
	if o.Malformed == nil || o.Malformed.Error() != "a JSON object is expected, not a list" || string(o.Raw) != "[1]" || o.Get("pooled").Text() != `"inactive"` || o.Revision != 3 || o.Created != 2 {
		t.Errorf("%v, %+v", o.Malformed, o)
	}
}

// TestDecodeOutOfOrder tests entries in any order and with duplicate keys.
func TestDecodeOutOfOrder(t *testing.T) {
	c, _, node := newCatalog(t)
	e := func(name, weight string) store.Entry {
		return store.Entry{Key: c.Objects() + "pools/a/b/c/" + name, Value: []byte(`{"weight": ` + weight + `}`)}
	}
	for _, test := range []struct {
		entries []store.Entry
		want    string
	}{
		{[]store.Entry{e("y", "1"), e("x", "2")}, "x2 y1 "},
		{[]store.Entry{e("x", "1"), e("x", "2")}, "x2 "},
		{[]store.Entry{e("x", "1"), e("z", "2"), e("y", "3"), e("x", "4")}, "x4 y3 z2 "},
		{[]store.Entry{e("x", "1")}, "x1 "},
		{nil, ""},
	} {
		got := ""
		for _, o := range c.Decode(test.entries, node).Objects {
			got += o.Name + o.Get("weight").Text() + " "
		}
		if got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

// TestGuardsUpToTheLimit tests that guards are merged only if there are too
// many.
func TestGuardsUpToTheLimit(t *testing.T) {
	c, _, node := newCatalog(t)
	snapshot := object.Snapshot{Revision: 900, Fences: map[string]store.Revision{"node": 7}}
	created := func(o *object.Object) object.Change { return object.Change{After: o} }
	for _, test := range []struct {
		n, guards int
		what      func(*object.Object) object.Change
	}{
		{store.MaxGuards, store.MaxGuards, changed},
		{store.MaxGuards + 1, 7, changed},               // six directories and the fence
		{store.MaxGuards - 1, store.MaxGuards, created}, // with the fence
		{store.MaxGuards, 7, created},
	} {
		guards, err := c.guards(plan(node, test.n, test.what), snapshot, nil)
		if err != nil || len(guards) != test.guards {
			t.Errorf("%d changes: %d guards, want %d, %v", test.n, len(guards), test.guards, err)
		}
	}
}

// TestMoreTypesThanGuards tests that too many guards are passed to the store,
// which refuses them.
func TestMoreTypesThanGuards(t *testing.T) {
	c, _, _ := newCatalog(t)
	snapshot, p := object.Snapshot{Revision: 9, Fences: map[string]store.Revision{}}, object.Plan{}
	for i := range store.MaxGuards + 5 {
		typ := &schema.Type{Name: fmt.Sprint("t", i), Path: fmt.Sprint("t", i)}
		snapshot.Fences[typ.Name] = 0
		p.Changes = append(p.Changes, object.Change{After: new(object.New(typ, nil, "x"))})
	}
	guards, err := c.guards(p, snapshot, nil)
	if err != nil || len(guards) != store.MaxGuards+6 || !slices.ContainsFunc(guards, func(g store.Guard) bool { return g.Prefix && g.Key == "/conftool/" }) {
		t.Errorf("%d guards, %v: %v", len(guards), err, guardText(guards))
	}
}
