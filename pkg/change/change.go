// Package change is the one way anything is written: read, plan, review,
// confirm, commit, deliver.
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

// Intent is what an operator asked for. It can be planned more than once: when
// somebody else is faster, what was asked for is planned again on what is
// there then.
type Intent struct {
	// Read is what the plan depends on: what may change, and what it is compared
	// with. The groups that rules count are read with it, so the snapshot mostly
	// holds more.
	Read []catalog.Query
	// Plan says what is to happen, given what there is. It has no other effect.
	// It returns an error to stop; the error is passed on as it is.
	Plan     func(object.Snapshot) (object.Plan, error)
	Action   string // for the journal and the announcement, such as set/pooled=no
	Selector string // what was chosen, in the operator's words
	// Summary, if set, stands for Selector in the announcement: it is given
	// all that was done.
	Summary func([]sal.Object) string
	// Stop is set for what was decided on values the operator saw: if one of
	// the objects that change is not as the plan has it any more, that is a
	// conflict, and nothing is planned again.
	Stop bool
	// Split allows a plan too large for one commit to be made in parts, each
	// whole and with a record of its own.
	Split bool
	// Deletes says that the plan may delete: all objects of the types are read.
	Deletes bool
	// Seeds says that the plan makes the store like files: the rules about
	// removals judge it too.
	Seeds bool
	// Partial has what no rule refuses made, and the rest held back.
	Partial bool
	// Lenient has rules warn where they would refuse.
	Lenient bool
	// Undoes are the ids of the changes that this one takes back.
	Undoes []string
}

// Terms are how an operator wants a change made, and why.
type Terms struct {
	Mode      safety.Mode // the strictest that any rule has
	Allow     []string    // rules that are overridden, as safety.Terms has them
	Gone      bool        // the host is down or going down: all rules are overridden
	Emergency bool        // all rules are overridden
	Partial   bool        // make what no rule refuses
	Expect    *int        // how many objects have to match; nil for any number
	DryRun    bool        // show, and write nothing
	Reason    string
	Task      string
	Quiet     bool // leave tcpircbot out
}

// Proposal is what an operator is asked about, or shown.
type Proposal struct {
	Plan    object.Plan
	On      object.Snapshot // what the plan was made on
	Verdict safety.Verdict
	// Held is what rules refuse, which is therefore not in the plan, and Refused
	// what they said. Only of a Partial change.
	Held    []object.Change
	Refused []safety.Finding
	// Idle lists objects that were to be pooled, are pooled already, and do not serve.
	Idle []safety.Idle
}

// Done is what was done.
type Done struct {
	ID       string           // of the change; empty if nothing was written
	Objects  []sal.Object     // what changed, as the journal has it
	Revision store.Revision   // of the last commit
	Message  string           // that tells people
	Verdict  safety.Verdict   // on the last commit
	Held     []object.Change  // see Proposal
	Refused  []safety.Finding // why that was held back
	Idle     []safety.Idle    // see Proposal
}

// Applier applies intents. Confirm, Show and Progress may be nil, all else must
// be set.
type Applier struct {
	Catalog *catalog.Catalog
	Log     *sal.Log
	Rules   *safety.Rules
	Confirm func(context.Context, Proposal) error // asks before a commit; an error means no
	Show    func(Proposal) error                  // shows what a dry run would do
	// Progress is told, after each part of a plan too large for one commit, how
	// many objects have changed and how many are still to.
	Progress func(done, left int)
	Report   func(Done)  // told what was done, before it is delivered
	Warn     func(error) // told what does not end the change
	Now      func() time.Time
	Who      sal.User
	Where    sal.Host
	Process  sal.Process
	Terms    Terms
}

// PartlyDoneError reports an Intent to be split that failed after some of its
// parts. Those stay done, and are in the journal and announced.
type PartlyDoneError struct {
	Done Done
	Err  error // why there is no more
}

func (e *PartlyDoneError) Error() string {
	return fmt.Sprintf("only partly done, %d objects as %s: %v", len(e.Done.Objects), e.Done.ID, e.Err)
}

// Unwrap returns why there is no more.
func (e *PartlyDoneError) Unwrap() error { return e.Err }

// run is one intent on its way.
type run struct {
	*Applier
	Intent
	id        string // of the first part, and of all
	next      int    // number of the next part, which its id ends with
	parts     int    // committed
	asked     *Proposal
	warned    map[string]bool
	outbox    []store.Entry // what waited for delivery at the last read
	records   []sal.Record  // of the parts
	done      Done
	contested time.Time // when others were faster for the first time; zero if they were not
}

