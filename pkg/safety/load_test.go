package safety

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

func complaints(problems []schema.Problem) []string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.Type+": "+p.Err.Error())
	}
	return lines
}

func TestLoadRefuses(t *testing.T) {
	for rules, want := range map[string]string{
		"node: {rule: x}":                                                        `node: safety.yaml:1:7: the safety rules of type node must be a list, not a map`,
		"node: [min-pooled]":                                                     `node: safety.yaml:1:8: a safety rule must be a map, not "min-pooled"`,
		"node: [{mode: warn}]":                                                   `node: safety.yaml:1:8: a safety rule has to say which: rule: min-pooled, for one`,
		"node: [{rule: min-poled}]":                                              `node: safety.yaml:1:15: no safety rule "min-poled" (did you mean min-pooled?); rules are min-pooled, max-pooled, mass-change, pool-needs-weight, last-of-type, mass-removal, remove-pooled`,
		"node: [{rule: [a]}]":                                                    `node: safety.yaml:1:15: no safety rule a list; rules are min-pooled, max-pooled, mass-change, pool-needs-weight, last-of-type, mass-removal, remove-pooled`,
		"node: [{rule: min-pooled, groupby: [dc]}]":                              `node: safety.yaml:1:27: rule min-pooled has no "groupby" (did you mean group_by?); it takes rule, mode, group_by, only, at_least, ratio`,
		"node: [{rule: min-pooled, at_most: 1}]":                                 `node: safety.yaml:1:27: rule min-pooled has no "at_most" (did you mean at_least?); it takes rule, mode, group_by, only, at_least, ratio`,
		"node: [{rule: last-of-type, only: dc=a}]":                               `node: safety.yaml:1:29: rule last-of-type has no "only"; it takes rule, mode`,
		"node: [{rule: min-pooled, mode: Refuse}]":                               `node: safety.yaml:1:33: mode cannot be "Refuse" (did you mean refuse?); refuse, warn or none is expected`,
		"node: [{rule: min-pooled, mode: }]":                                     `node: safety.yaml:1:33: mode cannot be nothing; refuse, warn or none is expected`,
		"node: [{rule: min-pooled, at_least: 0}]":                                `node: safety.yaml:1:37: at_least cannot be "0"; a whole number in plain digits, from 1 to 1000000, is expected`,
		"node: [{rule: min-pooled, at_least: -1}]":                               `node: safety.yaml:1:37: at_least cannot be "-1"; a whole number in plain digits, from 1 to 1000000, is expected`,
		"node: [{rule: min-pooled, at_least: 1_0}]":                              `node: safety.yaml:1:37: at_least cannot be "1_0"; a whole number in plain digits, from 1 to 1000000, is expected`,
		"node: [{rule: min-pooled, at_least: [1]}]":                              `node: safety.yaml:1:37: at_least cannot be a list; a whole number in plain digits, from 1 to 1000000, is expected`,
		"node: [{rule: min-pooled, at_least: +5}]":                               `node: safety.yaml:1:37: at_least cannot be "+5"; a whole number in plain digits, from 1 to 1000000, is expected`,
		"node: [{rule: min-pooled, at_least: 1000001}]":                          `node: safety.yaml:1:37: at_least cannot be "1000001"; a whole number in plain digits, from 1 to 1000000, is expected`,
		"node: [{rule: min-pooled, at_least: 1e9}]":                              `node: safety.yaml:1:37: at_least cannot be "1e9"; a whole number in plain digits, from 1 to 1000000, is expected`,
		"node: [{rule: min-pooled, ratio: 66%}]":                                 `node: safety.yaml:1:34: ratio cannot be "66%"; a number above 0 and up to 1, such as 0.66, is expected`,
		"node: [{rule: min-pooled, ratio: 1.5}]":                                 `node: safety.yaml:1:34: ratio cannot be "1.5"; a number above 0 and up to 1, such as 0.66, is expected`,
		"node: [{rule: min-pooled, group_by: dc}]":                               `node: safety.yaml:1:37: group_by must be a list, not "dc"`,
		"node: [{rule: min-pooled, group_by: [dc, clutser]}]":                    `node: safety.yaml:1:42: group_by cannot hold "clutser" (did you mean cluster?); the tags of type node are: dc, cluster, service`,
		"node: [{rule: min-pooled, group_by: [dc, dc]}]":                         `node: safety.yaml:1:42: tag dc is in group_by twice`,
		"node: [{rule: min-pooled, only: 'clutser=a'}]":                          `node: safety.yaml:1:33: only: selector "clutser=a": no tag "clutser" (did you mean cluster?)`,
		"node: [{rule: min-pooled, only: 'dc=(a'}]":                              `node: safety.yaml:1:33: only: selector "dc=(a": dc: bad regular expression: missing closing ): "(a"`,
		"node: [{rule: min-pooled, only: }]":                                     `node: safety.yaml:1:33: only: selector "": is empty`,
		"node: [{rule: min-pooled, only: 'dc=a,name=b'}]":                        `node: safety.yaml:1:33: only: selector "dc=a,name=b": a group is judged whole, so only tags choose it, and no name`,
		"node: [{rule: min-pooled, only: 'name=.*'}]":                            `node: safety.yaml:1:33: only: selector "name=.*": a group is judged whole, so only tags choose it, and no name`,
		"node: [{rule: max-pooled}]":                                             `node: safety.yaml:1:8: rule max-pooled needs at_most: how many may serve at once`,
		"node: [{rule: max-pooled, at_most: 0}]":                                 `node: safety.yaml:1:36: at_most cannot be "0"; a whole number in plain digits, from 1 to 1000000, is expected`,
		"node: [{rule: mass-change}, {rule: mass-change}]":                       `node: safety.yaml:1:29: rule mass-change of type node is declared already, at safety.yaml:1:8`,
		"node: [{rule: min-pooled, rule: max-pooled}]":                           `node: safety.yaml:1:27: key "rule" is there already, in line 1`,
		"plain: [{rule: min-pooled}]":                                            `plain: safety.yaml:1:9: rule min-pooled is of no use for type plain, which has no field pooled`,
		"plain: [{rule: max-pooled, at_most: 1}]":                                `plain: safety.yaml:1:9: rule max-pooled is of no use for type plain, which has no field pooled`,
		"plain: [{rule: mass-change}]":                                           `plain: safety.yaml:1:9: rule mass-change is of no use for type plain, which has no field pooled`,
		"plain: [{rule: remove-pooled}]":                                         `plain: safety.yaml:1:9: rule remove-pooled is of no use for type plain, which has no field pooled`,
		"plain: [{rule: pool-needs-weight}]":                                     `plain: safety.yaml:1:9: rule pool-needs-weight is of no use for type plain, which has no field pooled`,
		"dns: [{rule: pool-needs-weight}]":                                       `dns: safety.yaml:1:7: rule pool-needs-weight is of no use for type dns, which has no field weight`,
		"flat: [{rule: mass-change}]":                                            `flat: safety.yaml:1:8: rule mass-change is of no use for type flat, which has no tags`,
		"dns: [{rule: min-pooled, at_least: 2}, {rule: max-pooled, at_most: 1}]": `dns: safety.yaml:1:40: at_most 1 of max-pooled is less than at_least 2 of min-pooled for the same groups, at safety.yaml:1:7`,
		"nodes: []":          `: safety.yaml:1:1: no object type "nodes" (did you mean node?)`,
		"[]":                 `: safety.yaml:1:1: a file of safety rules must be a map, not a list`,
		"node: []\nnode: []": `: safety.yaml:2:1: key "node" is there already, in line 1`,
	} {
		equal(t, rules, complaints(siteWith(t, rules).problems), []string{want})
	}
}

