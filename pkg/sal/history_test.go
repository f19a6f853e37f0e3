package sal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// history returns records, newest first, from lines such as "c undoes a b",
// oldest first. A ! marks a refused change, a ~ a part with more to follow, and
// a-2 is a part of a.
func history(lines ...string) []Stored {
	var records []Stored
	for i, line := range lines {
		words := strings.Fields(line)
		id := strings.TrimRight(words[0], "!~")
		run, _, _ := strings.Cut(id, "-")
		r := Record{Time: noon(), Event: Event{ID: id}, Change: ChangeRecord{Run: run}}
		if strings.HasSuffix(words[0], "!") {
			r.Event.Outcome = Failure
		}
		r.Change.Partial = strings.HasSuffix(words[0], "~")
		if len(words) > 2 {
			r.Change.Undoes = words[2:]
		}
		records = slices.Insert(records, 0, Stored{r, store.Revision(i + 1)})
	}
	return records
}

// addHistory commits the records of history.
func (j journal) addHistory(lines ...string) {
	j.Helper()
	for _, r := range slices.Backward(history(lines...)) {
		r.Event.ID, r.Change.Run = long(r.Event.ID), long(r.Change.Run)
		for i, id := range r.Change.Undoes {
			r.Change.Undoes[i] = long(id)
		}
		j.add(r.Record)
	}
}

func TestUndone(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  map[string]string
	}{
		{"nothing", []string{"a", "b"}, map[string]string{}},
		{"one", []string{"a", "b", "c undoes a"}, map[string]string{"a": "c"}},
		{"several at once", []string{"a", "b", "c undoes b a"}, map[string]string{"a": "c", "b": "c"}},
		{"an undo undone", []string{"a", "b undoes a", "c undoes b"}, map[string]string{"b": "c"}},
		{"and undone again", []string{"a", "b undoes a", "c undoes b", "d undoes c"}, map[string]string{"c": "d", "a": "b"}},
		{"undone a second time", []string{"a", "b undoes a", "c undoes b", "d undoes a"}, map[string]string{"b": "c", "a": "d"}},
		{"one of two undos undone", []string{"a", "b undoes a", "c undoes a", "d undoes c"}, map[string]string{"c": "d", "a": "b"}},
		{"refused", []string{"a", "b! undoes a"}, map[string]string{}},
		{"an undo whose undo was refused", []string{"a", "b undoes a", "c! undoes b"}, map[string]string{"a": "b"}},
		{"an undo in parts, undone", []string{"a", "b undoes a", "b-2 undoes a", "c undoes b"}, map[string]string{"b": "c"}},
		{"an undo in parts", []string{"a", "b~ undoes a", "b-2 undoes a"}, map[string]string{"a": "b"}},
		{"an undo in parts, not finished", []string{"a", "b~ undoes a"}, map[string]string{}},
		{"an undo in parts, finished by another", []string{"a", "b~ undoes a", "c undoes a"}, map[string]string{"a": "c"}},
		{"beyond what was read", []string{"b undoes a"}, map[string]string{"a": "b"}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, Undone(history(tt.lines...))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestUndoneIsWhatDoesNotStand makes changes that may each undo one that is in
// effect. Those in effect at the end are those not undone: undoing an undo
// restores its change.
func TestUndoneIsWhatDoesNotStand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines, stands, takes := []string{"0"}, map[string]bool{"0": true}, map[string]string{}
		for i := 1; i < rapid.IntRange(2, 10).Draw(t, "changes"); i++ {
			id := fmt.Sprint(i)
			line := id
			// Undoing a change that is not in effect changes nothing, and
			// makes no record.
			inEffect := func(target string) bool {
				for want := true; target != ""; target, want = takes[target], !want {
					if stands[target] != want {
						return false
					}
				}
				return true
			}
			if target := fmt.Sprint(rapid.IntRange(0, i-1).Draw(t, "target")); inEffect(target) && rapid.Bool().Draw(t, "undo") {
				line += " undoes " + target
				takes[id] = target
				for undone, now := target, false; undone != ""; undone, now = takes[undone], !now {
					stands[undone] = now // the change that it had undone is restored, and so on
				}
			}
			stands[id] = true
			lines = append(lines, line)
		}
		undone := Undone(history(lines...))
		for id := range stands {
			if (undone[id] == "") != stands[id] {
				t.Fatalf("%q: %s undone by %q", lines, id, undone[id])
			}
		}
	})
}

// severalChanges returns records of changes of objects, newest first. The oldest
// changed a field of a.
func severalChanges(t *testing.T) ([]Stored, []object.Object) {
	t.Helper()
	node := nodeType(t)
	at := func(name string, revision store.Revision) object.Object {
		o := object.New(node, []string{"dc", "c", "s"}, name)
		o.Revision = revision
		return o
	}
	touching := func(names ...string) []Object {
		var all []Object
		for _, name := range names {
			all = append(all, Object{Type: "node", Path: "dc/c/s/" + name, Before: value.OfMap(), After: value.OfMap()})
		}
		return all
	}
	records := history("1", "2", "3", "4!", "5")
	for i, names := range [][]string{{"a", "b", "c"}, {"b"}, {"a", "c"}, {"a"}, {"c"}} {
		records[len(records)-1-i].Change.Objects = touching(names...)
	}
	records[4].Change.Objects[0].After = value.OfMap(value.Field{Name: "pooled", Value: value.OfString("no")})
	objects := []object.Object{at("a", 9), at("b", 2), at("c", 4), at("never", 9)}
	other := at("a", 9)
	other.Type = &schema.Type{Name: "other", Tags: node.Tags}
	objects = append(objects, other)
	return records, objects
}

