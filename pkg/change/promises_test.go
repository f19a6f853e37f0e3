package change_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// creating returns the intent to create n nodes in a new cluster, in parts, and
// to make the changes that more returns.
func (s *site) creating(n int, more func(object.Snapshot) []object.Change) change.Intent {
	return change.Intent{
		Read: []catalog.Query{{Type: s.node}}, Action: "sync", Selector: "x", Split: true,
		Plan: func(snapshot object.Snapshot) (object.Plan, error) {
			var plan object.Plan
			if more != nil {
				plan.Changes = more(snapshot)
			}
			there := snapshot.ByKey()
			for i := range n {
				o := object.New(s.node, []string{"dc", "new", "s"}, fmt.Sprintf("host%04d", i))
				if there[o.Key()] == nil {
					plan.Changes = append(plan.Changes, object.Change{After: &o})
				}
			}
			return plan, nil
		},
	}
}

// TestAnswerDoesNotStandForANewFinding tests that the operator is asked again
// about the same change if a rule has a new finding.
func TestAnswerDoesNotStandForANewFinding(t *testing.T) {
	s := newSite(t, 3)
	s.applier.Terms.Mode = safety.Warn
	var findings []int
	s.applier.Confirm = func(_ context.Context, p change.Proposal) error {
		findings = append(findings, len(p.Verdict.Findings))
		return nil
	}
	intent := interfere(s.set("name=host0", "pooled=no"), func() {
		s.put(pool+"host0", `{"weight": 11, "pooled": "yes"}`)
		s.put(pool+"host1", `{"weight": 10, "pooled": "no"}`)
	})
	if _, err := s.apply(intent); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(findings) != "[0 1]" {
		t.Errorf("asked about changes with %v findings, want none and then 1", findings)
	}
}

// interrupted is a store that calls stop at the start of a commit, and commits
// only if the commit's own context is not cancelled.
type interrupted struct {
	store.Store
	stop context.CancelFunc
}

func (i interrupted) Commit(ctx context.Context, txn store.Txn) (store.Receipt, error) {
	i.stop()
	if err := ctx.Err(); err != nil {
		return store.Receipt{}, err
	}
	return i.Store.Commit(ctx, txn)
}

// obeying is a sink that sends nothing if its context is cancelled.
type obeying struct{ sink }

func (o *obeying) Send(ctx context.Context, d sal.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return o.sink.Send(ctx, d)
}

func TestInterruptCutsOffNeitherCommitNorDelivery(t *testing.T) {
	s := newSite(t, 1)
	ctx, stop := context.WithCancel(t.Context())
	s.store.Store = interrupted{s.store.Store, stop}
	to := &obeying{}
	s.applier.Log.Sinks = []sal.Sink{to}
	done, err := s.applier.Apply(ctx, s.set("name=host0", "weight=1"))
	if err != nil || done.ID == "" || ctx.Err() == nil {
		t.Fatalf("done as %q, %v", done.ID, err)
	}
	if got := s.stored(pool)["host0"]; got != `{"weight": 1, "pooled": "yes"}` || len(to.sent) != 1 {
		t.Errorf("host0 is %s, sent %q", got, to.sent)
	}
	if left := s.stored("/conftool/.confctl/outbox/"); len(left) > 0 {
		t.Errorf("in the outbox: %v", left)
	}
}

// TestInterruptBeforeTheCommit tests that nothing is written.
func TestInterruptBeforeTheCommit(t *testing.T) {
	s := newSite(t, 1)
	ctx, stop := context.WithCancel(t.Context())
	s.applier.Confirm = func(context.Context, change.Proposal) error { stop(); return nil }
	if done, err := s.applier.Apply(ctx, s.set("name=host0", "weight=1")); !errors.Is(err, context.Canceled) || done.ID != "" || s.store.commits.Load() != 0 {
		t.Errorf("done as %q, %v, %d commits", done.ID, err, s.store.commits.Load())
	}
}

// TestInterruptEndsTheWaitForOthers tests that an interrupt after a conflict
// ends the change without another attempt.
func TestInterruptEndsTheWaitForOthers(t *testing.T) {
	s := newSite(t, 1)
	ctx, stop := context.WithCancel(t.Context())
	under := *s
	under.store = &counting{Store: s.store.Store} // without the interrupt
	s.store.Store = interrupted{s.store.Store, stop}
	intent := interfere(s.set("name=host0", "weight=5"), func() { under.put(pool+"host0", `{"weight": 11, "pooled": "yes"}`) })
	if _, err := s.applier.Apply(ctx, intent); !errors.Is(err, context.Canceled) || s.store.commits.Load() != 1 {
		t.Errorf("%v after %d commits", err, s.store.commits.Load())
	}
}