func TestLoadAccepts(t *testing.T) {
	for _, rules := range []string{
		"", "{}", "node:", "node: []", "node: [{rule: last-of-type, mode: none}, {rule: remove-pooled, mode: warn}, {rule: pool-needs-weight, mode: none}]",
		"plain: [{rule: last-of-type}, {rule: mass-removal, ratio: 1, at_least: 1000}]", "flat: [{rule: min-pooled, group_by: []}]",
		"node: [{rule: min-pooled, group_by: [service, dc], only: ' dc=(a|b) , cluster=c{1,2} ', at_least: '2', ratio: .5}]",
		"dns: [{rule: min-pooled, at_least: 2, mode: warn}, {rule: max-pooled, at_most: 1}]",
		"dns: [{rule: min-pooled, at_least: 2, only: dnsdisc=a}, {rule: max-pooled, at_most: 1, only: dnsdisc=b}]",
		"dns: [{rule: min-pooled, at_least: 1}, {rule: max-pooled, at_most: 1}]", "node: [{rule: min-pooled, at_least: 1000000}]",
		"node: [&a {rule: min-pooled, only: dc=a}, {<<: *a, only: dc=b}]",
	} {
		equal(t, rules, complaints(siteWith(t, rules).problems), nil)
	}
}

// TestProblemsStayWithTheirType tests that a type with errors gets the built-in
// rules, and the others their declared rules.
func TestProblemsStayWithTheirType(t *testing.T) {
	s := siteWith(t, "node: [{rule: min-pooled, mode: none}, {rule: mass-change, at_least: x}]\ndns: [{rule: min-pooled, mode: none}]\nno: 1\n")
	equal(t, "problems", complaints(s.problems), []string{
		`: safety.yaml:3:1: no object type "no" (did you mean node?)`,
		`node: safety.yaml:1:70: at_least cannot be "x"; a whole number in plain digits, from 1 to 1000000, is expected`,
	})
	snapshot := s.snapshot(t, append(group(cdn, "yes yes"), "dns a/x pooled=true", "dns a/y pooled=false")...)
	v := s.rules.Review(s.plan(t, snapshot, cdn+"/h1 weight=0", cdn+"/h2 weight=0", "dns a/x pooled=false"), snapshot, Terms{Mode: Refuse})
	equal(t, "findings", findingLines(v), []string{"refused min-pooled node eqiad/text/cdn: 2 -> 0 of 2, floor 1"})
}

