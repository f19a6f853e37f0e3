package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

func watchTests() []test {
	return []test{
		{"watch/history", watchHistory},
		{"watch/prefixes", watchPrefixes},
		{"watch/live, on another handle", watchLive},
		{"watch/signs of life", watchLife},
		{"watch/resumes without loss or repetition", watchResume},
		{"watch/ends with its context", watchContext},
		{"watch/after a revision to come", watchFuture},
		{"watch/consumer uses the store and breaks", watchBreak},
	}
}

func watchHistory(t *testing.T, open func() store.Store) {
	s := open()
	start := revision(t, s)
	one := commit(t, s, writes(put("/b", "1"), put("/a", "1"), put("/c", ""))).Revision
	two := commit(t, s, writes(put("/a", "2"), del("/b"))).Revision
	three := commit(t, s, writes(del("/a"), put("/b", "3"))).Revision
	four := commit(t, s, writes(put("/a", "4"))).Revision
	history := []store.Batch{
		{Revision: one, Events: []store.Event{written("/a", "1", one, one), written("/b", "1", one, one), written("/c", "", one, one)}},
		{Revision: two, Events: []store.Event{written("/a", "2", one, two), deleted("/b", two)}},
		{Revision: three, Events: []store.Event{deleted("/a", three), written("/b", "3", three, three)}},
		{Revision: four, Events: []store.Event{written("/a", "4", four, four)}},
	}
	for i, after := range []store.Revision{start, one, two, three, four} {
		same(t, fmt.Sprintf("history after %d", after), history[i:], batches(t, s, after, four, "/"))
		same(t, "history on another handle", history[i:], batches(t, open(), after, four, "/"))
	}
}

func watchPrefixes(t *testing.T, open func() store.Store) {
	s := open()
	start := revision(t, s)
	var txn store.Txn
	for _, key := range []string{"/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/bc", "/a/bc/d", "/a0", "/b"} {
		txn.Writes = append(txn.Writes, put(key, "1"))
	}
	all := commit(t, s, txn).Revision
	outside := commit(t, s, writes(put("/outside", ""))).Revision
	end := commit(t, s, writes(put("/end", ""), put("/outside", ""))).Revision
	for _, c := range []struct{ prefixes, want []string }{
		{[]string{"/a/b"}, []string{"/a/b"}},
		{[]string{"/a/b/"}, []string{"/a/b/", "/a/b/c"}},
		{[]string{"/a"}, []string{"/a"}},
		{[]string{"/absent", "/absent/"}, nil},
		{[]string{"/a/bc/", "/b", "/a/b"}, []string{"/a/b", "/a/bc/d", "/b"}},
		{[]string{"/a/b/c", "/a/", "/a/b/", "/a/"}, []string{"/a/", "/a/b", "/a/b/", "/a/b/c", "/a/bc", "/a/bc/d"}},
	} {
		var want []store.Batch
		if len(c.want) > 0 {
			want = []store.Batch{{Revision: all}}
		}
		for _, key := range c.want {
			want[0].Events = append(want[0].Events, written(key, "1", all, all))
		}
		want = append(want, store.Batch{Revision: end, Events: []store.Event{written("/end", "", end, end)}})
		same(t, fmt.Sprintf("watch of %q", c.prefixes), want, batches(t, s, start, end, append(c.prefixes, "/end")...))
	}
	same(t, "watch from within", []store.Batch{{Revision: end, Events: []store.Event{written("/end", "", end, end)}}},
		batches(t, s, outside, end, "/end", "/a/"))
}

