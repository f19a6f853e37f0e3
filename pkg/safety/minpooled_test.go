package safety

import (
	"slices"
	"testing"
)

func TestBuiltInFloor(t *testing.T) {
	s := siteWith(t, "")
	node, _ := s.Type("node")
	dns, _ := s.Type("dns")
	for members, want := range []int{0, 1, 1, 2, 3, 4, 4, 5, 5, 6, 8, 9, 9, 10, 11, 12, 12, 13, 14, 15, 15} {
		if got := builtInMin(node).floor(node, members); got != want {
			t.Errorf("node: %d members: floor %d, want %d", members, got, want)
		}
		if got := builtInMin(dns).floor(dns, members); got != min(members, 1) {
			t.Errorf("dns: %d members: floor %d", members, got)
		}
	}
	if got := builtInMin(node).floor(node, 1000); got != 750 {
		t.Errorf("1000 members: floor %d", got)
	}
}

// ruleTest is a change and the findings that are expected for it.
type ruleTest struct {
	name    string
	rules   string
	there   []string
	plan    []string
	terms   Terms // the mode is Refuse if none is given
	want    []string
	counted []string
}

func check(t *testing.T, tests []ruleTest) {
	t.Helper()
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			s := siteWith(t, c.rules)
			if len(s.problems) > 0 {
				t.Fatal(s.problems)
			}
			snapshot := s.snapshot(t, c.there...)
			if c.terms.Mode == None {
				c.terms.Mode = Refuse
			}
			v := s.rules.Review(s.plan(t, snapshot, c.plan...), snapshot, c.terms)
			equal(t, "findings", findingLines(v), c.want)
			equal(t, "counted", counted(v), c.counted)
		})
	}
}

const (
	pool8 = "yes yes yes yes yes yes yes yes"
	cdn   = "node eqiad/text/cdn"
)

func TestMinPooledRefuses(t *testing.T) {
	was := []string{cdn[5:]}
	group8 := group(cdn, "yes yes yes yes yes no no off")
	dirs := []string{"node " + was[0]}
	check(t, []ruleTest{
		{name: "depool", there: group8, plan: []string{cdn + "/h1 pooled=no"}, counted: dirs,
			want: []string{"refused min-pooled node eqiad/text/cdn: 5 -> 4 of 8, floor 5"}},
		{name: "decommission", there: group8, plan: []string{cdn + "/h1 pooled=inactive"}, counted: dirs,
			want: []string{"refused min-pooled node eqiad/text/cdn: 5 -> 4 of 8, floor 5"}},
		{name: "drain", there: group8, plan: []string{cdn + "/h1 weight=0"}, counted: dirs,
			want: []string{"refused min-pooled node eqiad/text/cdn: 5 -> 4 of 8, floor 5"}},
		{name: "delete", there: group8, plan: []string{"-" + cdn + "/h1"}, counted: append([]string{}, "node  deletions", dirs[0]),
			want: []string{"refused min-pooled node eqiad/text/cdn: 5 -> 4 of 8, floor 5"}},
		{name: "far below", there: group8, plan: set(group8[:5], "pooled=no"), counted: dirs,
			want: []string{"refused min-pooled node eqiad/text/cdn: 5 -> 0 of 8, floor 5"}},
		{name: "more leave than enter", there: group8, counted: dirs,
			plan: []string{cdn + "/h1 pooled=no", cdn + "/h2 weight=0", cdn + "/h6 pooled=yes"},
			want: []string{"refused min-pooled node eqiad/text/cdn: 5 -> 4 of 8, floor 5"}},
		{name: "even further below", there: group(cdn, "yes no no"), plan: []string{cdn + "/h1 pooled=no"}, counted: dirs,
			want: []string{"refused min-pooled node eqiad/text/cdn: 1 -> 0 of 3, floor 2"}},
		{name: "the one that is as seeded is no member, the one that cannot be read is", counted: dirs,
			there: group(cdn, "yes yes seed bad"), plan: []string{cdn + "/h1 pooled=no"},
			want: []string{"refused min-pooled node eqiad/text/cdn: 2 -> 1 of 3, floor 2"}},
		{name: "weight 0 is out", there: group(cdn, "yes yes zero"), plan: []string{cdn + "/h1 pooled=no"}, counted: dirs,
			want: []string{"refused min-pooled node eqiad/text/cdn: 2 -> 1 of 3, floor 2"}},
		{name: "the last of two, one of them never pooled", there: []string{"dns wiki/eqiad pooled=true", "dns wiki/codfw pooled=false"},
			plan: []string{"dns wiki/eqiad pooled=false"}, counted: []string{"dns wiki"},
			want: []string{"refused min-pooled dns wiki: 1 -> 0 of 2, floor 1"}},
		{name: "a type without tags is one group", there: []string{"flat a pooled=true", "flat b pooled=true"},
			plan: []string{"flat a pooled=false", "flat b pooled=false"}, counted: []string{"flat "},
			want: []string{"refused min-pooled flat flat: 2 -> 0 of 2, floor 1"}},
		{name: "the group that suffers is named, not the one that does not",
			there:   slices.Concat(group("node a/b/c", "yes yes yes"), group("node a/b/d", "yes no yes")),
			plan:    []string{"node a/b/c/h1 pooled=no", "node a/b/d/h1 pooled=no"},
			want:    []string{"refused min-pooled node a/b/d: 2 -> 1 of 3, floor 2"},
			counted: []string{"node a/b/c", "node a/b/d"}},
	})
}

