package catalog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// setting is a type without tags.
func setting() *schema.Type { return &schema.Type{Name: "setting", Path: "settings/global"} }

// mixed returns keys and values of nodes, of settings, and of neither.
func mixed() []string {
	return []string{
		"/conftool/v1/elsewhere", "{}",
		"/conftool/v1/gone/a/b", "{}",
		"/conftool/v1/pools", "{}",
		"/conftool/v1/pools/a/b/c/broken", `{"weight`,
		"/conftool/v1/pools/a/b/c/x", `{"weight": 1, "pooled": "no"}`,
		"/conftool/v1/pools/a/b/short", "{}",
		"/conftool/v1/pools-a/b/c/d", "{}",
		"/conftool/v1/pools/z/b/c/x", `{"weight": 1, "pooled": "no"}`,
		"/conftool/v1/settings/global/one", `{"z": 1}`,
		"/conftool/v1/settings/global/too/deep", "{}",
	}
}

func lines(s object.Snapshot) []string {
	var all []string
	for _, o := range s.Objects {
		all = append(all, fmt.Sprintf("%s %s %v", o, o.AppendStored(nil), o.Malformed != nil))
	}
	for _, key := range s.Strays {
		all = append(all, "stray "+key)
	}
	return all
}

func wantMixed() []string {
	return []string{
		`node a/b/c/broken {"weight": 0, "pooled": "inactive"} true`,
		`node a/b/c/x {"weight": 1, "pooled": "no"} false`,
		`node z/b/c/x {"weight": 1, "pooled": "no"} false`,
		`setting one {"z": 1} false`,
		"stray /conftool/v1/elsewhere",
		"stray /conftool/v1/gone/a/b",
		"stray /conftool/v1/pools",
		"stray /conftool/v1/pools-a/b/c/d",
		"stray /conftool/v1/pools/a/b/short",
		"stray /conftool/v1/settings/global/too/deep",
	}
}

// TestReadAll tests that everything below namespace and version is read with
// one request, and nothing else.
func TestReadAll(t *testing.T) {
	for name, open := range map[string]func(*testing.T) store.Store{
		"local": func(t *testing.T) store.Store { _, w, _ := newCatalog(t); return w.Store },
		"etcd":  openEtcd,
	} {
		t.Run(name, func(t *testing.T) {
			w := &watching{Store: open(t)}
			c := New(w, "conftool", "v1")
			w.put(t, mixed()...)
			w.put(t, "/conftool/v11/pools/a/b/c/d", "{}", "/conftool/.confctl/journal/id", "{}", "/conftool/v1", "{}")
			_, _, node := newCatalog(t)
			snapshot, err := c.ReadAll(t.Context(), setting(), node)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wantMixed(), lines(snapshot)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([][]string{{"/conftool/v1/"}}, w.reads); diff != "" {
				t.Errorf("requests: %s", diff)
			}
			latest, err := w.Store.Read(t.Context())
			if err != nil || snapshot.Revision != latest.Revision || snapshot.Fences != nil {
				t.Errorf("revision %d of %d, fences %v, %v", snapshot.Revision, latest.Revision, snapshot.Fences, err)
			}
			for _, o := range snapshot.Objects {
				if o.Revision == 0 || o.Created == 0 {
					t.Errorf("%s is of revision %d, created at %d", o, o.Revision, o.Created)
				}
			}
		})
	}
}

func openEtcd(t *testing.T) store.Store {
	s, err := etcd.Open(etcd.Config{Endpoints: []string{etcdtest.Start(t).URL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestDecode tests that the result equals that of a read, for entries in any
// order and with duplicate keys.
func TestDecode(t *testing.T) {
	c, w, node := newCatalog(t)
	w.put(t, mixed()...)
	stored, err := w.Store.Read(t.Context(), "/conftool/v1/")
	if err != nil {
		t.Fatal(err)
	}
	read, err := c.Read(t.Context(), Query{Type: node})
	if err != nil {
		t.Fatal(err)
	}
	got := c.Decode(stored.Entries, node)
	if diff := cmp.Diff(lines(object.Snapshot{Objects: read.Objects}), lines(object.Snapshot{Objects: got.Objects})); diff != "" {
		t.Errorf("decoded and read differ: %s", diff)
	}
	for i, o := range got.Objects {
		if o.Revision != read.Objects[i].Revision || o.Created != read.Objects[i].Created || o.Revision == 0 {
			t.Errorf("%s is of revision %d, created at %d", o, o.Revision, o.Created)
		}
	}
	types := []*schema.Type{node, setting()}
	for range 50 {
		entries := slices.Clone(stored.Entries)
		rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		earlier := slices.Clone(entries)
		for i := range earlier {
			earlier[i].Value = []byte(`{"weight": 99}`)
		}
		given := slices.Concat(earlier, entries)
		before := slices.Clone(given)
		if diff := cmp.Diff(wantMixed(), lines(c.Decode(given, types...))); diff != "" {
			t.Fatal(diff)
		}
		if !cmp.Equal(before, given) {
			t.Fatal("the entries that were given have been changed")
		}
	}
	if got = c.Decode(stored.Entries); len(got.Objects) != 0 || len(got.Strays) != len(stored.Entries) {
		t.Errorf("without a type: %v", lines(got))
	}
	if got = c.Decode(nil, types...); len(got.Objects)+len(got.Strays) != 0 {
		t.Errorf("without entries: %v", lines(got))
	}
}

func TestOutside(t *testing.T) {
	c, _, _ := newCatalog(t)
	keys := []string{"/conftool/v1/gone/a", "/conftool/v1/gone", "/conftool/v1/goner/a", "/other/gone/a", "/conftool/v1//a"}
	for _, test := range []struct {
		paths []string
		want  []string
	}{
		{nil, keys},
		{[]string{""}, keys}, // a type whose path is missing
		{[]string{"gone"}, keys[1:]},
		{[]string{"/gone/", "goner"}, []string{"/conftool/v1/gone", "/other/gone/a", "/conftool/v1//a"}},
	} {
		if diff := cmp.Diff(test.want, c.Outside(keys, test.paths...)); diff != "" {
			t.Errorf("%q: %s", test.paths, diff)
		}
	}
}
