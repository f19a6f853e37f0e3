package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// memoryLimit is a control group of Linux: its processes together have no more
// memory than its limit. The kernel kills one that wants more.
type memoryLimit struct {
	testing.TB
	dir   string
	limit int64 // bytes
	names limitNames
}

// limitNames are the files of a control group that hold its limit and the most
// memory it has had, and count the processes that were killed.
type limitNames struct{ limit, peak, kills string }

// newMemoryLimit makes a control group below or beside that of the test, or says
// why it may not.
func newMemoryLimit(t testing.TB, limit int64) (*memoryLimit, error) {
	t.Helper()
	parents, names, err := limitParents()
	for _, parent := range parents {
		m := &memoryLimit{TB: t, limit: limit, names: names}
		if m.dir, err = os.MkdirTemp(parent, "confctl-test-"); err != nil {
			continue
		}
		t.Cleanup(m.remove)
		if err = os.WriteFile(filepath.Join(m.dir, names.limit), strconv.AppendInt(nil, limit, 10), 0); err == nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("no control group to limit memory with: %w", err)
}

// limitParents returns the directories to try.
func limitParents() (parents []string, names limitNames, err error) {
	const root = "/sys/fs/cgroup"
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, names, err
	}
	if m := regexp.MustCompile(`(?m)^\d+:(?:.*,)?memory(?:,.*)?:(.*)$`).FindSubmatch(text); m != nil { // version 1
		names = limitNames{"memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control"}
		return []string{filepath.Join(root, "memory", string(m[1]))}, names, nil
	}
	m := regexp.MustCompile(`(?m)^0::(.*)$`).FindSubmatch(text)
	if m == nil {
		return nil, names, fmt.Errorf("/proc/self/cgroup has no group with the memory controller")
	}
	own := filepath.Join(root, string(m[1]))
	for _, dir := range []string{own, filepath.Dir(own)} { // a group with processes cannot have groups with limits below it
		if on, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control")); err == nil && strings.Contains(string(on), "memory") {
			parents = append(parents, dir)
		}
	}
	return parents, limitNames{"memory.max", "memory.peak", "memory.events"}, fmt.Errorf("neither %s nor the group above it gives others the memory controller", own)
}

// remove waits for the end of the processes, which the test has killed.
func (m *memoryLimit) remove() {
	var err error
	for range 1000 {
		if err = os.Remove(m.dir); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	m.Errorf("a control group is left: %v", err)
}

// confine has a command run in the group, with as many open files as the unit
// allows.
func (m *memoryLimit) confine(cmd *exec.Cmd) {
	const enter = `ulimit -n "$1" && echo $$ >"$2" && shift 2 && exec "$@"`
	cmd.Args = append([]string{"sh", "-c", enter, "sh", unitSetting(m, "LimitNOFILE"), filepath.Join(m.dir, "cgroup.procs"), cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
}

func (m *memoryLimit) read(name string) string {
	m.Helper()
	text, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		m.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// peak returns the most memory that the group has had, in MiB.
func (m *memoryLimit) peak() float64 {
	m.Helper()
	n, err := strconv.ParseInt(m.read(m.names.peak), 10, 64)
	if err != nil {
		m.Fatal(err)
	}
	return float64(n) / (1 << 20)
}

// held reports the peak, and fails if a process was killed for its memory.
func (m *memoryLimit) held() (peak float64) {
	m.Helper()
	peak = m.peak()
	if kills := regexp.MustCompile(`(?m)^oom_kill (\d+)$`).FindStringSubmatch(m.read(m.names.kills)); kills == nil || kills[1] != "0" {
		m.Errorf("more than %d MiB: processes killed for their memory: %q", m.limit>>20, kills)
	}
	return peak
}

// unitSetting returns a setting of the systemd unit for serve.
func unitSetting(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "confctl-serve.service"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if value, found := strings.CutPrefix(strings.TrimSpace(string(line)), name+"="); found {
			return value
		}
	}
	t.Fatalf("the unit has no %s", name)
	return ""
}

// unitMemory returns how much memory the unit gives to serve, in bytes.
func unitMemory(t testing.TB) int64 {
	t.Helper()
	text := unitSetting(t, "MemoryMax")
	n, err := strconv.ParseInt(strings.TrimSuffix(text, "M"), 10, 64)
	if err != nil {
		t.Fatalf("MemoryMax=%s is not a number of MiB", text)
	}
	return n << 20
}

// needsFiles skips a test that opens so many files at once where it may not.
func needsFiles(t testing.TB, n uint64) {
	t.Helper()
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || uint64(files.Cur) < n { //nolint:unconvert // not everywhere
		t.Skipf("needs %d open files for a process, the limit is %d on %s", n, files.Cur, runtime.GOOS)
	}
}
