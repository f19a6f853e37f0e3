package safety

import (
	"fmt"
	"slices"
	"testing"
)

func TestMaxPooled(t *testing.T) {
	rule := "dns: [{rule: max-pooled, only: 'dnsdisc=jobs', at_most: 1}, {rule: min-pooled, only: 'dnsdisc=jobs', at_least: 1, mode: warn}]"
	one := []string{"dns jobs/north pooled=true", "dns jobs/south pooled=false"}
	two := []string{"dns jobs/north pooled=true", "dns jobs/south pooled=true", "dns jobs/west pooled=false"}
	check(t, []ruleTest{
		{name: "a second", rules: rule, there: one, plan: []string{"dns jobs/south pooled=true"}, counted: []string{"dns jobs"},
			want: []string{"refused max-pooled dns jobs: 1 -> 2 of 2, at most 1"}},
		{name: "a third", rules: rule, there: two, plan: []string{"dns jobs/west pooled=true"}, counted: []string{"dns jobs"},
			want: []string{"refused max-pooled dns jobs: 2 -> 3 of 3, at most 1"}},
		{name: "created", rules: rule, there: one, plan: []string{"+dns jobs/west pooled=true"}, counted: []string{"dns jobs"},
			want: []string{"refused max-pooled dns jobs: 1 -> 2 of 2, at most 1"}},
		{name: "switched at once", rules: rule, there: one, plan: []string{"dns jobs/north pooled=false", "dns jobs/south pooled=true"}},
		{name: "switched by the first step", rules: rule, there: one, plan: []string{"dns jobs/north pooled=false"},
			want: []string{"warned min-pooled dns jobs: 1 -> 0 of 2, floor 1"}},
		{name: "and the second", rules: rule, there: []string{"dns jobs/north pooled=false", "dns jobs/south pooled=false"},
			plan: []string{"dns jobs/south pooled=true"}, counted: []string{"dns jobs"}},
		{name: "too many, but fewer", rules: rule, there: two, plan: []string{"dns jobs/north pooled=false"}},
		{name: "too many, but others", rules: rule, there: two, plan: []string{"dns jobs/north pooled=false", "dns jobs/west pooled=true"}},
		{name: "not selected", rules: rule, there: []string{"dns wiki/a pooled=true", "dns wiki/b pooled=false"}, plan: []string{"dns wiki/b pooled=true"}},
		{name: "overridden", rules: rule, there: one, plan: []string{"dns jobs/south pooled=true"}, terms: Terms{Mode: Refuse, Allow: []string{MaxPooled}},
			want: []string{"overridden max-pooled dns jobs: 1 -> 2 of 2, at most 1"}},
		{name: "none", rules: "dns: [{rule: max-pooled, at_most: 1, mode: none}]", there: one, plan: []string{"dns jobs/south pooled=true"}},
		{name: "warns", rules: "dns: [{rule: max-pooled, at_most: 1, mode: warn}]", there: one, plan: []string{"dns jobs/south pooled=true"},
			want: []string{"warned max-pooled dns jobs: 1 -> 2 of 2, at most 1"}},
		{name: "groups of its own", rules: "node: [{rule: max-pooled, group_by: [dc], only: 'service=db', at_most: 2}]",
			there: slices.Concat(group("node a/x/db", "yes no"), group("node a/y/db", "yes no"), group("node a/y/web", "yes no")),
			plan:  []string{"node a/x/db/h2 pooled=yes", "node a/y/web/h2 pooled=yes"}, counted: []string{"node a"},
			want: []string{"refused max-pooled node a (service=db): 2 -> 3 of 4, at most 2"}},
	})
}