func TestMinPooledAllows(t *testing.T) {
	dirs := []string{"node eqiad/text/cdn"}
	check(t, []ruleTest{
		{name: "down to the floor", there: group(cdn, pool8), plan: set(group(cdn, "x x x"), "pooled=no"), counted: dirs},
		{name: "pooling below the floor", there: group(cdn, "yes no no no"), plan: []string{cdn + "/h2 pooled=yes"}},
		{name: "raising a weight below the floor", there: group(cdn, "yes zero no no"), plan: []string{cdn + "/h2 weight=1"}},
		{name: "changing a weight below the floor", there: group(cdn, "yes no no no"), plan: []string{cdn + "/h1 weight=1"}},
		{name: "depooling what does not serve", there: group(cdn, "yes zero off no"),
			plan: []string{cdn + "/h2 pooled=no", cdn + "/h3 pooled=no", cdn + "/h4 pooled=inactive"}},
		{name: "draining what does not serve", there: group(cdn, "yes no off no"), plan: []string{cdn + "/h2 weight=0", cdn + "/h3 weight=5"}},
		{name: "deleting what does not serve", there: group(cdn, "yes no off no"), plan: []string{"-" + cdn + "/h2", "-" + cdn + "/h3"},
			counted: []string{"node  deletions"}},
		{name: "creating below the floor", there: group(cdn, "yes no no no"), plan: []string{"+" + cdn + "/h9 seed"}},
		{name: "creating what is pooled at once", there: group(cdn, "yes no no no"), plan: []string{"+" + cdn + "/h9 yes"}},
		{name: "one for another below the floor", there: group(cdn, "yes no no no"), plan: []string{cdn + "/h1 pooled=no", cdn + "/h2 pooled=yes"}},
		{name: "what cannot be read is mended", there: group(cdn, "yes bad no no"), plan: []string{cdn + "/h2 pooled=no"}},
		{name: "another field", there: []string{"dns wiki/eqiad pooled=true"}, plan: []string{"dns wiki/eqiad ttl=5"}},
		{name: "seeded ones raise no floor", there: group(cdn, "yes yes yes seed seed seed seed seed"), plan: []string{cdn + "/h1 pooled=no"}, counted: dirs},
		{name: "false and weight 0 is as seeded", there: []string{"loose a/x pooled=true weight=1", "loose a/y pooled=false weight=0"}, plan: []string{"loose a/x pooled=false"},
			want: []string{"warned min-pooled loose a: 1 -> 0 of 1, floor 1"}},
		{name: "a type without pooled", there: []string{"plain a/x val=1"}, plan: []string{"plain a/x val=2"}},
	})
}

