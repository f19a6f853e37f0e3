package safety

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// massChange refuses that many objects stop serving at once in more than one
// place, which is what a selector does that says less than was meant. A place
// is a value of the type's first tag.
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
			leaving, v.typ.Tags[0], counts(places), l.atLeast-1),
		Changes: v.keys(v.dirs, (*move).leaves),
	})
}

// counts lists how many there are of each, the most frequent first.
func counts(of map[string]int) string {
	var names []string
	for name := range of {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(of[b], of[a]), cmp.Compare(a, b))
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, of[name])
	}
	return few(names)
}

// few lists the first of some words.
func few(words []string) string {
	const most = 5
	if len(words) <= most+1 { // "and 1 more" would save nothing
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:most], ", "), len(words)-most)
}
