package sal

import (
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// TestTakersOf: the taker is who took an object out, not who undid that it was
// put back.
func TestTakersOf(t *testing.T) {
	node := nodeType(t)
	o := object.New(node, []string{"dc", "c", "s"}, "a")
	o.Revision = 100
	state := func(word string) value.Value {
		return value.OfMap(value.Field{Name: "pooled", Value: value.OfString(word)})
	}
	for _, c := range []struct{ name, lines, want string }{
		{"taken out", "a:no", "a"},
		{"taken out again", "a:no b:yes c:no", "c"},
		{"an undo of a pooling", "a:no b:yes c:no=b", "a"},
		{"and something else between", "a:no b:yes x: c:no=b", "a"},
		{"an undo of several, of other objects too", "a:no x: b:yes c:no=x,b", "a"},
		{"an undo of several of the same", "a:no b:yes c:maybe d:yes e:no=b,c,d", "a"},
		{"an undo of an undo", "a:no b:yes=a c:no=b", "a"},
		{"and undone and redone once more", "a:no b:yes=a c:no=b d:yes=c e:no=d", "a"},
		{"a pooling undone twice over", "a:no b:yes c:no=b d:yes e:no=d", "a"},
		{"an undo, and then somebody again", "a:no b:yes c:no=b d:yes e:no", "e"},
		{"never taken out before", "a:yes b:no=a", "b"},
		{"beyond what was read", "c:no=b", "c"},
	} {
		var records []Stored
		was := "yes"
		if strings.HasPrefix(c.name, "never") {
			was = "no"
		}
		for i, word := range strings.Fields(c.lines) {
			id, does, _ := strings.Cut(word, ":")
			becomes, undoes, isUndo := strings.Cut(does, "=")
			r := Stored{Record{Event: Event{ID: id}, Change: ChangeRecord{Run: id}}, store.Revision(i + 1)}
			if isUndo {
				r.Change.Undoes = strings.Split(undoes, ",")
			}
			path := "dc/c/s/a"
			if becomes == "" {
				path, becomes = "dc/c/s/other", "no"
			}
			r.Change.Objects = []Object{{Type: "node", Path: path, Before: state(was), After: state(becomes)}}
			if path == "dc/c/s/a" {
				was = becomes
			}
			records = append([]Stored{r}, records...)
		}
		out := func(o Object) bool { return o.Before == state("yes") && o.After != state("yes") }
		if got := takersOf(records, []object.Object{o}, out)[ObjectID{"node", "dc/c/s/a"}].Event.ID; got != c.want {
			t.Errorf("%s: %s: %q, want %q", c.name, c.lines, got, c.want)
		}
	}
}