// TestMinPooledWarns tests that depooling the only member of a group is a
// warning.
func TestMinPooledWarns(t *testing.T) {
	check(t, []ruleTest{
		{name: "node", there: group(cdn, "yes seed"), plan: []string{cdn + "/h1 pooled=no"},
			want: []string{"warned min-pooled node eqiad/text/cdn: 1 -> 0 of 1, floor 1"}},
		{name: "another type", there: []string{"dns wiki/eqiad pooled=true"}, plan: []string{"dns wiki/eqiad pooled=false"},
			want: []string{"warned min-pooled dns wiki: 1 -> 0 of 1, floor 1"}},
		{name: "in that mode", there: group(cdn, "yes yes"), plan: set(group(cdn, "x x"), "pooled=no"), terms: Terms{Mode: Warn},
			want: []string{"warned min-pooled node eqiad/text/cdn: 2 -> 0 of 2, floor 1"}},
		{name: "overriding needs no override", there: group(cdn, "yes"), plan: []string{cdn + "/h1 pooled=no"}, terms: Terms{Mode: Refuse, AllowAll: true},
			want: []string{"warned min-pooled node eqiad/text/cdn: 1 -> 0 of 1, floor 1"}},
	})
}

func TestMinPooledDeclared(t *testing.T) {
	edge := "node: [{rule: min-pooled, only: 'cluster=edge', at_least: 2, ratio: 0.66}]"
	both := slices.Concat(group("node a/edge/s", "yes yes yes yes yes yes"), group("node a/text/s", "yes yes yes yes yes yes"))
	plan := slices.Concat(set(group("node a/edge/s", "x x"), "pooled=no"), set(group("node a/text/s", "x x x"), "pooled=no"))
	counted := []string{"node a/edge/s", "node a/text/s"}
	byDC := "node: [{rule: min-pooled, group_by: [dc], only: 'cluster=edge', ratio: 0.5}]"
	spread := slices.Concat(group("node a/edge/s", "yes no"), group("node a/edge/t", "yes yes"), group("node a/text/s", "yes yes"))
	check(t, []ruleTest{
		{name: "in place of the built-in one", rules: edge, there: both, plan: plan, counted: counted,
			want: []string{"refused min-pooled node a/text/s: 6 -> 3 of 6, floor 4"}},
		{name: "below it", rules: edge, there: both, plan: append(plan, "node a/edge/s/h3 pooled=no"), counted: counted,
			want: []string{"refused min-pooled node a/edge/s: 6 -> 3 of 6, floor 4", "refused min-pooled node a/text/s: 6 -> 3 of 6, floor 4"}},
		{name: "at_least counts where it is more", rules: edge, there: group("node a/edge/s", "yes yes"), plan: []string{"node a/edge/s/h1 pooled=no"},
			want: []string{"refused min-pooled node a/edge/s: 2 -> 1 of 2, floor 2"}, counted: counted[:1]},
		{name: "of one", rules: "node: [{rule: min-pooled}]", there: group(cdn, "yes"), plan: []string{cdn + "/h1 pooled=no"},
			want: []string{"refused min-pooled node eqiad/text/cdn: 1 -> 0 of 1, floor 1"}, counted: []string{cdn}},
		{name: "the usual floor, but a warning", rules: "node: [{rule: min-pooled, mode: warn}]", there: group(cdn, "yes yes yes yes"),
			plan: set(group(cdn, "x x"), "pooled=no"), want: []string{"warned min-pooled node eqiad/text/cdn: 4 -> 2 of 4, floor 3"}},
		{name: "none", rules: "node: [{rule: min-pooled, only: 'cluster=text', mode: none}]", there: append(group(cdn, "yes yes"), group("node a/edge/s", "yes yes")...),
			plan:    append(set(group(cdn, "x x"), "pooled=no"), set(group("node a/edge/s", "x x"), "pooled=no")...),
			want:    []string{"refused min-pooled node a/edge/s: 2 -> 0 of 2, floor 1"},
			counted: []string{"node a/edge/s"}},
		{name: "across directories", rules: byDC, there: spread, plan: []string{"node a/edge/t/h1 pooled=no", "node a/edge/t/h2 pooled=no"},
			want: []string{"refused min-pooled node a (cluster=edge): 3 -> 1 of 4, floor 2"}, counted: []string{"node a"}},
		{name: "across directories, enough", rules: byDC, there: spread, plan: []string{"node a/edge/s/h1 pooled=no"}, counted: []string{"node a"}},
		{name: "not by the first tags", rules: "node: [{rule: min-pooled, group_by: [service, dc], at_least: 2}, {rule: min-pooled, group_by: [service], at_least: 3}]",
			there: spread, plan: []string{"node a/edge/t/h1 pooled=no", "node a/text/s/h1 pooled=no"},
			want: []string{"refused min-pooled node dc=a,service=t: 2 -> 1 of 2, floor 2",
				"refused min-pooled node service=s: 3 -> 2 of 4, floor 3", "refused min-pooled node service=t: 2 -> 1 of 2, floor 3"},
			counted: []string{"node ", "node a"}},
		{name: "the whole type", rules: "node: [{rule: min-pooled, group_by: [], at_least: 5}]", there: spread, plan: []string{"node a/edge/s/h1 pooled=no"},
			want: []string{"refused min-pooled node node: 5 -> 4 of 6, floor 5"}, counted: []string{"node "}},
		{name: "two for the same groups", rules: "node: [{rule: min-pooled, at_least: 2}, {rule: min-pooled, only: 'dc=a', at_least: 3, mode: warn}]",
			there: group("node a/b/c", "yes yes yes"), plan: set(group("node a/b/c", "x x"), "pooled=no"),
			want:    []string{"refused min-pooled node a/b/c: 3 -> 1 of 3, floor 2", "warned min-pooled node a/b/c: 3 -> 1 of 3, floor 3"},
			counted: []string{"node a/b/c"}},
	})
}

