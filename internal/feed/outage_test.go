package feed_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/feed"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
	"github.com/conftool/confctl/pkg/store/local"
)

// mortal is an etcd that can be stopped and started again, at the same address or
// elsewhere, with its data.
type mortal struct {
	*testing.T
	*etcdtest.Server
	dir, address string
}

func newMortal(t *testing.T) *mortal {
	t.Helper()
	m := &mortal{T: t, dir: t.TempDir(), address: etcdtest.Address(t)}
	m.come(m.address)
	return m
}

func (m *mortal) come(address string) {
	m.Helper()
	m.Server = etcdtest.Start(m.T, etcdtest.At(m.T, m.dir, address))
}

// site returns the store at the address, with a short timeout.
func (m *mortal) site() *site {
	m.Helper()
	return m.patient(400 * time.Millisecond)
}

// patient returns the store at the address, with the given timeout.
func (m *mortal) patient(timeout time.Duration) *site {
	m.Helper()
	s, err := etcd.Open(etcd.Config{Endpoints: []string{"http://" + m.address}, Timeout: timeout, Attempt: timeout / 2})
	if err != nil {
		m.Fatal(err)
	}
	return newSite(m, s)
}

// elsewhere stops the store, and changes it at an address that its followers do not
// know.
func (m *mortal) elsewhere(change func(*site)) {
	m.Helper()
	m.come("127.0.0.1:0")
	s, err := etcd.Open(etcd.Config{Endpoints: []string{m.URL()}})
	if err != nil {
		m.Fatal(err)
	}
	change(newSite(m, s))
	m.Kill(0)
}

// backup returns a copy of the data.
func (m *mortal) backup() string {
	m.Helper()
	m.Kill(0)
	dir := m.TempDir()
	if err := os.CopyFS(dir, os.DirFS(m.dir)); err != nil {
		m.Fatal(err)
	}
	m.come(m.address)
	return dir
}

// feedItem is an item of a feed.
type feedItem struct {
	feed.Batch
	err error
}

// items returns a function that returns the next item, without empty batches; the
// last one has the error errEnd.
func (s *site) items(after store.Revision) func() feedItem {
	f := feed.Feed{Catalog: s.catalog, Journal: s.log.Key("")}
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	next, stop := iter.Pull2(f.Follow(ctx, catalog.Query{Type: s.host}, after))
	s.Cleanup(func() { stop(); cancel() })
	return func() feedItem {
		for {
			b, err, ok := next()
			switch {
			case !ok && ctx.Err() == nil:
				return feedItem{err: errEnd}
			case !ok:
				s.Fatal("it goes on, and nothing comes")
			case err != nil || b.State || len(b.Events) > 0:
				return feedItem{b, err}
			}
		}
	}
}

var errEnd = errors.New("the end")

// wants checks the next batches, given in the form of text.
func wants(t testing.TB, next func() feedItem, want ...string) (last store.Revision) {
	t.Helper()
	for _, w := range want {
		got := next()
		if got.err != nil {
			t.Fatalf("%v, want %s", got.err, w)
		}
		if text(got.Batch) != w {
			t.Errorf("got\n%s\nwant\n%s", text(got.Batch), w)
		}
		last = got.Revision
	}
	return last
}

// goes stops the store, and checks that this is reported once.
func (m *mortal) goes(each ...func() feedItem) {
	m.Helper()
	m.Kill(0)
	for _, next := range each {
		if got := next(); !errors.As(got.err, new(*store.UnavailableError)) {
			m.Fatalf("without a store: %s, %v", text(got.Batch), got.err)
		}
	}
}

// TestOutage checks that all changes made while the store was unreachable are
// yielded when it is back, with the previous values, even if the changes have no
// record.
func TestOutage(t *testing.T) {
	t.Parallel()
	m := newMortal(t)
	s := m.site()
	s.create("north", "a", "b", "c")
	s.create("south", "e")
	whole := s.items(0)
	resumed := s.items(wants(t, whole, "north/a  -> 0, north/b  -> 0, north/c  -> 0, south/e  -> 0 by nobody"))
	s.past("north/a", 1)
	wants(t, whole, `north/a {"weight": 0} -> 1 by nobody`)
	wants(t, resumed, `north/a  -> 1 by nobody`)
	m.goes(whole, resumed)
	var set, removed, created string
	m.elsewhere(func(s *site) {
		set = s.set("north", 5)
		removed = s.remove("north", "b")
		created = s.create("north", "b")
		s.past("north/c", 9)
		s.past("north/d", 1)
	})
	m.come(m.address)
	for _, next := range []func() feedItem{whole, resumed} {
		wants(t, next,
			`north/a {"weight": 1} -> 5, north/b {"weight": 0} -> 5, north/c {"weight": 0} -> 5 by alice `+set,
			`north/b {"weight": 5} -> - by alice `+removed,
			`north/b  -> 0 by alice `+created,
			`north/c {"weight": 5} -> 9 by nobody`,
			`north/d  -> 1 by nobody`,
		)
	}
	m.goes(whole, resumed)
	m.come(m.address)
	removed = s.remove("north", "d")
	wants(t, whole, `north/d {"weight": 1} -> - by alice `+removed)
	wants(t, resumed, `north/d {"weight": 1} -> - by alice `+removed)
	s.past("south/e", 3)
	wants(t, whole, `south/e {"weight": 0} -> 3 by nobody`)
	wants(t, resumed, `south/e  -> 3 by nobody`)
}

