package seed_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/internal/sitetest"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// some generates a few distinct objects of a type.
func some(t *rapid.T, typ *schema.Type, label string) []object.Object {
	word := rapid.SampledFrom([]string{"a", "b", "c"})
	var all []object.Object
	for _, words := range rapid.SliceOfNDistinct(rapid.SliceOfN(word, len(typ.Tags)+1, len(typ.Tags)+1), 0, 8, func(w []string) string {
		return strings.Join(w, "/")
	}).Draw(t, label) {
		all = append(all, object.New(typ, words[:len(typ.Tags)], words[len(typ.Tags)]))
	}
	return all
}

func drawData(t *rapid.T, s *schema.Schema) seed.Data {
	var d seed.Data
	for _, typ := range s.InDependencyOrder() {
		files := seed.Type{Type: typ, Objects: some(t, typ, typ.Name+" declared"), Files: 1}
		bad := yamldoc.Errorf(yamldoc.Pos{File: typ.Name}, "bad")
		switch rapid.IntRange(0, 5).Draw(t, typ.Name+" files") {
		case 0:
			files.Faults = append(files.Faults, bad)
		case 1:
			files.Gaps = append(files.Gaps, bad)
		case 2:
			files.Files, files.Objects = 0, nil
		}
		d.Types = append(d.Types, files)
	}
	return d
}

func drawSnapshot(t *rapid.T, s *schema.Schema) object.Snapshot {
	var snapshot object.Snapshot
	for _, typ := range s.Types() {
		for _, o := range some(t, typ, typ.Name+" stored") {
			if rapid.IntRange(0, 5).Draw(t, "malformed") == 0 {
				o.Malformed = errors.New("unexpected end")
			}
			snapshot.Objects = append(snapshot.Objects, o)
		}
	}
	sortByKey(snapshot.Objects)
	return snapshot
}

func sortByKey(objects []object.Object) {
	slices.SortFunc(objects, func(a, b object.Object) int { return strings.Compare(a.Key(), b.Key()) })
}

// after returns the snapshot that results from a plan.
func after(plan object.Plan, before object.Snapshot) object.Snapshot {
	now := object.Snapshot{Objects: slices.Clone(before.Objects)}
	for _, c := range plan.Changes {
		if c.Before == nil {
			now.Objects = append(now.Objects, *c.After)
			continue
		}
		now.Objects = slices.DeleteFunc(now.Objects, func(o object.Object) bool { return o.Key() == c.Before.Key() })
	}
	sortByKey(now.Objects)
	return now
}

func keys(objects []object.Object, chosen func(object.Object) bool) []string {
	var all []string
	for _, o := range objects {
		if chosen(o) {
			all = append(all, o.Key())
		}
	}
	return all
}

// A comparison is consistent with its field names. After its plan, nothing is
// missing, and all objects that are certainly extra are gone, except those that
// cannot be read. Objects that may be declared stay.
func TestCompareProperty(t *testing.T) {
	s := load(t, types)
	rapid.Check(t, func(t *rapid.T) {
		d, before := drawData(t, s), drawSnapshot(t, s)
		c := d.Compare(before)
		plan := c.Plan()
		now := after(plan, before)
		if len(now.Objects) != len(before.Objects)+created(plan)-(len(plan.Changes)-created(plan)) {
			t.Errorf("changes that change nothing: %v", plan.Changes)
		}
		then := d.Compare(now)
		if again := then.Plan().Changes; len(again) > 0 {
			t.Errorf("there is more to do: %v", again)
		}
		for i, typ := range c.Types {
			checkComparison(t, typ, d.Types[i], before)
			checkDone(t, typ, then.Types[i], before, now)
		}
	})
}

func created(p object.Plan) int {
	return len(slices.DeleteFunc(slices.Clone(p.Changes), func(c object.Change) bool { return c.Before != nil }))
}

