package safety

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// The types of the tests, in addition to node.
const types4tests = `
dns:
  path: discovery
  tags: [dnsdisc]
  schema: {pooled: {type: bool, default: false}, ttl: {type: int, default: 300}}
geo:
  path: geodns
  tags: [address]
  schema: {pooled: {type: "enum:yes|no", default: "yes"}, weight: {type: int, default: 100}}
flat:
  path: flats
  tags: []
  schema: {pooled: {type: bool, default: false}}
loose:
  path: loose
  tags: [a]
  schema: {pooled: {type: any, default: null}, weight: {type: any, default: null}}
plain:
  path: plains
  tags: [a]
  free_form: true
  schema: {val: {type: any, default: null}}
`

// site is a schema, the rules declared with it, and the errors in both.
type site struct {
	*schema.Schema
	rules    *Rules
	problems []schema.Problem
}

// siteWith returns a site with the given text of safety.yaml.
func siteWith(t testing.TB, safetyYAML string) site {
	t.Helper()
	s, err := schema.Parse("schema.yaml", []byte(types4tests), "pools")
	if err != nil || len(s.Problems()) > 0 {
		t.Fatal(err, s.Problems())
	}
	doc, err := yamldoc.Parse("safety.yaml", []byte(safetyYAML))
	if err != nil {
		t.Fatal(err)
	}
	rules, problems := compile(s, doc)
	return site{s, rules, problems}
}

// object parses "type path field=value...". The states yes, no, off, seed and
// zero stand for the fields of hosts, and bad for a malformed object.
func (s site) object(t testing.TB, line string) object.Object {
	t.Helper()
	words := strings.Fields(line)
	typ, err := s.Type(words[0])
	if err != nil {
		t.Fatal(err)
	}
	path := strings.Split(words[1], "/")
	o := object.New(typ, path[:len(path)-1], path[len(path)-1])
	o.Revision, o.Created = 1, 1
	return become(t, o, words[2:])
}

// become returns the object with the given states and fields.
func become(t testing.TB, o object.Object, words []string) object.Object {
	t.Helper()
	for _, word := range words {
		switch word {
		case "yes":
			o = with(t, o, "pooled=yes", "weight=10")
		case "no":
			o = with(t, o, "pooled=no", "weight=10")
		case "off":
			o = with(t, o, "pooled=inactive", "weight=10")
		case "zero":
			o = with(t, o, "pooled=yes", "weight=0")
		case "seed":
		case "bad":
			o.Malformed = errors.New("no JSON")
		default:
			o = with(t, o, word)
		}
	}
	return o
}

func with(t testing.TB, o object.Object, words ...string) object.Object {
	t.Helper()
	assignments, err := object.ParseWords(o.Type, words)
	if err != nil {
		t.Fatal(err)
	}
	fields := slices.Clone(o.Fields)
	for _, a := range assignments {
		fields = append(slices.DeleteFunc(fields, func(f value.Field) bool { return f.Name == a.Field }),
			value.Field{Name: a.Field, Value: a.Candidates[0]})
	}
	return o.WithFields(fields)
}

func (s site) snapshot(t testing.TB, lines ...string) object.Snapshot {
	t.Helper()
	var snapshot object.Snapshot
	for _, line := range lines {
		snapshot.Objects = append(snapshot.Objects, s.object(t, line))
	}
	slices.SortFunc(snapshot.Objects, func(a, b object.Object) int { return cmp.Compare(a.Key(), b.Key()) })
	for i := 1; i < len(snapshot.Objects); i++ { // in key order, as a store returns them
		if a, b := &snapshot.Objects[i-1], &snapshot.Objects[i]; a.Type == b.Type && a.Dir() == b.Dir() {
			b.Tags = a.Tags
		}
	}
	return snapshot
}

