package safety_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/schema"
)

func TestDoubts(t *testing.T) {
	const types = "record: {path: records, tags: [name_, dc], schema: {pooled: {type: bool, default: DEFAULT}}, safety: [RULE]}\n"
	const objects = "a/north/1 a/north/2 a/south/1 b/north/1 c/south/1 c/south/2 c/south/3"
	for _, c := range []struct{ name, rule, objects, want string }{
		{"fine", `{rule: min-pooled, only: "name_=a", at_least: 1}`, objects, ""},
		{"without objects", `{rule: min-pooled, only: "name_=x", at_least: 9}`, "", ""},
		{"cannot match, without objects", `{rule: max-pooled, only: "dc=a b", at_most: 1}`, "", `s.yaml:1:126: safety-never-matches: only: "dc=a b" of rule max-pooled cannot match any object of type record`},
		{"selects nothing", `{rule: max-pooled, only: "dc=east", at_most: 1}`, objects, `s.yaml:1:126: safety-selects-nothing: only: "dc=east" of rule max-pooled selects none of the objects of type record that the data declares`},
		{"that is not asked selects nothing", `{rule: min-pooled, only: "dc=east", at_least: 1, mode: none}`, objects, `s.yaml:1:126: safety-selects-nothing: only: "dc=east" of rule min-pooled selects none of the objects of type record that the data declares`},

		{"reached exactly", `{rule: min-pooled, only: "name_=c", at_least: 3}`, objects, ""},
		{"too high", `{rule: min-pooled, only: "name_=c", at_least: 4}`, objects, `s.yaml:1:147: safety-unreachable-floor: at_least 4 of rule min-pooled cannot be reached in c/south, where the data declares 3`},
		{"too high for some", `{rule: min-pooled, at_least: 2, mode: warn}`, objects, `s.yaml:1:130: safety-unreachable-floor: at_least 2 of rule min-pooled cannot be reached in a/south, where the data declares 1, and in 1 more`},
		{"a larger group reaches it", `{rule: min-pooled, group_by: [name_], only: "name_=a", at_least: 3}`, objects, ""},
		{"a larger group does not", `{rule: min-pooled, group_by: [dc], at_least: 4}`, objects, `s.yaml:1:146: safety-unreachable-floor: at_least 4 of rule min-pooled cannot be reached in dc=north, where the data declares 3`},
		{"that is not asked", `{rule: min-pooled, at_least: 9, mode: none}`, objects, ""},

		{"cannot match, with objects, is all there is to say", `{rule: min-pooled, only: "dc=a b", at_least: 9}`, objects, `s.yaml:1:126: safety-never-matches: only: "dc=a b" of rule min-pooled cannot match any object of type record`},
		{"Python reads it differently", `{rule: max-pooled, only: 'name_=(c|d{,2})', at_most: 2}`, objects, `s.yaml:1:126: regex-two-meanings: only: "name_=(c|d{,2})" of rule max-pooled: name_: {,2} means that text itself here (RE2), but 0 to 2 repetitions in Python; write {0,2}, or \{,2} for the text`},
		{"serve as created", `{rule: max-pooled, only: "name_=a", at_most: 2}`, "true " + objects + " a/north/3", `s.yaml:1:100: safety-defaults-serve: with the defaults of type record objects serve as soon as they are created: all 3 in a/north, where at_most 2 of rule max-pooled may`},
		{"as many serve as created as may", `{rule: max-pooled, only: "name_=a", at_most: 2}, {rule: min-pooled, mode: none}`, "true " + objects, ""},

		{"cannot be moved", `{rule: max-pooled, only: "name_=c", at_most: 1}`, objects, `s.yaml:1:101: safety-max-without-min: with at_most 1 of rule max-pooled and the built-in floor of 1, what serves in c/south could not be moved to another: neither one more nor one fewer may serve`},
		{"two may", `{rule: max-pooled, only: "name_=c", at_most: 2}`, objects, ""},
		{"the only one is not refused", `{rule: max-pooled, only: "name_=b", at_most: 1}`, objects, ""},
		{"max-pooled only warns", `{rule: max-pooled, only: "name_=c", at_most: 1, mode: warn}`, objects, ""},
		{"a min-pooled of its own", `{rule: max-pooled, only: "name_=c", at_most: 1}, {rule: min-pooled, only: "name_=c", at_least: 1, mode: warn}`, objects, ""},
		{"a min-pooled of others", `{rule: max-pooled, only: "name_=c", at_most: 1}, {rule: min-pooled, only: "name_=a", at_least: 1, mode: warn}`, objects, `s.yaml:1:101: safety-max-without-min: with at_most 1 of rule max-pooled and the built-in floor of 1, what serves in c/south could not be moved to another: neither one more nor one fewer may serve`},
		{"floors of two places", `{rule: max-pooled, group_by: [name_], at_most: 2}`, objects + " c/north/1 c/north/2", `s.yaml:1:101: safety-max-without-min: with at_most 2 of rule max-pooled and the built-in floor of 2, what serves in c could not be moved to another: neither one more nor one fewer may serve`},
	} {
		t.Run(c.name, func(t *testing.T) {
			names, serving := strings.CutPrefix(c.objects, "true ")
			text := strings.NewReplacer("RULE", c.rule, "DEFAULT", fmt.Sprint(serving)).Replace(types)
			s, err := schema.Parse("s.yaml", []byte(text), "pools")
			if err != nil {
				t.Fatal(err)
			}
			typ, err := s.Type("record")
			if err != nil {
				t.Fatal(err)
			}
			rules, problems := safety.Load(s, "")
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			var declared []object.Object
			for _, path := range strings.Fields(names) {
				parts := strings.Split(path, "/")
				declared = append(declared, object.New(typ, parts[:2], parts[2]))
			}
			var got []string
			for _, d := range rules.Doubts(typ, declared) {
				got = append(got, d.Pos.String()+": "+d.Rule+": "+d.Msg)
			}
			if d := cmp.Diff(c.want, strings.Join(got, "\n")); d != "" {
				t.Error(d)
			}
		})
	}
}

// Rules that could not be compiled have no doubts.
func TestDoubtsOfBrokenRules(t *testing.T) {
	s, err := schema.Parse("s.yaml", []byte("node: {path: pools, tags: [dc], schema: {pooled: {default: no}}, safety: [{rule: x}]}\n"), "pools")
	if err != nil {
		t.Fatal(err)
	}
	rules, problems := safety.Load(s, "")
	if len(problems) != 1 || problems[0].Err.Rule != safety.RuleInvalid || problems[0].Err.Pos.Column == 0 {
		t.Fatal(problems)
	}
	if got := rules.Doubts(s.Types()[0], nil); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}
