package safety

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// massChange refuses a change after which many objects in more than one place
// stop serving, which happens when a selector is less specific than intended. A
// place is a value of the type's first tag.
func (r *review) massChange(v *view, l limit) {
	if len(v.typ.Tags) == 0 {
		return
	}
	leaving, places := 0, map[string]int{}
	for _, d := range v.dirs {
		n := 0
		for i := range d.moves {
			if d.moves[i].leaves() {
				n++
			}
		}
		if n > 0 {
			leaving += n
			places[d.tags[0]] += n
		}
	}
	if leaving < l.atLeast || len(places) < 2 {
		return
	}
	r.find(l.mode, Finding{
		Rule: MassChange, Type: v.typ.Name, Subject: v.typ.Name,
		Msg: fmt.Sprintf("%d objects would stop serving, in more than one %s: %s; at most %d may at once",
			leaving, v.typ.Tags[0], formatCounts(places), l.atLeast-1),
		Changes: v.keys(v.dirs, (*move).leaves),
	})
}

// formatCounts formats the count of each name, the largest count first.
func formatCounts(counts map[string]int) string {
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, counts[name])
	}
	return abbreviate(names)
}

// abbreviate joins the first few items, and says how many it leaves out.
func abbreviate(items []string) string {
	const maxListed = 5
	if len(items) <= maxListed+1 { // "and 1 more" would be no shorter
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:maxListed], ", "), len(items)-maxListed)
}
