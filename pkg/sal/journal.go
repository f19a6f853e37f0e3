package sal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// Stored is a record with the revision of its commit.
type Stored struct {
	Record
	Revision store.Revision
}

// BrokenError reports records, or notes, that are stored and cannot be read.
// It comes beside those that can.
type BrokenError struct {
	Errs []error // one for each, with its key; at least one
}

func (e *BrokenError) Error() string { return errors.Join(e.Errs...).Error() }

// Query is what to look for in the journal.
type Query struct {
	Most  int               // so many records, those committed last; 0 for all
	Since time.Time         // of no earlier time, by the clock of its host; zero for any
	After store.Revision    // committed after it; 0 for any
	Match func(Stored) bool // nil for all
}

// Key returns where the journal's record of a change is.
func (l *Log) Key(id string) string { return l.Prefix + "journal/" + id }

// Records returns the whole journal; see Search.
func (l *Log) Records(ctx context.Context) ([]Stored, error) { return l.Search(ctx, Query{}) }

// Newest returns the records committed last; see Search. An n of 0 or less is
// all.
func (l *Log) Newest(ctx context.Context, n int) ([]Stored, error) {
	return l.Search(ctx, Query{Most: n})
}

// Search returns the records that match, the newest first by revision; void
// ones are none. It reads only as much of the journal as it takes, from its end.
//
// The error is a *BrokenError, beside the records, if some of what was read
// cannot be understood, or one of store.Store.List.
func (l *Log) Search(ctx context.Context, q Query) ([]Stored, error) {
	var found []Stored
	err := l.pages(ctx, q.sizes(), func(page []Stored) bool {
		found = q.choose(page)
		upTo := len(page) > 0 && page[len(page)-1].Revision <= q.After
		return q.Most > 0 && len(found) >= q.Most || upTo || isBefore(page, q.Since)
	})
	if err != nil && !errors.As(err, new(*BrokenError)) {
		return nil, err
	}
	return found, err
}

// all is the size of a page that holds the whole journal.
const all = 0

// sizes are those of the pages to read. Growing as they do, their sum is little
// more than the last.
func (q Query) sizes() []int {
	switch {
	case q.Most <= 0 && q.Since.IsZero() && q.After == 0:
		return []int{all}
	case q.Match == nil && q.Since.IsZero() && q.After == 0:
		return []int{q.Most, 500 + q.Most, all} // more than the first only if some are broken or void
	}
	return []int{500, 5_000, 50_000, all}
}

func (q Query) choose(page []Stored) []Stored {
	var found []Stored
	for _, r := range page {
		if q.Most > 0 && len(found) == q.Most {
			break
		}
		if r.Revision > q.After && !r.Time.Before(q.Since) && (q.Match == nil || q.Match(r)) {
			found = append(found, r)
		}
	}
	return found
}

// isBefore reports whether all records older than these are surely of before a
// time. The clocks of hosts differ, and one may be far off, so that it takes
// more than a single record of an earlier time.
func isBefore(page []Stored, since time.Time) bool {
	const sure = 100
	if since.IsZero() || len(page) < sure {
		return false
	}
	return !slices.ContainsFunc(page[len(page)-sure:], func(r Stored) bool { return !r.Time.Before(since) })
}

// pages reads the newest records, so many at a time as the sizes say, until a
// function has seen enough. Each page begins with the newest again: it holds
// the one before. The error is as of Search.
func (l *Log) pages(ctx context.Context, sizes []int, enough func([]Stored) bool) error {
	var broken error
	read := map[string]Stored{} // by key; each record is parsed once
	for _, size := range sizes {
		snapshot, err := l.Store.List(ctx, l.Key(""), store.NewestFirst, size)
		if err != nil {
			return err
		}
		var page []Stored
		page, broken = l.parse(snapshot.Entries, read)
		if enough(page) || len(snapshot.Entries) < size {
			break
		}
	}
	return broken
}

// Find returns the records of one change, those of its parts in order. There is
// none if no such change was made so far; Settle makes sure that it stays so.
// Errors are *VoidError, and as of Search.
func (l *Log) Find(ctx context.Context, id string) ([]Stored, error) {
	const most = 100 // parts, each of which holds some thousand objects
	if !IsID(id) {
		return nil, nil
	}
	keys := []string{l.Key(id)}
	for part := 2; part <= most; part++ {
		keys = append(keys, l.Key(PartID(id, part)))
	}
	snapshot, err := l.Store.Read(ctx, keys...)
	if err != nil {
		return nil, err
	}
	records, err := l.parse(snapshot.Entries, nil)
	if err == nil && len(records) == 0 && len(snapshot.Entries) > 0 {
		void, err := ParseRecord(snapshot.Entries[0].Value)
		return nil, cmp.Or[error](err, &VoidError{void})
	}
	slices.SortFunc(records, func(a, b Stored) int { return cmp.Compare(a.Revision, b.Revision) })
	return records, err
}

// parse reads records, in the order they come in, without those that are void. It
// takes those that were read before from there, and adds the others, unless that
// is nil. The error is a *BrokenError.
func (l *Log) parse(entries []store.Entry, read map[string]Stored) ([]Stored, error) {
	records := make([]Stored, 0, len(entries))
	var errs []error
	for _, e := range entries {
		if known, ok := read[e.Key]; ok && known.Revision == e.Modified {
			records = append(records, known)
			continue
		}
		r, err := ParseRecord(e.Value)
		if err == nil {
			err = r.checkIDs(strings.TrimPrefix(e.Key, l.Key("")))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", e.Key, err))
			continue
		}
		if r.Change.Void {
			continue
		}
		records = append(records, Stored{r, e.Modified})
		if read != nil {
			read[e.Key] = records[len(records)-1]
		}
	}
	if errs != nil {
		return records, &BrokenError{errs}
	}
	return records, nil
}
