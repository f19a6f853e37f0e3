package cli

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/value"
)

// hostileObjects are values that anybody may store who may write objects.
func hostileObjects() []string {
	many := strings.Repeat
	var keys strings.Builder
	for i := range 35_000 {
		fmt.Fprintf(&keys, `"k%d":0,`, i)
	}
	return []string{
		many(`{"a":0,"a":`, 9_900) + "1" + many("}", 9_900),
		many(`{"a":0,"a":`, value.MaxDepth) + `"` + many("x", 500_000) + `"` + many("}", value.MaxDepth),
		"{" + keys.String() + `"k7":1}`,
		`{"x":[` + many("0,", 170_000) + "0]}",
		`{"x":"` + many("x", 1_100_000) + `"}`,
	}
}

// BenchmarkMemoryAmidHostileValues is a depool of a host that goes down, where
// 100 others have values that are as slow to read as can be.
func BenchmarkMemoryAmidHostileValues(b *testing.B) {
	s, server, ours := bigSite(b, 2)
	ran(b, s, ours, "--config", "config.yaml", "sync", "--directory", "data")
	st, err := etcd.Open(etcd.Config{Endpoints: []string{server.URL()}})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close() //nolint:errcheck // it says nothing
	hostile := hostileObjects()
	for i := range 100 {
		key := fmt.Sprintf("/conftool/v1/pools/north/cluster0000/web/hostile%03d", i)
		if _, err := st.Commit(b.Context(), store.Txn{Writes: []store.Write{{Key: key, Value: []byte(hostile[i%len(hostile)])}}}); err != nil {
			b.Fatal(err)
		}
	}
	var peak int64
	for i := 0; b.Loop(); i++ {
		s.ok("--yes", "select", "dc=north,name=host000000.*", fmt.Sprintf("set/weight=%d:pooled=yes", 10+i))
		state, took := ran(b, s, ours, "--config", "config.yaml", "depool", "--hostname", "host000000.north.example.net", "--gone")
		if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
			peak = max(peak, usage.Maxrss>>10)
		}
		b.ReportMetric(took.Seconds(), "s/depool")
	}
	b.ReportMetric(float64(peak), "peak-MiB")
}
