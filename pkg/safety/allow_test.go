package safety

import (
	"errors"
	"slices"
	"testing"
)

// TestAllowOnePool tests that a rule overridden for one group still applies to
// all other groups, and that their counts are guarded.
func TestAllowOnePool(t *testing.T) {
	s := siteWith(t, "dns: [{rule: max-pooled, at_most: 1}]")
	snapshot := s.snapshot(t, slices.Concat(group("node a/x/s", "yes yes"), group("node a/x/t", "yes yes"),
		[]string{"dns jobs/n pooled=true", "dns jobs/s pooled=false", "dns api/n pooled=true", "dns api/s pooled=false"})...)
	both := s.plan(t, snapshot, "node a/x/s/h1 pooled=no", "node a/x/s/h2 pooled=no", "node a/x/t/h1 pooled=no", "node a/x/t/h2 pooled=no")
	for _, c := range []struct {
		allow                 []string
		findingLines, counted []string
	}{
		{[]string{"min-pooled@a/x/s"}, []string{"refused min-pooled node a/x/t: 2 -> 0 of 2, floor 1", "overridden min-pooled node a/x/s: 2 -> 0 of 2, floor 1"}, []string{"node a/x/t"}},
		{[]string{"min-pooled@a/x/t", "min-pooled@a/x/s"}, []string{"overridden min-pooled node a/x/s: 2 -> 0 of 2, floor 1", "overridden min-pooled node a/x/t: 2 -> 0 of 2, floor 1"}, nil},
		{[]string{"max-pooled@a/x/s", "min-pooled@a/x"}, []string{"refused min-pooled node a/x/s: 2 -> 0 of 2, floor 1", "refused min-pooled node a/x/t: 2 -> 0 of 2, floor 1"}, []string{"node a/x/s", "node a/x/t"}},
	} {
		v := s.rules.Review(both, snapshot, Terms{Mode: Refuse, Allow: c.allow})
		equal(t, "said", findingLines(v), c.findingLines)
		equal(t, "counted", counted(v), c.counted)
	}
	move := s.plan(t, snapshot, "dns jobs/s pooled=true", "dns api/s pooled=true")
	equal(t, "max-pooled", findingLines(s.rules.Review(move, snapshot, Terms{Mode: Refuse, Allow: []string{"max-pooled@dns api"}})),
		[]string{"refused max-pooled dns jobs: 1 -> 2 of 2, at most 1", "overridden max-pooled dns api: 1 -> 2 of 2, at most 1"})
}

// TestCheckAllowed tests that exactly the names that findings can have are
// accepted.
func TestCheckAllowed(t *testing.T) {
	s := siteWith(t, "dns: [{rule: max-pooled, at_most: 1, only: 'dnsdisc=jobs'}]\n"+
		"node: [{rule: min-pooled, only: 'dc=a', mode: none}, {rule: max-pooled, group_by: [cluster], only: 'dc=b', at_most: 9}]")
	snapshot := s.snapshot(t, "node a/x/s/h1 yes", "node b/x/s/h1 yes", "node b/x/s/h2 yes", "dns jobs/n pooled=true", "dns api/n pooled=true", "plain a/x", "flat z pooled=true")
	plan := s.plan(t, snapshot, "node b/x/s/h1 pooled=no", "+node c/x/s/h1 seed")
	for allow, known := range map[string]bool{
		"min-pooled@b/x/s": true, "min-pooled@c/x/s": true, "min-pooled@dns api": true, "min-pooled@flat": true, "min-pooled": true, "max-pooled": true,
		"min-pooled@a/x/s": false, "min-pooled@b/x": false, "min-pooled@api": false, "min-pooled@node b/x/s": false, "min-pooled@": false, "min-pooled@plain a": false,
		"max-pooled@dns jobs": true, "max-pooled@cluster=x (dc=b)": true, "max-pooled@dns api": false, "max-pooled@b/x/s": false,
		"mass-change@node": true, "mass-removal@dns": true, "last-of-type@plain": true, "mass-change@b/x/s": false,
		"remove-pooled@a/x/s": true, "remove-pooled@flat": true, "remove-pooled@node": false,
		"pool-needs-weight@b/x/s/h2": true, "pool-needs-weight@flat z": true, "pool-needs-weight@b/x/s": false,
	} {
		err := s.rules.CheckAllowed(plan, snapshot, []string{MinPooled, allow})
		var unknown *UnknownPoolError
		if (err == nil) != known || err != nil && !errors.As(err, &unknown) {
			t.Errorf("%s: %v", allow, err)
		}
		if unknown != nil && slices.Contains(unknown.Known, unknown.Pool) {
			t.Errorf("%s: known %q", allow, unknown.Known)
		}
	}
}

// TestUnknownPool tests that the error lists the names that the rule can apply
// to, sorted.
func TestUnknownPool(t *testing.T) {
	s := siteWith(t, "")
	snapshot := s.snapshot(t, "dns jobs/n pooled=true", "dns jobs/s pooled=true", "node b/x/s/h1 yes", "node a/x/s/h1 yes")
	err := s.rules.CheckAllowed(s.plan(t, snapshot, "dns jobs/n pooled=false"), snapshot, []string{"min-pooled@c/x/s"})
	var unknown *UnknownPoolError
	if !errors.As(err, &unknown) || err.Error() != "min-pooled is not about anything called c/x/s in this change" {
		t.Fatal(err)
	}
	equal(t, "known", unknown.Known, []string{"a/x/s", "b/x/s", "dns jobs"})
}
