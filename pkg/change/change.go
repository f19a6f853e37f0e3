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
	// Read is what is read: what may change, and what the plan and the rules
	// depend on.
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
}

// Proposal is what an operator is asked about.
type Proposal struct {
	Plan    object.Plan
	On      object.Snapshot // what the plan was made on
	Verdict safety.Verdict
}

// Done is what was done.
type Done struct {
	ID       string         // of the change; empty if nothing was written
	Objects  []sal.Object   // what changed, as the journal has it
	Revision store.Revision // of the last commit
	Message  string         // that tells people; empty if nobody is told
}

// Applier applies intents. Rules and Confirm may be nil, all else must be set.
type Applier struct {
	Catalog *catalog.Catalog
	Log     *sal.Log
	Rules   []safety.Rule
	Confirm func(context.Context, Proposal) error // asks before a commit; an error means no
	Report  func(Done)                            // told what was done, before it is delivered
	Warn    func(string)                          // told what does not stop anything
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
	id        string
	parts     int // committed
	asked     *Proposal
	warned    []string
	done      Done
	contested time.Time // when others were faster for the first time; zero if they were not
}

// Apply makes the change that is asked for: whole, or with an error not at
// all. If nothing has to change, nothing is written.
//
// Errors are those of the Intent's Plan and of Confirm, of store.Store,
// *RefusedError, *ConflictError and, only for an Intent to be split,
// *PartlyDoneError.
func (a *Applier) Apply(ctx context.Context, in Intent) (Done, error) {
	r := &run{Applier: a, Intent: in, id: sal.NewID(a.Now())}
	var err error
	for more := true; more && err == nil; {
		more, err = r.step(ctx)
	}
	if r.done.ID == "" {
		return r.done, err
	}
	a.Report(r.done)
	for _, failed := range a.Log.Deliver(ctx, r.id, r.done.Message) {
		a.Warn("not announced: " + failed.Error() + "; the change is made and in the journal as " + r.id)
	}
	if err != nil {
		err = &PartlyDoneError{r.done, err}
	}
	return r.done, err
}

// step reads, plans and commits once, and reports whether there is more to do.
func (r *run) step(ctx context.Context) (more bool, err error) {
	snapshot, err := r.Catalog.ReadToChange(ctx, r.Read...)
	if err != nil {
		return false, err
	}
	plan, err := r.Plan(snapshot)
	if err != nil || len(plan.Changes) == 0 {
		return false, err
	}
	if err := r.stale(plan, snapshot); err != nil {
		return false, err
	}
	verdict := safety.Review(r.Rules, plan, snapshot)
	if len(verdict.Refusals()) > 0 {
		return false, &RefusedError{verdict}
	}
	r.warn(plan.Warnings)
	if err := r.ask(ctx, Proposal{plan, snapshot, verdict}); err != nil {
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

// warn passes on the warnings of a plan: the first few, and each once.
func (r *run) warn(warnings []string) {
	const few = 10
	fresh := slices.DeleteFunc(slices.Clone(warnings), func(w string) bool { return slices.Contains(r.warned, w) })
	for i, w := range fresh {
		if i == few {
			r.Warn(fmt.Sprintf("and %d more like these", len(fresh)-few))
			break
		}
		r.Warn(w)
	}
	r.warned = append(r.warned, fresh...)
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
