package readers

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// noteHighest is what an index does not tell.
const noteHighest = "a reader that reports only the highest index does not show whether it has seen the deletion of another object"

// byIndex judges a reader that reports an index, by the model that the package's
// documentation describes.
func (j judgement) byIndex() Result {
	latest := j.latest()
	missing, held := j.missing()
	var result Result
	switch {
	case j.seen > j.state.Snapshot.Revision:
		return j.unknown(j.Reader, fmt.Sprintf("reports index %d, revision %d, and the store is at %d: does it read another store?",
			j.index, j.seen, j.state.Snapshot.Revision))
	case j.seen > latest && !held:
		return j.unknown(j.Reader, fmt.Sprintf("reports index %d, revision %d, at which the journal has no change of %s, and the last of those that are there is %d: was it of an object that was written past confctl and is gone, does it read others too, or another store?%s",
			j.index, j.seen, j.selection(), latest, j.otherwise()))
	case len(j.Since) > 0:
		result = j.sinceIndex(missing)
	case j.seen > latest && !j.wholeStore:
		result = j.lateBy(missing, "has an object of revision %d that is deleted", j.seen)
	case len(missing) > 0:
		result = j.lateBy(missing, "has seen revision %d, the last of %s is %d; %s",
			j.seen, j.selection(), latest, counted(len(missing), "change is missing", "changes are missing"))
	default:
		result = j.fine(j.Reader, "has seen revision %d, the last of %s", latest, j.selection())
	}
	if result.Seen = j.seen; !j.wholeStore {
		result.Note = noteHighest
	}
	return result
}

// otherwise is what else a revision of no object may be, if the reader's kind can
// be declared so.
func (j judgement) otherwise() string {
	if j.Kind == MediaWiki {
		return ""
	}
	return " if it tells how far it has read the store, declare it with reports: store"
}

// latest is the revision of the last change of an object the reader reads that
// is still there: what one that has seen everything reports.
func (j judgement) latest() store.Revision {
	var latest store.Revision
	for _, o := range j.objects(j.state.Snapshot) {
		latest = max(latest, o.Revision)
	}
	return latest
}

// missing returns the revisions of changes that the reader cannot have seen, the
// oldest first, and whether what it reports is the index of an object. Whatever
// it reports, it has not seen the later changes of objects that have been there
// ever since: one of those would be the highest. And as long as it holds one of
// the objects that it reports, it has not seen the last of them go.
func (j judgement) missing() (revs []store.Revision, held bool) {
	later := map[store.Revision]bool{}
	created := map[string]store.Revision{}
	for _, o := range j.objects(j.state.Snapshot) {
		created[o.Path()] = o.Created
		later[o.Created], later[o.Revision] = true, true
	}
	for rec, o := range j.recordedObjects() {
		if born, there := created[o.Path]; j.wholeStore || there && rec.Revision >= born {
			later[rec.Revision] = true
		}
	}
	held = later[j.seen] || j.wholeStore
	if !held {
		var gone store.Revision
		gone, held = j.gone()
		later[gone] = true
	}
	maps.DeleteFunc(later, func(rev store.Revision, _ bool) bool { return rev <= j.seen })
	return slices.Sorted(maps.Keys(later)), held
}

// gone returns at which revision the last of the objects that were written at the
// reported one was written again or deleted, 0 if no record says; and whether any
// was.
func (j judgement) gone() (last store.Revision, was bool) {
	next := map[string]store.Revision{}
	certain := true
	for rec, o := range j.recordedObjects() {
		if rec.Revision == j.seen && !o.Deleted() {
			at, known := next[o.Path]
			last, was, certain = max(last, at), true, certain && known
		}
		next[o.Path] = rec.Revision
	}
	if !certain {
		return 0, was
	}
	return last, was
}

// recordedObjects yields what the reader reads as the journal has it, with its
// record, the newest first.
func (j judgement) recordedObjects() iter.Seq2[sal.Stored, sal.Object] {
	return func(yield func(sal.Stored, sal.Object) bool) {
		for _, rec := range j.state.Journal {
			for _, o := range rec.Change.Objects {
				if j.readsRecorded(o) && !yield(rec, o) {
					return
				}
			}
		}
	}
}

// lateBy is the verdict on a reader that has not seen some changes, the oldest
// first.
func (j judgement) lateBy(missing []store.Revision, format string, args ...any) Result {
	l := lag{changes: max(1, len(missing)), what: fmt.Sprintf(format, args...)}
	if len(missing) > 0 {
		l.since, l.by = j.state.known(missing[0])
	}
	l.unknown = l.since.IsZero()
	return j.late(l)
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// sinceIndex says whether the reader has seen one change.
func (j judgement) sinceIndex(missing []store.Revision) Result {
	asked := j.asked()
	if len(asked) == 0 {
		return j.notAbout()
	}
	last := asked[len(asked)-1].Revision
	for _, rec := range asked {
		if len(missing) > 0 && (rec.Revision >= missing[0] || rec.Revision > j.seen && j.isThere(rec)) {
			return j.lateBy([]store.Revision{max(rec.Revision, missing[0])}, "has seen revision %d, and the change is %d", j.seen, last)
		}
	}
	if j.seen >= last {
		return j.fine(j.Reader, "has seen revision %d, and the change is %d", j.seen, last)
	}
	return j.unknown(j.Reader, "what the change is about is deleted, which cannot be seen in the highest index")
}

// isThere reports whether the store has an object that the reader reads and the
// record is about.
func (j judgement) isThere(rec sal.Stored) bool {
	return slices.ContainsFunc(j.objects(j.state.Snapshot), func(o object.Object) bool {
		return slices.ContainsFunc(rec.Change.Objects, func(c sal.Object) bool { return c.Type == o.Type.Name && c.Path == o.Path() })
	})
}

// asked returns the records of the change in question that concern the reader,
// the oldest first.
func (j judgement) asked() []sal.Stored {
	var asked []sal.Stored
	for _, rec := range j.Since {
		if !rec.Refused() && slices.ContainsFunc(rec.Change.Objects, j.readsRecorded) {
			asked = append(asked, rec)
		}
	}
	slices.SortFunc(asked, func(a, b sal.Stored) int { return cmp.Compare(a.Revision, b.Revision) })
	return asked
}
