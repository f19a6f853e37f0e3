package safety

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/value"
)

func TestCapacity(t *testing.T) {
	there := slices.Concat(group("node a/text/s", "yes yes yes no seed"), group("node b/text/s", "yes yes"), group("node c/text/s", "yes zero"),
		[]string{"dns jobs/north pooled=true", "dns jobs/south pooled=false"})
	for _, c := range []struct {
		name, rules string
		plan        []string
		terms       Terms
		want        []string
	}{
		{"what does not change is left out", "", []string{"node a/text/s/h1 pooled=no"}, Terms{Mode: Refuse},
			[]string{"node a/text/s 3 -> 2 of 4, 3..0 refuse out h4"}},
		{"a swap changes what serves", "", []string{"node a/text/s/h1 pooled=no", "node a/text/s/h4 pooled=yes"}, Terms{Mode: Warn},
			[]string{"node a/text/s 3 -> 3 of 4, 3..0 warn out h4"}},
		{"a field that means nothing to it", "", []string{"node a/text/s/h1 weight=11", "dns jobs/north ttl=1"}, Terms{Mode: Refuse}, nil},
		{"by type and label", "", []string{"node c/text/s/h2 weight=1", "node b/text/s/h1 pooled=no", "dns jobs/north pooled=false"}, Terms{Mode: Refuse},
			[]string{"dns jobs 1 -> 0 of 2, 1..0 refuse out south", "node b/text/s 2 -> 1 of 2, 1..0 refuse", "node c/text/s 1 -> 2 of 2, 1..0 refuse out h2"}},
		{"overridden", "", []string{"dns jobs/north pooled=false"}, Terms{Mode: Refuse, AllowAll: true}, []string{"dns jobs 1 -> 0 of 2, 1..0 refuse out south"}},
		{"a ceiling of the same group", "dns: [{rule: max-pooled, at_most: 2}, {rule: max-pooled, only: 'dnsdisc=jobs', at_most: 1}]",
			[]string{"dns jobs/south pooled=true"}, Terms{Mode: Refuse}, []string{"dns jobs 1 -> 2 of 2, 1..1 refuse out south"}},
		{"a ceiling alone", "dns: [{rule: max-pooled, at_most: 1}, {rule: min-pooled, mode: none}]",
			[]string{"dns jobs/north pooled=false"}, Terms{Mode: Refuse}, []string{"dns jobs 1 -> 0 of 2, 0..1 none out south"}},
		{"nothing is asked", "dns: [{rule: max-pooled, at_most: 1, mode: none}, {rule: min-pooled, mode: none}]",
			[]string{"dns jobs/north pooled=false"}, Terms{Mode: Refuse}, nil},
		{"a ceiling of other groups", "node: [{rule: max-pooled, group_by: [cluster], at_most: 9}]",
			[]string{"node b/text/s/h1 pooled=no"}, Terms{Mode: Refuse},
			[]string{"node b/text/s 2 -> 1 of 2, 1..0 refuse", "node cluster=text 6 -> 5 of 8, 0..9 none out h4,h2"}},
		{"a ceiling of the same objects, but by other tags", "dns: [{rule: max-pooled, group_by: [], only: 'dnsdisc=jobs', at_most: 2}]",
			[]string{"dns jobs/south pooled=true"}, Terms{Mode: Refuse},
			[]string{"dns dns (dnsdisc=jobs) 1 -> 2 of 2, 0..2 none out south", "dns jobs 1 -> 2 of 2, 1..0 refuse out south"}},
		{"a ceiling of fewer", "node: [{rule: max-pooled, group_by: [dc], only: 'cluster=x', at_most: 9}, {rule: min-pooled, group_by: [dc]}]",
			[]string{"node b/text/s/h1 pooled=no"}, Terms{Mode: Refuse}, []string{"node b 2 -> 1 of 2, 1..0 refuse"}},
		{"one for each rule", "node: [{rule: min-pooled}, {rule: min-pooled, group_by: [service], mode: warn}]",
			[]string{"node b/text/s/h1 pooled=no"}, Terms{Mode: Refuse},
			[]string{"node b/text/s 2 -> 1 of 2, 1..0 refuse", "node service=s 6 -> 5 of 8, 5..0 warn out h4,h2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := siteWith(t, c.rules)
			snapshot := s.snapshot(t, there...)
			equal(t, "capacity", shown(s.rules.Review(s.plan(t, snapshot, c.plan...), snapshot, c.terms).Capacity), c.want)
		})
	}
}

