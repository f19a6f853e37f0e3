package sitetest_test

import (
	"testing"

	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/internal/sitetest"
	"github.com/conftool/confctl/pkg/schema"
)

// TestShape: the site has what its constants say, and pools of many sizes.
func TestShape(t *testing.T) {
	site := sitetest.Write(t)
	s, err := schema.Load(site.Schema, "pools")
	if err != nil || len(s.Problems()) > 0 || len(s.Types()) != sitetest.Types {
		t.Fatal(err, s.Problems(), len(s.Types()))
	}
	data, err := seed.Read(site.Data, s.InDependencyOrder())
	if err != nil {
		t.Fatal(err)
	}
	pools, hosts, nodes := map[string]int{}, map[string]int{}, 0
	for _, typ := range data.Types {
		if !typ.Complete() || len(typ.Objects) == 0 {
			t.Errorf("type %s: %d objects, %v", typ.Type.Name, len(typ.Objects), typ.Faults)
		}
		for _, o := range typ.Objects {
			if o.Type.Name == schema.Node {
				pools[o.Dir()]++
				hosts[o.Name]++
				nodes++
			}
		}
	}
	sizes := map[int]bool{}
	for _, n := range pools {
		sizes[n] = true
	}
	if len(pools) != sitetest.Pools || nodes != sitetest.Nodes || len(sizes) < 15 || len(hosts) < nodes/2 || len(hosts) == nodes {
		t.Errorf("%d nodes on %d hosts in %d pools of %d sizes", nodes, len(hosts), len(pools), len(sizes))
	}
}
