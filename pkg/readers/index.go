package readers

import (
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// noteHighest is what an index does not tell.
const noteHighest = "a reader that reports only the highest index does not show whether it has seen the deletion of another object"

// index judges a reader that reports the highest index it has seen.
func (j judgement) byIndex() Result {
	var result Result
	switch latest := j.latest(); {
	case j.seen > j.state.Snapshot.Revision:
		return j.unknown(j.Reader, fmt.Sprintf("reports index %d, revision %d, and the store is at %d: does it read another store?",
			j.index, j.seen, j.state.Snapshot.Revision))
	case len(j.Since) > 0:
		result = j.sinceIndex(latest)
	case j.seen < latest:
		result = j.behind(latest)
	case j.seen > latest && j.Kind == MediaWiki:
		result = j.ahead(latest)
	default:
		result = j.fine(j.Reader, "has seen revision %d, the last of %s", latest, j.selection())
	}
	result.Seen, result.Note = j.seen, noteHighest
	return result
}

// latest is the revision of the last change of an object the reader reads that
// is still there: what it has to report.
func (j judgement) latest() store.Revision {
	var latest store.Revision
	for _, o := range j.objects(j.state.Snapshot) {
		latest = max(latest, o.Revision)
	}
	return latest
}

// behind judges a reader that has not seen the last change.
func (j judgement) behind(latest store.Revision) Result {
	var oldest store.Revision
	changes := map[store.Revision]bool{}
	add := func(rev store.Revision) {
		if rev > j.seen {
			changes[rev] = true
			if oldest == 0 || rev < oldest {
				oldest = rev
			}
		}
	}
	for _, rec := range j.state.Journal {
		if slices.ContainsFunc(rec.Change.Objects, j.readsRecorded) {
			add(rec.Revision)
		}
	}
	for _, o := range j.objects(j.state.Snapshot) {
		add(o.Revision)
	}
	l := lag{changes: len(changes), what: fmt.Sprintf("has seen revision %d, the last of %s is %d; %s",
		j.seen, j.selection(), latest, counted(len(changes), "change is missing", "changes are missing"))}
	l.since, l.by = j.state.known(oldest)
	return j.late(l)
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// ahead judges a reader whose index no object has: that one was deleted since,
// which the reader has not seen, or it reads others too.
func (j judgement) ahead(latest store.Revision) Result {
	read := func(o sal.Object) bool { return j.readsRecorded(o) && !o.Deleted() }
	if !slices.ContainsFunc(j.state.Journal, func(rec sal.Stored) bool {
		return rec.Revision == j.seen && slices.ContainsFunc(rec.Change.Objects, read)
	}) {
		return j.unknown(j.Reader, fmt.Sprintf("reports index %d, revision %d, at which the journal has no change of %s, the last of which is %d: does it read other objects too?",
			j.index, j.seen, j.selection(), latest))
	}
	l := lag{changes: 1, what: fmt.Sprintf("has an object of revision %d that is deleted", j.seen)}
	for _, rec := range j.state.Journal { // the newest first
		if rec.Revision <= j.seen {
			break
		}
		if slices.ContainsFunc(rec.Change.Objects, func(o sal.Object) bool { return j.readsRecorded(o) && o.Deleted() }) {
			l.since, l.by = rec.Time, rec.Event.ID
		}
	}
	return j.late(l)
}

// sinceIndex says whether the reader has seen one change.
func (j judgement) sinceIndex(latest store.Revision) Result {
	asked := j.asked()
	if len(asked) == 0 {
		return j.notAbout()
	}
	last := asked[len(asked)-1]
	stays := slices.ContainsFunc(last.Change.Objects, func(o sal.Object) bool { return j.readsRecorded(o) && !o.Deleted() })
	switch {
	case j.seen >= last.Revision:
		return j.fine(j.Reader, "has seen revision %d, and the change is %d", j.seen, last.Revision)
	case j.seen > latest && j.Kind == MediaWiki:
		return j.ahead(latest)
	case j.seen != latest:
		first := asked[slices.IndexFunc(asked, func(rec sal.Stored) bool { return rec.Revision > j.seen })]
		return j.late(lag{changes: 1, since: first.Time, by: first.Event.ID,
			what: fmt.Sprintf("has seen revision %d, and the change is %d", j.seen, last.Revision)})
	case stays: // what it changed is deleted by now, and all that is left was seen
		return j.fine(j.Reader, "has seen revision %d, the last of %s that is still there", j.seen, j.selection())
	}
	return j.unknown(j.Reader, "the change only deletes, which cannot be seen in the highest index")
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
	slices.SortFunc(asked, func(a, b sal.Stored) int { return int(a.Revision - b.Revision) })
	return asked
}