const dnsWithSafety = `
dns:
  path: discovery
  tags: [dnsdisc]
  schema: {pooled: {type: bool, default: false}}
  safety:
    - {rule: max-pooled, at_most: 1}
    - {rule: mass-change, mode: none}
broken: {path: x, safety: [{rule: nonsense}]}
`

func loadFiles(t *testing.T, schemaYAML, safetyYAML string) (*schema.Schema, *Rules, []string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"schema.yaml": schemaYAML, "safety.yaml": safetyYAML} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := schema.Load(filepath.Join(dir, "schema.yaml"), "pools")
	if err != nil {
		t.Fatal(err)
	}
	rules, problems := Load(s, filepath.Join(dir, "safety.yaml"))
	lines := complaints(problems)
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], dir+"/", "")
	}
	return s, rules, lines
}

// TestBothPlaces tests that the rules declared beside a type and those in the
// file all apply.
func TestBothPlaces(t *testing.T) {
	s, rules, problems := loadFiles(t, dnsWithSafety, "dns: [{rule: min-pooled, mode: none}]\nbroken: [{rule: nonsense}]\n")
	equal(t, "problems", problems, nil)
	dns, _ := s.Type("dns")
	if set := rules.forType(dns); len(set.max) != 1 || len(set.min) != 1 || set.limits[MassChange].mode != None {
		t.Errorf("%+v", set)
	}
	_, _, problems = loadFiles(t, dnsWithSafety, "dns: [{rule: mass-change}]")
	equal(t, "problems", problems, []string{"dns: safety.yaml:1:7: rule mass-change of type dns is declared already, at schema.yaml:8:7"})
	_, _, problems = loadFiles(t, dnsWithSafety, "dns: [")
	equal(t, "problems", problems, []string{": safety.yaml:1: not valid YAML: did not find expected node content"})
}

func TestLoadFile(t *testing.T) {
	s := siteWith(t, "").Schema
	for _, file := range []string{"", filepath.Join(t.TempDir(), "none.yaml")} {
		if rules, problems := Load(s, file); rules == nil || problems != nil {
			t.Errorf("%q: %v", file, problems)
		}
	}
	dir := t.TempDir()
	rules, problems := Load(s, dir)
	if rules == nil {
		t.Fatal("no rules")
	}
	equal(t, "a directory", complaints(problems), []string{": " + dir + ": is a directory"})
}

