package sal

import (
	"context"
	"errors"
	"path"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// What one call of Prune takes at most, and what it leaves at least.
const (
	pruneMost = 1_000
	pruneKeep = 1_000
)

// Prune deletes the oldest records of the journal, by revision, and the notes
// on them: at most 1,000, in one commit. It leaves the newest, as many as keep
// says and never less than 1,000; those that are not of before a time, unless
// that is zero; those of the last two days; those of changes that still wait in
// the outbox; and those that cannot be read. It returns how many it deleted, and
// whether there are more to delete.
//
// The last two days are kept for Settle, which has to know that what is not
// there was not made, and for the void records: without one, a request that is
// still on its way would make the change after all.
//
// Errors are those of store.Store. After a *store.UnknownError it can be called
// again.
func (l *Log) Prune(ctx context.Context, keep int, before time.Time) (pruned int, more bool, err error) {
	const attempts = 5 // somebody may be writing notes
	if kept := l.now().Add(-keptTime); before.IsZero() || before.After(kept) {
		before = kept
	}
	for range attempts {
		pruned, more, err = l.prune(ctx, max(keep, pruneKeep), before)
		if !errors.As(err, new(*store.ConflictError)) {
			break
		}
	}
	return pruned, more, err
}

func (l *Log) prune(ctx context.Context, keep int, before time.Time) (pruned int, more bool, err error) {
	ids, more, err := l.prunable(ctx, keep, before)
	if err != nil || len(ids) == 0 {
		return 0, false, err
	}
	prefixes := make([]string, len(ids))
	for i, id := range ids {
		prefixes[i] = l.note(id)
	}
	notes, err := l.Store.Read(ctx, prefixes...)
	if err != nil {
		return 0, false, err
	}
	writes, pruned := l.deletions(ids, notes.Entries)
	_, err = l.Store.Commit(ctx, store.Txn{
		// Without it, a note that is being written would outlive its record.
		Guards: []store.Guard{{Key: l.note(), Prefix: true, Revision: notes.Revision}},
		Writes: writes,
	})
	if err != nil {
		return 0, false, err
	}
	return pruned, more || pruned < len(ids), nil
}

// prunable returns the ids of the records to delete, the oldest first, and
// whether there are more.
func (l *Log) prunable(ctx context.Context, keep int, before time.Time) (ids []string, more bool, err error) {
	for size := keep + pruneMost + 1; ; size *= 2 {
		page, err := l.Store.List(ctx, l.Key(""), store.OldestFirst, size)
		if err != nil {
			return nil, false, err
		}
		waiting, err := l.waiting(ctx) // after the page: what is gone by now does not wait
		if err != nil {
			return nil, false, err
		}
		ids, young := l.choose(page.Entries[:max(0, len(page.Entries)-keep)], before, waiting)
		if len(ids) > pruneMost {
			return ids[:pruneMost], true, nil
		}
		if young || len(page.Entries) < size {
			return ids, false, nil
		}
	}
}

// choose returns the ids of those of the records, the oldest first, that are of
// before a time and do not wait, and whether all that follow are surely later.
func (l *Log) choose(entries []store.Entry, before time.Time, waiting map[string]bool) (ids []string, young bool) {
	const sure = 100 // as in isBefore
	later := 0       // in a row
	for _, e := range entries {
		r, err := ParseRecord(e.Value)
		if err != nil {
			continue
		}
		if !before.IsZero() && !r.Time.Before(before) {
			later++
			continue
		}
		later = 0
		if !waiting[r.Run()] {
			ids = append(ids, strings.TrimPrefix(e.Key, l.Key("")))
		}
	}
	return ids, later >= sure
}

// waiting returns the runs whose announcement is still in the outbox. The last
// part of a key there is the run's id.
func (l *Log) waiting(ctx context.Context) (map[string]bool, error) {
	snapshot, err := l.Store.Read(ctx, l.Prefix+"outbox/")
	if err != nil {
		return nil, err
	}
	runs := make(map[string]bool, len(snapshot.Entries))
	for _, e := range snapshot.Entries {
		runs[path.Base(e.Key)] = true
	}
	return runs, nil
}

// deletions returns what deletes records and the notes on them, as far as it
// fits into one transaction, and how many of the records are in it. A record's
// notes go before the record does.
func (l *Log) deletions(ids []string, notes []store.Entry) (writes []store.Write, pruned int) {
	on := make(map[string][]string, len(ids))
	for _, e := range notes {
		id := path.Base(path.Dir(e.Key))
		on[id] = append(on[id], e.Key)
	}
	room := store.MaxBytes - len(l.note())
	for _, id := range ids {
		for _, key := range append(on[id], l.Key(id)) {
			if room -= len(key); room < 0 || len(writes) == store.MaxWrites {
				return writes, pruned
			}
			writes = append(writes, store.Write{Key: key, Delete: true})
		}
		pruned++
	}
	return writes, pruned
}
