package change_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// queued is a site in etcd whose commits can be held back.
type queued struct {
	*site
	queue *etcdtest.Queue
}

func newQueued(t *testing.T) *queued {
	t.Helper()
	q := &queued{queue: &etcdtest.Queue{}}
	server := etcdtest.Start(t, q.queue.Option())
	e, err := etcd.Open(etcd.Config{Endpoints: server.URLs(), Timeout: 20 * time.Second, Attempt: 150 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	node, err := schema.BuiltIn("pools").Type(schema.Node)
	if err != nil {
		t.Fatal(err)
	}
	q.site = &site{T: t, store: &counting{Store: e}, node: node, sink: &sink{}}
	q.catalog = catalog.New(q.store, "/conftool", "v1")
	q.applier = q.newApplier()
	q.applier.Log.Sinks = nil // not needed here
	return q
}

// create returns the intent to create a node if it does not exist, as sync
// does.
func (q *queued) create(name string) change.Intent {
	return q.planned(name, func(there []object.Object) object.Plan {
		if len(there) > 0 {
			return object.Plan{}
		}
		o := object.New(q.node, []string{"dc", "c", "s"}, name)
		return object.Plan{Changes: []object.Change{{After: &o}}}
	})
}

// remove returns the intent to delete a node if it exists.
func (q *queued) remove(name string) change.Intent {
	intent := q.planned(name, object.Delete)
	intent.Deletes = true
	return intent
}

func (q *queued) planned(name string, plan func([]object.Object) object.Plan) change.Intent {
	chosen := selector.Exactly(q.node.Tags, map[string]string{"dc": "dc", "cluster": "c", "service": "s", "name": name})
	return change.Intent{
		Read:   []catalog.Query{{Type: q.node, Selector: chosen}},
		Action: "test",
		Plan: func(snapshot object.Snapshot) (object.Plan, error) {
			return plan(snapshot.Select(q.node, chosen)), nil
		},
	}
}

func (q *queued) must(intent change.Intent) {
	q.Helper()
	if _, err := q.apply(intent); err != nil {
		q.Fatal(err)
	}
}

// TestNoChangeIsNeverMadeLater holds a creation back while somebody else
// creates the same object, so that the second attempt finds nothing to do or is
// stopped. The first attempt arrives after the object is deleted, and must have
// no effect.
func TestNoChangeIsNeverMadeLater(t *testing.T) {
	slow(t)
	no := errors.New("no")
	again := map[string]func(*queued, *change.Intent) func() (object.Plan, error){ // the second plan
		"no change": func(*queued, *change.Intent) func() (object.Plan, error) {
			return func() (object.Plan, error) { return object.Plan{}, nil }
		},
		"no plan": func(*queued, *change.Intent) func() (object.Plan, error) {
			return func() (object.Plan, error) { return object.Plan{}, no }
		},
		"conflict with what was seen": func(_ *queued, intent *change.Intent) func() (object.Plan, error) {
			intent.Stop = true
			return nil
		},
		"declined": func(q *queued, intent *change.Intent) func() (object.Plan, error) {
			asked := 0
			q.applier.Confirm = func(context.Context, change.Proposal) error {
				if asked++; asked > 1 {
					return no
				}
				return nil
			}
			return func() (object.Plan, error) {
				o := object.New(q.node, []string{"dc", "c", "s"}, "h8")
				return object.Plan{Changes: []object.Change{{After: &o}}}, nil
			}
		},
	}
	deletions := map[string]func(*queued){
		"confctl": func(q *queued) { q.must(q.remove("h9")) },
		"etcdctl": func(q *queued) { q.put(pool+"h9", "") },
	}
	for name, prepare := range again {
		for how, remove := range deletions {
			t.Run(name+", deleted by "+how, func(t *testing.T) {
				t.Parallel()
				q := newQueued(t)
				intent := q.create("h9")
				first, then, plans := intent.Plan, prepare(q, &intent), 0
				intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) {
					if plans++; plans > 1 {
						return then()
					}
					q.put(pool+"h9", `{"weight": 0, "pooled": "inactive"}`) // by somebody else
					return first(snapshot)
				}
				q.queue.Next(etcdtest.Pass, etcdtest.Hold) // let the other commit pass
				done, err := q.apply(intent)
				if done.ID != "" || errors.As(err, new(*store.UnknownError)) {
					t.Fatalf("done as %q, %v", done.ID, err)
				}
				q.applier.Confirm = nil
				remove(q)
				if n := q.queue.Deliver(); n != 1 {
					t.Fatalf("%d commits were held back", n)
				}
				if got := q.stored(pool); len(got) > 0 {
					t.Errorf("it ended with %v, and then it was made: %v", err, got)
				}
			})
		}
	}
}

// TestVoidPart tests that if the commit of a later part is held back and
// becomes void, the next part replaces it in the same run.
func TestVoidPart(t *testing.T) {
	q := newQueued(t)
	intent := q.create("a")
	intent.Split = true
	plans := 0
	intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) {
		plans++
		var p object.Plan
		for i := range 4_500 { // more than fit into one commit
			name := fmt.Sprintf("h%04d", i)
			if plans == 1 || i >= 4_400 && snapshot.ByKey()["pools/dc/c/s/"+name] == nil {
				o := object.New(q.node, []string{"dc", "c", "s"}, name)
				p.Changes = append(p.Changes, object.Change{After: &o})
			}
		}
		if plans == 2 {
			q.put(pool+"h4499", `{}`) // by somebody else
			q.queue.Next(etcdtest.Hold)
		}
		return p, nil
	}
	intent.Read[0].Selector = selector.Selector{}
	done, err := q.apply(intent)
	if err != nil {
		t.Fatal(err)
	}
	found, err := q.applier.Log.Find(t.Context(), done.ID)
	if err != nil || len(found) != 2 || found[1].Event.ID != sal.PartID(done.ID, 3) || len(found[1].Change.Objects) != 99 {
		t.Errorf("%d records, %v", len(found), err)
	}
	if q.queue.Deliver() != 1 {
		t.Error("nothing was held back")
	}
	if again, err := q.applier.Log.Find(t.Context(), done.ID); err != nil || len(again) != 2 {
		t.Errorf("%d records, %v", len(again), err)
	}
}

