package cli

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/sitetest"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// The figures here are of whole processes, as an operator waits for them, and
// those that compare are ratios of runs next to each other: machines differ,
// and are busy.

// program builds the program as it is shipped.
func program(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "confctl")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, "../../cmd/confctl")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// etcdctl returns etcd's own client, and skips the benchmark without it.
func etcdctl(b *testing.B) string {
	b.Helper()
	path, err := exec.LookPath("etcdctl")
	if err != nil {
		b.Skip("needs etcdctl to compare with (Debian: etcd-client)")
	}
	return path
}

// bigSite returns a site with n nodes declared in its files, and the program.
func bigSite(b *testing.B, n int) (*site, *etcdtest.Server, string) {
	b.Helper()
	server := etcdtest.Start(b)
	s := etcdSite(b, server.URL())
	if err := os.RemoveAll(filepath.Join(s.dir, "data", "node")); err != nil {
		b.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.dir, "data", "node"), 0o755); err != nil {
		b.Fatal(err)
	}
	var text strings.Builder
	text.WriteString("north:\n")
	for i := range n {
		if i%100 == 0 {
			fmt.Fprintf(&text, "  cluster%04d:\n", i/100)
		}
		fmt.Fprintf(&text, "    host%06d.north.example.net: [web]\n", i)
	}
	s.file("data/node/north.yaml", text.String())
	return s, server, program(b)
}

// seconds runs a command and returns how long it took.
func seconds(b *testing.B, s *site, path string, args ...string) float64 {
	b.Helper()
	_, took := ran(b, s, path, args...)
	return took.Seconds()
}

func ran(b *testing.B, s *site, path string, args ...string) (*os.ProcessState, time.Duration) {
	b.Helper()
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env = s.dir, slices.Concat(s.env, []string{"ETCDCTL_API=3"}) // no Stdout: /dev/null
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s %q: %v", path, args, err)
	}
	return cmd.ProcessState, time.Since(begun)
}

// compare runs two commands in pairs and reports the ratio of their times: the
// median, and the upper end of its 95 % interval.
func compare(b *testing.B, ours, theirs func() float64) {
	b.Helper()
	ours()
	theirs()
	var ratios []float64
	for i := 0; b.Loop(); i++ {
		var a, c float64
		if i%2 == 0 {
			a, c = ours(), theirs()
		} else {
			c, a = theirs(), ours()
		}
		ratios = append(ratios, a/c)
	}
	slices.Sort(ratios)
	n := len(ratios)
	b.ReportMetric(ratios[n/2], "ratio-median")
	b.ReportMetric(ratios[min(n-1, upperRank(n))], "ratio-upper")
}

// upperRank is the rank, from 0, of the upper end of a 95 % interval for the
// median of n values, which no distribution is assumed for.
func upperRank(n int) int {
	rank := float64(n)/2 + 0.98*math.Sqrt(float64(n))
	return int(rank)
}

// BenchmarkGet10000 compares a get of 10,000 nodes with etcdctl reading the
// same keys from the same server.
func BenchmarkGet10000(b *testing.B) {
	other := etcdctl(b)
	s, server, ours := bigSite(b, 10000)
	ran(b, s, ours, "--config", "config.yaml", "sync", "--directory", "data")
	compare(b,
		func() float64 { return seconds(b, s, ours, "--config", "config.yaml", "select", "name=.*", "get") },
		func() float64 {
			return seconds(b, s, other, "--endpoints", server.URL(), "get", "--prefix", "/conftool/v1/pools/")
		})
}

// BenchmarkStartup compares what it takes to start and say the version.
func BenchmarkStartup(b *testing.B) {
	other := etcdctl(b)
	s, ours := newSite(b, localConfig), program(b)
	compare(b,
		func() float64 { return seconds(b, s, ours, "--version") },
		func() float64 { return seconds(b, s, other, "version") })
}

// BenchmarkGetOne compares a get of one node with etcdctl reading its key.
func BenchmarkGetOne(b *testing.B) {
	other := etcdctl(b)
	s, server, ours := bigSite(b, 100)
	ran(b, s, ours, "--config", "config.yaml", "sync", "--directory", "data")
	compare(b,
		func() float64 {
			return seconds(b, s, ours, "--config", "config.yaml", "select", "dc=north,cluster=cluster0000,service=web,name=host000001[.]north[.]example[.]net", "get")
		},
		func() float64 {
			return seconds(b, s, other, "--endpoints", server.URL(), "get", "/conftool/v1/pools/north/cluster0000/web/host000001.north.example.net")
		})
}

// BenchmarkSet1000 changes 1,000 objects in one commit.
func BenchmarkSet1000(b *testing.B) {
	s, _, ours := bigSite(b, 1000)
	ran(b, s, ours, "--config", "config.yaml", "sync", "--directory", "data")
	for i := 1; b.Loop(); i++ {
		ran(b, s, ours, "--config", "config.yaml", "--yes", "--quiet", "select", "dc=north", fmt.Sprintf("set/weight=%d", i))
	}
}

// BenchmarkSync10000 seeds 10,000 nodes into an empty store, and reports how many
// times faster that is than the 19.6 s that the program took which this one
// replaces, on a machine of two cores.
func BenchmarkSync10000(b *testing.B) {
	s, _, ours := bigSite(b, 10000)
	for i := 0; b.Loop(); i++ {
		s.file("config.yaml", fmt.Sprintf("namespace: /bench%d\ndriver_options: {etcd_config_file: etcdrc}\n", i))
		ran(b, s, ours, "--config", "config.yaml", "sync", "--directory", "data")
	}
	b.ReportMetric(19.6*float64(b.N)/b.Elapsed().Seconds(), "times-faster")
}

// BenchmarkMemory100000 reports the peak memory of a get of 100,000 nodes.
func BenchmarkMemory100000(b *testing.B) {
	s, _, ours := bigSite(b, 100000)
	ran(b, s, ours, "--config", "config.yaml", "sync", "--directory", "data")
	var peak int64
	for b.Loop() {
		state, _ := ran(b, s, ours, "--config", "config.yaml", "select", "name=.*", "get")
		if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
			peak = max(peak, usage.Maxrss>>10)
		}
	}
	b.ReportMetric(float64(peak), "peak-MiB")
}

// BenchmarkLint is a lint of a site of production's size: 100 ms is what a commit
// hook should take at most.
func BenchmarkLint(b *testing.B) {
	files := sitetest.Write(b)
	s, ours := newSite(b, localConfig), program(b)
	args := []string{"lint", "--schema", files.Schema, "--directory", files.Data}
	ran(b, s, ours, args...)
	for b.Loop() {
		ran(b, s, ours, args...)
	}
}
