package change_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
)

// fleet is a site with pools of nodes, of which those in datacenter b have a
// declared floor, and with switches that are on or off.
type fleet struct {
	*site
	types []*schema.Type
	// Results of the commands, over all runs.
	made, refused, idle int
}

const fleetSchema = `
switch:
  path: switches
  tags: [group]
  schema:
    pooled: {type: bool, default: false}
`

const fleetRules = `
node: [{rule: min-pooled, only: dc=b, group_by: [dc], at_least: 2, ratio: 0.66}]
`

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{site: newSite(t, 0)}
	dir := t.TempDir()
	for name, text := range map[string]string{"schema.yaml": fleetSchema, "safety.yaml": fleetRules} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	known, err := schema.Load(filepath.Join(dir, "schema.yaml"), "pools")
	if err != nil {
		t.Fatal(err)
	}
	rules, problems := safety.Load(known, filepath.Join(dir, "safety.yaml"))
	f.types = known.InDependencyOrder()
	if len(problems) > 0 || len(f.types) != 2 {
		t.Fatal(problems, len(f.types))
	}
	f.applier.Rules = rules
	enforce(f.applier)
	return f
}

const fleetPrefix = "/conftool/v1/"

// fill replaces the stored objects by objects in random states, some of them
// invalid.
func (f *fleet) fill(rt *rapid.T) {
	nodes := []string{
		`{"weight": 10, "pooled": "yes"}`, `{"weight": 10, "pooled": "yes"}`, `{"weight": 10, "pooled": "yes"}`, `{"weight": 1, "pooled": "yes"}`,
		`{"weight": 0, "pooled": "yes"}`, `{"weight": 10, "pooled": "no"}`, `{"weight": 0, "pooled": "inactive"}`, `{"weight": 10, "pooled": "inactive"}`, `{oops`,
	}
	switches := []string{`{"pooled": true}`, `{"pooled": false}`}
	objects := map[string]string{}
	add := func(dir string, most int, states []string) {
		good := rapid.Bool().Draw(rt, dir+" is whole")
		for i := range rapid.IntRange(most/3, most).Draw(rt, dir) {
			state := states[0]
			if !good {
				state = rapid.SampledFrom(states).Draw(rt, "state")
			}
			objects[fmt.Sprintf("%s/h%d", dir, i)] = state
		}
	}
	add("pools/a/x/s", 12, nodes)
	add("pools/a/x/t", 5, nodes)
	add("pools/b/x/s", 4, nodes)
	add("pools/b/y/s", 4, nodes)
	add("switches/m", 3, switches)
	f.reset(rt, objects)
}

// reset replaces the stored objects by the given ones, by key.
func (f *fleet) reset(rt *rapid.T, objects map[string]string) {
	var txn store.Txn
	for key := range f.stored(fleetPrefix) {
		if _, stays := objects[key]; !stays {
			txn.Writes = append(txn.Writes, store.Write{Key: fleetPrefix + key, Delete: true})
		}
	}
	for key, v := range objects {
		txn.Writes = append(txn.Writes, store.Write{Key: fleetPrefix + key, Value: []byte(v)})
	}
	if _, err := f.store.Store.Commit(f.Context(), txn); err != nil {
		rt.Fatal(err)
	}
}

// TestAllowedChangesKeepTheFloor tests that after any sequence of commands, a
// group in which fewer members serve than before still has its floor.
func TestAllowedChangesKeepTheFloor(t *testing.T) {
	f := newFleet(t)
	rapid.Check(t, func(rt *rapid.T) {
		f.fill(rt)
		before := f.stored(fleetPrefix)
		for range rapid.IntRange(5, 15).Draw(rt, "commands") {
			intent := f.command(rt)
			f.applier.Terms.Partial = rapid.IntRange(0, 3).Draw(rt, "except what is refused") == 0
			f.try(rt, intent)
			after := f.stored(fleetPrefix)
			checkFloors(rt, before, after)
			before = after
		}
	})
	if f.made == 0 || f.refused == 0 {
		t.Errorf("%d changes were made and %d refused: the test says nothing", f.made, f.refused)
	}
	t.Logf("%d changes were made, %d refused, %d had nothing to do", f.made, f.refused, f.idle)
}

// TestRepairsAreNeverRefused tests that pooling objects that have a weight,
// creating objects, and raising weights are allowed in any state.
func TestRepairsAreNeverRefused(t *testing.T) {
	f := newFleet(t)
	rapid.Check(t, func(rt *rapid.T) {
		f.fill(rt)
		for range rapid.IntRange(3, 8).Draw(rt, "repairs") {
			if f.try(rt, f.repair(rt)) {
				rt.Fatal("a repair was refused")
			}
		}
	})
	if f.made == 0 {
		t.Error("nothing was repaired: the test says nothing")
	}
	t.Logf("%d repairs were made, %d had nothing to do", f.made, f.idle)
}