func TestCapacityOfFindings(t *testing.T) {
	s := siteWith(t, "dns: [{rule: max-pooled, at_most: 1}]")
	snapshot := s.snapshot(t, append(group(cdn, "yes yes yes no"), "dns jobs/north pooled=true", "dns jobs/south pooled=false")...)
	v := s.rules.Review(s.plan(t, snapshot, cdn+"/h1 pooled=no", cdn+"/h2 pooled=no", "dns jobs/south pooled=true"), snapshot, Terms{Mode: Refuse})
	if len(v.Findings) != 2 || len(v.Refusals()) != 2 || len(v.Overrides()) != 0 {
		t.Fatal(findingLines(v))
	}
	equal(t, "min-pooled", shown([]Capacity{*v.Findings[0].Capacity}), []string{"node eqiad/text/cdn 3 -> 1 of 4, 3..0 refuse out h4"})
	equal(t, "min-pooled", v.Findings[0].Changes, []string{"pools/eqiad/text/cdn/h1", "pools/eqiad/text/cdn/h2"})
	equal(t, "max-pooled", shown([]Capacity{*v.Findings[1].Capacity}), []string{"dns jobs 1 -> 2 of 2, 1..1 refuse out south"})
	equal(t, "max-pooled", v.Findings[1].Changes, []string{"discovery/jobs/south"})
}

func TestCapacities(t *testing.T) {
	s := siteWith(t, "node: [{rule: min-pooled, only: 'dc=c', mode: none}, {rule: min-pooled, only: 'dc=d', at_least: 2, mode: warn}]\n"+
		"dns: [{rule: max-pooled, only: 'dnsdisc=jobs', at_most: 1}]")
	snapshot := s.snapshot(t, slices.Concat(group("node a/x/s", "yes no no"), group("node b/x/s", pool8), group("node b/x/t", "seed seed"), group("node c/x/s", "no"),
		group("node d/x/s", "yes"), []string{"dns jobs/n pooled=true", "dns jobs/s pooled=false", "plain a/x", "flat a pooled=true"})...)
	equal(t, "all", shown(s.rules.Capacities(snapshot, all)), []string{
		"node a/x/s 1 -> 1 of 3, 2..0 refuse out h2,h3",
		"node d/x/s 1 -> 1 of 1, 2..0 warn",
		"dns jobs 1 -> 1 of 2, 1..1 refuse out s",
		"flat flat 1 -> 1 of 1, 1..0 warn",
		"node b/x/t 0 -> 0 of 0, 0..0 refuse",
		"node c/x/s 0 -> 0 of 1, 0..0 none out h1",
		"node b/x/s 8 -> 8 of 8, 5..0 refuse",
	})
	if got := (*Rules)(nil).Capacities(object.Snapshot{}, all); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}

// TestCapacitiesAboveTheCeiling tests that a group above its ceiling is as
// urgent as one below its floor, whatever its slack.
func TestCapacitiesAboveTheCeiling(t *testing.T) {
	s := siteWith(t, "dns: [{rule: max-pooled, at_most: 1}]\nnode: [{rule: max-pooled, group_by: [cluster], at_most: 8, mode: warn}]")
	snapshot := s.snapshot(t, slices.Concat(many("node a/x/s", 9, "yes"), many("node a/y/s", 2, "yes"),
		[]string{"dns jobs/n pooled=true", "dns jobs/s pooled=true", "dns api/n pooled=true"})...)
	var got []string
	for _, c := range s.rules.Capacities(snapshot, all) {
		got = append(got, fmt.Sprintf("%s %d, excess %d, %v", c.Label, c.Slack(), c.Excess(), c.Violated()))
	}
	equal(t, "urgent first", got, []string{"jobs 1, excess 1, true", "cluster=x 9, excess 1, true",
		"api 0, excess 0, false", "a/y/s 1, excess 0, false", "cluster=y 2, excess 0, false", "a/x/s 3, excess 0, false"})
}