// addAll adds records, newest first, until no more are needed.
func addAll(records []Stored, add func(Stored) bool) {
	for _, r := range records {
		if !add(r) {
			return
		}
	}
}

// lastChanges is LastChanges on some records.
func lastChanges(records []Stored, objects []object.Object, which func(Object) bool) map[ObjectID]Stored {
	c := newChangeSearch(objects, which)
	addAll(records, c.add)
	return c.found
}

// takersOf is Takers on some records.
func takersOf(records []Stored, objects []object.Object, takesOut func(Object) bool) map[ObjectID]Stored {
	t := newTakerSearch(objects, takesOut)
	addAll(records, t.add)
	return t.result()
}

func TestLastChanges(t *testing.T) {
	records, objects := severalChanges(t)
	got := map[string]string{}
	for id, r := range lastChanges(records, objects, nil) {
		got[id.Type+" "+id.Path] = r.Event.ID
	}
	if diff := cmp.Diff(map[string]string{"node dc/c/s/a": "3", "node dc/c/s/b": "2", "node dc/c/s/c": "3"}, got); diff != "" {
		t.Error(diff)
	}
	out := lastChanges(records, objects, func(o Object) bool { return len(o.Fields()) > 0 })
	if id := (ObjectID{"node", "dc/c/s/a"}); len(out) != 1 || out[id].Event.ID != "1" {
		t.Errorf("%v", out)
	}
}

func TestTakersOfMany(t *testing.T) {
	records, objects := severalChanges(t)
	got := map[string]string{}
	found := takersOf(records, objects, func(Object) bool { return true })
	for id, r := range found {
		got[id.Type+" "+id.Path] = r.Event.ID
	}
	if diff := cmp.Diff(map[string]string{"node dc/c/s/a": "3", "node dc/c/s/b": "2", "node dc/c/s/c": "3"}, got); diff != "" {
		t.Error(diff)
	}
	out := takersOf(records, objects, func(o Object) bool { return len(o.Fields()) > 0 })
	if id := (ObjectID{"node", "dc/c/s/a"}); len(out) != 1 || out[id].Event.ID != "1" {
		t.Errorf("%v", out)
	}
}

func nodeType(t *testing.T) *schema.Type {
	t.Helper()
	node, err := schema.BuiltIn("pools").Type(schema.Node)
	if err != nil {
		t.Fatal(err)
	}
	return node
}

// TestTakersReadsSome: Takers reads only what it needs, and not the whole
// journal.
func TestTakersReadsSome(t *testing.T) {
	j := newJournal(t)
	node := nodeType(t)
	record := func(name string) Record {
		r := change(name, noon())
		r.Change.Objects = []Object{{Type: "node", Path: "dc/c/s/" + name, After: value.OfMap()}}
		return r
	}
	j.add(record("lost"))
	j.fill(2_500, 100)
	j.add(record("old"))
	j.fill(900, 100) // writes some again, so that they are newer
	now := j.add(record("new"))
	for name, sizes := range map[string][]int{"new": {500}, "old": {500, 2_500}, "lost": {500, 2_500}} {
		o := object.New(node, []string{"dc", "c", "s"}, name)
		o.Revision = now
		j.lists.sizes = nil
		got, err := j.Takers(t.Context(), []object.Object{o}, func(Object) bool { return true })
		if err != nil || len(got) != map[string]int{"new": 1, "old": 1}[name] || !slices.Equal(j.lists.sizes, sizes) {
			t.Errorf("%s: %v, %v, read %v", name, got, err, j.lists.sizes)
		}
	}
	j.lists.sizes = nil
	if got, err := j.Takers(t.Context(), nil, nil); len(got) > 0 || err != nil || j.lists.sizes != nil {
		t.Errorf("%v, %v, read %v", got, err, j.lists.sizes)
	}
}

func TestPast(t *testing.T) {
	s := schema.BuiltIn("pools")
	weight := value.OfMap(value.Field{Name: "weight", Value: value.OfInt(1)})
	p, err := Object{Type: "node", Path: "dc/c/s/host", Before: value.OfMap(), After: weight}.Past(s)
	if err != nil || p.Name != "host" || !slices.Equal(p.Tags, []string{"dc", "c", "s"}) || p.Type.Name != "node" {
		t.Fatalf("%+v, %v", p, err)
	}
	if p.Before == nil || len(p.Before) > 0 || !slices.Equal(p.After, weight.Fields()) {
		t.Errorf("%v => %v", p.Before, p.After)
	}
	if p, err := (Object{Type: "node", Path: "dc/c/s/host", After: weight}).Past(s); p.Before != nil || err != nil {
		t.Errorf("created: %+v, %v", p, err)
	}
	if p, err := (Object{Type: "node", Path: "dc/c/s/host", Before: weight}).Past(s); p.After != nil || err != nil {
		t.Errorf("deleted: %+v, %v", p, err)
	}
	for want, o := range map[string]Object{
		`nodes dc/host: no object type "nodes" (did you mean node?)`:                                                             {Type: "nodes", Path: "dc/host", After: weight},
		`node dc/host: type node has other tags by now: dc, cluster, service`:                                                    {Type: "node", Path: "dc/host", After: weight},
		`node dc/c/s/host: what was stored before cannot be restored, it was no JSON object: "` + strings.Repeat("{", 97) + `…"`: {Type: "node", Path: "dc/c/s/host", Raw: []byte(strings.Repeat("{", 1_000)), After: weight},
	} {
		if _, err := o.Past(s); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if _, err := (Object{Type: "x"}).Past(s); !errors.As(err, new(*schema.UnknownTypeError)) {
		t.Errorf("%T", err)
	}
}
