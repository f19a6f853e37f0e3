// Package change makes changes to objects. All writes take its one path: read,
// plan, review, confirm, commit, deliver.
package change

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// Intent is the change that an operator asked for. It can be planned more than
// once: if another change is committed first, it is planned again on the new
// state.
type Intent struct {
	// Read selects the objects that the plan depends on: those that may change,
	// and those they are compared with. The groups that rules count are read in
	// addition, so the snapshot usually has more objects.
	Read []catalog.Query
	// Plan makes a plan for the objects in a snapshot. It must have no other
	// effect. If it returns an error, Apply stops and returns that error
	// unchanged.
	Plan     func(object.Snapshot) (object.Plan, error)
	Action   string // for the journal and the announcement, such as set/pooled=no
	Selector string // the selection as the operator typed it
	// Summary, if not nil, returns the text that replaces Selector in the
	// announcement, given all changed objects.
	Summary func([]sal.Object) string
	// Stop is set if the operator decided on values that were shown. If one of
	// the changed objects is no longer as in the plan, Apply returns a
	// *ConflictError instead of planning again.
	Stop bool
	// Split allows a plan that is too large for one commit to be made in parts.
	// Each part is atomic and has its own journal record.
	Split bool
	// Deletes reports that the plan may delete objects: all objects of the
	// types are read.
	Deletes bool
	// Seeds reports that the plan makes the store match files: the rules about
	// removals apply to it, too.
	Seeds bool
	// Partial makes the changes that no rule refuses, and holds back the
	// others.
	Partial bool
	// Lenient turns refusals into warnings.
	Lenient bool
	// Undoes are the ids of the changes that this one undoes.
	Undoes []string
}

// Terms are the conditions under which an operator makes a change, and the
// reason for it.
type Terms struct {
	Mode      safety.Mode // the strictest mode that any rule can have
	Allow     []string    // the overridden rules; see safety.Terms
	Gone      bool        // the host is down or going down: all rules are overridden
	Emergency bool        // all rules are overridden
	Partial   bool        // make only the changes that no rule refuses
	Expect    *int        // the number of objects that must match; nil for any number
	DryRun    bool        // show the plan and write nothing
	Reason    string
	Task      string
	Quiet     bool // do not announce through tcpircbot
}

// Proposal is a plan that the operator is shown or asked to confirm.
type Proposal struct {
	Plan    object.Plan
	On      object.Snapshot // the snapshot that the plan was made on
	Verdict safety.Verdict
	// Held lists the changes that rules refuse, which are not in the plan, and
	// Refused the findings that refuse them. Both are empty unless the change
	// is Partial, or the proposal is in a *RefusedError.
	Held    []object.Change
	Refused []safety.Finding
	// Idle lists objects that the plan asks to pool and that are already
	// pooled, but do not serve.
	Idle []safety.Idle
}

// Done is the result of Apply.
type Done struct {
	ID       string           // the change's id; empty if nothing was written
	Objects  []sal.Object     // the changed objects, as in the journal
	Revision store.Revision   // of the last commit
	Message  string           // the announcement
	Verdict  safety.Verdict   // of the last commit
	Held     []object.Change  // see Proposal
	Refused  []safety.Finding // the findings for which they were held back
	Idle     []safety.Idle    // see Proposal
}

// An Applier applies intents. Confirm, Show and Progress may be nil; all other
// fields must be set.
type Applier struct {
	Catalog *catalog.Catalog
	Log     *sal.Log
	Rules   *safety.Rules
	Confirm func(context.Context, Proposal) error // called before a commit; an error stops the change
	Show    func(Proposal) error                  // called with the proposal of a dry run
	// Progress is called after each part of a plan that is too large for one
	// commit, with the number of objects that have changed and of those that
	// remain.
	Progress func(done, left int)
	Report   func(Done)  // called with the result before it is delivered
	Warn     func(error) // called with warnings, and errors that do not stop the change
	Now      func() time.Time
	Who      sal.User
	Where    sal.Host
	Process  sal.Process
	Terms    Terms
}

// PartlyDoneError reports that a split Intent failed after some of its parts
// were committed. These parts are in the journal and announced.
type PartlyDoneError struct {
	Done Done
	Err  error // why the next part failed
}

func (e *PartlyDoneError) Error() string {
	return fmt.Sprintf("only partly done, %d objects as %s: %v", len(e.Done.Objects), e.Done.ID, e.Err)
}

// Unwrap returns the error that stopped the change.
func (e *PartlyDoneError) Unwrap() error { return e.Err }

// run is the state of one call of Apply.
type run struct {
	*Applier
	Intent
	id        string // of the whole change, and its first part
	next      int    // number of the next part, used in its id
	parts     int    // number of committed parts
	asked     *Proposal
	warned    map[string]bool
	outbox    []store.Entry // the undelivered announcements at the last read
	records   []sal.Record  // of the committed parts
	done      Done
	contested time.Time // time of the first conflict since the last commit; zero if there was none
}