// TestOutageForgotten compacts the changes made while the store was unreachable. A
// follower that knows all objects gets the differences; one that does not gets an
// error.
func TestOutageForgotten(t *testing.T) {
	t.Parallel()
	m := newMortal(t)
	s := m.site()
	s.create("north", "a", "b", "c")
	whole := s.items(0)
	begun := wants(t, whole, "north/a  -> 0, north/b  -> 0, north/c  -> 0 by nobody")
	resumed := s.items(begun)
	first := s.past("north/a", 1)
	wants(t, whole, `north/a {"weight": 0} -> 1 by nobody`)
	if at := wants(t, resumed, `north/a  -> 1 by nobody`); at != first {
		t.Errorf("told of revision %d, not %d", at, first)
	}
	m.goes(whole)
	var last store.Revision
	m.elsewhere(func(s *site) {
		s.remove("north", "a")
		s.create("north", "a")
		s.remove("north", "b")
		last = s.past("north/d", 4)
		m.Compact(m.T, int64(last))
	})
	m.come(m.address)
	got := wants(t, whole, `north/a {"weight": 1} -> 0, north/b {"weight": 0} -> -, north/d  -> 4 by nobody`)
	if got != last {
		t.Errorf("the difference is of revision %d, not %d", got, last)
	}
	for got := resumed(); !errors.Is(got.err, store.ErrCompacted); got = resumed() {
		if !errors.As(got.err, new(*store.UnavailableError)) {
			t.Fatalf("resumed: %s, %v", text(got.Batch), got.err)
		}
	}
	if got := resumed(); got.err != errEnd { //nolint:errorlint // not wrapped
		t.Errorf("after the error: %s, %v", text(got.Batch), got.err)
	}
	wants(t, whole, `north/c {"weight": 0} -> - by alice `+s.remove("north", "c"))
}

// TestOutageRestored restores the store to an earlier state, from which it
// continues.
func TestOutageRestored(t *testing.T) {
	t.Parallel()
	m := newMortal(t)
	s := m.site()
	s.create("north", "a", "b")
	backup := m.backup()
	next := s.items(0)
	wants(t, next, "north/a  -> 0, north/b  -> 0 by nobody")
	removed, set := s.remove("north", "a"), s.set("north", 5)
	at := wants(t, next, `north/a {"weight": 0} -> - by alice `+removed, `north/b {"weight": 0} -> 5 by alice `+set)
	m.goes(next)
	m.dir = backup
	m.come(m.address)
	if got := wants(t, next, `north/a  -> 0, north/b {"weight": 5} -> 0 by nobody`); got >= at {
		t.Errorf("revision %d is after %d", got, at)
	}
	wants(t, next, `north/a {"weight": 0} -> 7, north/b {"weight": 0} -> 7 by alice `+s.set("north", 7))
}

// TestOutageOvertaken restores the store to an earlier state, and changes it until
// it passes the last revision that was yielded.
func TestOutageOvertaken(t *testing.T) {
	t.Parallel()
	m := newMortal(t)
	s := m.site()
	s.create("north", "a", "b")
	backup := m.backup()
	next := s.items(0)
	wants(t, next, "north/a  -> 0, north/b  -> 0 by nobody")
	removed, seen := s.remove("north", "a"), s.past("north/b", 5)
	wants(t, next, `north/a {"weight": 0} -> - by alice `+removed, `north/b {"weight": 0} -> 5 by nobody`)
	m.goes(next)
	m.dir = backup
	m.elsewhere(func(s *site) {
		for s.past("north/b", 1) < seen {
			continue
		}
		s.past("north/b", 2)
	})
	m.come(m.address)
	wants(t, next, `north/b {"weight": 5} -> 2 by nobody`, `north/a  -> 0 by nobody`)
	wants(t, next, `north/a {"weight": 0} -> 7, north/b {"weight": 2} -> 7 by alice `+s.set("north", 7))
}