// try applies an intent, and fails if the error is not a refusal. It reports
// whether any of it was refused.
func (f *fleet) try(rt *rapid.T, intent change.Intent) (refused bool) {
	before := f.stored(fleetPrefix)
	done, err := f.apply(intent)
	switch {
	case errors.As(err, new(*change.RefusedError)):
		rt.Logf("%s %s: %v", intent.Selector, intent.Action, err)
		if f.refused++; !maps.Equal(before, f.stored(fleetPrefix)) {
			rt.Fatal("it was refused, and made")
		}
		return true
	case err != nil:
		rt.Fatalf("%s %s: %v", intent.Selector, intent.Action, err)
	case done.ID == "":
		f.idle++
	default:
		rt.Logf("%s %s: %d changed, %d held back", intent.Selector, intent.Action, len(done.Objects), len(done.Held))
		f.made++
	}
	return len(done.Held) > 0
}

// command draws the intent of a command that an operator may run.
func (f *fleet) command(rt *rapid.T) change.Intent {
	t := rapid.SampledFrom(f.types).Draw(rt, "type")
	switch rapid.SampledFrom([]string{"set", "set", "set", "pool verb", "delete", "sync"}).Draw(rt, "verb") {
	case "set":
		return f.setting(t, someSelector(rt, t), someValues(rt, t))
	case "pool verb":
		verb := rapid.SampledFrom([]string{"pooled=yes", "pooled=no", "weight=0", "pooled=inactive"}).Draw(rt, "sets")
		return f.setting(f.named(schema.Node), "name="+someNames(rt, 1), verb)
	case "delete":
		text := someSelector(rt, t)
		chosen := f.selector(t, text)
		return change.Intent{
			Read: []catalog.Query{{Type: t, Selector: chosen}},
			Plan: func(snapshot object.Snapshot) (object.Plan, error) {
				return object.Delete(snapshot.Select(t, chosen)), nil
			},
			Action: "delete", Selector: text, Deletes: true,
		}
	default:
		return f.sync(someKeys(rt, "created"), someKeys(rt, "removed"))
	}
}

// repair draws an intent that reduces no capacity. It selects objects by their
// current fields, as an operator does who looks first.
func (f *fleet) repair(rt *rapid.T) change.Intent {
	t := rapid.SampledFrom(f.types).Draw(rt, "type")
	text := someSelector(rt, t)
	lives := func(o object.Object) bool { return true }
	var words string
	switch kind := rapid.SampledFrom([]string{"pool", "weigh", "both", "create"}).Draw(rt, "repair"); {
	case kind == "create":
		return f.sync(someKeys(rt, "created"), nil)
	case t.Name != schema.Node:
		words = "pooled=true"
	case kind == "pool":
		words, lives = "pooled=yes", func(o object.Object) bool { return weight(o) > 0 }
	case kind == "weigh":
		to := rapid.IntRange(1, 20).Draw(rt, "weight")
		words, lives = fmt.Sprintf("weight=%d", to), func(o object.Object) bool { return weight(o) <= to }
	default:
		words = "pooled=yes:weight=10"
	}
	intent := f.setting(t, text, words)
	chosen, assignments := f.selector(t, text), f.assignments(t, words)
	intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) {
		objects := slices.DeleteFunc(snapshot.Select(t, chosen), func(o object.Object) bool { return !lives(o) })
		return object.Set(objects, assignments)
	}
	return intent
}

func (f *fleet) named(name string) *schema.Type {
	return f.types[slices.IndexFunc(f.types, func(t *schema.Type) bool { return t.Name == name })]
}

func (f *fleet) selector(t *schema.Type, text string) selector.Selector {
	chosen, err := selector.Parse(text, t.Tags)
	if err != nil {
		f.Fatal(err)
	}
	return chosen
}

func (f *fleet) assignments(t *schema.Type, words string) []object.Assignment {
	all, err := object.ParseAssignments(t, words)
	if err != nil {
		f.Fatal(err)
	}
	return all
}

// setting returns the intent to set fields of the objects that a selector
// matches.
func (f *fleet) setting(t *schema.Type, text, words string) change.Intent {
	chosen, assignments := f.selector(t, text), f.assignments(t, words)
	return change.Intent{
		Read: []catalog.Query{{Type: t, Selector: chosen}},
		Plan: func(snapshot object.Snapshot) (object.Plan, error) {
			return object.Set(snapshot.Select(t, chosen), assignments)
		},
		Action:   "set/" + words,
		Selector: text,
	}
}

// sync returns the intent of a sync whose files have some objects that the
// store lacks, and lack some that it has. Keys are those below the API version.
func (f *fleet) sync(created, removed []string) change.Intent {
	intent := change.Intent{Action: "sync", Selector: fmt.Sprintf("+%v -%v", created, removed), Split: true, Deletes: true, Seeds: true, Partial: true}
	for _, t := range f.types {
		intent.Read = append(intent.Read, catalog.Query{Type: t})
	}
	intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) {
		var plan object.Plan
		for _, key := range created {
			if snapshot.Find(key) == nil {
				o := f.seeded(key)
				plan.Changes = append(plan.Changes, object.Change{After: &o})
			}
		}
		for _, key := range removed {
			if o := snapshot.Find(key); o != nil && !slices.Contains(created, key) {
				plan.Changes = append(plan.Changes, object.Change{Before: o})
			}
		}
		return plan, nil
	}
	return intent
}