// Apply makes a change: completely, or not at all if it returns an error. If
// nothing has to change, it writes nothing. A Partial change omits what rules
// refuse, and Done.Held lists it.
//
// If the error is not a *store.UnknownError, alone or in a *PartlyDoneError,
// the changes that were not written will not be written later. The same holds
// if nothing had to change. See store.Store.Commit.
//
// Errors are those of the Intent's Plan, of Confirm and Show, and of
// store.Store; *safety.UnknownPoolError, *RefusedError, *ExpectError,
// *ConflictError; the *object.InvalidError of object.Change.Storable; and
// *PartlyDoneError, only for an Intent with Split.
func (a *Applier) Apply(ctx context.Context, intent Intent) (Done, error) {
	r := &run{Applier: a, Intent: intent, id: sal.NewID(a.Now()), next: 1, warned: map[string]bool{}}
	var err error
	for more := true; more && err == nil; {
		more, err = r.step(ctx)
	}
	if r.done.ID == "" {
		return r.done, err
	}
	a.Report(r.done)
	r.deliver(ctx)
	if err != nil {
		err = &PartlyDoneError{r.done, err}
	}
	return r.done, err
}

// step reads, plans, judges and commits once, and reports whether another step
// is needed.
func (r *run) step(ctx context.Context) (more bool, err error) {
	snapshot, outbox, err := r.Catalog.ReadToChange(ctx, r.Log.Prefixes(), r.readQueries()...)
	if err != nil {
		return false, err
	}
	r.outbox = outbox
	plan, err := r.Plan(snapshot)
	if err != nil {
		return false, err
	}
	plan.Changes = r.notHeld(plan.Changes)
	if err := r.checkExpected(plan); err != nil {
		return false, err
	}
	if len(plan.Changes) == 0 {
		return false, r.unchanged(ctx, plan, snapshot)
	}
	for _, c := range plan.Changes {
		if err := c.Storable(); err != nil {
			return false, err
		}
	}
	if err := r.checkStale(plan, snapshot); err != nil {
		return false, err
	}
	p, err := r.judge(plan, snapshot)
	if err != nil {
		r.recordRefusal(ctx, err)
		return false, err
	}
	r.addIdle(&p)
	r.warn(p.Plan.Warnings)
	if r.Terms.DryRun {
		return false, r.show(p)
	}
	if err := r.ask(ctx, p); err != nil {
		return false, err
	}
	return r.write(ctx, p)
}

// notHeld removes the changes that an earlier part of the same change has held
// back. That part may have changed the state so that no rule refuses them any
// more.
func (r *run) notHeld(changes []object.Change) []object.Change {
	if len(r.done.Held) == 0 {
		return changes
	}
	held := make(map[string]bool, len(r.done.Held))
	for _, c := range r.done.Held {
		held[c.Object().Key()] = true
	}
	return slices.DeleteFunc(slices.Clone(changes), func(c object.Change) bool { return held[c.Object().Key()] })
}

// write commits a proposal, or the first part of it if it is split, and reports
// whether another step is needed.
func (r *run) write(ctx context.Context, p Proposal) (more bool, err error) {
	whole := len(p.Plan.Changes)
	if r.Split && len(r.fit(p.Plan.Changes)) < whole {
		p.Plan.Changes = r.fit(capacityFirst(p.Plan.Changes))
	}
	left := whole - len(p.Plan.Changes)
	err = r.commit(ctx, p, left > 0)
	var conflict *store.ConflictError
	if errors.As(err, &conflict) {
		if conflict.Spent {
			r.replaceID()
		}
		return true, r.retry(ctx, conflict, p.Plan)
	}
	if err == nil && r.Progress != nil && (left > 0 || r.parts > 1) {
		r.Progress(len(r.done.Objects), left)
	}
	return left > 0, err
}

// replaceID replaces an id that became void. The id of the first part is also
// the id of the whole change, so it changes only before the first commit.
func (r *run) replaceID() {
	if r.parts > 0 {
		r.next++
		return
	}
	r.id = sal.NewID(r.Now())
}

// warn passes the warnings of a plan to Warn, each once, and at most ten per
// plan.
func (r *run) warn(warnings []string) {
	const maxWarnings = 10
	fresh := slices.DeleteFunc(slices.Clone(warnings), func(w string) bool { return r.warned[w] })
	for i, w := range fresh {
		if i == maxWarnings {
			r.Warn(fmt.Errorf("and %d more like these", len(fresh)-maxWarnings))
			break
		}
		r.Warn(errors.New(w))
	}
	for _, w := range fresh {
		r.warned[w] = true
	}
}

// ask calls Confirm, unless the operator has already confirmed a plan that
// covers this one, and the verdict has no new findings.
func (r *run) ask(ctx context.Context, p Proposal) error {
	if r.Confirm == nil {
		return nil
	}
	if r.asked != nil && r.asked.Plan.Covers(p.Plan) && !p.Verdict.NewSince(r.asked.Verdict) {
		return nil
	}
	r.asked = &p
	return r.Confirm(ctx, p)
}

func (r *run) show(p Proposal) error {
	r.done.Held, r.done.Refused, r.done.Idle = p.Held, p.Refused, p.Idle
	if r.Show == nil {
		return nil
	}
	return r.Show(p)
}

// maxContention is how long a change is planned again because of conflicts.
const maxContention = 10 * time.Second

// retry waits a short random time before the next attempt, or returns the error
// that ends the change.
func (r *run) retry(ctx context.Context, conflict *store.ConflictError, plan object.Plan) error {
	if objects := r.conflicts(conflict, plan); r.Stop && len(objects) > 0 {
		return &ConflictError{Objects: objects}
	}
	if r.contested.IsZero() {
		r.contested = r.Now()
	}
	if r.Now().Sub(r.contested) > maxContention {
		return &ConflictError{Busy: conflict}
	}
	select {
	case <-time.After(time.Duration(1+rand.IntN(40)) * time.Millisecond): // jitter
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
