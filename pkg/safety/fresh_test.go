package safety

import (
	"fmt"
	"slices"
	"testing"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/store"
)

// since sets the revisions at which the objects in a directory were created,
// one by one or all at once, and changed.
func since(snapshot object.Snapshot, dir string, created func(i int) store.Revision, changed store.Revision) {
	i := 0
	for o := range snapshot.Objects {
		if o := &snapshot.Objects[o]; o.Dir() == dir {
			o.Created = created(i)
			o.Revision = max(o.Created, changed)
			i++
		}
	}
}

func at(r store.Revision) func(int) store.Revision { return func(int) store.Revision { return r } }

// TestFreshObjectsDoNotCount tests that unused objects created in bulk after
// most of the removed ones do not make the removal look small.
func TestFreshObjectsDoNotCount(t *testing.T) {
	const limit = "; at most 20 % at once"
	small := "20 of 30 (besides 100 created since and not used yet) would be removed, 66.7 %" + limit
	for _, c := range []struct {
		name    string
		typ     string // the type and the directory
		state   string // of the new objects
		created func(int) store.Revision
		changed store.Revision
		old     func(int) store.Revision // revisions at which the old objects were created; all at 1 if nil
		removed int                      // how many of the 30 old objects are removed
		also    int                      // how many of the 100 new objects are removed
		want    string
	}{
		{name: "new", typ: "node", state: "seed", created: at(5), removed: 20, want: small},
		{name: "as old", typ: "node", state: "seed", created: at(1), removed: 20},
		{name: "changed, and not serving", typ: "node", state: "no", created: at(5), changed: 6, removed: 20, want: small},
		{name: "changed, and serving", typ: "node", state: "yes", created: at(5), changed: 6, removed: 20},
		{name: "serving as created", typ: "node", state: "yes", created: at(5), removed: 20, want: small},
		{name: "of a type that cannot serve", typ: "plain", state: "seed", created: at(5), removed: 20, want: small},
		{name: "of a type that cannot serve, changed", typ: "plain", state: "seed", created: at(5), changed: 6, removed: 20},
		{name: "one by one", typ: "node", state: "seed", created: func(i int) store.Revision { return store.Revision(5 + i) }, removed: 20},
		{name: "20 at once", typ: "node", state: "seed", created: func(i int) store.Revision { return store.Revision(5 + i/20) }, removed: 20, want: small},
		{name: "19 at once, but for the last ones", typ: "node", state: "seed", created: func(i int) store.Revision { return store.Revision(5 + i/19) }, removed: 20},
		{name: "some of them go too", typ: "node", state: "seed", created: at(5), removed: 30, also: 25,
			want: "55 of 55 (besides 75 created since and not used yet) would be removed, 100 %" + limit},
		{name: "so few go that nothing is said", typ: "node", state: "seed", created: at(5), removed: 19},
		{name: "after half of what goes", typ: "node", state: "seed", created: at(5), removed: 20, want: small,
			old: func(i int) store.Revision { return []store.Revision{9, 1}[min(i/9, 1)] }}, // 9 newer, 11 older
		{name: "before half of what goes", typ: "node", state: "seed", created: at(5), removed: 20,
			old: func(i int) store.Revision { return []store.Revision{9, 1}[min(i/10, 1)] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := siteWith(t, "")
			old, fresh := map[string]string{"node": "a/x/s", "plain": "a"}[c.typ], map[string]string{"node": "b/x/s", "plain": "b"}[c.typ]
			there, came := many(c.typ+" "+old, 30, map[string]string{"node": "no", "plain": "seed"}[c.typ]), many(c.typ+" "+fresh, 100, c.state)
			snapshot := s.snapshot(t, slices.Concat(there, came)...)
			if c.old == nil {
				c.old = at(1)
			}
			since(snapshot, fresh, c.created, c.changed)
			plan := s.plan(t, snapshot, remove(slices.Concat(there[:c.removed], came[:c.also]))...)
			for i, change := range plan.Changes[:c.removed] {
				change.Before.Created, change.Before.Revision = c.old(i), 9
			}
			var want []string
			if c.want != "" {
				want = []string{fmt.Sprintf("refused mass-removal %s %s: %s", c.typ, c.typ, c.want)}
			}
			equal(t, "findings", findingLines(s.rules.Review(plan, snapshot, Terms{Mode: Refuse, Seeds: true})), want)
		})
	}
}
