package change_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/local"
)

// site is a store with nodes, and an applier for it.
type site struct {
	*testing.T
	store   *counting
	catalog *catalog.Catalog
	node    *schema.Type
	applier *change.Applier
	sink    *sink
	reports []change.Done
	warned  []string
}

// counting counts the requests to a store.
type counting struct {
	store.Store
	reads, commits atomic.Int64
}

func (c *counting) Read(ctx context.Context, prefixes ...string) (store.Snapshot, error) {
	c.reads.Add(1)
	return c.Store.Read(ctx, prefixes...)
}

func (c *counting) Commit(ctx context.Context, txn store.Txn) (store.Receipt, error) {
	c.commits.Add(1)
	return c.Store.Commit(ctx, txn)
}

// sink records what it is sent; it can be made to fail.
type sink struct {
	sent []string
	fail error
}

func (*sink) Name() string { return "test" }

func (*sink) Kind() sal.Kind { return sal.Channel }

func (s *sink) Send(_ context.Context, d sal.Delivery) error {
	if s.fail == nil {
		s.sent = append(s.sent, d.Message)
	}
	return s.fail
}

// newSite returns a site with n nodes host0, host1 and so on in one group, all
// pooled with weight 10.
func newSite(t *testing.T, n int) *site {
	t.Helper()
	l, err := local.Open(filepath.Join(t.TempDir(), "state.db"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	node, err := schema.BuiltIn("pools").Type(schema.Node)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, store: &counting{Store: l}, node: node, sink: &sink{}}
	s.catalog = catalog.New(s.store, "/conftool", "v1")
	var writes []store.Write
	for i := range n {
		key := fmt.Sprintf("/conftool/v1/pools/dc/c/s/host%d", i)
		writes = append(writes, store.Write{Key: key, Value: []byte(`{"weight": 10, "pooled": "yes"}`)})
	}
	for part := range slices.Chunk(writes, 1000) {
		if _, err := l.Commit(t.Context(), store.Txn{Writes: part}); err != nil {
			t.Fatal(err)
		}
	}
	s.applier = s.newApplier()
	return s
}

func (s *site) newApplier() *change.Applier {
	return &change.Applier{
		Catalog: s.catalog,
		Log:     &sal.Log{Store: s.store, Prefix: s.catalog.Own(""), Sinks: []sal.Sink{s.sink}, Self: sal.ThisProcess("deploy1001")},
		Rules:   &safety.Rules{}, // off in all tests but those that call enforce
		Report:  func(d change.Done) { s.reports = append(s.reports, d) },
		Warn:    func(w error) { s.warned = append(s.warned, w.Error()) },
		Now:     time.Now,
		Who:     sal.User{Name: "alice", ID: "1000"},
		Where:   sal.Host{Name: "deploy1001"},
		Process: sal.Process{CommandLine: "confctl select ..."},
	}
}

// set returns the intent to set fields of the nodes that a selector matches.
func (s *site) set(text, words string) change.Intent {
	s.Helper()
	chosen, err := selector.Parse(text, s.node.Tags)
	if err != nil {
		s.Fatal(err)
	}
	assignments, err := object.ParseAssignments(s.node, words)
	if err != nil {
		s.Fatal(err)
	}
	return change.Intent{
		Read: []catalog.Query{{Type: s.node, Selector: chosen}},
		Plan: func(snapshot object.Snapshot) (object.Plan, error) {
			return object.Set(snapshot.Select(s.node, chosen), assignments)
		},
		Action:   "set/" + words,
		Selector: text,
	}
}

// put and stored use the store directly.
func (s *site) put(key, val string) {
	s.Helper()
	w := store.Write{Key: key, Value: []byte(val), Delete: val == ""}
	if _, err := s.store.Store.Commit(context.Background(), store.Txn{Writes: []store.Write{w}}); err != nil {
		s.Fatal(err)
	}
}

func (s *site) stored(prefix string) map[string]string {
	s.Helper()
	found, err := s.store.Store.Read(context.Background(), prefix)
	if err != nil {
		s.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range found.Entries {
		all[strings.TrimPrefix(e.Key, prefix)] = string(e.Value)
	}
	return all
}

func (s *site) apply(intent change.Intent) (change.Done, error) {
	return s.applier.Apply(context.Background(), intent)
}

const pool = "/conftool/v1/pools/dc/c/s/"

func TestChangeIsOneCommitWithItsRecord(t *testing.T) {
	s := newSite(t, 2)
	done, err := s.apply(s.set("name=host1", "pooled=no"))
	if err != nil {
		t.Fatal(err)
	}
	if r, c := s.store.reads.Load(), s.store.commits.Load(); r != 1 || c != 2 {
		t.Errorf("%d reads and %d commits, want 1 read, 1 commit and 1 commit for the delivery", r, c)
	}
	want := map[string]string{"host0": `{"weight": 10, "pooled": "yes"}`, "host1": `{"weight": 10, "pooled": "no"}`}
	if diff := cmp.Diff(want, s.stored(pool)); diff != "" {
		t.Error(diff)
	}
	record, err := sal.ParseRecord([]byte(s.stored("/conftool/.confctl/journal/")[done.ID]))
	if err != nil {
		t.Fatal(err)
	}
	if record.User.Name != "alice" || record.User.ID != "1000" || record.Host.Name != "deploy1001" ||
		record.Event.Action != "set/pooled=no" || record.Change.Selector != "name=host1" {
		t.Errorf("record %+v", record)
	}
	o := record.Change.Objects[0]
	if o.Type != "node" || o.Path != "dc/c/s/host1" || o.Before.Text() != `{"weight": 10, "pooled": "yes"}` || o.After.Text() != `{"weight": 10, "pooled": "no"}` {
		t.Errorf("object in the record: %+v", o)
	}
	if diff := cmp.Diff([]string{"!log alice@deploy1001 conftool action : set/pooled=no; selector: name=host1"}, s.sink.sent); diff != "" {
		t.Error(diff)
	}
	if left := s.stored("/conftool/.confctl/outbox/"); len(left) > 0 {
		t.Errorf("delivered, but still in the outbox: %v", left)
	}
}

func TestNothingToChangeWritesNothing(t *testing.T) {
	s := newSite(t, 2)
	done, err := s.apply(s.set("dc=dc", "pooled=yes"))
	if err != nil || done.ID != "" || s.store.commits.Load() != 0 || len(s.sink.sent) != 0 || len(s.reports) != 0 {
		t.Errorf("done %+v, %v, %d commits, sent %v", done, err, s.store.commits.Load(), s.sink.sent)
	}
}

func TestQuietAnnouncesNothing(t *testing.T) {
	s := newSite(t, 1)
	s.applier.Terms.Quiet = true
	done, err := s.apply(s.set("name=host0", "weight=1"))
	if err != nil || len(s.sink.sent) != 0 || len(s.stored("/conftool/.confctl/journal/")) != 1 {
		t.Errorf("done %+v, %v, sent %v", done, err, s.sink.sent)
	}
	if left := s.stored("/conftool/.confctl/outbox/"); len(left) > 0 {
		t.Errorf("in the outbox: %v", left)
	}
}

func TestFailedSinkKeepsTheMessage(t *testing.T) {
	s := newSite(t, 1)
	s.sink.fail = errors.New("nobody there")
	done, err := s.apply(s.set("name=host0", "weight=1"))
	if err != nil || done.ID == "" {
		t.Fatalf("done %+v, %v", done, err)
	}
	if len(s.warned) != 1 || !strings.Contains(s.warned[0], "nobody there") || !strings.Contains(s.warned[0], done.ID) {
		t.Errorf("warned %q", s.warned)
	}
	if waiting := s.stored("/conftool/.confctl/outbox/test/"); !strings.Contains(waiting[done.ID], "set/weight=1") {
		t.Errorf("outbox %v", waiting)
	}
	// The next change delivers it first, one minute after the failure.
	s.sink.fail = nil
	next := s.newApplier()
	next.Log.Now = func() time.Time { return time.Now().Add(2 * time.Minute) }
	if _, err := next.Apply(t.Context(), s.set("name=host0", "weight=2")); err != nil || len(s.sink.sent) != 2 || !strings.Contains(s.sink.sent[0], "set/weight=1") {
		t.Errorf("%v, sent %q", err, s.sink.sent)
	}
}

// interfere returns the intent with a plan that first calls meanwhile, once, after
// the objects were read.
func interfere(intent change.Intent, meanwhile func()) change.Intent {
	plan, once := intent.Plan, sync.Once{}
	intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) {
		once.Do(meanwhile)
		return plan(snapshot)
	}
	return intent
}

func TestOtherFieldsOfAnotherOperatorSurvive(t *testing.T) {
	s := newSite(t, 1)
	intent := interfere(s.set("name=host0", "weight=5"), func() { s.put(pool+"host0", `{"weight": 10, "pooled": "no"}`) })
	if _, err := s.apply(intent); err != nil {
		t.Fatal(err)
	}
	if got := s.stored(pool)["host0"]; got != `{"weight": 5, "pooled": "no"}` {
		t.Errorf("stored %s: the depool of somebody else was undone", got)
	}
}

func TestDeletedObjectStaysDeleted(t *testing.T) {
	s := newSite(t, 1)
	intent := interfere(s.set("name=host0", "weight=5"), func() { s.put(pool+"host0", "") })
	done, err := s.apply(intent)
	if err != nil || done.ID != "" || len(s.stored(pool)) != 0 {
		t.Errorf("done %+v, %v, stored %v", done, err, s.stored(pool))
	}
}

func TestWhatWasSeenStopsOnConflict(t *testing.T) {
	s := newSite(t, 1)
	intent := s.set("name=host0", "weight=5")
	intent.Stop = true
	_, err := s.apply(interfere(intent, func() { s.put(pool+"host0", `{"weight": 7, "pooled": "yes"}`) }))
	var conflict *change.ConflictError
	if !errors.As(err, &conflict) || len(conflict.Objects) != 1 {
		t.Fatalf("%v", err)
	}
	theirs := conflict.Objects[0].Other().Fields()
	if len(theirs) != 1 || theirs[0].Before.Text() != "10" || theirs[0].After.Text() != "7" {
		t.Errorf("theirs: %v", theirs)
	}
	if got := s.stored(pool)["host0"]; got != `{"weight": 7, "pooled": "yes"}` {
		t.Errorf("stored %s", got)
	}
}

// asked counts the questions, and confirms each.
func (s *site) asked() *int {
	n := new(int)
	s.applier.Confirm = func(context.Context, change.Proposal) error { *n++; return nil }
	return n
}

func TestAnswerStandsForTheSameOrLess(t *testing.T) {
	for _, c := range []struct {
		name      string
		meanwhile func(*site)
		questions int
	}{
		{"nothing happens", func(*site) {}, 1},
		{"another field of one changes", func(s *site) { s.put(pool+"host0", `{"weight": 10, "pooled": "no"}`) }, 1},
		{"one is there already", func(s *site) { s.put(pool+"host0", `{"weight": 5, "pooled": "yes"}`) }, 1},
		{"one is gone", func(s *site) { s.put(pool+"host0", "") }, 1},
		{"there is one more", func(s *site) {
			s.put(pool+"host9", `{"weight": 1, "pooled": "no"}`)
			s.put(pool+"host0", `{"weight": 10, "pooled": "no"}`)
		}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, 3)
			n := s.asked()
			intent := s.set("dc=dc", "weight=5")
			if _, err := s.apply(interfere(intent, func() { c.meanwhile(s) })); err != nil {
				t.Fatal(err)
			}
			if *n != c.questions {
				t.Errorf("asked %d times, want %d", *n, c.questions)
			}
			for name, v := range s.stored(pool) {
				if !strings.HasPrefix(v, `{"weight": 5,`) {
					t.Errorf("%s is %s", name, v)
				}
			}
		})
	}
}

