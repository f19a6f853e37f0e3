package sal

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
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
	notes, at, err := l.notesOn(ctx, ids)
	if err != nil {
		return 0, false, err
	}
	writes, pruned := l.deletions(ids, notes)
	_, err = l.Store.Commit(ctx, store.Txn{
		// Without it, a note that is being written would outlive its record.
		Guards: []store.Guard{{Key: l.note(), Prefix: true, Revision: at}},
		Writes: writes,
	})
	if err != nil {
		return 0, false, err
	}
	return pruned, more || pruned < len(ids), nil
}

// aged is a record of the journal, as far as that matters for Prune.
type aged struct {
	id  string
	at  store.Revision
	may bool // it is old enough, and does not wait
}

// prunable returns the ids of the records to delete, the oldest first, and
// whether there are more. It reads from the first key on, which begins with a time,
// until it has found enough.
func (l *Log) prunable(ctx context.Context, keep int, before time.Time) (ids []string, more bool, err error) {
	waiting, err := l.waiting(ctx) // before the records: one that comes later is among the newest
	if err != nil {
		return nil, false, err
	}
	const sure = 100 // as in isBefore
	var all []aged
	young, may, enough := 0, 0, keep+pruneMost+1
	for e, err := range store.Walk(ctx, l.Store, l.Key(""), "", "") {
		if err != nil {
			return nil, false, err
		}
		r, err := ParseRecord(e.Value)
		old := err == nil && r.Time.Before(before)
		if old {
			young = 0
		} else if err == nil {
			young++
		}
		one := aged{strings.TrimPrefix(e.Key, l.Key("")), e.Modified, old && !waiting[r.Run()]}
		if all = append(all, one); one.may {
			may++
		}
		if len(all) < enough {
			continue
		}
		if n := len(oldest(all, keep)); n > pruneMost || n == may && young >= sure {
			break
		}
		enough *= 2
	}
	ids = oldest(all, keep)
	return ids[:min(len(ids), pruneMost)], len(ids) > pruneMost, nil
}

// oldest returns the ids of those records that may be pruned, the oldest first,
// but for the newest ones.
func oldest(all []aged, keep int) (ids []string) {
	slices.SortFunc(all, func(a, b aged) int { return cmp.Compare(a.at, b.at) })
	if len(all) <= keep {
		return nil
	}
	for _, a := range all[:len(all)-keep] {
		if a.may && a.at < all[len(all)-keep].at { // of one transaction, all are kept
			ids = append(ids, a.id)
		}
	}
	return ids
}

// notesOn returns the keys of the notes on some changes, by change, and a
// revision after which no other was seen.
func (l *Log) notesOn(ctx context.Context, ids []string) (map[string][]string, store.Revision, error) {
	now, err := l.Store.Read(ctx)
	if err != nil {
		return nil, 0, err
	}
	keys := make(map[string][]string, len(ids))
	for _, id := range ids {
		keys[id] = nil
	}
	from, until := l.note(slices.Min(ids)), l.note(slices.Max(ids))
	for e, err := range store.Walk(ctx, l.Store, l.note(), from, until[:len(until)-1]+"0") { // the next character after /
		if err != nil {
			return nil, 0, err
		}
		id := path.Base(path.Dir(e.Key))
		if _, wanted := keys[id]; wanted {
			keys[id] = append(keys[id], e.Key)
		}
	}
	return keys, now.Revision, nil
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
func (l *Log) deletions(ids []string, notes map[string][]string) (writes []store.Write, pruned int) {
	room := store.MaxBytes - len(l.note())
	for _, id := range ids {
		for _, key := range append(notes[id], l.Key(id)) {
			if room -= len(key); room < 0 || len(writes) == store.MaxWrites {
				return writes, pruned
			}
			writes = append(writes, store.Write{Key: key, Delete: true})
		}
		pruned++
	}
	return writes, pruned
}