func TestMassChange(t *testing.T) {
	hosts := func(a, b int) []string { // in pools so large that min-pooled refuses nothing
		return slices.Concat(many("node a/x/s", 100, "yes"), many("node b/x/s", 100, "yes"))[100-a : 100+b]
	}
	there := hosts(100, 100)
	both := []string{"node a/x/s", "node b/x/s"}
	check(t, []ruleTest{
		{name: "20 in two", there: there, plan: set(hosts(12, 8), "pooled=no"), counted: both,
			want: []string{"refused mass-change node node: 20 objects would stop serving, in more than one dc: a 12, b 8; at most 19 may at once"}},
		{name: "drained and deleted too", there: there, plan: append(set(hosts(5, 10), "weight=0"), remove(hosts(100, 0)[:5])...),
			want:    []string{"refused mass-change node node: 20 objects would stop serving, in more than one dc: a 10, b 10; at most 19 may at once"},
			counted: []string{"node  deletions", both[0], both[1]}},
		{name: "19", there: there, plan: set(hosts(10, 9), "pooled=no"), counted: both},
		{name: "in one", there: there, plan: set(hosts(25, 0), "pooled=no"), counted: both[:1]},
		{name: "pooled", there: set(there, "no"), plan: set(there, "pooled=yes")},
		{name: "that do not serve", there: set(there, "zero"), plan: set(there, "pooled=no")},
		{name: "another number", rules: "node: [{rule: mass-change, at_least: 2, mode: warn}]", there: there, plan: set(hosts(1, 1), "pooled=no"), counted: both,
			want: []string{"warned mass-change node node: 2 objects would stop serving, in more than one dc: a 1, b 1; at most 1 may at once"}},
		{name: "in a mode that warns", there: there, plan: set(hosts(12, 8), "pooled=no"), terms: Terms{Mode: Warn},
			want: []string{"warned mass-change node node: 20 objects would stop serving, in more than one dc: a 12, b 8; at most 19 may at once"}},
		{name: "none", rules: "node: [{rule: mass-change, mode: none}]", there: there, plan: set(hosts(12, 8), "pooled=no"), counted: both},
	})
}

func TestMassChangeListsFew(t *testing.T) {
	var there []string
	for i := range 30 {
		there = append(there, fmt.Sprintf("dns d%02d/x pooled=true", i))
	}
	s := siteWith(t, "dns: [{rule: min-pooled, mode: none}]")
	snapshot := s.snapshot(t, there...)
	v := s.rules.Review(s.plan(t, snapshot, set(there, "pooled=false")...), snapshot, Terms{Mode: Refuse})
	equal(t, "findings", findingLines(v), []string{"refused mass-change dns dns: 30 objects would stop serving, in more than one dnsdisc: " +
		"d00 1, d01 1, d02 1, d03 1, d04 1 and 25 more; at most 19 may at once"})
	for n, want := range map[int]string{6: "a, a, a, a, a, a", 7: "a, a, a, a, a and 2 more"} {
		if got := abbreviate(slices.Repeat([]string{"a"}, n)); got != want {
			t.Errorf("%d words: %s", n, got)
		}
	}
}

func TestPoolNeedsWeight(t *testing.T) {
	msg := "refused pool-needs-weight node eqiad/text/cdn/h1: would be pooled with weight 0 and so not serve; set a weight above 0 first, or in the same change"
	check(t, []ruleTest{
		{name: "seeded", there: group(cdn, "seed"), plan: []string{cdn + "/h1 pooled=yes"}, want: []string{msg}},
		{name: "drained and depooled", there: group(cdn, "pooled=no"), plan: []string{cdn + "/h1 pooled=yes"}, want: []string{msg}},
		{name: "drained and pooled in one", there: group(cdn, "no"), plan: []string{cdn + "/h1 zero"}, want: []string{msg}},
		{name: "mended", there: group(cdn, "bad"), plan: []string{cdn + "/h1 pooled=yes"}, want: []string{msg}},
		{name: "another type", there: []string{"geo a/x pooled=no weight=0"}, plan: []string{"geo a/x pooled=yes"},
			want: []string{"refused pool-needs-weight geo a/x: would be pooled with weight 0 and so not serve; set a weight above 0 first, or in the same change"}},
		{name: "with a weight", there: group(cdn, "seed"), plan: []string{cdn + "/h1 pooled=yes weight=1"}},
		{name: "it has one", there: group(cdn, "no"), plan: []string{cdn + "/h1 pooled=yes"}},
		{name: "a weight alone", there: group(cdn, "seed"), plan: []string{cdn + "/h1 weight=10"}},
		{name: "pooled already", there: group(cdn, "yes zero yes yes"), plan: []string{cdn + "/h2 pooled=yes"}},
		{name: "created", plan: []string{"+" + cdn + "/h1 zero"}},
		{name: "no field weight", there: []string{"dns a/x pooled=false"}, plan: []string{"dns a/x pooled=true"}},
		{name: "none", rules: "node: [{rule: pool-needs-weight, mode: none}]", there: group(cdn, "seed"), plan: []string{cdn + "/h1 pooled=yes"}},
		{name: "overridden", there: group(cdn, "seed"), plan: []string{cdn + "/h1 pooled=yes"}, terms: Terms{Mode: Refuse, AllowAll: true},
			want: []string{"overridden" + msg[len("refused"):]}},
	})
}

