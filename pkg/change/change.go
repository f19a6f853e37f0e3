// Package change is the one way anything is written: read, plan, review,
// confirm, commit, deliver.
package change

import (
	"context"
	"errors"
	"math/rand/v2"
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
	Queries []catalog.Query // what is read: what may change, and what the plan depends on
	// Plan says what is to happen, given what there is. It returns an error to
	// stop; the error is passed on as it is.
	Plan     func(object.Snapshot) (object.Plan, error)
	Action   string // for the journal and the announcement, such as set/pooled=no
	Selector string // what was chosen, in the operator's words
	// Summary, if set, stands for Selector in the announcement: it is given
	// all that was done.
	Summary func([]sal.Object) string
	Ask     bool // the operator is asked before the commit
	// Stop is set for what was decided on values the operator saw: if they
	// changed meanwhile, nothing is planned again.
	Stop bool
	// Split allows a plan too large for one commit to be made in parts, each
	// whole and with a record of its own.
	Split bool
}

// Proposal is what an operator is asked about.
type Proposal struct {
	Plan    object.Plan
	Verdict safety.Verdict
}

// Done is what was done. It is there, as far as things came, with an error too.
type Done struct {
	ID       string         // of the change; empty if nothing was written
	Objects  []sal.Object   // what changed, as the journal has it
	Revision store.Revision // of the last commit
	Warnings []string       // of the plan that was made
	Message  string         // that tells people; empty if nobody is told
}

// Applier applies intents. All fields but Rules and Confirm must be set.
type Applier struct {
	Catalog *catalog.Catalog
	Log     *sal.Log
	Rules   []safety.Rule
	Confirm func(context.Context, Proposal) error // asks; an error means no
	Answer  func(Done)                            // told what was done before it is delivered
	Warn    func(string)                          // told what did not work but stops nothing
	Now     func() time.Time
	Who     sal.User
	Where   sal.Host
	Process sal.Process
	Quiet   bool // announce nothing
}

// RefusedError reports a change that a rule forbids.
type RefusedError struct {
	Verdict safety.Verdict
}

func (e *RefusedError) Error() string {
	refusals := e.Verdict.Refusals()
	return "refused by " + refusals[0].Rule + ": " + refusals[0].Msg
}

// ConflictError reports a change that was not made because somebody else
// changed the same objects meanwhile.
type ConflictError struct {
	Objects []Conflict
	Busy    bool // it was planned again until time ran out
	Err     *store.ConflictError
}

// Conflict is one such object: what was to become of it, and what it is now.
type Conflict struct {
	Mine   object.Change
	Theirs *object.Object // nil if it was deleted
}

// Other returns what somebody else did to the object.
func (c Conflict) Other() object.Change { return object.Change{Before: c.Mine.Before, After: c.Theirs} }

func (e *ConflictError) Error() string { return e.Err.Error() }

// Unwrap returns what the store said.
func (e *ConflictError) Unwrap() error { return e.Err }

// patience is how long a change is planned again because others were faster.
const patience = 10 * time.Second

// run is one intent on its way.
type run struct {
	*Applier
	Intent
	id      string
	parts   int
	asked   *Proposal
	done    Done
	started time.Time
}

// Apply makes the change that is asked for: whole, or with an error not at
// all. Only an Intent to be split can come to an end in between; what is done
// then is in Done, and in the journal. If nothing has to change, nothing is
// written.
//
// Errors are those of the Intent's Plan and of Confirm, of store.Store,
// *RefusedError and *ConflictError.
func (a *Applier) Apply(ctx context.Context, in Intent) (Done, error) {
	r := &run{Applier: a, Intent: in, id: sal.NewID(a.Now()), started: a.Now()}
	var err error
	for more := true; more && err == nil; {
		more, err = r.step(ctx)
	}
	if r.done.ID == "" {
		return r.done, err
	}
	a.Answer(r.done)
	for _, failed := range a.Log.Deliver(ctx, r.id, r.done.Message) {
		a.Warn("not announced: " + failed.Error() + "; the change is made and in the journal as " + r.id)
	}
	return r.done, err
}

// step reads, plans and commits once, and reports whether there is more to do.
func (r *run) step(ctx context.Context) (more bool, err error) {
	snapshot, err := r.Catalog.ReadToChange(ctx, r.Queries...)
	if err != nil {
		return false, err
	}
	plan, err := r.Plan(snapshot)
	if err != nil {
		return false, err
	}
	r.done.Warnings = plan.Warnings
	if len(plan.Changes) == 0 {
		return false, nil
	}
	verdict := safety.Review(r.Rules, plan, snapshot)
	if len(verdict.Refusals()) > 0 {
		return false, &RefusedError{verdict}
	}
	if err := r.ask(ctx, Proposal{plan, verdict}); err != nil {
		return false, err
	}
	whole := len(plan.Changes)
	if r.Split {
		plan.Changes = r.fit(plan.Changes)
	}
	err = r.commit(ctx, plan, snapshot, verdict)
	var conflict *store.ConflictError
	if errors.As(err, &conflict) {
		return true, r.again(ctx, conflict, plan)
	}
	return len(plan.Changes) < whole, err
}

// ask asks, unless the operator has answered for at least as much already.
func (r *run) ask(ctx context.Context, p Proposal) error {
	if !r.Ask || r.Confirm == nil {
		return nil
	}
	if r.asked != nil && r.asked.Plan.Covers(p.Plan) && !p.Verdict.Adds(r.asked.Verdict) {
		return nil
	}
	r.asked = &p
	return r.Confirm(ctx, p)
}

// again waits a little before the next attempt, or says why there is none.
func (r *run) again(ctx context.Context, conflict *store.ConflictError, plan object.Plan) error {
	if objects := r.conflicts(conflict, plan); r.Stop && len(objects) > 0 {
		return &ConflictError{Objects: objects, Err: conflict}
	}
	if r.Now().Sub(r.started) > patience {
		return &ConflictError{Busy: true, Err: conflict}
	}
	select {
	case <-time.After(time.Duration(1+rand.IntN(40)) * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// conflicts returns the objects of the plan that somebody else changed.
func (r *run) conflicts(conflict *store.ConflictError, plan object.Plan) []Conflict {
	var all []Conflict
	for _, failed := range conflict.Failed {
		for _, c := range plan.Changes {
			o := c.Object()
			if failed.Prefix || failed.Key != r.Catalog.Key(*o) {
				continue
			}
			found := Conflict{Mine: c}
			if failed.Found != nil {
				theirs := catalog.Object(o.Type, o.Tags, o.Name, *failed.Found)
				found.Theirs = &theirs
			}
			all = append(all, found)
		}
	}
	return all
}
