package safety

import (
	"testing"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// TestReview asks all rules and keeps all they say.
func TestReview(t *testing.T) {
	node := &schema.Type{Name: "node"}
	rule := func(name string, refuses bool) Rule {
		return func(object.Plan, object.Snapshot) ([]Finding, []Group) {
			return []Finding{{Rule: name, Refuses: refuses}}, []Group{{Type: node, Tags: []string{name}}}
		}
	}
	v := Review([]Rule{rule("a", false), rule("b", true)}, object.Plan{}, object.Snapshot{})
	if len(v.Findings) != 2 || len(v.Counted) != 2 || len(v.Refusals()) != 1 || v.Refusals()[0].Rule != "b" {
		t.Errorf("%+v", v)
	}
}

// TestNewSince: what an operator was asked about already is not new because a
// number in it is another.
func TestNewSince(t *testing.T) {
	verdict := func(findings ...Finding) Verdict { return Verdict{Findings: findings} }
	asked := verdict(Finding{Rule: "min-pooled", Subject: "a", Msg: "5 -> 4"})
	for _, c := range []struct {
		now  Verdict
		want bool
	}{
		{verdict(), false},
		{asked, false},
		{verdict(Finding{Rule: "min-pooled", Subject: "a", Msg: "4 -> 3"}), false},
		{verdict(Finding{Rule: "min-pooled", Subject: "b", Msg: "5 -> 4"}), true},
		{verdict(Finding{Rule: "mass-change", Subject: "a"}), true},
		{verdict(Finding{Rule: "min-pooled", Subject: "a", Refuses: true}), true},
	} {
		if got := c.now.NewSince(asked); got != c.want {
			t.Errorf("%+v: new %v, want %v", c.now.Findings, got, c.want)
		}
	}
}