// TestExampleSite tests that the rules of the example site do what its comments
// say.
func TestExampleSite(t *testing.T) {
	schemas := filepath.Join("..", "..", "schemas")
	loaded, err := schema.Load(filepath.Join(schemas, "schema.yaml"), "pools")
	if err != nil {
		t.Fatal(err)
	}
	rules, problems := Load(loaded, filepath.Join(schemas, "safety.yaml"))
	equal(t, "problems", complaints(problems), nil)
	s := site{loaded, rules, nil}
	there := slices.Concat(group("node north/edge/cdn", "yes yes yes yes yes yes"), group("node north/testserver/wiki", "yes"),
		group("node north/appserver/wiki", "yes yes yes"), []string{
			"discovery jobs/north pooled=true", "discovery jobs/south pooled=false", "discovery wiki-ro/north pooled=true", "discovery wiki-ro/south pooled=false"})
	for _, c := range []struct {
		plan []string
		want []string
	}{
		{set(group("node north/edge/cdn", "x x"), "pooled=no"), nil},
		{set(group("node north/edge/cdn", "x x x"), "pooled=no"), []string{"refused min-pooled node north/edge/cdn: 6 -> 3 of 6, floor 4"}},
		{[]string{"node north/testserver/wiki/h1 pooled=no"}, []string{"warned min-pooled node north/testserver/wiki: 1 -> 0 of 1, floor 1"}},
		{set(group("node north/appserver/wiki", "x x"), "pooled=no"), []string{"refused min-pooled node north/appserver/wiki: 3 -> 1 of 3, floor 2"}},
		// Active in one datacenter: the new one is pooled first.
		{[]string{"discovery jobs/south pooled=true"}, []string{"warned max-pooled discovery jobs: 1 -> 2 of 2, at most 1"}},
		{[]string{"discovery jobs/north pooled=false"}, []string{"refused min-pooled discovery jobs: 1 -> 0 of 2, floor 1"}},
		{[]string{"discovery jobs/north pooled=false", "discovery jobs/south pooled=true"}, nil},
		// Active in both datacenters.
		{[]string{"discovery wiki-ro/south pooled=true"}, nil},
		{[]string{"discovery wiki-ro/north pooled=false"}, []string{"refused min-pooled discovery wiki-ro: 1 -> 0 of 2, floor 1"}},
	} {
		snapshot := s.snapshot(t, there...)
		equal(t, strings.Join(c.plan, ", "), findingLines(rules.Review(s.plan(t, snapshot, c.plan...), snapshot, Terms{Mode: Refuse})), c.want)
	}
	snapshot := s.snapshot(t, "discovery jobs/north pooled=true", "discovery jobs/south pooled=true")
	equal(t, "the second step", findingLines(rules.Review(s.plan(t, snapshot, "discovery jobs/north pooled=false"), snapshot, Terms{Mode: Refuse})), nil)
}

// For any declaration, each error has a line and a known type, a type with
// errors has the built-in rules, and a review terminates.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		"", "[]", "node: [{rule: min-pooled, group_by: [dc, service], only: 'cluster=(a|b)', at_least: 2, ratio: 0.66, mode: warn}]",
		"dns: [{rule: max-pooled, group_by: [], at_most: 1}]\nnode: [{rule: mass-change, at_least: 1}, {rule: mass-removal, ratio: .01, at_least: 1}]",
		"node: [{rule: min-pooled, ratio: 1e-9}]", "node: [{rule: min-pooled, only: 'name=a'}]", "plain: [{rule: last-of-type, mode: none}]",
		"node: &a [{rule: pool-needs-weight, mode: none}]\ndns: *a", "node: [{rule: max-pooled, at_most: 1, only: 'dc=a{1,2}\\,'}]", "x: 1",
	} {
		f.Add(text)
	}
	s, err := schema.Parse("schema.yaml", []byte(types4tests), "pools")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := yamldoc.Parse("safety.yaml", []byte(text))
		if err != nil {
			return
		}
		rules, problems := compile(s, doc)
		for _, p := range problems {
			if _, declared := rules.declared[p.Type]; declared || p.Err.Pos.Line == 0 || p.Err.Msg == "" {
				t.Errorf("%q: %v", p.Type, p.Err)
			}
		}
		st := site{s, rules, nil}
		snapshot := st.snapshot(t, append(group("node a/b/c", "yes yes no bad seed"), "node a/d/c/h yes", "dns a/x pooled=true", "dns b/x pooled=true", "plain a/x")...)
		for _, plan := range []object.Plan{object.Delete(snapshot.Objects), st.plan(t, snapshot, "node a/b/c/h3 pooled=yes", "dns a/x pooled=false")} {
			_, held, v := rules.Permit(plan, snapshot, Terms{Mode: Refuse, Seeds: true})
			for _, finding := range v.Findings {
				if finding.Level != Warned || strings.Contains(finding.Msg, "%!") {
					t.Errorf("%s after %d were held: %s", finding.Rule, len(held), finding.Msg)
				}
			}
		}
		for _, c := range rules.Capacities(snapshot, all) {
			if c.Label == "" || c.Members < c.Before || len(c.Out) != c.Members-c.Before || c.Mode == None && c.Floor != 0 {
				t.Errorf("%+v", c)
			}
		}
	})
}
