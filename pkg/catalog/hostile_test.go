package catalog

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// hostileValues returns values that anyone with write access to objects can
// store.
func hostileValues() map[string]string {
	many := strings.Repeat
	var keys strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&keys, `"k%d":0,`, i)
	}
	return map[string]string{
		"nested":          many(`{"a":0,"a":`, 9_900) + "1" + many("}", 9_900),
		"nested lists":    `{"x":` + many("[", 9_900) + many("]", 9_900) + "}",
		"not closed":      many(`{"a":`, 200_000),
		"large":           `{"x":"` + many("x", 1_400_000) + `"}`,
		"repeated keys":   many(`{"a":0,"a":`, value.MaxDepth) + `"` + many("x", 400_000) + `"` + many("}", value.MaxDepth),
		"many keys":       "{" + keys.String() + `"weight":1}`,
		"many keys twice": "{" + keys.String() + `"k7":1}`,
		"many numbers":    `{"x":[` + many("0,", 150_000) + "0]}",
	}
}

// TestHostileValues tests that values beyond the limits are malformed, do not
// affect other objects, and take little memory.
func TestHostileValues(t *testing.T) {
	node, err := schema.BuiltIn("pools").Type(schema.Node)
	if err != nil {
		t.Fatal(err)
	}
	c := New(nil, "/conftool", "v1")
	malformed := map[string]bool{"nested": true, "nested lists": true, "not closed": true, "large": true, "many keys": true, "many keys twice": true}
	for name, text := range hostileValues() {
		entries := []store.Entry{
			{Key: "/conftool/v1/pools/a/b/c/first", Value: []byte(`{"weight": 1}`)},
			{Key: "/conftool/v1/pools/a/b/c/hostile", Value: []byte(text)},
			{Key: "/conftool/v1/pools/a/b/c/last", Value: []byte(`{"weight": 2}`)},
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		objects := c.Decode(entries, node).Objects
		runtime.ReadMemStats(&after)
		if limit := uint64(80*len(text) + 1<<20); after.TotalAlloc-before.TotalAlloc > limit {
			t.Errorf("%s: %d bytes allocated for %d", name, after.TotalAlloc-before.TotalAlloc, len(text))
		}
		if len(objects) != 3 || objects[0].Get("weight").Text() != "1" || objects[2].Get("weight").Text() != "2" {
			t.Fatalf("%s: %d objects", name, len(objects))
		}
		if got := objects[1].Malformed != nil; got != malformed[name] {
			t.Errorf("%s: malformed: %v", name, objects[1].Malformed)
		}
	}
}