func TestDepth(t *testing.T) {
	for rules, want := range map[string]int{
		"":                           3,
		"node: [{rule: min-pooled}]": 3,
		"node: [{rule: mass-change, mode: none}]":                                                             3,
		"node: [{rule: min-pooled, group_by: [dc]}, {rule: max-pooled, group_by: [cluster, dc], at_most: 1}]": 1,
		"node: [{rule: max-pooled, group_by: [service, dc], at_most: 1}]":                                     1,
		"node: [{rule: max-pooled, group_by: [service, cluster], at_most: 1}]":                                0,
		"node: [{rule: min-pooled, group_by: [], mode: warn}]":                                                0,
		"node: [{rule: min-pooled, group_by: [], mode: none}]":                                                3,
	} {
		s := siteWith(t, rules)
		node, _ := s.Type("node")
		plain, _ := s.Type("plain")
		flat, _ := s.Type("flat")
		if got := s.rules.Depth(node); got != want || s.rules.Depth(plain) != 1 || s.rules.Depth(flat) != 0 {
			t.Errorf("%s: %d, want %d", rules, got, want)
		}
	}
}

// TestZero tests that nil and zero Rules are the built-in rules.
func TestZero(t *testing.T) {
	s := siteWith(t, "")
	snapshot := s.snapshot(t, group(cdn, "yes yes")...)
	plan := s.plan(t, snapshot, cdn+"/h1 pooled=no", cdn+"/h2 pooled=no")
	for _, rules := range []*Rules{nil, {}, s.rules} {
		v := rules.Review(plan, snapshot, Terms{Mode: Refuse})
		equal(t, "findings", findingLines(v), []string{"refused min-pooled node eqiad/text/cdn: 2 -> 0 of 2, floor 1"})
		_, held, _ := rules.Permit(plan, snapshot, Terms{Mode: Refuse})
		if node, _ := s.Type("node"); len(held) != 2 || len(rules.Capacities(snapshot, all)) != 1 || rules.Depth(node) != 3 {
			t.Errorf("%v: %d held", rules, len(held))
		}
	}
}

// TestOutsideTheSnapshot tests that objects in the plan count even if the
// snapshot lacks them.
func TestOutsideTheSnapshot(t *testing.T) {
	s := siteWith(t, "")
	snapshot := s.snapshot(t, group(cdn, "yes yes")...)
	plan := s.plan(t, snapshot, cdn+"/h1 pooled=no", cdn+"/h2 pooled=no")
	snapshot.Objects = snapshot.Objects[:1]
	equal(t, "findings", findingLines(s.rules.Review(plan, snapshot, Terms{Mode: Refuse})), []string{"refused min-pooled node eqiad/text/cdn: 2 -> 0 of 2, floor 1"})
}

func keysOfChanges(changes []object.Change) []string {
	var all []string
	for _, c := range changes {
		all = append(all, c.Object().Path())
	}
	return all
}

