package change_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// unreadable is a store that cannot be read.
type unreadable struct {
	store.Store
	err error
}

func (u unreadable) Read(context.Context, ...string) (store.Snapshot, error) {
	return store.Snapshot{}, u.err
}

// TestErrorsEndTheChange tests that after an error, nothing is asked and
// nothing written.
func TestErrorsEndTheChange(t *testing.T) {
	odd := errors.New("odd")
	for name, prepare := range map[string]func(*site, *change.Intent){
		"of the store": func(s *site, _ *change.Intent) { s.store.Store = unreadable{s.store.Store, odd} },
		"of the plan": func(_ *site, intent *change.Intent) {
			intent.Plan = func(object.Snapshot) (object.Plan, error) { return object.Plan{}, odd }
		},
		"of an answer": func(s *site, _ *change.Intent) {
			s.applier.Confirm = func(context.Context, change.Proposal) error { return odd }
		},
		"of what is shown": func(s *site, _ *change.Intent) {
			s.applier.Terms.DryRun, s.applier.Show = true, func(change.Proposal) error { return odd }
		},
	} {
		s := newSite(t, 1)
		intent := s.set("name=host0", "weight=5")
		prepare(s, &intent)
		if done, err := s.apply(intent); !errors.Is(err, odd) || done.ID != "" || s.store.commits.Load() != 0 || len(s.reports) != 0 {
			t.Errorf("%s: %v, %d commits", name, err, s.store.commits.Load())
		}
	}
}

// TestDryRunShowsNothingToNobody tests that a dry run without Show is still
// judged.
func TestDryRunShowsNothingToNobody(t *testing.T) {
	s := newSite(t, 2)
	enforce(s.applier)
	s.applier.Terms.DryRun = true
	if _, err := s.apply(s.set("name=host0", "weight=5")); err != nil || s.store.commits.Load() != 0 {
		t.Errorf("%v, %d commits", err, s.store.commits.Load())
	}
	if _, err := s.apply(s.set("dc=dc", "pooled=no")); !errors.As(err, new(*change.RefusedError)) {
		t.Errorf("%v", err)
	}
}

// TestWhatCannotBeStored tests that an object that cannot be stored is an error
// before the question.
func TestWhatCannotBeStored(t *testing.T) {
	s := newSite(t, 0)
	n := s.asked()
	if _, err := s.apply(writing(noted(), 600<<10)); !errors.As(err, new(*object.InvalidError)) || *n != 0 {
		t.Errorf("%v, asked %d times", err, *n)
	}
}

// TestStopIsAboutTheObjects tests that Stop ends a change only if one of its
// own objects was changed. If others in a counted group were, the change is
// planned again.
func TestStopIsAboutTheObjects(t *testing.T) {
	s := newSite(t, 5)
	enforce(s.applier)
	intent := s.set("name=host0", "pooled=no")
	intent.Stop = true
	plans, plan := 0, intent.Plan
	intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) { plans++; return plan(snapshot) }
	done, err := s.apply(interfere(intent, func() { s.put(pool+"host1", `{"weight": 11, "pooled": "yes"}`) }))
	if err != nil || len(done.Objects) != 1 || plans != 2 {
		t.Errorf("%v after %d plans", err, plans)
	}
}

// spent is a store that makes the id of one commit void, as if its outcome had
// been unknown.
type spent struct {
	store.Store
	after int
}

func (s *spent) Commit(ctx context.Context, txn store.Txn) (store.Receipt, error) {
	if s.after--; s.after == 0 {
		void := store.Txn{Once: txn.Once, Writes: []store.Write{{Key: txn.Once, Value: txn.Void}}}
		if _, err := s.Store.Commit(ctx, void); err != nil {
			return store.Receipt{}, err
		}
		return store.Receipt{}, &store.ConflictError{Spent: true}
	}
	return s.Store.Commit(ctx, txn)
}

// TestVoidIDIsReplaced tests that an attempt that was made void is repeated
// with another id, which the journal has.
func TestVoidIDIsReplaced(t *testing.T) {
	for _, after := range []int{1, 2} { // the first commit, and the commit of the second part
		s := newSite(t, 0)
		s.store.Store = &spent{s.store.Store, after}
		done, err := s.apply(s.creating(5000, nil))
		if err != nil || len(done.Objects) != 5000 {
			t.Errorf("%d: %v, %d done", after, err, len(done.Objects))
			continue
		}
		var parts []int
		made, _ := s.journal()
		if !slices.ContainsFunc(made, func(r sal.Stored) bool { return r.Event.ID == done.ID && !r.Change.Void }) {
			t.Errorf("%d: no part is recorded as %s", after, done.ID)
		}
		for _, r := range made {
			if r.Change.Run != done.ID && !r.Change.Void {
				t.Errorf("record %s is of run %s, not %s", r.Event.ID, r.Change.Run, done.ID)
			}
			if !r.Change.Void {
				parts = append(parts, len(r.Change.Objects))
			}
		}
		if len(parts) != 2 || parts[0]+parts[1] != 5000 {
			t.Errorf("%d: parts of %v", after, parts)
		}
	}
}

