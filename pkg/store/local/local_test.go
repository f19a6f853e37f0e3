package local

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/storetest"
)

func TestContract(t *testing.T) {
	defer goleak.VerifyNone(t)
	storetest.Run(t, func(t *testing.T) func() store.Store {
		path := filepath.Join(t.TempDir(), "dir", "store")
		return func() store.Store { return open(t, path) }
	})
}

// TestPutBack replaces the store by another file, and the contents of the file by
// others.
func TestPutBack(t *testing.T) {
	for how, place := range map[string]func(from, to string) error{"moved": os.Rename, "copied": copyFile} {
		t.Run(how, func(t *testing.T) {
			storetest.RunPutBack(t, func(t *testing.T) storetest.Place {
				path := filepath.Join(t.TempDir(), "store")
				backup := path + ".backup"
				must := func(err error) {
					if err != nil {
						t.Fatal(err)
					}
				}
				return storetest.Place{
					Open: func() store.Store { return open(t, path) },
					Keep: func() { must(copyFile(path, backup)) },
					PutBack: func(change func(store.Store)) {
						change(open(t, backup))
						must(place(backup, path))
					},
				}
			})
		})
	}
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *Store, key, value string) store.Revision {
	t.Helper()
	r, err := s.Commit(context.Background(), store.Txn{Writes: []store.Write{{Key: key, Value: []byte(value)}}})
	if err != nil {
		t.Fatal(err)
	}
	return r.Revision
}

func read(t testing.TB, s *Store, prefixes ...string) store.Snapshot {
	t.Helper()
	snap, err := s.Read(context.Background(), prefixes...)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// watch returns the batches with events after one revision and up to another.
func watch(t testing.TB, s *Store, after, until store.Revision, prefixes ...string) (seen []store.Batch) {
	t.Helper()
	if after == until {
		return nil
	}
	for b, err := range s.Watch(context.Background(), after, prefixes...) {
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Events) > 0 {
			seen = append(seen, b)
		}
		if b.Revision >= until {
			break
		}
	}
	return seen
}

// requests makes one request of each method and yields its name and error.
func requests(s *Store) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err := s.Read(ctx, "/")
		if !yield("read", err) {
			return
		}
		_, err = s.List(ctx, "/", store.Page{})
		if !yield("list", err) {
			return
		}
		_, err = s.Commit(ctx, store.Txn{Once: "/new", Writes: []store.Write{{Key: "/new"}, {Key: "/k/000"}}})
		if !yield("commit", err) {
			return
		}
		for _, err = range s.Watch(ctx, 0, "/") {
			break
		}
		yield("watch", err)
	}
}

func unavailable(t *testing.T, what, path string, err error, reason string) {
	t.Helper()
	var u *store.UnavailableError
	switch {
	case !errors.As(err, &u):
		t.Errorf("%s: got %T %v, want the store to be unavailable", what, err, err)
	case len(u.Tried) != 1 || u.Tried[0].Address != path || strings.Contains(u.Tried[0].Err.Error(), path):
		t.Errorf("%s: %v: the path is to be named once", what, err)
	case !strings.Contains(err.Error(), reason):
		t.Errorf("%s: %v: should say %q", what, err, reason)
	}
}

func TestOpenRefusesWhatIsNoFileName(t *testing.T) {
	for _, path := range []string{"", "dir/", "a\x00b"} {
		if _, err := Open(path, Options{}); err == nil {
			t.Errorf("%q was accepted", path)
		}
	}
}

func TestReadCreatesNothing(t *testing.T) {
	root := t.TempDir()
	s := open(t, filepath.Join(root, "a", "b", "store"))
	if snap := read(t, s, "/"); snap.Revision != 0 || len(snap.Entries) != 0 {
		t.Errorf("an absent file has %v", snap)
	}
	if _, err := s.Commit(t.Context(), store.Txn{Guards: []store.Guard{{Key: "/k"}, {Key: "/", Prefix: true}}}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for b, err := range s.Watch(ctx, 0, "/") {
		if err != nil || b.Revision != 0 {
			t.Error(b, err)
		}
	}
	if left, err := os.ReadDir(root); err != nil || len(left) != 0 {
		t.Fatalf("reading made %v, %v", left, err)
	}

	put(t, s, "/k", "1")
	for name, want := range map[string]os.FileMode{"a": 0o700 | os.ModeDir, "a/b": 0o700 | os.ModeDir, "a/b/store": 0o600} {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if files, err := os.ReadDir(filepath.Join(root, "a", "b")); err != nil || len(files) != 1 {
		t.Errorf("committing made %v, %v", files, err)
	}
}

func TestEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if snap := read(t, s, "/"); snap.Revision != 0 {
		t.Errorf("an empty file is at revision %d", snap.Revision)
	}
	put(t, s, "/k", "1")
}

func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	s := open(t, "store")
	at := put(t, s, "/k", "1")
	if len(watch(t, s, 0, at, "/k")) != 1 {
		t.Error("the watcher saw nothing")
	}
}

