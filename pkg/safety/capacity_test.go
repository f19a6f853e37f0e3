package safety

import (
	"fmt"
	"slices"
	"testing"

	"github.com/conftool/confctl/pkg/object"
)

// TestSlackIsOfWhatIsLeft tests that added and removed members change the floor
// of the next change.
func TestSlackIsOfWhatIsLeft(t *testing.T) {
	there := append(group("node a/x/s", "yes yes yes yes no"), "node a/x/s/h9 seed")
	for _, c := range []struct {
		name              string
		plan              []string
		left, next, slack int
	}{
		{"one is depooled", nil, 5, 4, -1},
		{"one that serves is deleted", []string{"-node a/x/s/h2"}, 4, 3, -1},
		{"one that is out is deleted", []string{"-node a/x/s/h5"}, 4, 3, 0},
		{"one that is as it was created is deleted", []string{"-node a/x/s/h9"}, 5, 4, -1},
		{"one is created", []string{"+node a/x/s/new seed"}, 5, 4, -1},
		{"one is created and serves", []string{"+node a/x/s/new yes"}, 6, 4, 0},
		{"one is created with a weight", []string{"+node a/x/s/new no"}, 6, 4, -1},
		{"one is taken up", []string{"node a/x/s/h9 pooled=no"}, 6, 4, -1},
		{"one is changed, and out for good", []string{"node a/x/s/h5 pooled=inactive weight=0"}, 5, 4, -1},
	} {
		s := siteWith(t, "")
		snapshot := s.snapshot(t, there...)
		plan := s.plan(t, snapshot, append([]string{"node a/x/s/h1 pooled=no"}, c.plan...)...)
		all := s.rules.Review(plan, snapshot, Terms{Mode: Refuse}).Capacity
		if len(all) != 1 || all[0].Members != 5 || all[0].Left != c.left || all[0].Next != c.next || all[0].Slack() != c.slack {
			t.Errorf("%s: %+v, slack %d", c.name, all, all[0].Slack())
		}
	}
}

// TestNarrowestCeiling tests that the lowest limit of the rules for a group
// applies.
func TestNarrowestCeiling(t *testing.T) {
	for _, order := range [][]int{{3, 1, 2}, {1, 2, 3}, {3, 2, 1}} {
		rules := "dns: ["
		for _, n := range order {
			rules += fmt.Sprintf("{rule: max-pooled, at_most: %d},", n)
		}
		s := siteWith(t, rules+"]")
		snapshot := s.snapshot(t, "dns jobs/n pooled=true", "dns jobs/s pooled=false", "dns jobs/w pooled=false")
		v := s.rules.Review(s.plan(t, snapshot, "dns jobs/s pooled=true"), snapshot, Terms{Mode: Refuse})
		equal(t, "findings", findingLines(v), []string{"refused max-pooled dns jobs: 1 -> 2 of 3, at most 1"})
		equal(t, "capacity", shown(v.Capacity), []string{"dns jobs 1 -> 2 of 3, 1..1 refuse out s,w"})
	}
}

// TestFixed tests that a group is Fixed if rules refuse both one more and one
// fewer serving member.
func TestFixed(t *testing.T) {
	for rules, want := range map[string]bool{
		"":                               false,
		"{rule: max-pooled, at_most: 1}": true,
		"{rule: max-pooled, at_most: 2}": false,
		"{rule: max-pooled, at_most: 1, mode: warn}":                                             false,
		"{rule: max-pooled, at_most: 1}, {rule: min-pooled, mode: none}":                         false,
		"{rule: max-pooled, at_most: 1}, {rule: min-pooled, mode: warn}":                         false,
		"{rule: max-pooled, at_most: 2}, {rule: min-pooled, at_least: 2}":                        true,
		"{rule: max-pooled, at_most: 1, mode: none}":                                             false,
		"{rule: max-pooled, at_most: 1}, {rule: max-pooled, at_most: 1, mode: warn}":             true,
		"{rule: max-pooled, group_by: [], at_most: 1}, {rule: min-pooled, only: 'dnsdisc=else'}": false,
	} {
		s := siteWith(t, "dns: ["+rules+"]")
		snapshot := s.snapshot(t, "dns jobs/n pooled=true", "dns jobs/s pooled=false", "dns jobs/w pooled=true")
		i := slices.IndexFunc(s.rules.Capacities(snapshot, all), func(c Capacity) bool { return c.Label == "jobs" })
		c := s.rules.Capacities(snapshot, all)[i]
		serving := ""
		for _, o := range c.Serving {
			serving += o.Name
		}
		if c.Fixed != want || serving != map[bool]string{true: "nw"}[want] {
			t.Errorf("%s: fixed %v, serving %s", rules, c.Fixed, serving)
		}
	}
}

