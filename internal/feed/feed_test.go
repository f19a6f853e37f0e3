package feed_test

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/feed"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
	"github.com/conftool/confctl/pkg/store/local"
)

const types = `
host: {path: hosts, tags: [dc], schema: {weight: {type: int, default: 0}}}
other: {path: others, tags: [], schema: {}}
`

// site is a store, with the means to change it.
type site struct {
	testing.TB
	store.Store
	catalog *catalog.Catalog
	log     *sal.Log
	host    *schema.Type
}

func newSite(t testing.TB, s store.Store) *site {
	t.Helper()
	t.Cleanup(func() { _ = s.Close() })
	loaded, err := schema.Parse("s.yaml", []byte(types), "pools")
	if err != nil {
		t.Fatal(err)
	}
	host, err := loaded.Type("host")
	if err != nil {
		t.Fatal(err)
	}
	c := catalog.New(s, "/conftool", "v1")
	return &site{TB: t, Store: s, catalog: c, log: &sal.Log{Store: s, Prefix: c.Own("")}, host: host}
}

func localSite(t testing.TB) *site {
	t.Helper()
	s, err := local.Open(filepath.Join(t.TempDir(), "state.db"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return newSite(t, s)
}

// make makes a change by the usual path, and returns its id.
func (s *site) make(plan func(object.Snapshot) object.Plan) string {
	s.Helper()
	a := change.Applier{
		Catalog: s.catalog, Log: s.log, Report: func(change.Done) {}, Warn: func(error) {},
		Now: time.Now, Who: sal.User{Name: "alice"}, Where: sal.Host{Name: "here"},
	}
	done, err := a.Apply(s.Context(), change.Intent{
		Read: []catalog.Query{{Type: s.host}}, Action: "test",
		Plan: func(on object.Snapshot) (object.Plan, error) { return plan(on), nil },
	})
	if err != nil {
		s.Fatal(err)
	}
	return done.ID
}

// create, set and remove change hosts in one datacenter, given by name.
func (s *site) create(dc string, names ...string) string {
	return s.make(func(object.Snapshot) (p object.Plan) {
		for _, n := range names {
			o := object.New(s.host, []string{dc}, n)
			p.Changes = append(p.Changes, object.Change{After: &o})
		}
		return p
	})
}

func (s *site) set(dc string, weight int) string {
	return s.make(func(on object.Snapshot) object.Plan {
		words, err := object.ParseWords(s.host, []string{fmt.Sprintf("weight=%d", weight)})
		if err != nil {
			s.Fatal(err)
		}
		p, err := object.Set(on.Select(s.host, selector.Exactly(s.host.Tags, map[string]string{"dc": dc})), words)
		if err != nil {
			s.Fatal(err)
		}
		return p
	})
}

func (s *site) remove(dc, name string) string {
	return s.make(func(on object.Snapshot) object.Plan {
		return object.Delete(on.Select(s.host, selector.Exactly(s.host.Tags, map[string]string{"dc": dc, "name": name})))
	})
}

// follow returns a function that returns the next batch.
func (s *site) follow(ctx context.Context, dc string, after store.Revision) func() feed.Batch {
	q := catalog.Query{Type: s.host}
	if dc != "" {
		q.Selector = selector.Exactly(s.host.Tags, map[string]string{"dc": dc})
	}
	f := feed.Feed{Catalog: s.catalog, Journal: s.log.Key("")}
	next, stop := iter.Pull2(f.Follow(ctx, q, after))
	s.Cleanup(stop)
	return func() feed.Batch {
		s.Helper()
		for {
			b, err, ok := next()
			if err != nil || !ok {
				s.Fatalf("the feed ended: %v", err)
			}
			if b.State || len(b.Events) > 0 {
				return b
			}
		}
	}
}

// text returns a short form of a batch.
func text(b feed.Batch) string {
	var events []string
	for _, e := range b.Events {
		is := "-"
		if !e.Deleted {
			is = e.Object.Get("weight").Text()
		}
		events = append(events, e.Object.Path()+" "+e.Before.Text()+" -> "+is)
	}
	by := "nobody"
	if b.Record != nil {
		by = b.Record.User.Name + " " + b.Record.Event.ID
	}
	return strings.Join(events, ", ") + " by " + by
}

func TestFollow(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *site{
		"local": localSite,
		"etcd": func(t testing.TB) *site {
			s, err := etcd.Open(etcd.Config{Endpoints: []string{etcdtest.Start(t).URL()}})
			if err != nil {
				t.Fatal(err)
			}
			return newSite(t, s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			s.create("north", "a", "b")
			s.create("south", "c")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			next := s.follow(ctx, "north", 0)
			first := next()
			if got := text(first); got != "north/a  -> 0, north/b  -> 0 by nobody" || !first.State {
				t.Errorf("at first: %s, %v", got, first.State)
			}
			changed := s.set("north", 5)
			s.set("south", 6)
			removed := s.remove("north", "a")
			past := store.Write{Key: "/conftool/v1/hosts/north/b", Value: []byte(`{"weight": 7}`)}
			if _, err := s.Commit(t.Context(), store.Txn{Writes: []store.Write{past}}); err != nil {
				t.Fatal(err)
			}
			created := s.create("north", "a")
			want := []string{
				`north/a {"weight": 0} -> 5, north/b {"weight": 0} -> 5 by alice ` + changed,
				`north/a {"weight": 5} -> - by alice ` + removed,
				`north/b {"weight": 5} -> 7 by nobody`,
				`north/a  -> 0 by alice ` + created,
			}
			var got []string
			var at []store.Revision
			for range want {
				b := next()
				got, at = append(got, text(b)), append(at, b.Revision)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}

			// After a resumption, the next change is the first batch, and the previous values
			// come from earlier batches or from the journal.
			again := s.follow(ctx, "north", first.Revision)
			for i := range want {
				if got := text(again()); got != want[i] {
					t.Errorf("resumed: %s, want %s", got, want[i])
				}
			}
			later := s.follow(ctx, "north", at[0])
			want[2] = `north/b  -> 7 by nobody` // the previous value is unknown
			for i := range want[1:] {
				if got := text(later()); got != want[i+1] {
					t.Errorf("resumed later: %s, want %s", got, want[i+1])
				}
			}
		})
	}
}