// seeded returns an object as sync creates it.
func (f *fleet) seeded(key string) object.Object {
	parts := strings.Split(key, "/")
	for _, t := range f.types {
		if t.Path == parts[0] {
			return object.New(t, parts[1:len(parts)-1], parts[len(parts)-1])
		}
	}
	f.Fatalf("no type for %s", key)
	return object.Object{}
}

// weight returns the weight of an object; -1 if it cannot be read.
func weight(o object.Object) int {
	var n int
	if o.Malformed != nil || json.Unmarshal([]byte(o.Get("weight").Text()), &n) != nil {
		return -1
	}
	return n
}

func someSelector(rt *rapid.T, t *schema.Type) string {
	values := map[string][]string{"dc": {"a", "b"}, "cluster": {"x", "y"}, "service": {"s", "t"}, "group": {"m"}}
	var parts []string
	for _, tag := range t.Tags {
		if rapid.Bool().Draw(rt, "by "+tag) {
			parts = append(parts, tag+"="+rapid.SampledFrom(values[tag]).Draw(rt, tag))
		}
	}
	if len(parts) == 0 || rapid.IntRange(0, 2).Draw(rt, "by name") > 0 {
		parts = append(parts, "name="+someNames(rt, 5))
	}
	return strings.Join(parts, ",")
}

// someNames draws a regex that matches at most n names.
func someNames(rt *rapid.T, most int) string {
	numbers := rapid.SliceOfNDistinct(rapid.IntRange(0, 12), 1, most, rapid.ID[int]).Draw(rt, "names")
	names := make([]string, len(numbers))
	for i, n := range numbers {
		names[i] = fmt.Sprintf("h%d", n)
	}
	return strings.Join(names, "|")
}

func someValues(rt *rapid.T, t *schema.Type) string {
	if t.Name != schema.Node {
		return rapid.SampledFrom([]string{"pooled=false", "pooled=true"}).Draw(rt, "values")
	}
	return rapid.SampledFrom([]string{
		"pooled=no", "pooled=inactive", "pooled=inactive:weight=0", "weight=0", "weight=5", "pooled=yes:weight=10", "pooled=yes:weight=0", "pooled=no:weight=10",
	}).Draw(rt, "values")
}

func someKeys(rt *rapid.T, what string) []string {
	var keys []string
	dirs := rapid.SampledFrom([]string{"pools/a/x/s", "pools/a/x/t", "pools/b/x/s", "pools/b/y/s", "pools/c/new/s", "switches/m", "switches/n"})
	for range rapid.IntRange(0, 5).Draw(rt, what) {
		key := fmt.Sprintf("%s/h%d", dirs.Draw(rt, "in"), rapid.IntRange(0, 12).Draw(rt, "host"))
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// headcount is the number of members of a group, and of those that serve.
type headcount struct{ members, serve int }

// headcounts counts the stored objects by group. It and floorOf do not use
// package safety.
func headcounts(stored map[string]string) map[string]headcount {
	groups := map[string]headcount{}
	for key, text := range stored {
		o := struct {
			Weight *int
			Pooled any
		}{}
		malformed := json.Unmarshal([]byte(text), &o) != nil
		weightless := o.Weight != nil && *o.Weight == 0
		group := groups[groupOf(key)]
		if malformed || !weightless || o.Pooled != "inactive" {
			group.members++
		}
		if !malformed && !weightless && (o.Pooled == "yes" || o.Pooled == true) {
			group.serve++
		}
		groups[groupOf(key)] = group
	}
	return groups
}

// groupOf returns the group of a key: its directory, but the datacenter for
// nodes in b.
func groupOf(key string) string {
	if strings.HasPrefix(key, "pools/b/") {
		return "pools/b"
	}
	return key[:strings.LastIndexByte(key, '/')]
}

// floorOf returns how many of n members of a group must serve.
func floorOf(group string, n int) int {
	switch {
	case n == 0:
		return 0
	case group == "pools/b":
		return max(2, (66*n+99)/100)
	case n == 1: // depooling it is a warning
		return 0
	case strings.HasPrefix(group, "switches/"):
		return 1
	case n <= 3:
		return n - 1
	case n <= 9:
		return (n+1)/2 + 1
	}
	return (75*n + 99) / 100
}

// checkFloors fails if fewer members of a group serve than before and than the
// floor it had then.
func checkFloors(rt *rapid.T, before, after map[string]string) {
	now := headcounts(after)
	for group, was := range headcounts(before) {
		is, floor := now[group].serve, floorOf(group, was.members)
		if is < was.serve && is < floor {
			rt.Fatalf("%s: %d -> %d of %d serve, floor %d", group, was.serve, is, was.members, floor)
		}
	}
}