func checkComparison(t *rapid.T, c seed.TypeComparison, files seed.Type, before object.Snapshot) {
	mine := func(o object.Object) bool { return o.Type == files.Type }
	stored, declared := keys(before.Objects, mine), keys(files.Objects, mine)
	missing := keys(files.Objects, func(o object.Object) bool { return !slices.Contains(stored, o.Key()) })
	extra := keys(before.Objects, func(o object.Object) bool { return mine(o) && !slices.Contains(declared, o.Key()) })
	if slices.Sort(missing); len(files.Faults) > 0 {
		missing, extra = nil, nil
	}
	if d := cmp.Diff([][]string{missing, extra}, [][]string{keys(c.Missing, mine), keys(c.Extra, mine)}); d != "" || c.Stored != len(stored) {
		t.Errorf("%s: %d stored, want %d: %s", files.Type.Name, c.Stored, len(stored), d)
	}
}

func checkDone(t *rapid.T, was, is seed.TypeComparison, before, now object.Snapshot) {
	mine := func(o object.Object) bool { return o.Type == was.Type.Type }
	if len(is.Missing) > 0 {
		t.Errorf("still missing: %v", is.Missing)
	}
	if is.Complete() && slices.ContainsFunc(is.Extra, func(o object.Object) bool { return o.Malformed == nil }) {
		t.Errorf("still extra: %v", is.Extra)
	}
	removed := keys(before.Objects, func(o object.Object) bool { return mine(o) && !slices.Contains(keys(now.Objects, mine), o.Key()) })
	if !was.Complete() && len(removed) > 0 || len(was.Faults) > 0 && is.Stored != was.Stored {
		t.Errorf("%s: not certain, and yet changed: %v", was.Type.Type.Name, removed)
	}
}

// site reads the schema and the data of a site.
func site(t testing.TB, file, dir string) (*schema.Schema, seed.Data) {
	t.Helper()
	s, err := schema.Load(file, "pools")
	if err != nil {
		t.Fatal(err)
	}
	data, err := seed.Read(dir, s.InDependencyOrder())
	if err != nil {
		t.Fatal(err)
	}
	return s, data
}

// whole reads a site as large as production.
func whole(t testing.TB) (*schema.Schema, seed.Data) {
	t.Helper()
	files := sitetest.Write(t)
	return site(t, files.Schema, files.Data)
}

// The data of a whole site has no oddities, and no seeded object is invalid before a
// value is set, even if its JSON schema refuses the defaults.
func TestWholeSiteAsSeeded(t *testing.T) {
	s, data := whole(t)
	unclaimed, err := seed.Unclaimed(data.Dir, s.Names())
	if err != nil || len(unclaimed) > 0 {
		t.Errorf("got %v, %v", unclaimed, err)
	}
	for _, typ := range data.Types {
		if !typ.Complete() || len(typ.Notes) > 0 || len(typ.Places) != len(typ.Objects) {
			t.Errorf("%s: %v, %v, %v", typ.Type.Name, typ.Faults, typ.Gaps, typ.Notes)
		}
	}
	seeded := after(data.Compare(object.Snapshot{}).Plan(), object.Snapshot{})
	if invalid, err := seed.Check(seeded); err != nil || len(invalid) > 0 {
		t.Errorf("got %v, %v", invalid, err)
	}
	refused := slices.ContainsFunc(seeded.Objects, func(o object.Object) bool {
		violations, err := o.Type.Validate(o.Tags, o.Name, o.Fields)
		return err != nil || len(violations) > 0
	})
	if !refused {
		t.Error("no JSON schema refuses a default, so this shows nothing")
	}
}

func BenchmarkRead(b *testing.B) {
	s, data := whole(b)
	for b.Loop() {
		if _, err := seed.Read(data.Dir, s.InDependencyOrder()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompare(b *testing.B) {
	_, data := whole(b)
	stored := after(data.Compare(object.Snapshot{}).Plan(), object.Snapshot{})
	for b.Loop() {
		if plan := data.Compare(stored).Plan(); len(plan.Changes) > 0 {
			b.Fatal(plan)
		}
	}
}
