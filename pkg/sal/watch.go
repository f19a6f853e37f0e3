package sal

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/conftool/confctl/pkg/store"
)

// Watch yields the records that are committed after a revision, oldest first,
// each as soon as it is committed, until the context ends.
//
// Void records are skipped. For a record that cannot be read, it yields a
// *BrokenError and continues. If the store has compacted the revision, Watch
// reads the missed records instead: the newest 64 MiB of them, after a *CutError
// if there are more. Any other error is one of store.Store, and the last value
// that it yields. If the store is restored to an earlier state, Watch continues
// from that state.
func (l *Log) Watch(ctx context.Context, after store.Revision) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		for more := true; more; {
			more = l.watchOn(ctx, &after, yield) && l.catchUp(ctx, &after, yield)
		}
	}
}

// watchOn yields new records until the store has compacted the next revision, and
// reports whether it has. It advances after past the records it has seen.
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

// catchUp yields the records that the watch missed, and reports whether to
// continue.
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

// yielded is a record, or the reason why it cannot be read.
type yielded struct {
	record Stored
	err    error
}

// since returns the records written after a revision, newest first, and advances
// the revision.
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