// TestHeldBackStaysHeldBack tests that a change that the first part held back
// is not made by a later part, although no rule refuses it then.
func TestHeldBackStaysHeldBack(t *testing.T) {
	s := newSite(t, 0)
	const other = "/conftool/v1/pools/dc/c/t/"
	s.put(other+"host0", `{"weight": 10, "pooled": "yes"}`)
	s.put(other+"host1", `{"weight": 10, "pooled": "no"}`)
	enforce(s.applier)
	s.applier.Progress = func(_, left int) {
		if left > 0 {
			s.put(other+"host1", `{"weight": 10, "pooled": "yes"}`)
		}
	}
	depool := s.set("service=t,name=host0", "pooled=no").Plan
	intent := s.creating(5000, func(snapshot object.Snapshot) []object.Change {
		plan, err := depool(snapshot)
		if err != nil {
			t.Error(err)
		}
		return plan.Changes
	})
	intent.Partial = true
	done, err := s.apply(intent)
	if err != nil || len(done.Objects) != 5000 || len(done.Held) != 1 || len(done.Refused) != 1 {
		t.Errorf("%v, %d done, %d held back", err, len(done.Objects), len(done.Held))
	}
	if got := s.stored(other)["host0"]; !strings.Contains(got, `"yes"`) {
		t.Errorf("host0 is %s", got)
	}
}

// TestExpectIsOfTheWholeChange tests that the expected number of objects is
// compared before the first part.
func TestExpectIsOfTheWholeChange(t *testing.T) {
	for n, want := range map[int]string{4999: "4999 objects were expected, but 5000 match", 5000: ""} {
		s := newSite(t, 0)
		s.applier.Terms.Expect = &n
		done, err := s.apply(s.creating(5000, nil))
		if want != "" && (err == nil || err.Error() != want) || want == "" && (err != nil || len(done.Objects) != 5000) {
			t.Errorf("%d expected: %v, %d done", n, err, len(done.Objects))
		}
	}
}

// TestPatienceIsOfEachPart tests that the time for attempts starts again with
// each part.
func TestPatienceIsOfEachPart(t *testing.T) {
	s := newSite(t, 0)
	now := time.Now()
	s.applier.Now = func() time.Time { return now }
	plans := 0
	intent := s.creating(5000, nil)
	plan := intent.Plan
	intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) {
		if plans++; plans%2 == 1 { // each part is planned twice
			now = now.Add(11 * time.Second)
			s.put(fmt.Sprintf("/conftool/v1/pools/dc/new/s/host%04d", plans+4000*(plans/2)), `{}`)
		}
		return plan(snapshot)
	}
	done, err := s.apply(intent)
	if err != nil || plans != 4 || len(done.Objects) != 4998 {
		t.Errorf("%v after %d plans, %d done", err, plans, len(done.Objects))
	}
}

// TestLenientAsksNoRuleThatIsOff tests that a lenient change turns refusals
// into warnings, and that rules that are off stay off.
func TestLenientAsksNoRuleThatIsOff(t *testing.T) {
	for mode, want := range map[safety.Mode]int{safety.None: 0, safety.Warn: 1, safety.Refuse: 1} {
		s := newSite(t, 2)
		s.applier.Terms.Mode = mode
		intent := s.set("dc=dc", "pooled=no")
		intent.Lenient = true
		done, err := s.apply(intent)
		if err != nil || len(done.Verdict.Findings) != want || len(done.Verdict.Refusals()) != 0 || len(done.Objects) != 2 {
			t.Errorf("mode %d: %v, %+v", mode, err, done.Verdict)
		}
	}
}

// TestDeleteReadsTheWholeType tests that an object that a selector matches is
// not taken for the last of its type if there are others.
func TestDeleteReadsTheWholeType(t *testing.T) {
	s := newSite(t, 1)
	s.put(pool+"host0", `{"weight": 10, "pooled": "no"}`)
	s.put("/conftool/v1/pools/elsewhere/c/s/host1", `{"weight": 10, "pooled": "no"}`)
	enforce(s.applier)
	intent := s.set("dc=dc,cluster=c,service=s,name=host0", "weight=1")
	chosen := intent.Read[0].Selector
	intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) {
		return object.Delete(snapshot.Select(s.node, chosen)), nil
	}
	intent.Deletes = true
	if done, err := s.apply(intent); err != nil || len(done.Objects) != 1 || len(done.Verdict.Findings) != 0 {
		t.Errorf("%v, %+v", err, done.Verdict)
	}
}
