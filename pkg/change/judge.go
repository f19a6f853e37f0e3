package change

import (
	"context"
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/selector"
)

// RefusedError reports a change that rules refuse. Only the journal record of
// the refusal was written.
type RefusedError struct {
	Proposal
	ID      string      // the id of the refusal in the journal; empty for a dry run, or if it could not be recorded
	Allowed object.Plan // the part of the plan that no rule refuses
}

func (e *RefusedError) Error() string {
	first := e.Refused[0]
	return fmt.Sprintf("refused by %s: %s %s", first.Rule, first.Subject, first.Msg)
}

// ExpectError reports that the number of objects that match is not the one that
// the operator expected. Nothing was written.
type ExpectError struct{ Want, Got int }

func (e *ExpectError) Error() string {
	return fmt.Sprintf("%d objects were expected, but %d match", e.Want, e.Got)
}

// checkExpected checks the number of objects that match. For a plan without Matched,
// such as one made from files, it is the number of changes.
func (r *run) checkExpected(plan object.Plan) error {
	want, got := r.Terms.Expect, len(plan.Matched)
	if plan.Matched == nil {
		got = len(plan.Changes)
	}
	if want == nil || *want == got || r.parts > 0 {
		return nil
	}
	return &ExpectError{Want: *want, Got: got}
}

// readQueries returns the queries to read: those of the intent, extended to
// complete groups that rules count, or to the whole type if the plan may delete
// objects.
func (r *run) readQueries() []catalog.Query {
	queries := slices.Clone(r.Read)
	for i, q := range queries {
		switch {
		case r.terms().Mode == safety.None:
		case r.Deletes:
			queries[i].Selector = selector.Selector{}
		case safety.HasCapacity(q.Type):
			queries[i] = q.Around(r.Rules.Depth(q.Type))
		}
	}
	return queries
}

// terms returns the conditions under which the rules judge the change.
func (r *run) terms() safety.Terms {
	t := safety.Terms{
		Mode:     r.Terms.Mode,
		Allow:    r.Terms.Allow,
		AllowAll: r.Terms.Gone || r.Terms.Emergency,
		Seeds:    r.Seeds,
	}
	if r.Lenient {
		t.Mode = min(t.Mode, safety.Warn)
	}
	return t
}

// Judge applies rules to a plan. The proposal has the part of the plan that
// they allow, and the changes that they hold back. The verdict is on the
// complete plan.
func Judge(rules *safety.Rules, plan object.Plan, snapshot object.Snapshot, terms safety.Terms) (Proposal, safety.Verdict) {
	verdict := rules.Review(plan, snapshot, terms)
	refused := verdict.Refusals()
	if len(refused) == 0 {
		return Proposal{Plan: plan, On: snapshot, Verdict: verdict}, verdict
	}
	allowed, held, rest := rules.Permit(plan, snapshot, terms)
	return Proposal{Plan: allowed, On: snapshot, Verdict: rest, Held: held, Refused: refused}, verdict
}

// judge applies the rules to a plan. If they refuse a part of it, judge returns
// a *RefusedError, unless the change is Partial and some of it is allowed, or
// it is a dry run of a Partial change: then it returns a proposal of the
// allowed part.
func (r *run) judge(plan object.Plan, snapshot object.Snapshot) (Proposal, error) {
	if r.parts == 0 && r.Terms.Mode != safety.None { // a part may have removed pools that the next parts cannot see
		if err := r.Rules.CheckAllowed(plan, snapshot, r.Terms.Allow); err != nil {
			return Proposal{}, err
		}
	}
	p, verdict := Judge(r.Rules, plan, snapshot, r.terms())
	partial := r.Partial || r.Terms.Partial
	// A dry run is shown even if nothing would be made.
	if len(p.Refused) == 0 || partial && (len(p.Plan.Changes) > 0 || r.Terms.DryRun) {
		return p, nil
	}
	whole := Proposal{Plan: plan, On: snapshot, Verdict: verdict, Held: plan.Changes, Refused: p.Refused}
	return Proposal{}, &RefusedError{Proposal: whole, Allowed: p.Plan}
}

// unchanged ends a change that changes nothing. It returns a *RefusedError if
// objects that the plan asks to pool are already pooled, but do not serve: the
// operator would take "no change" for success.
func (r *run) unchanged(ctx context.Context, plan object.Plan, snapshot object.Snapshot) error {
	r.warn(plan.Warnings)
	p := Proposal{Plan: plan, On: snapshot}
	r.addIdle(&p)
	if len(p.Idle) == 0 {
		for _, f := range p.Verdict.Findings {
			r.Warn(fmt.Errorf("%s: %s %s", f.Rule, f.Subject, f.Msg))
		}
		return nil
	}
	p.Refused = idleFindings(p.Idle)
	p.Verdict.Findings = append(p.Refused, p.Verdict.Findings...)
	err := &RefusedError{Proposal: p}
	r.recordRefusal(ctx, err)
	return err
}

// addIdle adds the idle objects of a plan to the proposal: to Idle if the rule
// refuses them, and to the verdict's findings if it only warns.
func (r *run) addIdle(p *Proposal) {
	for _, i := range r.Rules.Idle(p.Plan, r.terms()) {
		if i.Finding.Level == safety.Refused {
			p.Idle = append(p.Idle, i)
		} else {
			p.Verdict.Findings = append(p.Verdict.Findings, i.Finding)
		}
	}
}

func idleFindings(idle []safety.Idle) []safety.Finding {
	var all []safety.Finding
	for _, i := range idle {
		all = append(all, i.Finding)
	}
	return all
}

// recordRefusal writes the journal record of an error that is a *RefusedError. It
// ignores other errors, and dry runs.
func (r *run) recordRefusal(ctx context.Context, err error) {
	e, ok := err.(*RefusedError) //nolint:errorlint // judge makes it
	if !ok || r.Terms.DryRun {
		return
	}
	p := e.Proposal
	p.Refused, p.Held, p.Idle = nil, nil, nil // the verdict has all findings
	p.Plan.Changes = r.fit(p.Plan.Changes)
	record := r.record(p, false)
	record.Event.Outcome = sal.Failure
	if err := r.Log.Append(ctx, record); err != nil {
		r.Warn(fmt.Errorf("the refusal is not in the journal: %w", err))
		return
	}
	e.ID = record.Event.ID
}

// findings converts findings for the journal. The level of those that refuse is
// the given one.
func findings(all []safety.Finding, refused string) []sal.Finding {
	levels := map[safety.Level]string{safety.Warned: "warned", safety.Overridden: "overridden", safety.Refused: refused}
	const maxFindings = 200
	var converted []sal.Finding
	for i, f := range all {
		if i == maxFindings {
			converted = append(converted, sal.Finding{Rule: f.Rule, Subject: f.Type, Msg: fmt.Sprintf("and %d more findings", len(all)-maxFindings), Level: levels[f.Level]})
			break
		}
		converted = append(converted, sal.Finding{Rule: f.Rule, Subject: f.Subject, Msg: f.Msg, Level: levels[f.Level]})
	}
	return converted
}

// overrides returns the names of the overridden rules, each once.
func overrides(v safety.Verdict) []string {
	var names []string
	for _, f := range v.Overrides() {
		if !slices.Contains(names, f.Rule) {
			names = append(names, f.Rule)
		}
	}
	return names
}