func TestTerms(t *testing.T) {
	there, plan := group(cdn, "yes yes"), set(group(cdn, "x x"), "pooled=no")
	overridden := []string{"overridden min-pooled node eqiad/text/cdn: 2 -> 0 of 2, floor 1"}
	check(t, []ruleTest{
		{name: "allowed", there: there, plan: plan, terms: Terms{Mode: Refuse, Allow: []string{MinPooled}}, want: overridden},
		{name: "all allowed", there: there, plan: plan, terms: Terms{Mode: Refuse, AllowAll: true}, want: overridden},
		{name: "another allowed", there: there, plan: plan, terms: Terms{Mode: Refuse, Allow: []string{MassChange}},
			want: []string{"refused min-pooled node eqiad/text/cdn: 2 -> 0 of 2, floor 1"}, counted: []string{cdn}},
		{name: "a declared warning is no more than that", rules: "node: [{rule: min-pooled, mode: warn}]", there: there, plan: plan,
			terms: Terms{Mode: Refuse, AllowAll: true}, want: []string{"warned min-pooled node eqiad/text/cdn: 2 -> 0 of 2, floor 1"}},
	})
	s := siteWith(t, "")
	snapshot := s.snapshot(t, there...)
	v := s.rules.Review(s.plan(t, snapshot, plan...), snapshot, Terms{})
	if v.Findings != nil || v.Capacity != nil || v.Counted != nil {
		t.Errorf("not asked, and yet: %+v", v)
	}
}
