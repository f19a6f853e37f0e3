package seed_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// plan returns the changes planned for files and stored keys, and the problems. A
// stored key that ends in ! has a value that cannot be read.
func plan(t *testing.T, files map[string]string, stored ...string) (changes, problems []string) {
	t.Helper()
	s := load(t, types)
	dir := directory(t, files)
	data, err := seed.Read(dir, s.InDependencyOrder())
	if err != nil {
		t.Fatal(err)
	}
	var snapshot object.Snapshot
	for _, key := range stored {
		snapshot.Objects = append(snapshot.Objects, atKey(t, s, key))
	}
	comparison := data.Compare(snapshot)
	for _, c := range comparison.Plan().Changes {
		if sign := "+"; c.Before == nil {
			changes = append(changes, sign+c.After.Key())
		} else if c.After == nil {
			changes = append(changes, "-"+c.Before.Key())
		} else {
			t.Errorf("%s is changed", c.Before)
		}
	}
	var lines []string
	for _, f := range comparison.Faults() {
		lines = append(lines, f.Error())
	}
	for _, left := range comparison.LeftUndone() {
		lines = append(lines, left.Msg)
	}
	for _, line := range lines {
		problems = append(problems, strings.ReplaceAll(line, dir+"/", ""))
	}
	return changes, problems
}

func atKey(t *testing.T, s *schema.Schema, key string) object.Object {
	t.Helper()
	path, malformed := strings.CutSuffix(key, "!")
	for _, typ := range s.Types() {
		if rest, ok := strings.CutPrefix(path, typ.Path+"/"); ok {
			parts := strings.Split(rest, "/")
			o := object.New(typ, parts[:len(parts)-1], parts[len(parts)-1])
			if o.Revision = 5; malformed {
				o.Malformed = errors.New("unexpected end")
			}
			return o
		}
	}
	t.Fatalf("no type for %s", key)
	return object.Object{}
}

func TestPlan(t *testing.T) {
	const advice = "; a file without objects is taken for a mistake: delete it if there are none"
	tests := []struct {
		name     string
		files    map[string]string
		stored   []string
		changes  []string
		problems []string
	}{
		{
			name:    "what is there already",
			files:   map[string]string{"one/a.yaml": "x: [a]"},
			stored:  []string{"ones/x/a"},
			changes: nil,
		},
		{
			name:    "types by dependency, removals reversed",
			files:   map[string]string{"two/a.yaml": "x: {y: [b, a]}", "one/a.yaml": "x: [a]", "flat/a.yaml": "[a]", "node/a.yaml": "n: {e: {c: [s]}}"},
			stored:  []string{"flats/old", "ones/x/old", "pools/n/e/s/old", "twos/x/y/old", "twos/x/y/older"},
			changes: []string{"+pools/n/e/s/c", "+flats/a", "+ones/x/a", "+twos/x/y/a", "+twos/x/y/b", "-twos/x/y/old", "-twos/x/y/older", "-ones/x/old", "-flats/old", "-pools/n/e/s/old"},
		},
		{
			name:     "a fault keeps the type as it is, and the others go on",
			files:    map[string]string{"two/a.yaml": "x: {y: [b/c, d]}", "one/a.yaml": "x: [a]"},
			stored:   []string{"ones/x/old", "twos/x/y/old"},
			changes:  []string{"+ones/x/a", "-ones/x/old"},
			problems: []string{`two/a.yaml:1:9: name "b/c" has a slash in it`, "type two is left as it is: mend its files first"},
		},
		{
			name:     "a gap keeps removals away",
			files:    map[string]string{"one/a.yaml": "x: [a]", "one/b.yaml": "# nothing"},
			stored:   []string{"ones/x/old", "ones/x/older!"},
			changes:  []string{"+ones/x/a"},
			problems: []string{"one/b.yaml: declares nothing" + advice, "type one: nothing is removed; the other files do not declare 2 of the 2 that the store has"},
		},
		{
			name:     "a gap, and nothing to remove",
			files:    map[string]string{"one/a.yaml": "x: [a]", "one/b.yaml": "{}"},
			changes:  []string{"+ones/x/a"},
			problems: []string{"one/b.yaml:1:1: declares nothing" + advice},
		},
		{
			name:     "no files",
			files:    map[string]string{"one/README": ""},
			stored:   []string{"flats/x", "ones/x/y!"},
			problems: []string{"type flat: flat has no files, but the store has 1 objects; nothing is removed", "type one: one has no files, but the store has 1 objects; nothing is removed"},
		},
		{
			name: "no files and nothing stored",
		},
		{
			name:     "what cannot be read is not removed unasked",
			files:    map[string]string{"one/a.yaml": "x: [a]"},
			stored:   []string{"ones/x/a!", "ones/x/b!", "ones/x/c"},
			changes:  []string{"-ones/x/c"},
			problems: []string{"one x/b is not removed: what is stored cannot be read (unexpected end)"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			changes, problems := plan(t, tt.files, tt.stored...)
			if d := cmp.Diff(tt.changes, changes); d != "" {
				t.Error(d)
			}
			slices.Sort(tt.problems)
			slices.Sort(problems)
			if d := cmp.Diff(tt.problems, problems); d != "" {
				t.Error(d)
			}
		})
	}
}

// After its plan is carried out, a second plan is empty.
func TestPlanIsDoneOnce(t *testing.T) {
	s := load(t, types)
	dir := directory(t, map[string]string{"two/a.yaml": "x: {y: [b, a]}", "one/a.yaml": "x: [a]\ny: [a]", "node/a.yaml": "n: {e: {c: [s]}}"})
	data, err := seed.Read(dir, s.InDependencyOrder())
	if err != nil {
		t.Fatal(err)
	}
	stored := object.Snapshot{Objects: []object.Object{atKey(t, s, "ones/x/old"), atKey(t, s, "ones/y/a")}}
	for _, c := range data.Compare(stored).Plan().Changes {
		if c.Before == nil {
			stored.Objects = append(stored.Objects, *c.After)
			continue
		}
		stored.Objects = slices.DeleteFunc(stored.Objects, func(o object.Object) bool { return o.Key() == c.Before.Key() })
	}
	if again := data.Compare(stored).Plan().Changes; len(again) != 0 || len(stored.Objects) != 5 {
		t.Errorf("got %v, %v", again, stored.Objects)
	}
}

// Queries reads all types, in dependency order.
func TestQueries(t *testing.T) {
	data, err := seed.Read(directory(t, nil), load(t, types).InDependencyOrder())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, q := range data.Queries() {
		names = append(names, q.Type.Name)
		if data.Types[i].Dir != filepath.Join(data.Dir, q.Type.Name) || q.Selector.String() != "" {
			t.Errorf("got %+v", q)
		}
	}
	if !slices.Equal(names, []string{"node", "flat", "one", "two"}) {
		t.Errorf("got %v", names)
	}
}
