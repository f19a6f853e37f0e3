package dump_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/dump"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/store"
)

// TestReverts checks which changes made by others an import of an old export would
// revert.
func TestReverts(t *testing.T) {
	s := schemaOf(t, site)
	at := func(path string, revision store.Revision, weight string) object.Object {
		o := object1(t, s, "node", path, `{"weight": `+weight+`, "pooled": "yes"}`)
		o.Created, o.Revision = 2, revision
		return o
	}
	exported := []object.Object{at("n/web/https/a", 5, "1"), at("n/web/https/b", 8, "1")}
	node := exported[0].Type
	other := func(name string, revision store.Revision, weight string) []object.Object {
		return []object.Object{exported[0], at("n/web/https/"+name, revision, weight)}
	}
	edit := func(text string) string {
		text = strings.Replace(text, "weight: 1", "weight: 3", 1)
		return strings.Replace(text, `"weight": 1`, `"weight": 3`, 1)
	}
	unmarked := func(text string) string {
		text = strings.Replace(text, ", revision: 8", "", 1)
		return strings.Replace(text, `, "revision": 8`, "", 1)
	}
	for _, c := range []struct {
		name       string
		edit       func(string) string
		there      []object.Object
		at, fence  store.Revision // the revision of the store, and that of the type's last deletion
		want       []string
		elsewhere  bool
		withOthers bool
	}{
		{"nothing has changed", nil, exported, 30, 0, nil, false, true},
		{"changed since", nil, other("b", 9, "4"), 30, 0, []string{"b"}, false, false},
		{"changed since to the same", nil, other("b", 9, "1"), 30, 0, nil, false, false},
		{"deleted since", nil, exported[:1], 30, 9, []string{"b"}, false, false},
		{"nothing was deleted since", nil, exported[:1], 30, 8, nil, false, false},
		{"created since, and to be removed", nil, append(other("b", 8, "1"), at("n/web/https/c", 9, "1")), 30, 0, []string{"c"}, false, true},
		{"created since, and left alone", nil, append(other("b", 8, "1"), at("n/web/https/c", 9, "1")), 30, 0, nil, false, false},
		{"edited", edit, exported, 30, 0, nil, false, false},
		{"edited, and changed since", edit, []object.Object{at("n/web/https/a", 12, "1"), at("n/web/https/b", 13, "2")}, 30, 0, []string{"a", "b"}, false, false},
		{"edited, and the other changed since", edit, other("b", 13, "2"), 30, 0, []string{"b"}, false, false},
		{"put back to an earlier time", nil, other("b", 6, "4"), 7, 0, []string{"b"}, true, false},
		{"put back, and edited", edit, other("b", 6, "1"), 7, 0, []string{"a"}, true, false},
		{"put back, and gone on past it", nil, other("b", 7, "4"), 30, 0, []string{"b"}, true, false},
		{"another store", nil, []object.Object{at("n/web/https/a", 12, "4"), at("n/web/https/b", 7, "4")}, 30, 0, []string{"a", "b"}, true, false},
		{"another store, of objects of its own", nil, []object.Object{at("n/web/https/c", 3, "4")}, 30, 0, []string{"c"}, true, true},
		{"an empty store", nil, nil, 1, 0, nil, true, false},
		{"a store behind that has deleted something", nil, nil, 7, 7, nil, true, false},
		{"no revision", unmarked, other("b", 1, "4"), 30, 0, []string{"b"}, false, false},
		{"no revision, and deleted once", unmarked, exported[:1], 30, 1, []string{"b"}, false, false},
		{"no revision, into an empty store", unmarked, nil, 1, 0, nil, false, false},
		{"no header", func(text string) string {
			if strings.HasPrefix(text, "{") {
				_, text, _ = strings.Cut(text, "\n")
				return text
			}
			return text[strings.Index(text, "\nobjects:")+1:]
		}, other("b", 9, "4"), 30, 9, nil, false, false},
	} {
		for _, f := range dump.Formats() {
			t.Run(c.name+", "+f, func(t *testing.T) {
				var b strings.Builder
				header := dump.Header{Revision: dump.Newest(typesOf(exported), object.Snapshot{Objects: exported})}
				if err := dump.Write(&b, dump.Format(f), typesOf(exported), exported, header); err != nil || header.Revision != 8 {
					t.Fatal(err, header)
				}
				text := b.String()
				if c.edit != nil {
					text = c.edit(text)
				}
				if c.edit != nil && text == b.String() {
					t.Fatal("not edited")
				}
				d, err := dump.Parse("f", []byte(text), s)
				if err != nil {
					t.Fatal(err)
				}
				on := object.Snapshot{Revision: c.at, Objects: c.there, Fences: map[string]store.Revision{node.Name: c.fence}}
				plan, _ := d.Plan(on, dump.Terms{RemoveOthers: c.withOthers})
				reverts, elsewhere := d.Reverts(plan, on)
				var got []string
				for _, r := range reverts {
					got = append(got, r.Object().Name)
				}
				slices.Sort(got)
				if !slices.Equal(got, c.want) || elsewhere != c.elsewhere {
					t.Errorf("%q, elsewhere %v; want %q, %v", got, elsewhere, c.want, c.elsewhere)
				}
			})
		}
	}
}

// TestNewest checks that the revision in a header is that of the last change or
// deletion of what the file covers, whatever else changes in the store.
func TestNewest(t *testing.T) {
	s := schemaOf(t, site)
	node, free := object1(t, s, "node", "n/w/h/a", `{}`), object1(t, s, "free", "x", `{"v": 1}`)
	node.Revision, free.Revision = 4, 7
	on := object.Snapshot{Revision: 90, Objects: []object.Object{node, free}, Fences: map[string]store.Revision{"node": 5}}
	for _, c := range []struct {
		of   []object.Object
		want store.Revision
	}{{[]object.Object{node}, 5}, {[]object.Object{free}, 7}, {[]object.Object{node, free}, 7}, {nil, 0}} {
		if got := dump.Newest(typesOf(c.of), on); got != c.want {
			t.Errorf("%d, want %d", got, c.want)
		}
	}
}