func TestDeclinedChangesNothing(t *testing.T) {
	s := newSite(t, 2)
	no := errors.New("no")
	s.applier.Confirm = func(context.Context, change.Proposal) error { return no }
	intent := s.set("dc=dc", "weight=5")
	if _, err := s.apply(intent); !errors.Is(err, no) || s.store.commits.Load() != 0 {
		t.Errorf("%v, %d commits", err, s.store.commits.Load())
	}
}

// enforce turns the built-in rules on.
func enforce(a *change.Applier) { a.Terms.Mode = safety.Refuse }

// journal returns the records of the changes that were made, and of those that
// were refused.
func (s *site) journal() (made, refused []sal.Stored) {
	s.Helper()
	all, err := s.applier.Log.Records(context.Background())
	if err != nil {
		s.Fatal(err)
	}
	for _, r := range all {
		if r.Refused() {
			refused = append(refused, r)
		} else {
			made = append(made, r)
		}
	}
	return made, refused
}

// TestRefusedByARule tests that only the record of the refusal is written.
func TestRefusedByARule(t *testing.T) {
	s := newSite(t, 2)
	enforce(s.applier)
	before := s.stored(pool)
	_, err := s.apply(s.set("dc=dc", "pooled=no"))
	var refused *change.RefusedError
	if !errors.As(err, &refused) || refused.Refused[0].Rule != safety.MinPooled || len(refused.Allowed.Changes) != 0 {
		t.Fatalf("%v", err)
	}
	if diff := cmp.Diff(before, s.stored(pool)); diff != "" || len(s.sink.sent) != 0 || len(s.stored("/conftool/.confctl/outbox/")) != 0 {
		t.Errorf("%s, sent %v", diff, s.sink.sent)
	}
	made, records := s.journal()
	if len(made) != 0 || len(records) != 1 || records[0].Event.ID != refused.ID || len(records[0].Change.Objects) != 2 ||
		len(records[0].Change.Findings) != 1 || records[0].Change.Findings[0].Rule != safety.MinPooled {
		t.Errorf("made %v, refused %+v", made, records)
	}
}

