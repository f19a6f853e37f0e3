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

// RefusedError reports a change that rules forbid. Nothing was written but the
// refusal's record.
type RefusedError struct {
	Proposal
	ID      string      // of the refusal in the journal; empty for a dry run
	Allowed object.Plan // what of the plan no rule refuses
}

func (e *RefusedError) Error() string {
	first := e.Refused[0]
	return fmt.Sprintf("refused by %s: %s %s", first.Rule, first.Subject, first.Msg)
}

// ExpectError reports that not as many objects matched as the operator said.
// Nothing was written.
type ExpectError struct{ Want, Got int }

func (e *ExpectError) Error() string {
	return fmt.Sprintf("%d objects were expected, but %d match", e.Want, e.Got)
}

// expected checks the number of objects that match. A plan that matches nothing
// by itself, as one made of files, is taken by what it changes.
func (r *run) expected(plan object.Plan) error {
	want, got := r.Terms.Expect, len(plan.Matched)
	if plan.Matched == nil {
		got = len(plan.Changes)
	}
	if want == nil || *want == got || r.parts > 0 {
		return nil
	}
	return &ExpectError{Want: *want, Got: got}
}

// reading returns what is read: what the intent asks for, and around it the
// whole of each group that rules count, or of the type if something may be
// deleted.
func (r *run) reading() []catalog.Query {
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

// terms returns what the rules are told of how the change is wanted.
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

// Judge asks rules about a plan, for what shows what would come of it. The
// proposal is what they allow, with what they hold back; the verdict is on all.
func Judge(rules *safety.Rules, plan object.Plan, on object.Snapshot, terms safety.Terms) (Proposal, safety.Verdict) {
	verdict := rules.Review(plan, on, terms)
	refused := verdict.Refusals()
	if len(refused) == 0 {
		return Proposal{Plan: plan, On: on, Verdict: verdict}, verdict
	}
	allowed, held, rest := rules.Permit(plan, on, terms)
	return Proposal{Plan: allowed, On: on, Verdict: rest, Held: held, Refused: refused}, verdict
}

// judge asks the rules about a plan. What a Partial change may not do is taken
// out of it; all else they refuse is a *RefusedError.
func (r *run) judge(plan object.Plan, on object.Snapshot) (Proposal, error) {
	if r.parts == 0 && r.Terms.Mode != safety.None { // a part may have removed what the next ones know nothing of
		if err := r.Rules.CheckAllowed(plan, on, r.Terms.Allow); err != nil {
			return Proposal{}, err
		}
	}
	p, verdict := Judge(r.Rules, plan, on, r.terms())
	partial := r.Partial || r.Terms.Partial
	// A dry run shows what would be made, also if that is nothing.
	if len(p.Refused) == 0 || partial && (len(p.Plan.Changes) > 0 || r.Terms.DryRun) {
		return p, nil
	}
	whole := Proposal{Plan: plan, On: on, Verdict: verdict, Held: plan.Changes, Refused: p.Refused}
	return Proposal{}, &RefusedError{Proposal: whole, Allowed: p.Plan}
}

// unchanged ends a change that finds nothing to do. It refuses objects that were to
// be pooled, are pooled already and do not serve, as if they were not pooled yet:
// "no change" would be read as done.
func (r *run) unchanged(ctx context.Context, plan object.Plan, on object.Snapshot) error {
	r.warn(plan.Warnings)
	p := Proposal{Plan: plan, On: on}
	r.idle(&p)
	if len(p.Idle) == 0 {
		for _, f := range p.Verdict.Findings {
			r.Warn(fmt.Errorf("%s: %s %s", f.Rule, f.Subject, f.Msg))
		}
		return nil
	}
	p.Refused = idleFindings(p.Idle)
	p.Verdict.Findings = append(p.Refused, p.Verdict.Findings...)
	err := &RefusedError{Proposal: p}
	r.remember(ctx, err)
	return err
}

// idle adds to a proposal the objects that it leaves pooled without serving: to
// Idle those that the rule refuses, and to the verdict those it only warns of.
func (r *run) idle(p *Proposal) {
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

// remember writes a refusal into the journal, as far as it is one.
func (r *run) remember(ctx context.Context, err error) {
	e, ok := err.(*RefusedError) //nolint:errorlint // judge makes it
	if !ok || r.Terms.DryRun {
		return
	}
	p := e.Proposal
	p.Refused, p.Held, p.Idle = nil, nil, nil // the verdict has it all
	p.Plan.Changes = r.fit(p.Plan.Changes)
	record := r.record(p, false)
	record.Event.Outcome = sal.Failure
	if err := r.Log.Append(ctx, record); err != nil {
		r.Warn(fmt.Errorf("the refusal is not in the journal: %w", err))
		return
	}
	e.ID = record.Event.ID
}

// findings returns what rules said, for the journal, with the word for what
// came of those that refuse.
func findings(all []safety.Finding, refused string) []sal.Finding {
	levels := map[safety.Level]string{safety.Warned: "warned", safety.Overridden: "overridden", safety.Refused: refused}
	const most = 200
	var words []sal.Finding
	for i, f := range all {
		if i == most {
			words = append(words, sal.Finding{Rule: f.Rule, Subject: f.Type, Msg: fmt.Sprintf("and %d more findings", len(all)-most), Level: levels[f.Level]})
			break
		}
		words = append(words, sal.Finding{Rule: f.Rule, Subject: f.Subject, Msg: f.Msg, Level: levels[f.Level]})
	}
	return words
}

// overrides returns the names of the rules that would have refused.
func overrides(v safety.Verdict) []string {
	var names []string
	for _, f := range v.Overrides() {
		if !slices.Contains(names, f.Rule) {
			names = append(names, f.Rule)
		}
	}
	return names
}
