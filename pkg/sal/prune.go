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

// How many records one call of Prune deletes at most, and how many it keeps at
// least.
const (
	maxPrune = 1_000
	minKept  = 1_000
)

// Prune deletes the oldest records of the journal, by revision, and their notes:
// at most 1,000 records, in one commit. It keeps the newest records, as many as
// keep says and at least 1,000; records that are not older than before, unless
// that is zero; records of the last two days; records of changes with messages in
// the outbox; and records that cannot be read. It returns how many it deleted,
// and whether there are more to delete.
//
// It keeps the last two days for Settle, which must know that a change without a
// record was not made, and because of void records: if one were deleted, a
// delayed request could still make the change.
//
// Errors are those of store.Store. After a *store.UnknownError, Prune can be
// called again.
func (l *Log) Prune(ctx context.Context, keep int, before time.Time) (pruned int, more bool, err error) {
	const attempts = 5 // notes may be written concurrently
	if kept := l.now().Add(-keptTime); before.IsZero() || before.After(kept) {
		before = kept
	}
	for range attempts {
		pruned, more, err = l.prune(ctx, max(keep, minKept), before)
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
		// The guard prevents a note from being written whose record is deleted.
		Guards: []store.Guard{{Key: l.note(), Prefix: true, Revision: at}},
		Writes: writes,
	})
	if err != nil {
		return 0, false, err
	}
	return pruned, more || pruned < len(ids), nil
}

// candidate is what prunable needs to know of a record.
type candidate struct {
	id       string
	at       store.Revision
	eligible bool // it is old enough, and its messages are delivered
}

// prunable returns the ids of the records to delete, oldest first, and whether
// there are more. Keys begin with a time, so it reads them from the first one
// until it has found enough.
func (l *Log) prunable(ctx context.Context, keep int, before time.Time) (ids []string, more bool, err error) {
	waiting, err := l.waiting(ctx) // read before the records, so that a message written later belongs to a new record
	if err != nil {
		return nil, false, err
	}
	const minEarlier = 100 // as in search.isBefore
	var all []candidate
	young, eligible, enough := 0, 0, keep+maxPrune+1
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
		one := candidate{strings.TrimPrefix(e.Key, l.Key("")), e.Modified, old && !waiting[r.Run()]}
		if all = append(all, one); one.eligible {
			eligible++
		}
		if len(all) < enough {
			continue
		}
		if n := len(oldest(all, keep)); n > maxPrune || n == eligible && young >= minEarlier {
			break
		}
		enough *= 2
	}
	ids = oldest(all, keep)
	return ids[:min(len(ids), maxPrune)], len(ids) > maxPrune, nil
}

// oldest returns the ids of the records that may be pruned, oldest first. It
// leaves out the newest keep records.
func oldest(all []candidate, keep int) (ids []string) {
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Compare(a.at, b.at) })
	if len(all) <= keep {
		return nil
	}
	for _, a := range all[:len(all)-keep] {
		if a.eligible && a.at < all[len(all)-keep].at { // the records of one transaction stay together
			ids = append(ids, a.id)
		}
	}
	return ids
}

// notesOn returns the keys of the notes on changes, by the id of the change, and
// a revision read before them.
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
	for e, err := range store.Walk(ctx, l.Store, l.note(), from, until[:len(until)-1]+"0") { // 0 is the character after /
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

// waiting returns the ids of the changes with messages in the outbox. The last
// element of a key there is the id.
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

// deletions returns the writes that delete records and their notes, as many as
// fit into one transaction, and the number of records deleted. The notes of a
// record are deleted before it.
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