// TestOutageUnnoticed restores the store and changes it until it passes the last
// revision that was yielded, so quickly that the watch resumes by itself.
func TestOutageUnnoticed(t *testing.T) {
	t.Parallel()
	m := newMortal(t)
	s := m.patient(20 * time.Second)
	s.create("north", "a", "b")
	backup := m.backup()
	next := s.items(0)
	wants(t, next, "north/a  -> 0, north/b  -> 0 by nobody")
	removed, seen := s.remove("north", "a"), s.past("north/b", 5)
	resumed := s.items(seen)
	wants(t, next, `north/a {"weight": 0} -> - by alice `+removed, `north/b {"weight": 0} -> 5 by nobody`)
	s.past("north/d", 1)
	wants(t, next, `north/d  -> 1 by nobody`)
	wants(t, resumed, `north/d  -> 1 by nobody`)
	m.Kill(0)
	m.dir = backup
	m.elsewhere(func(s *site) {
		for s.past("north/c", 1) <= seen {
			continue
		}
		s.past("north/c", 2)
	})
	m.come(m.address)
	wants(t, next, `north/c  -> 2 by nobody`, `north/a  -> 0, north/b {"weight": 5} -> 0, north/d {"weight": 1} -> - by nobody`)
	wants(t, resumed, `north/c  -> 2 by nobody`) // it does not know the earlier state
	set := s.set("north", 7)
	wants(t, next, `north/a {"weight": 0} -> 7, north/b {"weight": 0} -> 7, north/c {"weight": 2} -> 7 by alice `+set)
	wants(t, resumed, `north/a {"weight": 0} -> 7, north/b {"weight": 0} -> 7, north/c {"weight": 2} -> 7 by alice `+set)
}

// TestRestored replaces the store by an earlier file with another history: revisions
// that were yielded occur again with other changes.
func TestRestored(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "state.db"), filepath.Join(dir, "backup.db")
	openLocal := func(path string) *site {
		s, err := local.Open(path, local.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return newSite(t, s)
	}
	s := openLocal(path)
	s.create("north", "a", "b")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(backup, data, 0o600); err != nil {
		t.Fatal(err)
	}
	openLocal(backup).past("north/a", 3)

	next := s.items(0)
	wants(t, next, "north/a  -> 0, north/b  -> 0 by nobody")
	twice := s.past("north/a", 1)
	s.past("north/c", 2)
	wants(t, next, `north/a {"weight": 0} -> 1 by nobody`, `north/c  -> 2 by nobody`)
	if err := os.Rename(backup, path); err != nil {
		t.Fatal(err)
	}
	if got := wants(t, next, `north/a {"weight": 1} -> 3, north/c {"weight": 2} -> - by nobody`); got != twice {
		t.Errorf("the difference is of revision %d, not %d", got, twice)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wants(t, next, `north/a {"weight": 3} -> -, north/b {"weight": 0} -> - by nobody`)
	if got := s.items(twice + 1)(); !errors.Is(got.err, store.ErrCompacted) {
		t.Errorf("resumed where the store never was: %s, %v", text(got.Batch), got.err)
	}
}

// TestUndeclared checks that an object has the same fields before and after a
// change: those that its type declares, whatever else is stored, and wherever the
// previous values come from.
func TestUndeclared(t *testing.T) {
	s := localSite(t)
	s.stores("north/a", `{"weight": 1, "more": 1}`)
	next, later := s.items(0), s.items(1)
	wants(t, next, "north/a  -> 1 by nobody")
	id := s.set("north", 2)
	wants(t, next, `north/a {"weight": 1} -> 2 by alice `+id)
	wants(t, later, `north/a {"weight": 1} -> 2 by alice `+id)
}

// TestNoStore checks that Follow ends if the store was never reachable.
func TestNoStore(t *testing.T) {
	t.Parallel()
	m := newMortal(t)
	m.Kill(0)
	s := m.site()
	for _, after := range []store.Revision{0, 5} {
		next := s.items(after)
		if got := next(); !errors.As(got.err, new(*store.UnavailableError)) {
			t.Errorf("after %d: %s, %v", after, text(got.Batch), got.err)
		}
		if got := next(); got.err != errEnd { //nolint:errorlint // not wrapped
			t.Errorf("after the error: %s, %v", text(got.Batch), got.err)
		}
	}
}

// TestFollowEnds checks that the end of the context is not an error, whatever else
// happens.
func TestFollowEnds(t *testing.T) {
	t.Parallel()
	for _, while := range []string{"reading", "watching", "waiting"} {
		m := newMortal(t)
		s := m.site()
		f := feed.Feed{Catalog: s.catalog, Journal: s.log.Key("")}
		ctx, cancel := context.WithCancel(t.Context())
		if while == "reading" {
			cancel()
		}
		for _, err := range f.Follow(ctx, catalog.Query{Type: s.host}, 0) {
			away := errors.As(err, new(*store.UnavailableError))
			switch {
			case while == "waiting" && err == nil:
				m.Kill(0)
				continue
			case err != nil && (while != "waiting" || !away):
				t.Errorf("%s: %v", while, err)
			}
			time.AfterFunc(100*time.Millisecond, cancel)
		}
		cancel()
	}
}

// past changes a host without confctl.
func (s *site) past(path string, weight int) store.Revision {
	s.Helper()
	return s.stores(path, fmt.Sprintf(`{"weight": %d}`, weight))
}

// stores writes a value unchanged.
func (s *site) stores(path, stored string) store.Revision {
	s.Helper()
	r, err := s.Commit(s.Context(), store.Txn{Writes: []store.Write{{Key: "/conftool/v1/hosts/" + path, Value: []byte(stored)}}})
	if err != nil {
		s.Fatal(err)
	}
	return r.Revision
}
