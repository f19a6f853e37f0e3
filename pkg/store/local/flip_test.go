package local

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/conftool/confctl/pkg/store"
)

// written returns the contents of a file with keys of several prefixes, some of them
// large, changed and deleted repeatedly.
func written(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "written")
	s, r := open(t, path), rand.New(rand.NewPCG(1, 2))
	s.keep = bounds{txns: 20, bytes: 1 << 20}
	for i := range 40 {
		var txn store.Txn
		for _, n := range r.Perm(120)[:20] {
			w := store.Write{Key: fmt.Sprintf("/k/%c/host%03d", 'a'+n%7, n), Delete: r.IntN(4) == 0}
			if i >= 25 { // in the end, older copies of pages have the same keys
				w = store.Write{Key: fmt.Sprintf("/k/%c/host%03d", 'a'+i%7, i%7)}
			}
			if !w.Delete {
				w.Value = bytes.Repeat([]byte{byte('0' + r.IntN(10))}, r.IntN(40)+r.IntN(2)*r.IntN(1000))
			}
			if txn.Writes = append(txn.Writes, w); i >= 25 {
				break
			}
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

// answers makes requests of all methods, and returns the answer or the error of each,
// by request.
func answers(s *Store, keys []string) map[string]any {
	ctx := context.Background()
	all := make(map[string]any)
	keep := func(what string, answer any, err error) {
		if err != nil {
			answer = err
		}
		all[what] = answer
	}
	for _, prefix := range append([]string{"", "/", "/k/a/", "/k/g/", "/k/c/host", "/j/", "/z"}, keys...) {
		snap, err := s.Read(ctx, prefix)
		keep("read "+prefix, snap, err)
	}
	for _, limit := range []int{0, 5} {
		snap, err := s.List(ctx, "/k/", store.Page{Order: store.NewestFirst, Limit: limit})
		byKey := func(a, b store.Entry) int { return bytes.Compare([]byte(a.Key), []byte(b.Key)) }
		slices.SortFunc(snap.Entries, byKey) // the order within one transaction is not specified
		if limit > 0 {
			snap.Entries = nil // which entries of one transaction come first is not specified either
		}
		keep(fmt.Sprint("list ", limit), snap, err)
	}
	_, err := s.Commit(ctx, store.Txn{Guards: []store.Guard{{Key: "/k/", Prefix: true, Revision: 39}}})
	var conflict *store.ConflictError
	if errors.As(err, &conflict) {
		keep("guard", conflict.Failed, nil)
	} else {
		keep("guard", nil, err)
	}
	for _, after := range []store.Revision{0, 25, 38} { // as Watch does, but without a notifier
		l, err := s.look(ctx, after, []string{"/k/a/", "/new/"})
		keep(fmt.Sprint("watch ", after), l.batches, err)
	}
	return all
}

// change commits a fixed transaction.
func change(s *Store) error {
	_, err := s.Commit(context.Background(), store.Txn{Once: "/new/once", Writes: []store.Write{
		{Key: "/new/once", Value: []byte("1")}, {Key: "/k/a/host000", Value: []byte("2")}, {Key: "/k/b/host001", Delete: true},
	}})
	return err
}

// TestFlippedBits flips bits of a file. Every answer must be right or an error,
// before a change and after one, and a check must find the damage that an error
// reports.
func TestFlippedBits(t *testing.T) {
	content := written(t)
	keys := []string{"/k/a/host000", "/k/b/host001", "/k/g/host062", "/k/g/host999", "/new/once"}
	path := filepath.Join(t.TempDir(), "store")
	restore := func(content []byte) *Store {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return open(t, path)
	}
	s := restore(content)
	right := answers(s, keys)
	if err := change(s); err != nil {
		t.Fatal(err)
	}
	changed := answers(s, keys)
	if reflect.DeepEqual(right, changed) {
		t.Fatal("the change changes nothing")
	}

	noticed, tried := 0, []bool{}
	try := func(bits ...int) {
		t.Helper()
		bad := bytes.Clone(content)
		for _, bit := range bits {
			bad[bit/8] ^= 1 << (bit % 8)
		}
		s := restore(bad)
		report, err := s.Check(t.Context())
		if err != nil && errors.As(err, new(*store.DamagedError)) {
			t.Errorf("bits %v: checking ended with %v", bits, err)
		}
		found := err != nil || len(report.Problems) > 0
		got := answers(s, keys)
		wrong(t, bits, got, right, &found)
		if tried = append(tried, found); found {
			noticed++
		}
		if len(tried)%4 > 0 {
			return
		}
		if err := change(s); err == nil {
			wrong(t, bits, answers(s, keys), changed, nil)
		}
	}
	pages := len(content) / 4096
	for page := range pages {
		try(page*4096*8 + 8*8 + rand.IntN(8*8)) // its kind, count and length
		for range 2 {
			try(page*4096*8 + pageHeader*8 + rand.IntN(20*elementSize*8)) // the positions of elements
		}
	}
	older := 0
	for page := 2; page < pages; page++ {
		header := content[page*4096:]
		if kind := binary.NativeEndian.Uint16(header[8:]); kind != branchPage {
			continue
		}
		for i := range binary.NativeEndian.Uint16(header[10:]) { // the numbers of the pages below
			at := page*4096 + pageHeader + int(i)*elementSize + 8
			try(at*8 + rand.IntN(7))
			next := binary.NativeEndian.Uint64(content[at:])
			for other := uint64(2); other < uint64(pages); other++ { // an older copy of it
				if other == next || firstKey(content, other) != firstKey(content, next) {
					continue
				}
				older++
				var bits []int
				for bit := range 64 {
					if (other^next)>>bit&1 == 1 {
						bits = append(bits, at*8+bit)
					}
				}
				try(bits...)
			}
		}
	}
	if older == 0 {
		t.Error("there are no older copies of pages")
	}
	for n := range 60 {
		try(n%2*4096*8 + pageHeader*8 + rand.IntN(metaSize*8)) // the page numbers in a meta page
		bits := make([]int, 1+n%20)
		for i := range bits {
			bits[i] = rand.IntN(len(content) * 8)
		}
		try(bits...)
	}
	if noticed < 60 {
		t.Errorf("damage was noticed only %d times", noticed)
	}
	t.Logf("%d pages, damage noticed %d times of %d", pages, noticed, len(tried))
}

// firstKey returns the first key of a leaf page, and for any other page a text that
// equals no other page's.
func firstKey(content []byte, page uint64) string {
	b := content[page*4096:]
	if binary.NativeEndian.Uint16(b[8:]) != leafPage || binary.NativeEndian.Uint16(b[10:]) == 0 {
		return fmt.Sprint("none, page ", page)
	}
	position, size := binary.NativeEndian.Uint32(b[pageHeader+4:]), binary.NativeEndian.Uint32(b[pageHeader+8:])
	return string(b[pageHeader+position:][:size])
}

// wrong fails the test for answers that are neither right nor a
// *store.UnavailableError. If found is not nil and there is such an error, the check
// must have found the damage.
func wrong(t *testing.T, bits []int, got, right map[string]any, found *bool) {
	t.Helper()
	for _, what := range slices.Sorted(maps.Keys(right)) {
		err, failed := got[what].(error)
		switch {
		case !failed && !reflect.DeepEqual(got[what], right[what]):
			t.Fatalf("bits %v: %s: got %.300v, want %.300v", bits, what, got[what], right[what])
		case failed && errors.Is(err, store.ErrCompacted) && reflect.DeepEqual(err, right[what]):
		case failed && !errors.As(err, new(*store.UnavailableError)):
			t.Fatalf("bits %v: %s: %v", bits, what, err)
		case failed && found != nil && !*found:
			t.Fatalf("bits %v: %s: %v, but a check finds nothing", bits, what, err)
		}
	}
}

// earlier copies a file written by a version without checksums, and opens it.
func earlier(t *testing.T) *Store {
	t.Helper()
	packed, err := os.Open("testdata/format1.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close() //nolint:errcheck // it was only read
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "earlier")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, path)
}

// TestEarlierFormat checks that a file without checksums is read as it is, and that
// the next change, and nothing else, adds checksums to all its contents.
func TestEarlierFormat(t *testing.T) {
	s := earlier(t)
	checked := func(want bool) {
		t.Helper()
		if r, err := s.Check(t.Context()); err != nil || len(r.Problems) > 0 || r.Unverified != want || r.Keys < 20 {
			t.Fatalf("checked: %+v, %v", r, err)
		}
	}
	snap := read(t, s, "/")
	if snap.Revision != 30 || len(snap.Entries) != 20 || string(snap.Entries[4].Value) != "24" || snap.Entries[4].Created != 5 {
		t.Fatalf("read %+v", snap)
	}
	if _, err := s.Commit(t.Context(), store.Txn{Guards: []store.Guard{{Key: "/k/04", Revision: 1}}, Writes: []store.Write{{Key: "/x"}}}); err == nil {
		t.Error("a guard that fails is no conflict")
	}
	checked(true)
	if at := put(t, s, "/later", "1"); at != 31 {
		t.Errorf("the next revision is %d", at)
	}
	checked(false)
	after := read(t, s, "/k/")
	if !reflect.DeepEqual(after.Entries, snap.Entries) {
		t.Errorf("after the upgrade: %v, want %v", after.Entries, snap.Entries)
	}
	if one := read(t, s, "/k/04"); !reflect.DeepEqual(one.Entries, snap.Entries[4:5]) {
		t.Errorf("after the upgrade: %v", one)
	}
	if seen := watch(t, s, 3, 31, "/k/"); len(seen) != 27 || string(seen[0].Events[0].Value) != "3" {
		t.Errorf("the log has %d changes after revision 3: %v", len(seen), seen)
	}
}

// TestLinks changes keys at random, and compares the store with a map.
func TestLinks(t *testing.T) {
	s, model := open(t, filepath.Join(t.TempDir(), "store")), map[string]string{}
	for round := range 60 {
		var txn store.Txn
		for _, n := range rand.Perm(400)[:1+rand.IntN(399)] {
			w := store.Write{Key: fmt.Sprintf("/k/%03d", n), Value: []byte(fmt.Sprint(round)), Delete: rand.IntN(2+round%3) > 0}
			if txn.Writes = append(txn.Writes, w); w.Delete {
				delete(model, w.Key)
			} else {
				model[w.Key] = string(w.Value)
			}
		}
		if _, err := s.Commit(t.Context(), txn); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, e := range read(t, s, "/").Entries {
			got[e.Key] = string(e.Value)
		}
		if r, err := s.Check(t.Context()); err != nil || len(r.Problems) > 0 || r.Keys != len(model) || !maps.Equal(got, model) {
			t.Fatalf("round %d: %+v, %v; %d keys were read, of %d", round, r, err, len(got), len(model))
		}
	}
}