// TestRecordsOfParts tests that the records of all parts but the last are
// partial.
func TestRecordsOfParts(t *testing.T) {
	s := newSite(t, 0)
	s.applier.Terms.Reason, s.applier.Terms.Task = "why", "T1"
	done, err := s.apply(writing(noted(), make([]int, store.MaxWrites-19)...)) // one too many
	if err != nil {
		t.Fatal(err)
	}
	made, _ := s.journal()
	partial := map[string]bool{}
	for _, r := range made {
		partial[r.Event.ID] = r.Change.Partial
		if r.Event.Reason != "why" || r.Change.Task != "T1" || r.Event.Outcome != sal.Success {
			t.Errorf("%+v", r.Event)
		}
	}
	if want := map[string]bool{done.ID: true, sal.PartID(done.ID, 2): false}; !maps.Equal(partial, want) {
		t.Errorf("more follows: %v", partial)
	}
}

// repeated is a store where an earlier attempt of each commit has left a record.
type repeated struct {
	store.Store
	record []byte
}

func (r repeated) Commit(ctx context.Context, txn store.Txn) (store.Receipt, error) {
	earlier := store.Txn{Once: txn.Once, Writes: []store.Write{{Key: txn.Once, Value: r.record}}}
	if _, err := r.Store.Commit(ctx, earlier); err != nil {
		return store.Receipt{}, err
	}
	return r.Store.Commit(ctx, txn)
}

// TestEarlierAttempt: if an earlier attempt turns out to have been made, its record
// says what was done. One that cannot be read is named.
func TestEarlierAttempt(t *testing.T) {
	earlier := sal.Record{Change: sal.ChangeRecord{Run: "x", Objects: []sal.Object{{Type: "node", Path: "earlier"}}}}
	text, err := earlier.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for record, want := range map[string]string{string(text): "earlier", "{": "dc/c/s/host0"} {
		s := newSite(t, 1)
		s.catalog = catalog.New(repeated{s.store, []byte(record)}, "/conftool", "v1")
		s.applier.Catalog = s.catalog
		done, err := s.apply(s.set("name=host0", "weight=5"))
		if err != nil || len(done.Objects) != 1 || done.Objects[0].Path != want || (len(s.warned) > 0) != (record == "{") {
			t.Errorf("%v, %+v, warned %q", err, done.Objects, s.warned)
		}
	}
}