func TestBadPlaces(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, err := range requests(open(t, root)) {
		unavailable(t, what, root, err, "it is a directory")
	}
	below := filepath.Join(file, "store")
	for what, err := range requests(open(t, below)) {
		unavailable(t, what, below, err, "not a directory")
	}
	for what, err := range requests(open(t, os.DevNull)) {
		unavailable(t, what, os.DevNull, err, "not a regular file")
	}
}

func TestPermissions(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read and write whatever the mode")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "store")
	s := open(t, path)
	put(t, s, "/k", "1")
	chmod := func(name string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	chmod(path, 0o400)
	chmod(dir, 0o500)
	defer chmod(dir, 0o700)
	if snap := read(t, s, "/k"); len(snap.Entries) != 1 {
		t.Error("a file that may only be read was not")
	}
	if len(watch(t, s, 0, 1, "/k")) != 1 {
		t.Error("a file that may only be read was not watched")
	}
	_, err := s.Commit(t.Context(), store.Txn{Writes: []store.Write{{Key: "/k"}}})
	unavailable(t, "commit to a file that may only be read", path, err, "permission denied")
	chmod(path, 0)
	for what, err := range requests(s) {
		unavailable(t, what, path, err, "permission denied")
	}
	other := filepath.Join(dir, "new", "store")
	_, err = open(t, other).Commit(t.Context(), store.Txn{Writes: []store.Write{{Key: "/k"}}})
	unavailable(t, "commit to a directory that cannot be made", other, err, "permission denied")
}

// TestReplaced replaces the file while a commit waits for its lock: the commit must
// write to the new file.
func TestReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	s := open(t, path)
	put(t, s, "/k", "1")
	put(t, open(t, path+".new"), "/other", "1")
	held, err := s.open(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Commit(context.Background(), store.Txn{Writes: []store.Write{{Key: "/k2"}}})
		done <- err
	}()
	time.Sleep(20 * time.Millisecond)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if snap := read(t, s, "/"); len(snap.Entries) != 2 || snap.Entries[0].Key != "/k2" {
		t.Fatalf("the file in place has %v", snap)
	}
}

// TestWatchReplaced replaces a watched file by an older one.
func TestWatchReplaced(t *testing.T) {
	defer goleak.VerifyNone(t)
	path := filepath.Join(t.TempDir(), "store")
	s := open(t, path)
	put(t, open(t, path+".old"), "/k", "1")
	put(t, s, "/k", "1")
	put(t, s, "/k", "2")
	var last error
	for b, err := range s.Watch(t.Context(), 0, "/k") {
		if last = err; b.Revision == 2 && len(b.Events) == 0 {
			if err := os.Rename(path+".old", path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !errors.Is(last, store.ErrCompacted) {
		t.Fatalf("the watch ended with %v", last)
	}
}

func TestLogIsBounded(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "store"))
	s.keep = bounds{txns: 5, bytes: 10_000}
	for i := range 20 {
		put(t, s, "/k", fmt.Sprint(i))
	}
	forgotten := func(after store.Revision) {
		t.Helper()
		var forgotten *store.CompactedError
		for _, err := range s.Watch(t.Context(), after, "/k") {
			if !errors.Is(err, store.ErrCompacted) || !errors.As(err, &forgotten) {
				t.Fatalf("watch after %d: %v", after, err)
			}
			break
		}
		for b, err := range s.Watch(t.Context(), forgotten.Oldest, "/k") {
			if err != nil || b.Revision != forgotten.Oldest+1 {
				t.Errorf("watch after %d, which is said to be known: revision %d, %v", forgotten.Oldest, b.Revision, err)
			}
			break
		}
	}
	forgotten(0)
	forgotten(14)
	if got := len(watch(t, s, 15, 20, "/k")); got != 5 {
		t.Errorf("%d transactions after revision 15", got)
	}
	put(t, s, "/big", strings.Repeat("x", 9_990))
	forgotten(19)
	if got := len(watch(t, s, 20, 21, "/big")); got != 1 {
		t.Error("the newest transaction is forgotten")
	}
	put(t, s, "/big", strings.Repeat("x", 20_000))
	if got := len(watch(t, s, 21, 22, "/big")); got != 1 {
		t.Error("the newest transaction is forgotten because of its size")
	}
	for range 3 {
		put(t, s, "/k", "small again")
	}
	if got := len(watch(t, s, 22, 25, "/k")); got != 3 {
		t.Errorf("%d small transactions after a large one", got)
	}
}

// TestLongHistory watches a history longer than a watch reads at once.
func TestLongHistory(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "store"))
	const n = 2*chunkTxns + 10
	for i := range n {
		put(t, s, []string{"/a", "/b"}[i%2], "")
	}
	if got := len(watch(t, s, 0, n, "/a", "/b")); got != n {
		t.Errorf("%d transactions, want %d", got, n)
	}
	if got := len(watch(t, s, 3, n, "/b")); got != n/2-1 {
		t.Errorf("%d transactions of one key, want %d", got, n/2-1)
	}
}

func TestFileStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	s := open(t, path)
	s.keep = bounds{txns: 10, bytes: 1 << 20}
	for i := range 300 {
		put(t, s, fmt.Sprintf("/k/%d", i%5), strings.Repeat("x", i%10*1000))
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > 512<<10 {
		t.Fatalf("%d bytes after 300 transactions, %v", info.Size(), err)
	}
}

func TestDebugSaysOneLineARequest(t *testing.T) {
	var lines []string
	path := filepath.Join(t.TempDir(), "store")
	s, err := Open(path, Options{Debug: func(f string, a ...any) { lines = append(lines, fmt.Sprintf(f, a...)) }})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for what := range requests(s) { //nolint:errcheck // Debug is called for failures, too
		if n++; len(lines) != n || !strings.Contains(lines[n-1], what+" "+path) {
			t.Errorf("after %s: %q", what, lines)
		}
	}
}

// fill writes n keys as large as the entry of a host.
func fill(t testing.TB, s *Store, n int) {
	t.Helper()
	for n > 0 {
		var txn store.Txn
		for ; n > 0 && len(txn.Writes) < 3000; n-- {
			txn.Writes = append(txn.Writes, store.Write{
				Key:   fmt.Sprintf("/conftool/v1/pools/eqiad/cache_text/ats-be/cp%06d.eqiad.wmnet", n),
				Value: []byte(`{"pooled": "yes", "weight": 100}`),
			})
		}
		if _, err := s.Commit(context.Background(), txn); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadIsFrugal(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "store"))
	const n = 100_000
	fill(t, s, n)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	snap := read(t, s, "/")
	runtime.ReadMemStats(&after)
	if len(snap.Entries) != n {
		t.Fatalf("%d entries", len(snap.Entries))
	}
	payload := uint64(n * (len(snap.Entries[0].Key) + len(snap.Entries[0].Value) + 56))
	if used, allocs := after.TotalAlloc-before.TotalAlloc, after.Mallocs-before.Mallocs; used > payload*5/4 || allocs > n/10 {
		t.Errorf("reading %d keys took %d bytes in %d pieces, they have %d", n, used, allocs, payload)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "store"))
			fill(b, s, n)
			b.ReportAllocs()
			for b.Loop() {
				read(b, s, "/conftool/")
			}
		})
	}
}

func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 1_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "store"))
			fill(b, s, 10_000)
			for b.Loop() {
				fill(b, s, n)
			}
		})
	}
}

// BenchmarkContended commits with four writers at once, and reports the longest time
// of one commit.
func BenchmarkContended(b *testing.B) {
	path := filepath.Join(b.TempDir(), "store")
	var longest atomic.Int64
	b.SetParallelism(4 / min(4, runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		s := open(b, path)
		for pb.Next() {
			begin := time.Now()
			if _, err := s.Commit(context.Background(), store.Txn{Writes: []store.Write{{Key: "/k"}}}); err != nil {
				b.Error(err)
				return
			}
			for took := time.Since(begin).Microseconds(); took > longest.Load(); {
				longest.Store(took)
			}
		}
	})
	b.ReportMetric(float64(longest.Load()), "µs-longest")
}