// Apply makes the change that is asked for: whole, or with an error not at
// all. If nothing has to change, nothing is written. A Partial change leaves
// out what rules refuse; what that is, Done says.
//
// After any error but *store.UnknownError, alone or in a *PartlyDoneError, what
// was not written will not be either, and the same holds if nothing had to
// change: see store.Store.Commit.
//
// Errors are those of the Intent's Plan and of Confirm and Show, of
// store.Store, *safety.UnknownPoolError, *RefusedError, *ExpectError, *ConflictError and, only for an
// Intent to be split, *PartlyDoneError.
func (a *Applier) Apply(ctx context.Context, in Intent) (Done, error) {
	r := &run{Applier: a, Intent: in, id: sal.NewID(a.Now()), next: 1, warned: map[string]bool{}}
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

// step reads, plans, judges and commits once, and reports whether there is
// more to do.
func (r *run) step(ctx context.Context) (more bool, err error) {
	snapshot, outbox, err := r.Catalog.ReadToChange(ctx, r.Log.Prefixes(), r.reading()...)
	if err != nil {
		return false, err
	}
	r.outbox = outbox
	plan, err := r.Plan(snapshot)
	if err != nil {
		return false, err
	}
	plan.Changes = r.notHeld(plan.Changes)
	if err := r.expected(plan); err != nil {
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
	if err := r.stale(plan, snapshot); err != nil {
		return false, err
	}
	p, err := r.judge(plan, snapshot)
	if err != nil {
		r.remember(ctx, err)
		return false, err
	}
	r.idle(&p)
	r.warn(p.Plan.Warnings)
	if r.Terms.DryRun {
		return false, r.show(p)
	}
	if err := r.ask(ctx, p); err != nil {
		return false, err
	}
	return r.write(ctx, p)
}

// notHeld leaves out what an earlier part of the same change has held back: what
// that part has made could let it look harmless.
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

// write commits a proposal, or as much of it as fits, and reports whether there
// is more to do.
func (r *run) write(ctx context.Context, p Proposal) (more bool, err error) {
	whole := len(p.Plan.Changes)
	if r.Split && len(r.fit(p.Plan.Changes)) < whole {
		p.Plan.Changes = r.fit(givingFirst(p.Plan.Changes))
	}
	left := whole - len(p.Plan.Changes)
	err = r.commit(ctx, p, left > 0)
	var conflict *store.ConflictError
	if errors.As(err, &conflict) {
		if conflict.Spent {
			r.anotherID()
		}
		return true, r.again(ctx, conflict, p.Plan)
	}
	if err == nil && r.Progress != nil && (left > 0 || r.parts > 1) {
		r.Progress(len(r.done.Objects), left)
	}
	return left > 0, err
}

// anotherID takes an id instead of the one that is void by now. That of the
// first part is all parts' in common, so that changes only while there is none.
func (r *run) anotherID() {
	if r.parts > 0 {
		r.next++
		return
	}
	r.id = sal.NewID(r.Now())
}

// warn passes on the warnings of a plan: the first few, and each once.
func (r *run) warn(warnings []string) {
	const few = 10
	fresh := slices.DeleteFunc(slices.Clone(warnings), func(w string) bool { return r.warned[w] })
	for i, w := range fresh {
		if i == few {
			r.Warn(fmt.Errorf("and %d more like these", len(fresh)-few))
			break
		}
		r.Warn(errors.New(w))
	}
	for _, w := range fresh {
		r.warned[w] = true
	}
}

// ask asks, unless the operator has answered for at least as much already.
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

// patience is how long a change is planned again because others are faster.
const patience = 10 * time.Second

// again waits a little before the next attempt, or says why there is none.
func (r *run) again(ctx context.Context, conflict *store.ConflictError, plan object.Plan) error {
	if objects := r.conflicts(conflict, plan); r.Stop && len(objects) > 0 {
		return &ConflictError{Objects: objects}
	}
	if r.contested.IsZero() {
		r.contested = r.Now()
	}
	if r.Now().Sub(r.contested) > patience {
		return &ConflictError{Busy: conflict}
	}
	select {
	case <-time.After(time.Duration(1+rand.IntN(40)) * time.Millisecond): // jitter
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