func TestPermit(t *testing.T) {
	there := slices.Concat(group("node a/x/s", "yes yes yes"), group("node a/x/t", "yes no yes"))
	for _, c := range []struct {
		name          string
		there, plan   []string
		terms         Terms
		allowed, held []string
		want          []string
	}{
		{"all", there, []string{"node a/x/s/h1 pooled=no"}, Terms{Mode: Refuse}, []string{"a/x/s/h1"}, nil, nil},
		{"in part", there, []string{"node a/x/t/h1 pooled=no", "node a/x/s/h1 pooled=no"}, Terms{Mode: Refuse},
			[]string{"a/x/s/h1"}, []string{"a/x/t/h1"}, nil},
		{"nothing", there, []string{"node a/x/t/h1 pooled=no"}, Terms{Mode: Refuse}, nil, []string{"a/x/t/h1"}, nil},
		{"repairs stay", there, []string{"node a/x/t/h1 pooled=no", "node a/x/t/h3 weight=0", "node a/x/t/h2 pooled=yes"}, Terms{Mode: Refuse},
			[]string{"a/x/t/h2"}, []string{"a/x/t/h1", "a/x/t/h3"}, nil},
		{"one refusal leads to another", group("node a/x/s", "yes yes seed"), []string{"node a/x/s/h1 pooled=no", "node a/x/s/h2 pooled=no", "node a/x/s/h3 pooled=yes"},
			Terms{Mode: Refuse}, nil, []string{"a/x/s/h1", "a/x/s/h2", "a/x/s/h3"}, nil},
		{"a warning holds nothing", there, []string{"node a/x/t/h1 pooled=no"}, Terms{Mode: Warn}, []string{"a/x/t/h1"}, nil,
			[]string{"warned min-pooled node a/x/t: 2 -> 1 of 3, floor 2"}},
		{"nor does what is overridden", there, []string{"node a/x/t/h1 pooled=no"}, Terms{Mode: Refuse, Allow: []string{MinPooled}}, []string{"a/x/t/h1"}, nil,
			[]string{"overridden min-pooled node a/x/t: 2 -> 1 of 3, floor 2"}},
		{"deletions", group("plain a", "seed seed"), []string{"-plain a/h1", "-plain a/h2"}, Terms{Mode: Refuse}, nil, []string{"a/h1", "a/h2"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := siteWith(t, "")
			snapshot := s.snapshot(t, c.there...)
			plan := s.plan(t, snapshot, c.plan...)
			plan.Matched, plan.Warnings = snapshot.Objects, []string{"careful"}
			whole := slices.Clone(plan.Changes)
			allowed, held, v := s.rules.Permit(plan, snapshot, c.terms)
			equal(t, "allowed", keysOfChanges(allowed.Changes), c.allowed)
			equal(t, "held", keysOfChanges(held), c.held)
			equal(t, "findings", findingLines(v), c.want)
			if len(allowed.Matched) != len(snapshot.Objects) || len(allowed.Warnings) != 1 || !slices.Equal(whole, plan.Changes) {
				t.Error("the plan was changed")
			}
		})
	}
}

// TestAccidentIsNotMadeInPart tests that a finding about a whole type holds
// back all changes it names, whatever other rules hold back: otherwise a plan
// that breaks more rules would be made to a larger part.
func TestAccidentIsNotMadeInPart(t *testing.T) {
	out, serving, fewServing := many("node a/x/s", 15, "no"), many("node b/x/t", 15, "yes"), many("node b/y/s", 1, "yes")
	both := slices.Concat(out, serving)
	for _, c := range []struct {
		name          string
		there, plan   []string
		terms         Terms
		allowed, held int
	}{
		{"mass-removal and remove-pooled", both, append(remove(both), "+node a/x/u/h1 seed"), Terms{Mode: Refuse, Seeds: true}, 1, 30},
		{"mass-removal alone", both, remove(both), Terms{Mode: Refuse, Seeds: true, Allow: []string{LastOfType, RemovePooled, MinPooled}}, 0, 30},
		{"last-of-type and remove-pooled", slices.Concat(out[:2], fewServing), remove(slices.Concat(out[:2], fewServing)), Terms{Mode: Refuse, Seeds: true}, 0, 3},
		{"last-of-type and min-pooled", slices.Concat(out[:2], serving[:2]), remove(slices.Concat(out[:2], serving[:2])), Terms{Mode: Refuse}, 0, 4},
		{"mass-change and min-pooled", slices.Concat(many("node a/x/s", 15, "yes"), serving, fewServing),
			slices.Concat(set(many("node a/x/s", 15, "yes"), "pooled=no"), set(serving, "pooled=no"), set(fewServing, "pooled=no")), Terms{Mode: Refuse}, 0, 31},
		{"overridden", both, remove(both), Terms{Mode: Refuse, Seeds: true, Allow: []string{MassRemoval, LastOfType}}, 15, 15},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := siteWith(t, "")
			snapshot := s.snapshot(t, c.there...)
			allowed, held, _ := s.rules.Permit(s.plan(t, snapshot, c.plan...), snapshot, c.terms)
			if len(allowed.Changes) != c.allowed || len(held) != c.held {
				t.Errorf("%d allowed, want %d: %v; %d held, want %d", len(allowed.Changes), c.allowed, keysOfChanges(allowed.Changes), len(held), c.held)
			}
		})
	}
}