func TestLastOfType(t *testing.T) {
	there := []string{"plain a/x", "plain b/y"}
	deletions := []string{"plain  deletions"}
	msg := "refused last-of-type plain plain: 2 -> 0 objects; what reads the type whole would fail"
	check(t, []ruleTest{
		{name: "all", there: there, plan: remove(there), want: []string{msg}, counted: deletions},
		{name: "what cannot be read, too", there: []string{"plain a/x bad", "plain b/y"}, plan: remove(there), want: []string{msg}, counted: deletions},
		{name: "all but one", there: there, plan: remove(there[:1]), counted: deletions},
		{name: "one for another", there: there, plan: append(remove(there), "+plain c/z"), counted: deletions},
		{name: "another type", there: append(there, "dns a/x"), plan: []string{"-dns a/x"}, counted: []string{"dns  deletions"},
			want: []string{"refused last-of-type dns dns: 1 -> 0 objects; what reads the type whole would fail"}},
		{name: "none", rules: "plain: [{rule: last-of-type, mode: none}]", there: there, plan: remove(there)},
		{name: "overridden", there: there, plan: remove(there), terms: Terms{Mode: Refuse, Allow: []string{LastOfType}}, want: []string{"overridden" + msg[7:]}},
	})
}

func TestMassRemoval(t *testing.T) {
	there := many("plain a", 100, "seed")
	deletions := []string{"plain  deletions"}
	seeds := Terms{Mode: Refuse, Seeds: true}
	small := many("plain a", 24, "seed")
	check(t, []ruleTest{
		{name: "too many", there: there, plan: remove(there[:21]), terms: seeds, counted: deletions,
			want: []string{"refused mass-removal plain plain: 21 of 100 would be removed, 21 %; at most 20 % at once"}},
		{name: "no more than 20 %", there: there, plan: remove(there[:20]), terms: seeds, counted: deletions},
		{name: "fewer than 20", there: small, plan: remove(small[:19]), terms: seeds, counted: deletions},
		{name: "20 of few", there: small, plan: remove(small[:20]), terms: seeds, counted: deletions,
			want: []string{"refused mass-removal plain plain: 20 of 24 would be removed, 83.4 %; at most 20 % at once"}},
		{name: "by hand", there: there, plan: remove(there[:50]), counted: deletions},
		{name: "declared", rules: "plain: [{rule: mass-removal, at_least: 2, ratio: 0.015, mode: warn}]", there: there, plan: remove(there[:2]), terms: seeds, counted: deletions,
			want: []string{"warned mass-removal plain plain: 2 of 100 would be removed, 2 %; at most 1.5 % at once"}},
		{name: "only the number declared", rules: "plain: [{rule: mass-removal, at_least: 5}]", there: small, plan: remove(small[:5]), terms: seeds, counted: deletions,
			want: []string{"refused mass-removal plain plain: 5 of 24 would be removed, 20.9 %; at most 20 % at once"}},
		{name: "as many created do not count", there: there, plan: append(remove(there[:21]), "+plain b/x"), terms: seeds, counted: deletions,
			want: []string{"refused mass-removal plain plain: 21 of 100 would be removed, 21 %; at most 20 % at once"}},
		{name: "creating", there: there[:1], plan: []string{"+plain b/x"}, terms: seeds},
	})
}