// TestSettledMeanwhile tests that a change that somebody resolves as not made,
// while its commit is held back, returns that as its error.
func TestSettledMeanwhile(t *testing.T) {
	q := newQueued(t)
	q.store.Store = settling{q.store.Store}
	_, err := q.apply(q.create("h9"))
	var conflict *change.ConflictError
	if !errors.As(err, &conflict) || conflict.Void == nil || conflict.Void.Record.User.Name != "bob" {
		t.Errorf("%v", err)
	}
	if got := q.stored(pool); len(got) > 0 || len(q.reports) > 0 {
		t.Errorf("%v, reported %v", got, q.reports)
	}
}

// settling is a store that resolves each change as not made before its commit
// arrives.
type settling struct{ store.Store }

func (s settling) Commit(ctx context.Context, txn store.Txn) (store.Receipt, error) {
	l := &sal.Log{Store: s.Store, Prefix: "/conftool/.confctl/"}
	_, err := l.Settle(ctx, path.Base(txn.Once), sal.Record{User: sal.User{Name: "bob"}})
	if !errors.As(err, new(*sal.VoidError)) {
		return store.Receipt{}, err
	}
	return s.Store.Commit(ctx, txn)
}

// TestResultIsTrue makes random changes while commits are held back or left
// without an answer, and lets held commits arrive at any time in any order. The
// result of a change must remain true: a change that was made is in the journal
// once, and one that was not made never is. Other programs write to the store
// without confctl's fences. If they do not, the result must remain true for
// duplicated commits, too.
func TestResultIsTrue(t *testing.T) {
	slow(t)
	t.Run("held back", func(t *testing.T) {
		t.Parallel()
		resultIsTrue(t, (*queued).turnByForce, []etcdtest.Fate{etcdtest.Pass, etcdtest.Hold, etcdtest.Mute})
	})
	t.Run("copied", func(t *testing.T) {
		t.Parallel()
		resultIsTrue(t, (*queued).turn, []etcdtest.Fate{etcdtest.Pass, etcdtest.Hold, etcdtest.Mute, etcdtest.Twice})
	})
}

// slow skips a test that makes many changes in etcd with -short.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds")
	}
}

func resultIsTrue(t *testing.T, turn func(*queued, string), fates []etcdtest.Fate) {
	const changes, objects = 60, 3
	q := newQueued(t)
	results := map[string]string{} // results by reason
	delivered := 0
	for i := range changes {
		name, reason := fmt.Sprintf("h%d", rand.IntN(objects)), fmt.Sprint(i)
		intent := q.create(name)
		if rand.IntN(2) == 0 {
			intent = q.remove(name)
		}
		first, plans := intent.Plan, 0
		intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) {
			q.queue.Next()
			if plans++; plans == 1 && rand.IntN(2) == 0 { // another change is committed first
				turn(q, name)
			}
			q.queue.Next(fates[rand.IntN(len(fates))], fates[rand.IntN(len(fates))])
			return first(snapshot)
		}
		q.applier.Terms.Reason = reason
		done, err := q.apply(intent)
		switch {
		case errors.As(err, new(*store.UnknownError)):
			results[reason] = "unknown"
		case done.ID != "":
			results[reason] = "done"
		}
		q.queue.Next()
		if rand.IntN(4) == 0 { // create or delete the object, and release the held commits
			turn(q, name)
			delivered += q.queue.Deliver()
		}
	}
	delivered += q.queue.Deliver()
	if delivered == 0 {
		t.Error("no commit was kept")
	}
	q.compare(results, changes)
}

// turn creates an object, or deletes it if it exists, as another operator
// would.
func (q *queued) turn(name string) {
	q.Helper()
	other := q.newApplier()
	other.Log.Sinks = nil
	intent := q.create(name)
	if q.stored(pool)[name] != "" {
		intent = q.remove(name)
	}
	if _, err := other.Apply(q.Context(), intent); err != nil {
		q.Fatal(err)
	}
}

// turnByForce does the same without confctl, as etcdctl would.
func (q *queued) turnByForce(name string) {
	q.Helper()
	val := `{}`
	if q.stored(pool)[name] != "" {
		val = ""
	}
	q.put(pool+name, val)
}

// compare compares the results of changes with the journal.
func (q *queued) compare(results map[string]string, changes int) {
	q.Helper()
	records, err := q.applier.Log.Records(q.Context())
	if err != nil {
		q.Fatal(err)
	}
	times := map[string]int{}
	for _, r := range records {
		times[r.Event.Reason]++
	}
	for i := range changes {
		reason := fmt.Sprint(i)
		want := map[string][]int{"done": {1}, "unknown": {0, 1}, "": {0}}[results[reason]]
		if n := times[reason]; !slices.Contains(want, n) {
			q.Errorf("change %s was told %q, and was made %d times", reason, results[reason], n)
		}
	}
}
