package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/conftool/confctl/pkg/store"
)

// healthy returns the contents of a file with some history.
func healthy(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "healthy")
	s := open(t, path)
	for i := range 10 {
		var txn store.Txn
		for n := range 100 {
			txn.Writes = append(txn.Writes, store.Write{Key: fmt.Sprintf("/k/%03d", n), Value: bytes.Repeat([]byte{'x'}, i*50)})
		}
		if _, err := s.Commit(t.Context(), txn); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// used returns the size of the part of a file that holds pages in use.
func used(t *testing.T, content []byte) (size int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.View(func(tx *bolt.Tx) error { size = tx.Size(); return nil }), db.Close()); err != nil {
		t.Fatal(err)
	}
	return size
}

// survive makes all requests on a file with the given contents. A failure must have
// the right error, and must leave the file unchanged and unlocked. It returns the
// number of failures.
func survive(t *testing.T, what string, content []byte) (failures int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	before := content
	for request, err := range requests(s) {
		after, readErr := os.ReadFile(path)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if err != nil && !errors.Is(err, store.ErrCompacted) {
			failures++
			unavailable(t, what+": "+request, path, err, "")
			if !bytes.Equal(before, after) {
				t.Errorf("%s: %s failed with %v and changed the file", what, request, err)
			}
		}
		before = after
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		file, lockErr := s.open(ctx, true)
		cancel()
		if lockErr != nil {
			t.Fatalf("%s: %s left the file locked: %v", what, request, lockErr)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if left := stillOpen(t, path); len(left) > 0 {
			t.Fatalf("%s: %s, which ended with %v, left %d maps and descriptors: %q", what, request, err, len(left), left[0])
		}
	}
	return failures
}

// stillOpen returns the memory maps and descriptors of a file in this process, as far
// as the system lists them.
func stillOpen(t *testing.T, path string) (left []string) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, path) {
			left = append(left, line)
		}
	}
	descriptors, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range descriptors {
		if to, err := os.Readlink(d); err == nil && strings.HasPrefix(to, path) {
			left = append(left, d)
		}
	}
	return left
}

// TestDamagedIsNotLeftMapped reads and writes a damaged file repeatedly, as a service
// does: the kernel allows a process about 65,000 memory maps.
func TestDamagedIsNotLeftMapped(t *testing.T) {
	content := healthy(t)
	for what, bad := range map[string][]byte{
		"the tree":  append(bytes.Clone(content[:2*4096]), make([]byte, len(content)-2*4096)...),
		"the pages": append(bytes.Clone(content[:2*4096]), bytes.Repeat([]byte{0xff}, len(content)-2*4096)...),
	} {
		for range 20 {
			if failures := survive(t, what, bad); failures == 0 {
				t.Errorf("%s: nothing failed", what)
			}
		}
	}
}

// TestDamagedLeavesOthersMapped makes requests that fail and requests that succeed in
// one process: the former must not remove the maps of the latter.
func TestDamagedLeavesOthersMapped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	s := open(t, path)
	put(t, s, "/k", "1")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				if i%2 == 0 {
					if err := s.view(t.Context(), func(state) error { panic("damaged") }); err == nil {
						t.Error("a panic is no error")
					}
					continue
				}
				if snap, err := s.Read(t.Context(), "/"); err != nil || len(snap.Entries) != 1 {
					t.Errorf("read %d entries, %v", len(snap.Entries), err)
				}
			}
		})
	}
	all.Wait()
	if left := stillOpen(t, path); len(left) > 0 {
		t.Errorf("%d maps and descriptors are left: %q", len(left), left[0])
	}
}

func TestDamaged(t *testing.T) {
	content := healthy(t)
	for what, bad := range map[string][]byte{
		"text":                      []byte("node:\n  - cp1001: yes\n"),
		"zeros":                     make([]byte, 16<<10),
		"garbage":                   bytes.Repeat([]byte("garbage "), 4<<10),
		"the first page":            content[:4096],
		"the first pages":           content[:4*4096],
		"half":                      content[:len(content)/2/4096*4096],
		"all but the last pages":    content[:used(t, content)-4096],
		"cut within a page":         content[:len(content)/2+1234],
		"the first two pages wiped": append(make([]byte, 2*4096), content[2*4096:]...),
		"all but those wiped":       append(bytes.Clone(content[:2*4096]), make([]byte, len(content)-2*4096)...),
	} {
		if failures := survive(t, what, bad); failures == 0 {
			t.Errorf("%s: nothing failed", what)
		}
	}
	if failures := survive(t, "healthy", content); failures != 0 {
		t.Errorf("healthy: %d requests failed", failures)
	}
}

// TestDamagedAnywhere wipes random pages, which may or may not be in use.
func TestDamagedAnywhere(t *testing.T) {
	content, failures := healthy(t), 0
	for i := range 60 {
		bad, page := bytes.Clone(content), rand.IntN(len(content)/4096)
		for n := range 4096 {
			switch i % 3 {
			case 0:
				bad[page*4096+n] = 0xff
			case 1:
				bad[page*4096+n] = 0
			default:
				bad[page*4096+n] = byte(rand.Uint32())
			}
		}
		failures += survive(t, fmt.Sprintf("page %d wiped, way %d", page, i%3), bad)
	}
	t.Logf("%d requests failed", failures)
}

// TestNotOurs opens databases of other programs, such as etcd's, and of newer
// versions.
func TestNotOurs(t *testing.T) {
	database := func(fill func(tx *bolt.Tx) error) string {
		path := filepath.Join(t.TempDir(), "store")
		db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Update(fill), db.Close()); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := database(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("meta"))
		return err
	})
	newer := database(func(tx *bolt.Tx) error {
		st, err := create(tx)
		return errors.Join(err, st.meta.Put(formatKey, number(format+1)))
	})
	lacking := database(func(tx *bolt.Tx) error {
		_, err := create(tx)
		return errors.Join(err, tx.DeleteBucket(logBucket))
	})
	for path, reason := range map[string]string{foreign: "of another program", newer: "upgrade this one: format 3", lacking: "damaged"} {
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for what, err := range requests(open(t, path)) {
			unavailable(t, what, path, err, reason)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the file was changed, %v", reason, err)
		}
	}
}

// TestKilledBeforeFirstCommit opens a file that bbolt has created and nothing has
// been committed to.
func TestKilledBeforeFirstCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for what, err := range requests(open(t, path)) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestFailedCommit checks settle with both states of the file that a failed commit
// may leave.
func TestFailedCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	s := open(t, path)
	before := put(t, s, "/k", "1")
	failed := errors.New("input/output error")
	for _, c := range []struct {
		written bool
		before  store.Revision
	}{{false, before}, {true, before - 1}} {
		file, err := s.open(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		err = use(file, false, func(db *bolt.DB) error { return settle(db, c.before, failed) })
		if !errors.Is(err, failed) || errors.Is(err, errUnsure) != c.written {
			t.Errorf("the transaction is to be seen: %v; the error is %v", c.written, err)
		}
	}
}