// fleet draws hosts in random states, some of them in groups too small to have
// a floor.
func fleet(rt *rapid.T, t *testing.T, s site) object.Snapshot {
	states := rapid.SampledFrom([]string{"yes", "yes", "yes", "no", "off", "seed", "zero", "bad"})
	var lines []string
	for _, dir := range []string{"node a/x/s", "node a/y/s", "node b/x/s"} {
		lines = append(lines, group(dir, strings.Join(rapid.SliceOfN(states, 0, 12).Draw(rt, dir), " "))...)
	}
	for _, dir := range []string{"dns a", "dns b"} {
		lines = append(lines, group(dir, strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"pooled=true", "pooled=false"}), 0, 3).Draw(rt, dir), " "))...)
	}
	for _, dir := range []string{"geo a", "geo b"} {
		lines = append(lines, group(dir, strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"pooled=yes", "weight=0", "pooled=no"}), 0, 4).Draw(rt, dir), " "))...)
	}
	return s.snapshot(t, lines...)
}

// anything draws a plan of random changes to random objects.
func anything(rt *rapid.T, snapshot object.Snapshot) object.Plan {
	var plan object.Plan
	chance := rapid.SampledFrom([]int{2, 5, 10}).Draw(rt, "chance")
	for i := range snapshot.Objects {
		before := &snapshot.Objects[i]
		if rapid.IntRange(0, 9).Draw(rt, "hit") >= chance {
			continue
		}
		if rapid.IntRange(0, 4).Draw(rt, "delete") == 0 {
			plan.Changes = append(plan.Changes, object.Change{Before: before})
			continue
		}
		pooled := rapid.SampledFrom([]value.Value{value.OfString("yes"), value.OfString("no"), value.OfString("inactive")}).Draw(rt, "pooled")
		if before.Type.Name == "dns" {
			pooled = value.OfBool(pooled == value.OfString("yes"))
		}
		after := change(*before, "pooled", pooled)
		if before.Type.Name != "dns" && rapid.Bool().Draw(rt, "weigh") {
			after = change(after, "weight", value.OfInt(rapid.Int64Range(0, 2).Draw(rt, "weight")))
		}
		plan.Changes = append(plan.Changes, object.Change{Before: before, After: &after})
	}
	return create(rt, plan, snapshot)
}

func change(o object.Object, name string, to value.Value) object.Object {
	fields := slices.Clone(o.Fields)
	for i := range fields {
		if fields[i].Name == name {
			fields[i].Value = to
		}
	}
	return o.WithFields(fields)
}

// create draws new objects beside some existing ones.
func create(rt *rapid.T, plan object.Plan, snapshot object.Snapshot) object.Plan {
	for i := range snapshot.Objects {
		if rapid.IntRange(0, 9).Draw(rt, "beside") == 0 {
			o := snapshot.Objects[i]
			o.Name += "-new"
			if snapshot.Find(o.Key()) == nil {
				plan.Changes = append(plan.Changes, object.Change{After: &o})
			}
		}
	}
	return plan
}

// after returns the snapshot after a plan is applied.
func after(plan object.Plan, snapshot object.Snapshot) object.Snapshot {
	byKey := map[string]object.Object{}
	for _, o := range snapshot.Objects {
		byKey[o.Key()] = o
	}
	for _, c := range plan.Changes {
		if c.After == nil {
			delete(byKey, c.Before.Key())
		} else {
			byKey[c.After.Key()] = *c.After
		}
	}
	var next object.Snapshot
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		next.Objects = append(next.Objects, byKey[key])
	}
	return next
}

// tally is a simple count of a group, by its path.
type tally struct{ members, serving int }

func tallies(snapshot object.Snapshot) map[string]tally {
	all := map[string]tally{}
	for _, o := range snapshot.Objects {
		group := o.Type.Name + " " + o.Dir()
		n := all[group]
		pooled, weight := o.Get("pooled").Text(), o.Get("weight").Text()
		seeded := o.Malformed == nil && weight == "0" && pooled == `"inactive"`
		serves := o.Malformed == nil && weight != "0" && (pooled == `"yes"` || pooled == "true")
		if !seeded {
			n.members++
		}
		if serves {
			n.serving++
		}
		all[group] = n
	}
	return all
}

