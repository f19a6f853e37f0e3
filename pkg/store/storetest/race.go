package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/conftool/confctl/pkg/store"
)

func raceTests() []test {
	return []test{
		{"race/counters lose no update", raceCounters},
		{"race/once", raceOnce},
		{"race/a transaction and its void value", raceVoid},
		{"race/half of a group stays", raceHalf},
		{"race/no reader sees a torn transaction", raceTorn},
	}
}

// together runs a function n times in parallel and fails the test if any returns an
// error.
func together(t *testing.T, n int, f func(ctx context.Context, i int) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := f(ctx, i); err != nil {
				t.Errorf("in parallel, %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// retry plans and commits until no guard fails.
func retry(ctx context.Context, s store.Store, plan func(ctx context.Context) (store.Txn, error)) error {
	for {
		txn, err := plan(ctx)
		if err != nil {
			return err
		}
		_, err = s.Commit(ctx, txn)
		var c *store.ConflictError
		if !errors.As(err, &c) {
			return err
		}
	}
}

// raceCounters increments two counters from several handles, with two goroutines
// each. Each increment writes its own once key.
func raceCounters(t *testing.T, open func() store.Store) {
	const writers, rounds = 6, 8
	handles := []store.Store{open(), open(), open()}
	commit(t, handles[0], writes(put("/counter/0", "0"), put("/counter/1", "0")))
	together(t, writers, func(ctx context.Context, i int) error {
		s := handles[i%len(handles)]
		for n := range rounds {
			key := fmt.Sprintf("/counter/%d", n%2)
			err := retry(ctx, s, func(ctx context.Context) (store.Txn, error) {
				snap, err := s.Read(ctx, key)
				if err != nil {
					return store.Txn{}, err
				}
				count, err := strconv.Atoi(string(snap.Entries[0].Value))
				once := fmt.Sprintf("/done/%d/%d", i, n)
				return store.Txn{
					Once:   once,
					Guards: []store.Guard{keyAt(key, snap.Entries[0].Modified)},
					Writes: []store.Write{put(key, strconv.Itoa(count+1)), put(once, "")},
				}, err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, e := range read(t, handles[0], "/counter/").Entries {
		same(t, e.Key, strconv.Itoa(writers*rounds/2), string(e.Value))
	}
	same(t, "number of once keys", writers*rounds, len(read(t, handles[0], "/done/").Entries))
}

// raceOnce commits under the same once key from several handles at once.
func raceOnce(t *testing.T, open func() store.Store) {
	handles := []store.Store{open(), open(), open(), open()}
	for round := range 5 {
		start := revision(t, handles[0])
		once := fmt.Sprintf("/journal/%d", round)
		receipts := make([]store.Receipt, len(handles))
		together(t, len(handles), func(ctx context.Context, i int) (err error) {
			receipts[i], err = handles[i].Commit(ctx, store.Txn{Once: once, Writes: []store.Write{put(once, fmt.Sprint(i)), put(fmt.Sprintf("/by/%d/%d", round, i), "")}})
			return err
		})
		for _, r := range receipts {
			same(t, "receipts", receipts[0], r)
		}
		seen := batches(t, handles[0], start, receipts[0].Revision, "/")
		if len(seen) != 1 || len(seen[0].Events) != 2 {
			t.Fatalf("several transactions with one once key: %v", seen)
		}
		same(t, "revision", receipts[0].Revision, revision(t, handles[1]))
		same(t, "record", string(receipts[0].Stored), string(read(t, handles[1], once).Entries[0].Value))
	}
}

// raceVoid writes void values while the transactions are committed: each transaction
// is made or void, and all callers get the same result.
func raceVoid(t *testing.T, open func() store.Store) {
	handles := []store.Store{open(), open(), open(), open()}
	for round := range 20 {
		once, key := fmt.Sprintf("/journal/%d", round), fmt.Sprintf("/k/%d", round)
		stored := make([]string, len(handles))
		together(t, len(handles), func(ctx context.Context, i int) error {
			txn := store.Txn{Once: once, Writes: []store.Write{put(once, "void")}}
			if i%2 == 0 {
				txn = store.Txn{
					Once: once, Void: []byte("void"), Guards: []store.Guard{keyAt(key, 0)},
					Writes: []store.Write{put(once, "record"), put(key, "made")},
				}
			}
			r, err := handles[i].Commit(ctx, txn)
			stored[i] = string(r.Stored)
			return err
		})
		want := ""
		for _, e := range read(t, handles[0], key).Entries {
			want = string(e.Value)
		}
		want = map[string]string{"": "void", "made": "record"}[want]
		same(t, "what is stored, as each was told", []string{want, want, want, want}, stored)
	}
}

// raceHalf takes hosts of a group out from several handles, each a random part. Each
// writer guards what it counted: more than half must never be out.
func raceHalf(t *testing.T, open func() store.Store) {
	const hosts, rounds, part = 20, 12, 8
	handles := []store.Store{open(), open(), open(), open()}
	for range rounds {
		var reset store.Txn
		for i := range hosts {
			reset.Writes = append(reset.Writes, put(fmt.Sprintf("/group/%02d", i), "in"))
		}
		commit(t, handles[0], reset)
		together(t, len(handles), func(ctx context.Context, i int) error {
			return retry(ctx, handles[i], func(ctx context.Context) (store.Txn, error) {
				snap, err := handles[i].Read(ctx, "/group/")
				return takeOut(snap, part, hosts/2), err
			})
		})
		if out := countOut(read(t, handles[0], "/group/")); out > hosts/2 || out < part {
			t.Fatalf("%d of %d hosts are out", out, hosts)
		}
	}
}

// takeOut returns a transaction that takes a random part of a group out, or an empty
// one if more than maxOut would be out.
func takeOut(group store.Snapshot, part, maxOut int) store.Txn {
	txn := store.Txn{Guards: []store.Guard{prefixAt("/group/", group.Revision)}}
	out := countOut(group)
	for _, i := range rand.Perm(len(group.Entries))[:min(part, len(group.Entries))] {
		if e := group.Entries[i]; string(e.Value) == "in" {
			out++
			txn.Writes = append(txn.Writes, put(e.Key, "out"))
		}
	}
	if out > maxOut {
		return store.Txn{}
	}
	return txn
}

func countOut(group store.Snapshot) int {
	out := 0
	for _, e := range group.Entries {
		if string(e.Value) == "out" {
			out++
		}
	}
	return out
}

// raceTorn writes the same value to twenty keys in each transaction while others read
// and watch them.
func raceTorn(t *testing.T, open func() store.Store) {
	const width, rounds = 20, 25
	handles := []store.Store{open(), open(), open(), open()}
	next := func(n int) (txn store.Txn) {
		for i := range width {
			txn.Writes = append(txn.Writes, put(fmt.Sprintf("/%d/%d", i%3, i), strconv.Itoa(n)))
		}
		return txn
	}
	start := commit(t, handles[0], next(0)).Revision
	together(t, len(handles), func(ctx context.Context, i int) error {
		switch i {
		case 0:
			for n := range rounds {
				if _, err := handles[i].Commit(ctx, next(n+1)); err != nil {
					return err
				}
			}
			return nil
		case 1:
			return watchWhole(ctx, handles[i], start, width, rounds)
		default:
			return readWhole(ctx, handles[i], width, rounds)
		}
	})
}

// readWhole reads until the last round and returns an error for the first torn
// snapshot.
func readWhole(ctx context.Context, s store.Store, width, rounds int) error {
	var last store.Revision
	for value := ""; value != strconv.Itoa(rounds); {
		snap, err := s.Read(ctx, "/0/", "/1/", "/2/")
		if err != nil {
			return err
		}
		if snap.Revision < last || len(snap.Entries) != width {
			return fmt.Errorf("%d entries at revision %d, after revision %d", len(snap.Entries), snap.Revision, last)
		}
		last, value = snap.Revision, string(snap.Entries[0].Value)
		for _, e := range snap.Entries {
			if string(e.Value) != value || e.Modified != snap.Revision {
				return fmt.Errorf("torn: revision %d has %s = %s of revision %d", snap.Revision, e.Key, e.Value, e.Modified)
			}
		}
	}
	return nil
}

// watchWhole watches all rounds and returns an error for the first that is torn or
// missing.
func watchWhole(ctx context.Context, s store.Store, after store.Revision, width, rounds int) error {
	round := 0
	for b, err := range s.Watch(ctx, after, "/0/", "/1/", "/2/") {
		if err != nil {
			return err
		}
		if len(b.Events) == 0 {
			continue
		}
		round++
		for _, e := range b.Events {
			if len(b.Events) != width || string(e.Value) != strconv.Itoa(round) {
				return fmt.Errorf("torn: the batch of revision %d, round %d, has %d events, %s = %s", b.Revision, round, len(b.Events), e.Key, e.Value)
			}
		}
		if round == rounds {
			return nil
		}
	}
	return fmt.Errorf("the watch ended after %d of %d rounds", round, rounds)
}