// TestCountingIsInAnyOrder tests that the objects of a group need not be
// adjacent, and that members that do not serve are listed in path order.
func TestCountingIsInAnyOrder(t *testing.T) {
	s := siteWith(t, "node: [{rule: min-pooled, group_by: [service]}]")
	snapshot := s.snapshot(t, slices.Concat(group("node a/x/s", "yes no yes"), group("node b/x/s", "no yes"))...)
	slices.SortFunc(snapshot.Objects, func(a, b object.Object) int {
		return len(a.Tags[0]) - len(b.Tags[0]) + slices.Compare([]string{a.Name}, []string{b.Name})
	})
	plan := s.plan(t, snapshot, "node b/x/s/h2 weight=11 pooled=no", "node a/x/s/h1 weight=11")
	equal(t, "planned", shown(s.rules.Review(plan, snapshot, Terms{Mode: Refuse}).Capacity), []string{"node service=s 3 -> 2 of 5, 4..0 refuse out h2,h1"})
	equal(t, "as it is", shown(s.rules.Capacities(snapshot, all)), []string{"node service=s 3 -> 3 of 5, 4..0 refuse out h2,h1"})
}

// TestNoFloorWithoutMembers tests that a group of which no object has been in
// service has no floor.
func TestNoFloorWithoutMembers(t *testing.T) {
	s := siteWith(t, "node: [{rule: min-pooled, at_least: 2}]")
	snapshot := s.snapshot(t, group("node a/x/s", "seed seed")...)
	equal(t, "capacity", shown(s.rules.Capacities(snapshot, all)), []string{"node a/x/s 0 -> 0 of 0, 0..0 refuse"})
	if got := (ratio{}).apply(5); got != 0 {
		t.Errorf("no ratio of 5 is %d", got)
	}
	for _, c := range []Capacity{{After: 3}, {After: 3, Ceiling: 5}, {After: 5, Ceiling: 5}} {
		if c.Excess() != 0 || c.Violated() {
			t.Errorf("%+v: %d too many", c, c.Excess())
		}
	}
}

// TestOrderOfVerdicts tests the order of findings (by level, rule, type and
// subject) and of counted groups (by type and tags, deletions last).
func TestOrderOfVerdicts(t *testing.T) {
	s := siteWith(t, "dns: [{rule: min-pooled, mode: warn}]")
	snapshot := s.snapshot(t, slices.Concat(group("node b/x/s", "yes yes zero"), group("node a/x/s", "yes yes"), group("geo a", "pooled=yes pooled=yes"), group("dns a", "pooled=true pooled=true"))...)
	plan := s.plan(t, snapshot, slices.Concat(set(group("node b/x/s", "x x"), "pooled=no"), remove(group("node a/x/s", "x x")),
		set(group("geo a", "x x"), "pooled=no"), set(group("dns a", "x x"), "pooled=false"))...)
	v := s.rules.Review(plan, snapshot, Terms{Mode: Refuse, Allow: []string{"min-pooled@a/x/s"}})
	equal(t, "findings", findingLines(v), []string{
		"refused min-pooled geo a: 2 -> 0 of 2, floor 1",
		"refused min-pooled node b/x/s: 2 -> 0 of 3, floor 2",
		"overridden min-pooled node a/x/s: 2 -> 0 of 2, floor 1",
		"warned min-pooled dns a: 2 -> 0 of 2, floor 1",
	})
	equal(t, "counted", counted(v), []string{"geo a", "node  deletions", "node b/x/s"})
	if got := findingLines(Verdict{Findings: v.Overrides()}); len(got) != 1 || got[0] != findingLines(v)[2] {
		t.Errorf("overridden: %q", got)
	}
	if boolCompare(true, false) != 1 || boolCompare(false, true) != -1 || boolCompare(true, true) != 0 {
		t.Error("false is before true")
	}
}