// floorOf returns the documented floor.
func floorOf(group string, n tally) int {
	switch {
	case n.members < 2:
		return 0 // depooling it is only a warning
	case !strings.HasPrefix(group, "node "):
		return 1
	case n.members < 4:
		return n.members - 1
	case n.members < 10:
		return n.members - n.members/2 + 1
	}
	return n.members - n.members/4
}

// In any sequence of allowed changes, no group at its floor falls below it, and
// no group below its floor loses a serving member. The same holds for the part
// of a plan that the rules permit.
func TestPropertyFloorsHold(t *testing.T) {
	s := siteWith(t, "")
	rapid.Check(t, func(rt *rapid.T) {
		snapshot := fleet(rt, t, s)
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			plan := anything(rt, snapshot)
			terms := Terms{Mode: Refuse, Seeds: rapid.Bool().Draw(rt, "seeds")}
			allowed, held, v := s.rules.Permit(plan, snapshot, terms)
			if len(v.Refusals()) > 0 || len(allowed.Changes)+len(held) != len(plan.Changes) {
				rt.Fatalf("allowed, and yet: %v", findingLines(v))
			}
			refused := len(s.rules.Review(plan, snapshot, terms).Refusals()) > 0
			if refused != (len(held) > 0) {
				rt.Fatalf("refused %v, but %d were held", refused, len(held))
			}
			next := after(allowed, snapshot)
			now := tallies(next)
			for group, was := range tallies(snapshot) {
				if floor := floorOf(group, was); now[group].serving < was.serving && now[group].serving < floor {
					rt.Fatalf("%s: %d -> %d of %d, floor %d", group, was.serving, now[group].serving, was.members, floor)
				}
			}
			snapshot = next
		}
	})
}

// The built-in rules never refuse changes that only add capacity.
func TestPropertyRepairsAreAllowed(t *testing.T) {
	s := siteWith(t, "")
	rapid.Check(t, func(rt *rapid.T) {
		snapshot := fleet(rt, t, s)
		var plan object.Plan
		for i := range snapshot.Objects {
			before := &snapshot.Objects[i]
			if rapid.IntRange(0, 2).Draw(rt, "hit") == 0 {
				continue
			}
			after := *before
			weight, _ := before.Get("weight").Int()
			if weighs := before.Type.Name != "dns"; weighs {
				after = change(after, "weight", value.OfInt(weight+rapid.Int64Range(1, 9).Draw(rt, "more")))
			}
			if rapid.Bool().Draw(rt, "pool") {
				yes := value.OfString("yes")
				if before.Type.Name == "dns" {
					yes = value.OfBool(true)
				}
				after = change(after, "pooled", yes)
			}
			plan.Changes = append(plan.Changes, object.Change{Before: before, After: &after})
		}
		plan = create(rt, plan, snapshot)
		terms := Terms{Mode: Refuse, Seeds: rapid.Bool().Draw(rt, "seeds")}
		if v := s.rules.Review(plan, snapshot, terms); len(v.Findings) > 0 {
			rt.Fatal(findingLines(v))
		}
	})
}

// BenchmarkReview reviews plans for 2,000 objects in 200 groups: one change,
// the deletion of all, and the capacity of all groups.
func BenchmarkReview(b *testing.B) {
	s := siteWith(b, "node: [{rule: min-pooled, only: 'cluster=(c1|c2)', at_least: 2, ratio: 0.66}, {rule: max-pooled, group_by: [dc, cluster], only: 'cluster=c3', at_most: 9}]")
	var lines []string
	for i := range 200 {
		lines = append(lines, many(fmt.Sprintf("node dc%d/c%d/s%d", i/50, i%10, i), 10, "yes")...)
	}
	snapshot := s.snapshot(b, lines...)
	for name, plan := range map[string]object.Plan{
		"one": s.plan(b, snapshot, set(lines[:1], "pooled=no")...), "all": s.plan(b, snapshot, set(lines, "pooled=no")...), "deleted": s.plan(b, snapshot, remove(lines)...),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.rules.Review(plan, snapshot, Terms{Mode: Refuse, Seeds: true})
			}
		})
	}
	b.Run("capacities", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.rules.Capacities(snapshot, all)
		}
	})
}

// all returns true for every object.
func all(object.Object) bool { return true }