// plan parses "type path field=value..." for a changed object, with + in front
// for a created one and - for a deleted one.
func (s site) plan(t testing.TB, snapshot object.Snapshot, lines ...string) object.Plan {
	t.Helper()
	var plan object.Plan
	for _, line := range lines {
		o := s.object(t, strings.TrimLeft(line, "+-"))
		before := snapshot.Find(o.Key())
		if before == nil && line[0] != '+' {
			t.Fatalf("%s is not there", o)
		}
		switch line[0] {
		case '+':
			plan.Changes = append(plan.Changes, object.Change{After: &o})
		case '-':
			plan.Changes = append(plan.Changes, object.Change{Before: before})
		default:
			after := become(t, *before, strings.Fields(line)[2:])
			plan.Changes = append(plan.Changes, object.Change{Before: before, After: &after})
		}
	}
	return plan
}

// group returns the lines of hosts h1, h2... in a directory, one for each
// state.
func group(dir, states string) []string {
	var lines []string
	for i, state := range strings.Fields(states) {
		lines = append(lines, fmt.Sprintf("%s/h%d %s", dir, i+1, state))
	}
	return lines
}

// many returns the lines of n hosts in a directory, all in the same state.
func many(dir string, n int, state string) []string {
	return group(dir, strings.Repeat(state+" ", n))
}

// set returns the given hosts' lines with other fields.
func set(lines []string, change string) []string {
	var all []string
	for _, line := range lines {
		words := strings.Fields(line)
		all = append(all, strings.TrimSpace(words[0]+" "+words[1]+" "+change))
	}
	return all
}

func remove(lines []string) []string {
	var all []string
	for _, line := range set(lines, "") {
		all = append(all, "-"+line)
	}
	return all
}

// findingLines returns the findings of a verdict, one line each.
func findingLines(v Verdict) []string {
	var lines []string
	for _, f := range v.Findings {
		level := [...]string{"warned", "overridden", "refused"}[f.Level]
		lines = append(lines, fmt.Sprintf("%s %s %s %s: %s", level, f.Rule, f.Type, f.Subject, f.Msg))
	}
	return lines
}

func counted(v Verdict) []string {
	var lines []string
	for _, g := range v.Counted {
		line := g.Type.Name + " " + strings.Join(g.Tags, "/")
		if g.Deletions {
			line += " deletions"
		}
		lines = append(lines, line)
	}
	return lines
}

func shown(all []Capacity) []string {
	var lines []string
	for _, c := range all {
		line := fmt.Sprintf("%s %s %d -> %d of %d, %d..%d %s", c.Type.Name, c.Label, c.Before, c.After, c.Members, c.Floor, c.Ceiling,
			[...]string{"none", "warn", "refuse"}[c.Mode])
		for i, o := range c.Out {
			line += []string{" out ", ","}[min(i, 1)] + o.Name
		}
		lines = append(lines, line)
	}
	return lines
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\ngot  %q\nwant %q", what, got, want)
	}
}

// TestNewSince tests that a finding with other numbers is not new.
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
		{verdict(Finding{Rule: "min-pooled", Type: "t", Subject: "a", Msg: "5 -> 4"}), true},
		{verdict(Finding{Rule: "mass-change", Subject: "a"}), true},
		{verdict(Finding{Rule: "min-pooled", Subject: "a", Level: Refused}), true},
	} {
		if got := c.now.NewSince(asked); got != c.want {
			t.Errorf("%+v: new %v, want %v", c.now.Findings, got, c.want)
		}
	}
}