// watchLive watches an empty store while other handles write to it.
func watchLive(t *testing.T, open func() store.Store) {
	s, watcher, late := open(), open(), open()
	start := revision(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seen := make(chan store.Batch, 100)
	done := make(chan error, 1)
	go func() {
		defer close(seen)
		for b, err := range watcher.Watch(ctx, start, "/k/") {
			if err != nil {
				done <- err
				return
			}
			if len(b.Events) > 0 {
				seen <- b
			}
		}
		done <- nil
	}()
	for i := range 10 {
		at := commit(t, s, writes(put("/k/a", fmt.Sprint(i)), put("/other", ""))).Revision
		b, ok := <-seen
		if !ok {
			t.Fatalf("the watch ended: %v", <-done)
		}
		if b.Revision != at || len(b.Events) != 1 || string(b.Events[0].Value) != fmt.Sprint(i) {
			t.Fatalf("round %d, revision %d: the watcher saw %v", i, at, b)
		}
		s, late = late, s
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatalf("a watch whose context was cancelled: %v", err)
	}
}

// watchLife watches an idle prefix: signs of life must come in time, and their
// revisions must be right.
func watchLife(t *testing.T, open func() store.Store) {
	s := open()
	start := commit(t, s, writes(put("/k", "1"))).Revision
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	outside := commit(t, open(), writes(put("/outside", "1"))).Revision
	last, since, signs := start, time.Now(), 0
	for b, err := range s.Watch(ctx, start, "/quiet/") {
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(since); waited > 3*time.Second {
			t.Fatalf("no sign of life for %v", waited)
		}
		checkBatch(t, last, b, []string{"/quiet/"})
		if now := revision(t, s); len(b.Events) != 0 || b.Revision > now {
			t.Fatalf("sign of life of revision %d with %d events, the store is at %d", b.Revision, len(b.Events), now)
		}
		last, since, signs = b.Revision, time.Now(), signs+1
		if last >= outside && signs >= 3 {
			return
		}
		if signs > 10 {
			t.Fatalf("%d signs of life still say revision %d, not %d", signs, last, outside)
		}
	}
	t.Fatalf("the watch ended after %d signs of life", signs)
}

// watchResume ends a watch repeatedly while others write, and starts another after
// the last revision it received.
func watchResume(t *testing.T, open func() store.Store) {
	const total = 40
	s, watcher := open(), open()
	start := revision(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	together(t, 2, func(_ context.Context, i int) error {
		if i == 0 {
			for n := range total {
				if _, err := s.Commit(ctx, writes(put("/k", fmt.Sprint(n)), put("/outside", ""))); err != nil {
					return err
				}
				if _, err := s.Commit(ctx, writes(put("/outside", ""))); err != nil {
					return err
				}
			}
			return nil
		}
		for last, n := start, 0; n < total; {
			left := 1 + n%4
			for b, err := range watcher.Watch(ctx, last, "/k") {
				if err != nil {
					return err
				}
				last = b.Revision
				for _, e := range b.Events {
					if string(e.Value) != fmt.Sprint(n) {
						return fmt.Errorf("value %s at revision %d, want %d", e.Value, b.Revision, n)
					}
					n++
				}
				if left--; left == 0 || n == total {
					break
				}
			}
			if ctx.Err() != nil {
				return fmt.Errorf("saw %d of %d: %w", n, total, ctx.Err())
			}
		}
		return nil
	})
}

func watchContext(t *testing.T, open func() store.Store) {
	s := open()
	commit(t, s, writes(put("/k", "1")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for b, err := range s.Watch(ctx, 0, "/") {
		t.Fatalf("a watch with a cancelled context yields %v, %v", b, err)
	}
	for _, wait := range []time.Duration{0, 50 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), wait+20*time.Millisecond)
		begin := time.Now()
		for _, err := range s.Watch(ctx, revision(t, s), "/") {
			if err != nil {
				t.Errorf("a watch whose context ends: %v", err)
			}
		}
		cancel()
		if took := time.Since(begin); took > wait+3*time.Second {
			t.Errorf("the watch ended %v after it began", took)
		}
	}
}

// watchFuture watches after a revision that the store has not reached, as when an
// older backup was restored.
func watchFuture(t *testing.T, open func() store.Store) {
	s := open()
	at := commit(t, s, writes(put("/k", "1"))).Revision
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var last error
	for b, err := range s.Watch(ctx, at+1000, "/") {
		if err == nil {
			t.Fatalf("revision %d of a store at %d", b.Revision, at)
		}
		last = err
	}
	if !errors.Is(last, store.ErrCompacted) {
		t.Fatalf("the watch ended with %v", last)
	}
}

// watchBreak reads, commits and watches inside a watch, and breaks out.
func watchBreak(t *testing.T, open func() store.Store) {
	s := open()
	start := revision(t, s)
	commit(t, s, writes(put("/k", "0")))
	rounds := 0
	for b, err := range s.Watch(t.Context(), start, "/k") {
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Events) == 0 {
			continue
		}
		same(t, "value", fmt.Sprint(rounds), string(b.Events[0].Value))
		same(t, "value, read", fmt.Sprint(rounds), string(read(t, s, "/k").Entries[0].Value))
		same(t, "batches, watched within", rounds+1, len(batches(t, s, start, b.Revision, "/k")))
		if rounds++; rounds == 5 {
			break
		}
		commit(t, s, writes(put("/k", fmt.Sprint(rounds))))
	}
	commit(t, s, writes(put("/k", "after")))
	same(t, "value after the watch", "after", string(read(t, s, "/k").Entries[0].Value))
}