// TestRuleIsOverridden tests that the change is made, and that the journal and
// the announcement name the rule.
func TestRuleIsOverridden(t *testing.T) {
	for name, terms := range map[string]change.Terms{
		"(overrides min-pooled) - because (T1)": {Mode: safety.Refuse, Allow: []string{safety.MinPooled}, Reason: "because", Task: "T1"},
		"(gone, overrides min-pooled)":          {Mode: safety.Refuse, Gone: true},
		"(emergency, overrides min-pooled)":     {Mode: safety.Refuse, Emergency: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 2)
			s.applier.Terms = terms
			done, err := s.apply(s.set("dc=dc", "pooled=no"))
			if err != nil || len(done.Objects) != 2 || len(s.sink.sent) != 1 || !strings.HasSuffix(s.sink.sent[0], " "+name) {
				t.Fatalf("%v, %+v, sent %q", err, done, s.sink.sent)
			}
			made, _ := s.journal()
			if diff := cmp.Diff([]string{safety.MinPooled}, made[0].Change.Overrides); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestPartialLeavesOutWhatIsRefused tests that the allowed part is made, and
// the held back part reported.
func TestPartialLeavesOutWhatIsRefused(t *testing.T) {
	s := newSite(t, 4)
	s.put("/conftool/v1/pools/dc/c/t/host0", `{"weight": 10, "pooled": "yes"}`)
	s.put("/conftool/v1/pools/dc/c/t/host1", `{"weight": 10, "pooled": "no"}`)
	enforce(s.applier)
	s.applier.Terms.Partial = true
	done, err := s.apply(s.set("name=host0", "pooled=no"))
	if err != nil || len(done.Objects) != 1 || done.Objects[0].Path != "dc/c/s/host0" ||
		len(done.Held) != 1 || done.Held[0].Object().Path() != "dc/c/t/host0" || len(done.Refused) != 1 {
		t.Errorf("%v, %+v", err, done)
	}
	if made, _ := s.journal(); len(made) != 1 || len(made[0].Change.Findings) != 1 {
		t.Errorf("%+v", made)
	}
}

// TestDryRun tests that nothing is written, not even a refusal.
func TestDryRun(t *testing.T) {
	s := newSite(t, 2)
	enforce(s.applier)
	s.applier.Terms.DryRun = true
	var shown []change.Proposal
	s.applier.Show = func(p change.Proposal) error { shown = append(shown, p); return nil }
	s.applier.Confirm = func(context.Context, change.Proposal) error { t.Error("asked"); return nil }
	done, err := s.apply(s.set("name=host0", "pooled=no"))
	if err != nil || done.ID != "" || len(shown) != 1 || len(shown[0].Plan.Changes) != 1 || len(shown[0].Verdict.Capacity) != 1 {
		t.Errorf("%v, %+v, shown %+v", err, done, shown)
	}
	_, err = s.apply(s.set("dc=dc", "pooled=no"))
	if !errors.As(err, new(*change.RefusedError)) || s.store.commits.Load() != 0 {
		t.Errorf("%v, %d commits", err, s.store.commits.Load())
	}
}

// TestExpect tests that all objects that match are counted, changed or not.
func TestExpect(t *testing.T) {
	s := newSite(t, 3)
	s.put(pool+"host0", `{"weight": 5, "pooled": "yes"}`)
	for n, want := range map[int]string{2: "2 objects were expected, but 3 match", 4: "4 objects were expected, but 3 match", 3: ""} {
		s.applier.Terms.Expect = &n
		_, err := s.apply(s.set("dc=dc", "weight=5"))
		if got := fmt.Sprint(err); got != want && (err != nil || want != "") {
			t.Errorf("%d expected: %v, want %q", n, err, want)
		}
	}
}

// TestRulesCostNoRequest tests that the groups that rules count are read in the
// same request.
func TestRulesCostNoRequest(t *testing.T) {
	s := newSite(t, 5)
	enforce(s.applier)
	if _, err := s.apply(s.set("dc=dc,cluster=c,service=s,name=host0", "pooled=no")); err != nil {
		t.Fatal(err)
	}
	if r, c := s.store.reads.Load(), s.store.commits.Load(); r != 1 || c != 2 {
		t.Errorf("%d reads and %d commits, want 1 read, 1 commit and 1 commit for the delivery", r, c)
	}
}

// TestCountedGroupIsGuarded depools random hosts concurrently, each after
// reading the whole group, and tests that the floor holds.
func TestCountedGroupIsGuarded(t *testing.T) {
	const hosts, floor, writers = 12, 9, 8
	s := newSite(t, hosts)
	var wait sync.WaitGroup
	var succeeded atomic.Int64
	for range writers {
		wait.Go(func() {
			a := s.newApplier()
			a.Log.Sinks, a.Report, a.Warn = nil, func(change.Done) {}, func(error) {}
			enforce(a)
			for range 6 {
				intent := s.set(fmt.Sprintf("dc=dc,name=host%d", rand.IntN(hosts)), "pooled=no")
				done, err := a.Apply(context.Background(), intent)
				var refused *change.RefusedError
				switch {
				case err != nil && !errors.As(err, &refused):
					t.Error(err)
				case err == nil && done.ID != "":
					succeeded.Add(1)
				}
			}
		})
	}
	wait.Wait()
	out := 0
	for _, v := range s.stored(pool) {
		if strings.Contains(v, `"no"`) {
			out++
		}
	}
	if made, _ := s.journal(); out != hosts-floor || int(succeeded.Load()) != out || len(made) != out {
		t.Errorf("%d out, %d succeeded, %d in the journal; want %d of each", out, succeeded.Load(), len(made), hosts-floor)
	}
}

// TestDeletionInACountedGroupIsNoticed tests that the fence detects a deletion,
// which a guard on a group does not.
func TestDeletionInACountedGroupIsNoticed(t *testing.T) {
	s := newSite(t, 3)
	other := s.newApplier()
	remove := s.set("name=host2", "weight=1")
	remove.Plan = func(snapshot object.Snapshot) (object.Plan, error) { return object.Delete(snapshot.Objects), nil }
	plans := 0
	intent := s.set("name=host0", "pooled=no")
	depool := intent.Plan
	intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) {
		if plans++; plans == 1 {
			if _, err := other.Apply(context.Background(), remove); err != nil {
				t.Fatal(err)
			}
		}
		return depool(snapshot)
	}
	enforce(s.applier)
	_, err := s.apply(intent)
	if err != nil || plans != 2 {
		t.Errorf("%v after %d plans: what was judged on three is to be judged again on two", err, plans)
	}
}

func TestManyObjectsAreOneCommit(t *testing.T) {
	s := newSite(t, 1000)
	done, err := s.apply(s.set("dc=dc", "weight=5"))
	if err != nil || len(done.Objects) != 1000 || s.store.commits.Load() != 2 {
		t.Fatalf("%d objects, %v, %d commits", len(done.Objects), err, s.store.commits.Load())
	}
	for name, v := range s.stored(pool) {
		if v != `{"weight": 5, "pooled": "yes"}` {
			t.Errorf("%s is %s", name, v)
		}
	}
}

// TestMergedGuards tests that a change or deletion of any object is detected
// even if there are more objects than guards.
func TestMergedGuards(t *testing.T) {
	for name, meanwhile := range map[string]func(*site){
		"changed": func(s *site) { s.put(pool+"host77", `{"weight": 10, "pooled": "no"}`) },
		"created": func(s *site) { s.put(pool+"host777", `{"weight": 10, "pooled": "no"}`) },
		"deleted": func(s *site) {
			intent := s.set("name=host77", "weight=1")
			intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) { return object.Delete(snapshot.Objects), nil }
			if _, err := s.newApplier().Apply(context.Background(), intent); err != nil {
				s.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 200)
			plans := 0
			intent := interfere(s.set("dc=dc", "weight=5"), func() { meanwhile(s) })
			plan := intent.Plan
			intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) { plans++; return plan(snapshot) }
			if _, err := s.apply(intent); err != nil {
				t.Fatal(err)
			}
			if plans != 2 {
				t.Errorf("planned %d times, want 2", plans)
			}
			for host, v := range s.stored(pool) {
				if !strings.HasPrefix(v, `{"weight": 5,`) {
					t.Errorf("%s is %s", host, v)
				}
			}
			if _, there := s.stored(pool)["host77"]; there == (name == "deleted") {
				t.Errorf("host77 there: %v", there)
			}
		})
	}
}