// TestRecordNamesTheDeletionBefore tests that the record of a creation or
// deletion has the revision of the previous deletion, and that of a change has
// none.
func TestRecordNamesTheDeletionBefore(t *testing.T) {
	s := newSite(t, 3)
	remove := func(name string) change.Done {
		intent := s.set("name="+name, "weight=1")
		intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) {
			return object.Delete(slices.DeleteFunc(snapshot.Objects, func(o object.Object) bool { return o.Name != name })), nil
		}
		intent.Deletes = true
		done, err := s.apply(intent)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	first := remove("host0")
	second := remove("host1")
	third, err := s.apply(s.creating(1, nil))
	if err != nil {
		t.Fatal(err)
	}
	fourth, err := s.apply(s.set("name=host2", "weight=1"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]store.Revision{first.ID: nil, second.ID: {"node": first.Revision}, third.ID: {"node": second.Revision}, fourth.ID: nil}
	made, _ := s.journal()
	for _, r := range made {
		if !maps.Equal(r.Change.Fences, want[r.Event.ID]) {
			t.Errorf("%v, want %v", r.Change.Fences, want[r.Event.ID])
		}
	}
}

// TestIdle tests that objects that are already pooled but do not serve are
// refused if nothing changes, and reported if the rest is changed.
func TestIdle(t *testing.T) {
	idle := func(mode safety.Mode, others string) (*site, change.Done, error) {
		s := newSite(t, 3)
		s.put(pool+"host0", `{"weight": 0, "pooled": "yes"}`)
		s.put(pool+"host1", `{"weight": 10, "pooled": "`+others+`"}`)
		s.applier.Terms.Mode = mode
		done, err := s.apply(s.set("dc=dc", "pooled=yes"))
		return s, done, err
	}
	s, done, err := idle(safety.Refuse, "yes")
	var refused *change.RefusedError
	if !errors.As(err, &refused) || len(refused.Idle) != 1 || refused.Refused[0].Rule != safety.PoolNeedsWeight || done.ID != "" ||
		!strings.HasPrefix(err.Error(), "refused by pool-needs-weight: dc/c/s/host0 is pooled already") {
		t.Fatalf("%v", err)
	}
	if _, records := s.journal(); len(records) != 1 || records[0].Event.ID != refused.ID || len(records[0].Change.Findings) != 1 || records[0].Change.Findings[0].Level != "refused" {
		t.Errorf("%+v", records)
	}
	s, done, err = idle(safety.Refuse, "no")
	if made, _ := s.journal(); err != nil || len(done.Objects) != 1 || len(done.Idle) != 1 || done.Idle[0].Object.Name != "host0" ||
		len(made) != 1 || len(made[0].Change.Findings) != 1 || made[0].Change.Findings[0].Level != "not done" {
		t.Errorf("%v, %+v", err, done)
	}
	s, done, err = idle(safety.Warn, "yes")
	if err != nil || done.ID != "" || len(s.warned) != 1 || !strings.HasPrefix(s.warned[0], "pool-needs-weight: dc/c/s/host0 is pooled already") {
		t.Errorf("%v, warned %q", err, s.warned)
	}
	_, done, err = idle(safety.Warn, "no")
	if err != nil || len(done.Idle) != 0 || len(done.Verdict.Findings) != 1 || done.Verdict.Findings[0].Level != safety.Warned {
		t.Errorf("%v, %+v", err, done.Verdict)
	}
	if _, _, err = idle(safety.None, "yes"); err != nil {
		t.Errorf("no rules: %v", err)
	}
}

// TestRefusalsAreKept tests that the journal has the findings, up to a limit,
// and that a refusal that cannot be recorded is a warning.
func TestRefusalsAreKept(t *testing.T) {
	s := newSite(t, 250)
	for i := range 250 {
		s.put(fmt.Sprintf("%shost%d", pool, i), `{"weight": 0, "pooled": "no"}`)
	}
	enforce(s.applier)
	_, err := s.apply(s.set("dc=dc", "pooled=yes"))
	var refused *change.RefusedError
	if !errors.As(err, &refused) || len(refused.Refused) != 250 || refused.ID == "" {
		t.Fatalf("%v", err)
	}
	_, records := s.journal()
	findings := records[0].Change.Findings
	if len(findings) != 201 || findings[199].Subject == "node" || findings[200].Msg != "and 50 more findings" || findings[200].Subject != "node" {
		t.Errorf("%d findings, the last is %+v", len(findings), findings[len(findings)-1])
	}
	s.catalog = catalog.New(s.store.Store, "/conftool", "v1")
	s.applier.Catalog = s.catalog
	s.applier.Log.Store = &failing{s.store.Store, 0, errors.New("gone")}
	_, err = s.apply(s.set("dc=dc", "pooled=yes"))
	if !errors.As(err, &refused) || refused.ID != "" || len(s.warned) != 1 || s.warned[0] != "the refusal is not in the journal: gone" {
		t.Errorf("%v, warned %q", err, s.warned)
	}
}

// TestLargeRefusalIsKeptInPart tests that the record of a refused change that is
// too large for a record has as many objects as fit.
func TestLargeRefusalIsKeptInPart(t *testing.T) {
	s := newSite(t, 5000)
	enforce(s.applier)
	_, err := s.apply(s.set("dc=dc", "pooled=no"))
	var refused *change.RefusedError
	if !errors.As(err, &refused) || refused.ID == "" || len(refused.Plan.Changes) != 5000 || len(s.warned) > 0 {
		t.Fatalf("%v, warned %q", err, s.warned)
	}
	if _, records := s.journal(); len(records) != 1 || len(records[0].Change.Objects) < 1000 || len(records[0].Change.Objects) == 5000 {
		t.Errorf("%d records", len(records))
	}
}

// TestAllowedPoolHasToBeThere tests that a rule overridden for a pool outside
// the change is an error, unless rules are off.
func TestAllowedPoolHasToBeThere(t *testing.T) {
	for mode, want := range map[safety.Mode]bool{safety.Refuse: true, safety.None: false} {
		s := newSite(t, 3)
		s.applier.Terms.Mode, s.applier.Terms.Allow = mode, []string{"min-pooled@dc/c/other"}
		_, err := s.apply(s.set("name=host0", "weight=5"))
		if errors.As(err, new(*safety.UnknownPoolError)) != want || err != nil != want {
			t.Errorf("mode %d: %v", mode, err)
		}
	}
}

// TestErrorsInWords tests the messages of errors.
func TestErrorsInWords(t *testing.T) {
	o := object.Object{Type: noted(), Name: "x"}
	mine := object.Change{Before: &o}
	void := &sal.VoidError{Record: sal.Record{Event: sal.Event{ID: "id"}, User: sal.User{Name: "bob"}}}
	for want, err := range map[string]error{
		void.Error():                                                         &change.ConflictError{Void: void},
		"only partly done, 1 objects as id: odd":                             &change.PartlyDoneError{Done: change.Done{ID: "id", Objects: []sal.Object{{}}}, Err: errors.New("odd")},
		"refused by min-pooled: a 1 -> 0":                                    &change.RefusedError{Proposal: change.Proposal{Refused: []safety.Finding{{Rule: "min-pooled", Subject: "a", Msg: "1 -> 0"}, {Rule: "x"}}}},
		"somebody else changed note x meanwhile":                             &change.ConflictError{Objects: []change.Conflict{{Mine: mine}}},
		"others kept changing the same: " + (&store.ConflictError{}).Error(): &change.ConflictError{Busy: &store.ConflictError{}},
	} {
		if err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
