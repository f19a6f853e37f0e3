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
// Void records are left out. A record that cannot be read is yielded as a
// *BrokenError, and the next ones follow. That the store has forgotten the revision
// is no error: what is missing is read, the newest 64 MiB of it, before which comes a
// *CutError if there is more. Any other error is one of store.Store, and the last. A
// store that was put back to an earlier state is followed from what it has then.
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
		for _, e := range batch.Events {
			if e.Deleted {
				continue
			}
			if r, err := l.parse(e.Entry); !r.Change.Void && !yield(r, err) {
				return false
			}
		}
		*after = batch.Revision
	}
	return false
}

// catchUp yields what a watch has missed, and reports whether to watch on.
func (l *Log) catchUp(ctx context.Context, after *store.Revision, yield func(Stored, error) bool) bool {
	missed, err := l.since(ctx, after)
	if err != nil {
		if ctx.Err() == nil {
			yield(Stored{}, err)
		}
		return false
	}
	for _, m := range slices.Backward(missed) {
		if !yield(m.record, m.err) {
			return false
		}
	}
	return true
}

// yielded is a record, or why it cannot be read.
type yielded struct {
	record Stored
	err    error
}

// since returns what was written to the journal after a revision, the newest
// first, and moves the revision on.
func (l *Log) since(ctx context.Context, after *store.Revision) ([]yielded, error) {
	now, err := l.Store.Read(ctx)
	if err != nil {
		return nil, err
	}
	var found []yielded
	for r, err := range l.search(ctx, Query{After: *after}, limits{bytes: maxKept}) {
		if err != nil && !Incomplete(err) {
			return nil, err
		}
		found = append(found, yielded{r, err})
		now.Revision = max(now.Revision, r.Revision)
	}
	*after = now.Revision
	return found, nil
}
