package etcdv2

import (
	"encoding/json"
	"sort"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/conftool/confctl/pkg/store"
)

// TestDecodeAnyTree checks that every stored tree is decoded completely, however
// slowly it arrives.
func TestDecodeAnyTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []store.Entry
		var grow func(path string, depth int) map[string]any
		grow = func(path string, depth int) map[string]any {
			names := rapid.SliceOfNDistinct(rapid.StringMatching(`[^/]{1,3}`), 0, 4, rapid.ID).Draw(t, "names")
			nodes := []any{}
			for _, name := range names {
				key := path + "/" + name
				if depth < 3 && rapid.Bool().Draw(t, "dir") {
					nodes = append(nodes, grow(key, depth+1))
					continue
				}
				e := store.Entry{Key: key, Value: []byte(rapid.String().Draw(t, "value")),
					Created: store.Revision(rapid.Int64Min(0).Draw(t, "created")), Modified: store.Revision(rapid.Int64Min(0).Draw(t, "modified"))}
				want = append(want, e)
				nodes = append(nodes, map[string]any{"key": key, "value": string(e.Value), "createdIndex": e.Created,
					"modifiedIndex": e.Modified, "ttl": 7, "expiration": "2026-01-01T00:00:00Z"})
			}
			return map[string]any{"key": path, "dir": true, "nodes": nodes, "createdIndex": 1}
		}
		reply, err := json.Marshal(map[string]any{"action": "get", "node": grow("/a/b", 0)})
		if err != nil {
			t.Fatal(err)
		}
		sort.Slice(want, func(i, j int) bool { return want[i].Key < want[j].Key })
		got, err := decode(iotest.OneByteReader(strings.NewReader(string(reply))), "/a/b")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestDecodeDeep checks that the depth of skipped values is limited as well.
func TestDecodeDeep(t *testing.T) {
	if _, err := decode(strings.NewReader(`{"other":`+strings.Repeat(`[`, 1<<20)), "/a"); err == nil {
		t.Error("no error")
	}
}

// FuzzDecode checks that no reply causes a panic, and that decoded keys are in order
// and below the prefix.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"action":"get","node":{"key":"/a","dir":true,"nodes":[{"key":"/a/b","value":"x","modifiedIndex":5,"createdIndex":5}]}}`))
	f.Add([]byte(`{"node":{"nodes":[{"nodes":[]}],"dir":true},"node":{}}`))
	f.Add([]byte(`{"errorCode":100,"message":"Key not found","cause":"/nope","index":9}`))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, reply []byte) {
		entries, err := decode(strings.NewReader(string(reply)), "/a")
		if err != nil {
			return
		}
		if !json.Valid(reply) {
			t.Error("taken, and no JSON")
		}
		for i, e := range entries {
			if !strings.HasPrefix(e.Key, "/a/") || e.Created < 0 || e.Modified < 0 || i > 0 && entries[i-1].Key >= e.Key {
				t.Errorf("%d: %v", i, e)
			}
		}
	})
}