// TestSplit tests that a plan too large for one commit is made in parts: each
// has its own record under one run id, and there is one announcement.
func TestSplit(t *testing.T) {
	const hosts = 9000
	s := newSite(t, 0)
	intent := change.Intent{
		Read:    []catalog.Query{{Type: s.node}},
		Action:  "sync",
		Split:   true,
		Summary: func(objects []sal.Object) string { return fmt.Sprintf("%d created", len(objects)) },
		Plan: func(snapshot object.Snapshot) (object.Plan, error) {
			there := map[string]bool{}
			for _, o := range snapshot.Objects {
				there[o.Name] = true
			}
			var plan object.Plan
			for i := range hosts {
				if o := object.New(s.node, []string{"dc", "c", "s"}, fmt.Sprintf("host%04d", i)); !there[o.Name] {
					plan.Changes = append(plan.Changes, object.Change{After: &o})
				}
			}
			return plan, nil
		},
	}
	done, err := s.apply(intent)
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Objects) != hosts || len(s.stored(pool)) != hosts {
		t.Errorf("%d done, %d stored", len(done.Objects), len(s.stored(pool)))
	}
	journal := s.stored("/conftool/.confctl/journal/")
	if len(journal) < 2 {
		t.Errorf("%d records: not split", len(journal))
	}
	total := 0
	for id, text := range journal {
		record, err := sal.ParseRecord([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if record.Change.Run != done.ID || record.Event.ID != id || !strings.HasPrefix(id, done.ID) {
			t.Errorf("record %s of run %s, want run %s", id, record.Change.Run, done.ID)
		}
		total += len(record.Change.Objects)
	}
	if total != hosts {
		t.Errorf("%d objects in the journal", total)
	}
	if diff := cmp.Diff([]string{"!log alice@deploy1001 conftool action : sync; selector: 9000 created"}, s.sink.sent); diff != "" {
		t.Error(diff)
	}
	if left := s.stored("/conftool/.confctl/outbox/"); len(left) > 0 {
		t.Errorf("in the outbox: %v", left)
	}
}

// TestTooLargeIsNotSplit tests that a change without Split is made completely
// or not at all.
func TestTooLargeIsNotSplit(t *testing.T) {
	s := newSite(t, 4000)
	_, err := s.apply(s.set("dc=dc", "weight=5"))
	var large *store.TooLargeError
	if !errors.As(err, &large) {
		t.Errorf("%v", err)
	}
	if v := s.stored(pool)["host0"]; v != `{"weight": 10, "pooled": "yes"}` {
		t.Errorf("host0 is %s", v)
	}
}

// TestWhatWasSeenIsCheckedAtOnce tests that an edit of a deleted object is a
// conflict even if the other object of the edit has not changed.
func TestWhatWasSeenIsCheckedAtOnce(t *testing.T) {
	s := newSite(t, 2)
	intent := s.set("dc=dc", "weight=5")
	snapshot, err := s.catalog.Read(t.Context(), intent.Read...)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := intent.Plan(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	s.put(pool+"host1", "")
	intent.Stop = true
	intent.Plan = func(object.Snapshot) (object.Plan, error) { return plan, nil }
	_, err = s.apply(intent)
	var conflict *change.ConflictError
	if !errors.As(err, &conflict) || len(conflict.Objects) != 1 || conflict.Objects[0].Theirs != nil || s.store.commits.Load() != 0 {
		t.Errorf("%v, %d commits", err, s.store.commits.Load())
	}
}

// TestPatienceEnds tests that attempts end some time after the first conflict,
// not counting the question before it.
func TestPatienceEnds(t *testing.T) {
	s := newSite(t, 1)
	now, plans := time.Now(), 0
	s.applier.Now = func() time.Time { return now }
	s.applier.Confirm = func(context.Context, change.Proposal) error { now = now.Add(time.Hour); return nil }
	intent := s.set("name=host0", "weight=5")
	plan := intent.Plan
	intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) {
		plans++
		now = now.Add(3 * time.Second)
		s.put(pool+"host0", fmt.Sprintf(`{"weight": %d, "pooled": "yes"}`, 100+plans))
		return plan(snapshot)
	}
	_, err := s.apply(intent)
	var conflict *change.ConflictError
	if !errors.As(err, &conflict) || conflict.Busy == nil || plans != 5 {
		t.Errorf("%v after %d plans, want 5: 10 s of patience at 3 s each", err, plans)
	}
}

// failing is a store that becomes unreachable after some commits.
type failing struct {
	store.Store
	after int
	err   error
}

func (f *failing) Commit(ctx context.Context, txn store.Txn) (store.Receipt, error) {
	if f.after--; f.after < 0 {
		return store.Receipt{}, f.err
	}
	return f.Store.Commit(ctx, txn)
}

// TestFailedPart tests that the parts made before an error are reported and
// announced, and that the error has them.
func TestFailedPart(t *testing.T) {
	s := newSite(t, 0)
	away := &store.UnavailableError{Tried: []store.Endpoint{{Address: "x", Err: errors.New("gone")}}}
	s.catalog = catalog.New(&failing{s.store, 1, away}, "/conftool", "v1")
	s.applier = s.newApplier()
	intent := change.Intent{
		Read: []catalog.Query{{Type: s.node}}, Action: "sync", Selector: "x", Split: true,
		Plan: func(snapshot object.Snapshot) (object.Plan, error) {
			var plan object.Plan
			for i := range 5000 - len(snapshot.Objects) {
				o := object.New(s.node, []string{"dc", "c", "s"}, fmt.Sprintf("host%04d", len(snapshot.Objects)+i))
				plan.Changes = append(plan.Changes, object.Change{After: &o})
			}
			return plan, nil
		},
	}
	done, err := s.apply(intent)
	var partly *change.PartlyDoneError
	if !errors.As(err, &partly) || !errors.Is(err, away.Tried[0].Err) {
		t.Fatalf("%v", err)
	}
	if n := len(s.stored(pool)); n == 0 || n == 5000 || len(done.Objects) != n || len(partly.Done.Objects) != n {
		t.Errorf("%d stored, %d done", n, len(done.Objects))
	}
	if len(s.reports) != 1 || len(s.sink.sent) != 1 {
		t.Errorf("%d reports, sent %q", len(s.reports), s.sink.sent)
	}
}

// TestWarningsAreSaidOnce tests that each warning is reported once, before the
// question.
func TestWarningsAreSaidOnce(t *testing.T) {
	s := newSite(t, 0)
	for i := range 12 {
		s.put(fmt.Sprintf("%shost%02d", pool, i), `{"weight": "x", "pooled": "no"}`)
	}
	s.applier.Confirm = func(context.Context, change.Proposal) error {
		if len(s.warned) != 11 || s.warned[10] != "and 2 more like these" {
			t.Errorf("warnings before the question: %q, want 10 and a count", s.warned)
		}
		return nil
	}
	intent := interfere(s.set("dc=dc", "pooled=yes"), func() { s.put(pool+"host00", "") })
	if _, err := s.apply(intent); err != nil {
		t.Fatal(err)
	}
	if len(s.warned) != 11 {
		t.Errorf("%q", s.warned)
	}
}
