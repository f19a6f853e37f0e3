package sal

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/conftool/confctl/pkg/store"
)

// Watch yields the records that are committed after a revision, the oldest
// first, each as soon as it is there, until the context ends.
//
// Void records are left out. A record that cannot be read is yielded as a *BrokenError, and the next ones
// follow. Any other error is one of store.Store, and the last. That the store
// has forgotten the revision is no error: what is missing is read. A store that
// was put back to an earlier state is followed from what it has then.
func (l *Log) Watch(ctx context.Context, after store.Revision) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		for goOn := true; goOn; {
			goOn = l.watchOn(ctx, &after, yield) && l.catchUp(ctx, &after, yield)
		}
	}
}

// watchOn yields new records until the store has forgotten what comes next, and
// reports whether that is so. After is moved on with what was seen.
func (l *Log) watchOn(ctx context.Context, after *store.Revision, yield func(Stored, error) bool) (forgotten bool) {
	for batch, err := range l.Store.Watch(ctx, *after, l.Key("")) {
		if errors.Is(err, store.ErrCompacted) {
			return true
		}
		if err != nil {
			yield(Stored{}, err)
			return false
		}
		var written []store.Entry
		for _, e := range batch.Events {
			if !e.Deleted {
				written = append(written, e.Entry)
			}
		}
		if !l.yieldAll(written, yield) {
			return false
		}
		*after = batch.Revision
	}
	return false
}

// catchUp yields what a watch has missed, and reports whether to watch on.
func (l *Log) catchUp(ctx context.Context, after *store.Revision, yield func(Stored, error) bool) bool {
	snapshot, err := l.since(ctx, *after)
	if err != nil {
		if ctx.Err() == nil {
			yield(Stored{}, err)
		}
		return false
	}
	*after = snapshot.Revision
	return l.yieldAll(snapshot.Entries, yield)
}

// since reads what was written to the journal after a revision, the oldest
// first.
func (l *Log) since(ctx context.Context, after store.Revision) (store.Snapshot, error) {
	for _, size := range []int{500, 5_000, 50_000, all} {
		found, err := l.Store.List(ctx, l.Key(""), store.NewestFirst, size)
		if err != nil {
			return store.Snapshot{}, err
		}
		seen := slices.IndexFunc(found.Entries, func(e store.Entry) bool { return e.Modified <= after })
		if seen < 0 && size != all && len(found.Entries) == size {
			continue
		}
		if seen >= 0 {
			found.Entries = found.Entries[:seen]
		}
		slices.Reverse(found.Entries)
		return found, nil
	}
	return store.Snapshot{}, nil
}

// yieldAll yields records, and reports whether more are wanted.
func (l *Log) yieldAll(entries []store.Entry, yield func(Stored, error) bool) bool {
	for _, e := range entries {
		records, err := l.parse([]store.Entry{e}, nil)
		if err == nil && len(records) == 0 {
			continue // it is void
		}
		if err != nil {
			records = []Stored{{}}
		}
		if !yield(records[0], err) {
			return false
		}
	}
	return true
}
