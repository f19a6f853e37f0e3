package sal

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// fields parses fields such as pooled=yes; a number stands for a text of that
// many bytes.
func fields(words string) value.Value {
	if words == "absent" {
		return value.Value{}
	}
	var all []value.Field
	for _, word := range strings.Fields(words) {
		name, v, _ := strings.Cut(word, "=")
		n := 0
		if _, err := fmt.Sscan(v, &n); err == nil {
			v = strings.Repeat("x", n)
		}
		all = append(all, value.Field{Name: name, Value: value.OfString(v)})
	}
	return value.OfMap(all...)
}

// TestTrim: Trim removes the largest unchanged fields, and no more than needed.
func TestTrim(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after string
		bytes         int
		lack          string // fields that the object lacks
	}{
		{"nothing to save", "a=1 big=1000", "a=2 big=1000", 0, ""},
		{"the largest", "a=1 big=1000 small=10", "a=2 big=1000 small=10", 1000, "big"},
		{"both", "a=1 big=1000 small=10", "a=2 big=1000 small=10", 2020, "big small"},
		{"more than there is", "a=1 big=1000 small=10", "a=2 big=1000 small=10", 9000, "big small"},
		{"what changed stays", "a=1 big=1000", "a=1 big=1001", 1000, "a"},
		{"what is removed stays", "a=1 big=1000", "a=1", 1000, "a"},
		{"what is added stays", "a=1", "a=1 big=1000", 1000, "a"},
		{"created", "absent", "a=1 big=1000", 1000, ""},
		{"deleted", "a=1 big=1000", "absent", 1000, ""},
	} {
		o := Object{Type: "node", Path: "a", Before: fields(c.before), After: fields(c.after)}
		whole := Record{Change: ChangeRecord{Objects: []Object{o}}}
		trimmed, ok := whole.Trim(c.bytes)
		got := trimmed.Change.Objects[0]
		if ok != (c.lack != "") || got.Partial != ok {
			t.Errorf("%s: trimmed %v, partial %v", c.name, ok, got.Partial)
		}
		want := func(all value.Value) value.Value {
			if all.IsAbsent() {
				return all
			}
			var kept []value.Field
			for _, f := range all.Fields() {
				if !slices.Contains(strings.Fields(c.lack), f.Name) {
					kept = append(kept, f)
				}
			}
			return value.OfMap(kept...)
		}
		if got.Before != want(o.Before) || got.After != want(o.After) {
			t.Errorf("%s: %.200s => %.200s", c.name, got.Before.Text(), got.After.Text())
		}
		if is := whole.Change.Objects[0]; is.Partial || is.Before != o.Before || is.After != o.After {
			t.Errorf("%s: the record that was trimmed has changed", c.name)
		}
	}
}

// TestUndoOfWhatIsTrimmed: trimmed records of successive changes of an object can
// be undone as exactly as complete ones, one by one or together.
func TestUndoOfWhatIsTrimmed(t *testing.T) {
	s := schema.BuiltIn("pools")
	rapid.Check(t, func(t *rapid.T) {
		states := rapid.SliceOfN(rapid.Custom(drawFields), 2, 5).Draw(t, "states")
		var past []object.Past // newest first
		for i := 1; i < len(states); i++ {
			o := Object{Type: "node", Path: "dc/c/s/host", Before: states[i-1], After: states[i]}
			r, _ := Record{Change: ChangeRecord{Objects: []Object{o}}}.Trim(rapid.IntRange(0, 300).Draw(t, "bytes"))
			p, err := r.Change.Objects[0].Past(s)
			if err != nil {
				t.Fatal(err)
			}
			past = append([]object.Past{p}, past...)
		}
		n := rapid.IntRange(1, len(past)).Draw(t, "how many to take back")
		now := object.New(past[0].Type, past[0].Tags, past[0].Name).WithFields(states[len(states)-1].Fields())
		plan, clashes, err := object.Undo(past[:n], object.Snapshot{Objects: []object.Object{now}})
		if err != nil || len(clashes) > 0 {
			t.Fatalf("%v, %+v", err, clashes)
		}
		got := now
		if len(plan.Changes) > 0 {
			got = *plan.Changes[0].After
		}
		want := now.WithFields(states[len(states)-1-n].Fields())
		if diff := object.Diff(want.Fields, got.Fields); len(diff) > 0 {
			t.Fatalf("%+v", diff)
		}
	})
}

// drawFields draws fields of a node, including some that its type does not have.
func drawFields(t *rapid.T) value.Value {
	all := []value.Field{
		{Name: "weight", Value: value.OfInt(rapid.Int64Range(0, 2).Draw(t, "weight"))},
		{Name: "pooled", Value: value.OfString(rapid.SampledFrom([]string{"yes", "no"}).Draw(t, "pooled"))},
	}
	for _, name := range []string{"x", "y", "z"} {
		if n := rapid.IntRange(0, 3).Draw(t, name); n > 0 {
			all = append(all, value.Field{Name: name, Value: value.OfString(strings.Repeat(name, 10*n))})
		}
	}
	return value.OfMap(all...)
}