func TestServes(t *testing.T) {
	s := siteWith(t, "")
	for line, want := range map[string]bool{
		"node a/b/c/h yes":                      true,
		"node a/b/c/h pooled=yes weight=1":      true,
		"node a/b/c/h zero":                     false,
		"node a/b/c/h no":                       false,
		"node a/b/c/h off":                      false,
		"node a/b/c/h seed":                     false,
		"node a/b/c/h yes bad":                  false,
		"dns a/h pooled=true":                   true,
		"dns a/h pooled=false":                  false,
		"geo a/h seed":                          true, // an object that sync created serves immediately
		"geo a/h weight=-1":                     false,
		"loose a/h pooled=true weight=0.5":      true,
		"loose a/h pooled=yes weight=1e3":       true,
		"loose a/h pooled=yes weight=-0.5":      false,
		"loose a/h pooled=yes weight=0.0e7":     false,
		"loose a/h pooled=yes weight=null":      false,
		`loose a/h pooled=yes weight="5"`:       true,
		`loose a/h pooled=yes weight="0"`:       false,
		`loose a/h pooled=yes weight="lots"`:    false,
		"loose a/h pooled=YES weight=1":         false,
		`loose a/h pooled="true" weight=1`:      false,
		"plain a/h pooled=yes":                  false, // a field that its type does not declare
		"plain a/h pooled=true weight=10 val=1": false,
	} {
		if got := Serves(s.object(t, line)); got != want {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
}

func TestRatio(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want int
	}{
		{"0.66", 3, 2}, {"0.66", 50, 33}, {"0.07", 100, 7}, {"0.1", 30, 3}, {"0.55", 20, 11}, {".75", 10, 8}, {"1", 7, 7}, {"1.0", 7, 7},
		{"0.000000001", 1_000_000, 1}, {"0.999999999", 1_000_000, 1_000_000}, {"0.5", 0, 0},
	} {
		r, err := parseRatio(c.text)
		if err != nil || r.apply(c.n) != c.want {
			t.Errorf("%s of %d: %d %v, want %d", c.text, c.n, r.apply(c.n), err, c.want)
		}
	}
	for _, text := range []string{"", "0", "0.0", "1.01", "2", "-0.5", "+0.5", "66%", "1e-1", "0.1234567890", "0.0123456789", ".", "0.5.1", "0.-5", "½", "nan", "99999999999999999999.5"} {
		if r, err := parseRatio(text); err == nil {
			t.Errorf("%q is %v", text, r)
		}
	}
	if got := (ratio{7, 100}).String() + " " + percent(201, 1000) + " " + percent(200001, 1000000) + " " + percent(1272, 1590); got != "7 % 20.1 % 20.1 % 80 %" {
		t.Error(got)
	}
}

// TestOutForGoodIsNotSeeded tests that an object that was in service remains a
// member until it is deleted. Otherwise each depooled host would lower the
// floor for the next one.
func TestOutForGoodIsNotSeeded(t *testing.T) {
	s := siteWith(t, "")
	fresh := s.object(t, "node a/b/c/h weight=0 pooled=inactive")
	out := fresh
	out.Revision = 2
	if m := capacityFieldsOf(fresh.Type); m.isMember(&fresh, false) || !m.isMember(&out, false) {
		t.Errorf("fresh: %v, out for good: %v", m.isMember(&fresh, false), m.isMember(&out, false))
	}
	for line, want := range map[string]bool{
		"loose a/h pooled=false weight=0": true, "loose a/h pooled=inactive weight=0.0": true, "loose a/h pooled=false weight=-1": false,
		"loose a/h pooled=no weight=0": false, `loose a/h pooled=false weight="0"`: false, "dns a/h pooled=false": false,
	} {
		if o := s.object(t, line); capacityFieldsOf(o.Type).isSeeded(&o) != want {
			t.Errorf("%s: as it was created: %v", line, !want)
		}
	}
}

// TestPoolNames tests that a finding's name has the type in front unless it is
// node or the subject itself.
func TestPoolNames(t *testing.T) {
	for want, f := range map[string]Finding{"a/b/c": {Type: "node", Subject: "a/b/c"}, "dns jobs": {Type: "dns", Subject: "jobs"}, "dns": {Type: "dns", Subject: "dns"}} {
		if got := f.Pool(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	s := siteWith(t, "")
	if Weighs(s.object(t, "node a/b/c/h seed")) || !Weighs(s.object(t, "node a/b/c/h no")) || !Weighs(s.object(t, "dns a/h pooled=false")) {
		t.Error("a weight of 0 weighs, or another does not")
	}
}
