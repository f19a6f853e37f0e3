package safety

import (
	"fmt"
	"slices"
	"testing"

	"github.com/conftool/confctl/pkg/object"
)

// TestIdle tests which objects are reported as already pooled but not serving.
func TestIdle(t *testing.T) {
	msg := " pool-needs-weight node eqiad/text/cdn/h2: is pooled already, and does not serve: its weight is 0"
	there := group(cdn, "yes zero no")
	for _, c := range []struct {
		name  string
		rules string
		there []string
		asked []object.Assignment
		terms Terms
		want  []string
	}{
		{name: "refused", there: there, asked: assignments(t, "pooled=yes"), want: []string{"refused" + msg}},
		{name: "its weight is given too", there: there, asked: assignments(t, "pooled=yes:weight=0")},
		{name: "depooled", there: there, asked: assignments(t, "pooled=no")},
		{name: "drained", there: there, asked: assignments(t, "weight=0")},
		{name: "all serve", there: group(cdn, "yes no"), asked: assignments(t, "pooled=yes")},
		{name: "allowed", there: there, asked: assignments(t, "pooled=yes"), terms: Terms{Mode: Refuse, Allow: []string{PoolNeedsWeight}}, want: []string{"overridden" + msg}},
		{name: "a mode that warns", there: there, asked: assignments(t, "pooled=yes"), terms: Terms{Mode: Warn}, want: []string{"warned" + msg}},
		{name: "declared to warn", rules: "node: [{rule: pool-needs-weight, mode: warn}]", there: there, asked: assignments(t, "pooled=yes"), want: []string{"warned" + msg}},
		{name: "declared none", rules: "node: [{rule: pool-needs-weight, mode: none}]", there: there, asked: assignments(t, "pooled=yes")},
		{name: "off", there: there, asked: assignments(t, "pooled=yes"), terms: Terms{Mode: None, Allow: []string{"-"}}},
	} {
		if c.terms.Mode == None && c.terms.Allow == nil {
			c.terms.Mode = Refuse
		}
		s := siteWith(t, c.rules)
		plan, err := object.Set(s.snapshot(t, c.there...).Objects, c.asked)
		if err != nil {
			t.Fatal(err)
		}
		var v Verdict
		for _, i := range s.rules.Idle(plan, c.terms) {
			if i.Object.Path() != i.Finding.Subject || i.Finding.Changes != nil {
				t.Errorf("%s: %s is found as %+v", c.name, i.Object, i.Finding)
			}
			v.Findings = append(v.Findings, i.Finding)
		}
		if got := findingLines(v); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func assignments(t *testing.T, text string) []object.Assignment {
	t.Helper()
	all, err := object.ParseAssignments(siteWith(t, "").object(t, fmt.Sprintf("%s/h1 yes", cdn)).Type, text)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
