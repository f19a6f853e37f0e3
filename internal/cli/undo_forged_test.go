package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
	"github.com/conftool/confctl/pkg/store/local"
	"github.com/conftool/confctl/pkg/value"
)

// stocked is a site with its objects, and a way round confctl into its store.
type stocked struct {
	*site
	open func() store.Store
}

// onBothStores runs a test on a site of either driver.
func onBothStores(t *testing.T, test func(*testing.T, stocked)) {
	t.Parallel()
	t.Run("local", func(t *testing.T) {
		s := stocked{site: newSite(t, localConfig)}
		s.open = func() store.Store {
			db, err := local.Open(s.dir+"/state.db", local.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return db
		}
		s.begin()
		test(t, s)
	})
	t.Run("etcd", func(t *testing.T) {
		server := etcdtest.Start(t)
		s := stocked{site: etcdSite(t, server.URL())}
		s.open = func() store.Store {
			client, err := etcd.Open(etcd.Config{Endpoints: []string{server.URL()}})
			if err != nil {
				t.Fatal(err)
			}
			return client
		}
		s.begin()
		test(t, s)
	})
}

// begin fills the site: north is pooled with weight 10.
func (s stocked) begin() {
	s.Helper()
	s.file("confctl.yaml", patient)
	s.ok("sync", "--directory", "data")
	s.ok("--yes", "select", "dc=north", "set/weight=10:pooled=yes")
}

// write commits writes of its own, as somebody with another client does.
func (s stocked) write(writes ...store.Write) {
	s.Helper()
	db := s.open()
	defer func() { _ = db.Close() }()
	if _, err := db.Commit(s.Context(), store.Txn{Writes: writes}); err != nil {
		s.Fatal(err)
	}
}

// objects is all that is stored of objects.
func (s stocked) objects() string {
	s.Helper()
	db := s.open()
	defer func() { _ = db.Close() }()
	found, err := db.Read(s.Context(), "/conftool/v1/")
	if err != nil {
		s.Fatal(err)
	}
	var b strings.Builder
	for _, e := range found.Entries {
		b.WriteString(e.Key + " " + string(e.Value) + "\n")
	}
	return b.String()
}

// newest returns the journal's newest record.
func (s stocked) newest() sal.Stored {
	s.Helper()
	db := s.open()
	defer func() { _ = db.Close() }()
	found, err := (&sal.Log{Store: db, Prefix: "/conftool/.confctl/"}).Newest(s.Context(), 1)
	if err != nil || len(found) != 1 {
		s.Fatal(found, err)
	}
	return found[0]
}

// record is the write of a record.
func (s stocked) record(r sal.Record) store.Write {
	s.Helper()
	text, err := r.Encode()
	if err != nil {
		s.Fatal(err)
	}
	return store.Write{Key: "/conftool/.confctl/journal/" + r.Event.ID, Value: text}
}

const web9 = "south/web/http/web9.example"

func node(weight int64, pooled string) value.Value {
	return value.OfMap(value.Field{Name: "weight", Value: value.OfInt(weight)}, value.Field{Name: "pooled", Value: value.OfString(pooled)})
}

// forged is a record of something that alice did not do: of web9, which is
// inactive with weight 0.
func (s stocked) forged(o sal.Object) sal.Record {
	now := time.Now()
	id := sal.NewID(now)
	return sal.Record{
		Time: now, Event: sal.Event{ID: id, Action: "set/weight=0", Outcome: sal.Success},
		User: s.newest().User, Host: sal.Host{Name: app.Hostname()}, Change: sal.ChangeRecord{Run: id, Selector: "name=web9.example", Objects: []sal.Object{o}},
	}
}

// refusesAll checks that the newest change cannot be undone in any way.
func (s stocked) refusesAll(id string) {
	s.Helper()
	before := s.objects()
	for _, words := range [][]string{{"undo", "last"}, {"undo", id}, {"undo", "--since", "10m", "--mine"}, {"undo", "--emergency", "--expect", "1", id}, {"undo", "--repair", id}} {
		_, stderr, code := s.run(append([]string{"--yes"}, words...)...)
		told := "the journal does not agree with the store, nothing was written"
		if words[1] == "--since" { // where an earlier change of the same is among them, the values show it
			told = "nothing was written"
		}
		if code != exitConflict || !strings.Contains(stderr, told) || !strings.Contains(stderr, id) {
			s.Errorf("%q: exit code %d\n%s", words, code, stderr)
		}
	}
	if after := s.objects(); after != before {
		s.Errorf("changed:\n%swas\n%s", after, before)
	}
}

// TestUndoOfAForgedRecord: who may write the journal and not the objects cannot
// have somebody else write these.
func TestUndoOfAForgedRecord(t *testing.T) {
	for name, o := range map[string]sal.Object{
		"a change":                      {Type: "node", Path: web9, Before: node(100, "yes"), After: node(0, "inactive")},
		"a creation":                    {Type: "node", Path: web9, After: node(0, "inactive")},
		"a deletion of what is absent":  {Type: "node", Path: "south/web/http/evil.example", Before: node(100, "yes")},
		"a change that names a guessed": {Type: "node", Path: web9, Before: node(100, "yes"), After: node(0, "inactive"), Since: 1},
	} {
		t.Run(name, func(t *testing.T) {
			onBothStores(t, func(t *testing.T, s stocked) {
				r := s.forged(o)
				s.write(s.record(r))
				s.refusesAll(r.Event.ID)
			})
		})
	}
}

// TestUndoOfARewrittenRecord: a record of a change that was made, with other values
// before, is not believed either.
func TestUndoOfARewrittenRecord(t *testing.T) {
	onBothStores(t, func(t *testing.T, s stocked) {
		s.ok("select", "name=web9.example", "set/weight=3")
		r := s.newest().Record
		r.Change.Objects[0].Before = node(100, "yes")
		s.write(s.record(r))
		s.refusesAll(r.Event.ID)
	})
}

// TestUndoOfARecordForgedInBetween: a later change of another field does not
// confirm the record, since it names the change before it.
func TestUndoOfARecordForgedInBetween(t *testing.T) {
	onBothStores(t, func(t *testing.T, s stocked) {
		r := s.forged(sal.Object{Type: "node", Path: web9, Before: node(100, "inactive"), After: node(0, "inactive")})
		s.write(s.record(r))
		s.ok("select", "name=web9.example", "set/pooled=no")
		before := s.objects()
		_, stderr, code := s.run("undo", r.Event.ID)
		if code != exitConflict || s.objects() != before ||
			!strings.Contains(stderr, web9+": weight changed 100 => 0, by the record "+r.Event.ID) ||
			!strings.Contains(stderr, "to give the fields the values that they should have: confctl --object-type node select 'dc=south,cluster=web,service=http,name=web9\\.example' edit") {
			t.Errorf("exit code %d\n%s", code, stderr)
		}
	})
}

// TestUndoOfWhatIsSaidToBeUndone: a change of the same field by somebody else is not
// out of the way because a record says that it was undone.
func TestUndoOfWhatIsSaidToBeUndone(t *testing.T) {
	onBothStores(t, func(t *testing.T, s stocked) {
		s.ok("select", "name=web9.example", "set/weight=3")
		first := s.newest().Event.ID
		var later []string
		for _, weight := range []string{"4", "3"} {
			s.ok("select", "name=web9.example", "set/weight="+weight)
			later = append(later, s.newest().Event.ID)
		}
		r := s.forged(sal.Object{Type: "node", Path: "north/web/http/web3.example", Before: node(10, "yes"), After: node(10, "yes")})
		r.Change.Undoes = later
		s.write(s.record(r))
		before := s.objects()
		_, stderr, code := s.run("undo", first)
		if code != exitConflict || s.objects() != before || !strings.Contains(stderr, "the store does not confirm that "+r.Event.ID+" has undone it") {
			t.Errorf("exit code %d\n%s", code, stderr)
		}
	})
}

// TestUndoAfterAnotherClient: of an object that something other than confctl wrote
// since, nothing is undone, also if that was another field.
func TestUndoAfterAnotherClient(t *testing.T) {
	onBothStores(t, func(t *testing.T, s stocked) {
		s.ok("select", "name=web9.example", "set/weight=3")
		id := s.newest().Event.ID
		s.write(store.Write{Key: "/conftool/v1/pools/" + web9, Value: []byte(`{"weight": 3, "pooled": "no"}`)})
		s.refusesAll(id)
	})
}

// TestUndoIsConfirmed: what confctl has done can be undone as long as nobody else
// was at the same fields, whatever came in between.
func TestUndoIsConfirmed(t *testing.T) {
	onBothStores(t, func(t *testing.T, s stocked) {
		do := func(words ...string) string {
			t.Helper()
			s.ok(append([]string{"--yes"}, words...)...)
			return s.newest().Event.ID
		}
		s.file("safety.yaml", "node: [{rule: min-pooled, mode: none}, {rule: mass-change, mode: none}]\n")
		weight := do("select", "name=web3.example", "set/weight=12")
		do("select", "name=web3.example", "set/pooled=no")
		do("select", "name=web3.example", "set/pooled=yes")
		deleted := do("select", "name=web3.example", "delete")
		others := do("select", "name=web2.example", "delete")
		// the first of two deletions of a type, and its undo's undo
		for range 3 {
			deleted = do("undo", deleted)
		}
		// what was changed before it was deleted and created again
		id := do("undo", weight)
		for range 4 {
			id = do("undo", id)
		}
		do("undo", others)
		do("select", "name=.*", "set/weight=20")
		do("undo", "last")
		if got := s.ok("select", "name=web3.example", "get"); !strings.Contains(got, `"weight": 10, "pooled": "yes"`) {
			t.Error(got)
		}
		if got := s.ok("select", "name=web2.example", "get"); strings.Count(got, `"weight": 10, "pooled": "yes"`) != 2 {
			t.Error(got)
		}
	})
}

// TestUndoOfAChangeFromTheFuture: nobody knows how old it is, so that it is not the
// one of just now, and the rules judge its undo as any other change.
func TestUndoOfAChangeFromTheFuture(t *testing.T) {
	onBothStores(t, func(t *testing.T, s stocked) {
		s.ok("--yes", "--allow", "min-pooled", "--reason", "x", "select", "dc=north,service=http", "set/pooled=no")
		s.ok("--yes", "select", "dc=north,service=http", "set/pooled=yes")
		r := s.newest().Record
		r.Time = r.Time.Add(2 * time.Hour)
		writes := []store.Write{s.record(r)}
		for _, o := range r.Change.Objects { // all as the host with that clock writes it
			writes = append(writes, store.Write{Key: "/conftool/v1/pools/" + o.Path, Value: []byte(o.After.Text())})
		}
		s.write(writes...)
		before := s.objects()
		for words, want := range map[string]struct {
			code int
			text string
		}{
			"last":               {exitNoMatch, "your newest change is in the future by the clock of its host, so that its age is not known, nothing changed"},
			r.Event.ID:           {exitRefused, "min-pooled"},
			"--since 10m --mine": {exitNoMatch, "left as it is, since its time cannot be right"},
		} {
			_, stderr, code := s.run(append([]string{"--yes", "undo"}, strings.Fields(words)...)...)
			if words[0] == '-' { // the change before it is of the last ten minutes, too, and cannot be undone without it
				want.code = code
			}
			if code == exitDone || code != want.code || !strings.Contains(stderr, want.text) || s.objects() != before {
				t.Errorf("%s: exit code %d\n%s", words, code, stderr)
			}
		}
	})
}
