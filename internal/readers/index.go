package readers

import (
	"fmt"
	"maps"
	"slices"

	"github.com/conftool/confctl/pkg/store"
)

// noteHighest describes what an index does not show.
const noteHighest = "a reader that reports only the highest index does not show whether it has seen the deletion of another object"

// byIndex judges a reader that reports an index, by the model in the package
// documentation.
func (j judgement) byIndex() Result {
	if j.seen > j.storeRevision {
		return j.unknown(j.Reader, fmt.Sprintf("reports index %d, revision %d, and the store is at %d: does it read another store?",
			j.index, j.seen, j.storeRevision))
	}
	missing, latest := j.missing()
	holdsDeleted := j.seen > latest && !j.wholeStore
	if holdsDeleted {
		gone, recorded := j.deletion()
		if !recorded {
			return j.unknown(j.Reader, j.unexplained(latest))
		}
		if gone > 0 {
			missing = append(missing, gone)
		}
	}
	var result Result
	switch {
	case len(j.Since) > 0:
		result = j.sinceIndex(missing)
	case holdsDeleted:
		result = j.lateBy(missing, "has an object of revision %d that is deleted", j.seen)
	case len(missing) > 0:
		result = j.lateBy(missing, "has seen revision %d, the last of %s is %d; %s",
			j.seen, j.selection(), latest, counted(len(missing), "change is missing", "changes are missing"))
	default:
		result = j.current(j.Reader, "has seen revision %d, the last of %s", latest, j.selection())
	}
	if !j.wholeStore {
		result.Note = noteHighest
	}
	return result
}

// unexplained returns why a revision at which no existing object was written cannot
// be compared.
func (j judgement) unexplained(latest store.Revision) string {
	hint := ""
	if j.Kind != MediaWiki {
		hint = " if it tells how far it has read the store, declare it with reports: store"
	}
	return fmt.Sprintf("reports index %d, revision %d, at which the journal has no change of %s, and the last of those that are there is %d: was it of an object that was written past confctl and is gone, does it read others too, or another store?%s",
		j.index, j.seen, j.selection(), latest, hint)
}

// missing returns the revisions of changes that the reader has not seen, oldest
// first: those of objects that have existed ever since or, if it reports how far it
// has read the store, all. latest is the highest revision of the objects, which a
// reader that has seen everything reports.
func (j judgement) missing() (revs []store.Revision, latest store.Revision) {
	changed := map[store.Revision]bool{}
	created := map[string]store.Revision{}
	for _, o := range j.stored {
		created[o.Path()] = o.Created
		changed[o.Created], changed[o.Revision] = true, true
		latest = max(latest, o.Revision)
	}
	for _, c := range j.changes {
		if from, exists := created[c.Path]; j.wholeStore || exists && c.record.Revision >= from {
			changed[c.record.Revision] = true
		}
	}
	maps.DeleteFunc(changed, func(rev store.Revision, _ bool) bool { return rev <= j.seen })
	return slices.Sorted(maps.Keys(changed)), latest
}

// deletion returns the revision at which the last of the objects written at the
// reported revision was deleted, or 0 if there is no record of that, and whether the
// journal has such objects.
func (j judgement) deletion() (last store.Revision, recorded bool) {
	next := map[string]store.Revision{}
	certain := true
	for _, c := range j.changes { // newest first
		if c.record.Revision == j.seen && !c.Deleted() {
			at, deleted := next[c.Path]
			last, recorded, certain = max(last, at), true, certain && deleted
		}
		next[c.Path] = c.record.Revision
	}
	if !certain {
		return 0, recorded
	}
	return last, recorded
}

// lateBy returns the result for a reader that has not seen some changes, oldest
// first. If missing is empty, the age of what it has not seen is unknown.
func (j judgement) lateBy(missing []store.Revision, format string, args ...any) Result {
	l := lag{what: fmt.Sprintf(format, args...)}
	if len(missing) > 0 {
		l.since, l.by = j.age(missing[0])
	}
	l.unknown = l.since.IsZero()
	return j.late(l)
}

// sinceIndex judges whether the reader has seen the checked change. It has not seen
// a part of it if that part is at least as new as a missing change.
func (j judgement) sinceIndex(missing []store.Revision) Result {
	if len(j.asked) == 0 {
		return j.notAbout()
	}
	last := j.asked[len(j.asked)-1].record.Revision
	for _, c := range j.asked {
		if len(missing) > 0 && c.record.Revision >= missing[0] {
			return j.lateBy([]store.Revision{c.record.Revision}, "has seen revision %d, and the change is %d", j.seen, last)
		}
	}
	if j.seen >= last {
		return j.current(j.Reader, "has seen revision %d, and the change is %d", j.seen, last)
	}
	return j.unknown(j.Reader, "what the change is about is deleted, which cannot be seen in the highest index")
}