func TestRemovePooled(t *testing.T) {
	there := append(group(cdn, "yes yes yes yes yes yes yes yes yes yes no zero"), "flat a pooled=true", "flat b pooled=true")
	all := []string{"node  deletions", cdn}
	seeds := Terms{Mode: Refuse, Seeds: true}
	check(t, []ruleTest{
		{name: "serving", there: there, plan: remove(there[:1]), terms: seeds, counted: all,
			want: []string{"refused remove-pooled node eqiad/text/cdn: 1 of 10 that serve would be removed: h1"}},
		{name: "depooled", there: there, plan: remove(there[10:12]), terms: seeds, counted: all[:1]},
		{name: "by hand", there: there, plan: remove(there[:1]), counted: all},
		{name: "no tags", there: there, plan: []string{"-flat a"}, terms: seeds, counted: []string{"flat ", "flat  deletions"},
			want: []string{"refused remove-pooled flat flat: 1 of 2 that serve would be removed: a"}},
		{name: "warns", rules: "node: [{rule: remove-pooled, mode: warn}]", there: there, plan: remove(there[:1]), terms: seeds, counted: all,
			want: []string{"warned remove-pooled node eqiad/text/cdn: 1 of 10 that serve would be removed: h1"}},
		{name: "many", there: there, plan: remove(there[:10]), terms: seeds, counted: all,
			want: []string{"refused min-pooled node eqiad/text/cdn: 10 -> 0 of 12, floor 9",
				"refused remove-pooled node eqiad/text/cdn: 10 of 10 that serve would be removed: h1, h10, h2, h3, h4 and 5 more"}},
	})
}

// TestRemovePooledNamesWhatServes tests that only serving objects are named,
// and that others may be removed together with them.
func TestRemovePooledNamesWhatServes(t *testing.T) {
	s := siteWith(t, "")
	snapshot := s.snapshot(t, many(cdn, 12, "yes")...)
	snapshot.Objects[1] = become(t, snapshot.Objects[1], []string{"no"})
	plan := s.plan(t, snapshot, "-"+cdn+"/h1", "-"+cdn+"/h10", cdn+"/h11 pooled=no")
	v := s.rules.Review(plan, snapshot, Terms{Mode: Refuse, Seeds: true})
	if len(v.Findings) != 1 {
		t.Fatal(findingLines(v))
	}
	equal(t, "changes", v.Findings[0].Changes, []string{"pools/eqiad/text/cdn/h1"})
}

func TestOrderOfFindings(t *testing.T) {
	check(t, []ruleTest{{
		name:  "",
		rules: "dns: [{rule: min-pooled, mode: warn}]",
		there: slices.Concat(group("node b/x/s", "yes yes"), group("node a/x/s", "yes yes"), []string{"dns b/x pooled=true", "dns a/x pooled=true"}),
		plan: slices.Concat(remove(group("node b/x/s", "x x")), remove(group("node a/x/s", "x x")),
			[]string{"dns b/x pooled=false", "dns a/x pooled=false"}),
		terms: Terms{Mode: Refuse, Allow: []string{LastOfType}},
		want: []string{
			"refused min-pooled node a/x/s: 2 -> 0 of 2, floor 1",
			"refused min-pooled node b/x/s: 2 -> 0 of 2, floor 1",
			"overridden last-of-type node node: 4 -> 0 objects; what reads the type whole would fail",
			"warned min-pooled dns a: 1 -> 0 of 1, floor 1",
			"warned min-pooled dns b: 1 -> 0 of 1, floor 1",
		},
		counted: []string{"node a/x/s", "node b/x/s"},
	}})
}
