package sal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

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

// CutError reports that there is more in the journal than was looked at, since
// what is read is bounded by its size. It comes beside what was read.
type CutError struct {
	Seen  int  // how many records were looked at, the newest, or notes
	Notes bool // it is about notes
	Limit int  // of what is read, in bytes
}

func (e *CutError) Error() string {
	what := fmt.Sprintf("the newest %d records of the journal", e.Seen)
	if e.Notes {
		what = fmt.Sprintf("%d notes", e.Seen)
	}
	return fmt.Sprintf("only %s were looked at, since no more than %d MiB are read at once", what, e.Limit>>20)
}

// Incomplete reports whether an error comes beside records, and says that there
// would be more: it is a *BrokenError, a *CutError or both.
func Incomplete(err error) bool {
	return errors.As(err, new(*BrokenError)) || errors.As(err, new(*CutError))
}

// Key returns where the journal's record of a change is.
func (l *Log) Key(id string) string { return l.Prefix + "journal/" + id }

// Records returns the whole journal; see Search.
func (l *Log) Records(ctx context.Context) ([]Stored, error) { return l.Search(ctx, Query{}) }

// Newest returns the records committed last, as far as they fit into one page of
// the store; see Search. An n of 0 or less is no other limit.
func (l *Log) Newest(ctx context.Context, n int) ([]Stored, error) {
	return l.Search(ctx, Query{Most: n, Recent: true})
}

// Find returns the records of one change, those of its parts in order. There is
// none if no such change was made so far; Settle makes sure that it stays so.
// Errors are *VoidError, and as of Search.
func (l *Log) Find(ctx context.Context, id string) ([]Stored, error) {
	if !IsID(id) {
		return nil, nil
	}
	var records []Stored
	var void, cut error
	var broken []error
	bytes := 0
	for e, err := range store.Walk(ctx, l.Store, l.Key(""), l.Key(id), l.Key(id)+".") { // the next character after -
		if err != nil {
			return nil, err
		}
		if !isPartNumber(strings.TrimPrefix(e.Key, l.Key(id))) {
			continue
		}
		if bytes += len(e.Value); bytes > maxKept {
			cut = &CutError{Seen: len(records), Limit: maxKept}
			break
		}
		switch r, err := l.parse(e); {
		case err != nil:
			broken = append(broken, err)
		case r.Change.Void:
			void = cmp.Or[error](void, &VoidError{r.Record})
		default:
			records = append(records, r)
		}
	}
	if len(records) == 0 && broken == nil && void != nil {
		return nil, void
	}
	slices.SortFunc(records, func(a, b Stored) int { return cmp.Compare(a.Revision, b.Revision) })
	return records, beside(broken, cut)
}

// parse reads a record. The error is a *BrokenError: then the revision is all
// that is returned.
func (l *Log) parse(e store.Entry) (Stored, error) {
	r, err := ParseRecord(e.Value)
	if err == nil {
		err = r.checkIDs(strings.TrimPrefix(e.Key, l.Key("")))
	}
	if err != nil {
		return Stored{Revision: e.Modified}, &BrokenError{[]error{fmt.Errorf("%s: %w", e.Key, err)}}
	}
	return Stored{r, e.Modified}, nil
}

// collect calls a function with the records of a sequence, until it returns
// false. Records that cannot be read become one *BrokenError.
func collect(records iter.Seq2[Stored, error], f func(Stored) bool) error {
	var broken []error
	for r, err := range records {
		switch {
		case errors.As(err, new(*BrokenError)):
			broken = append(broken, err)
		case err != nil && !Incomplete(err):
			return err
		case err != nil:
			return beside(broken, err)
		case !f(r):
			return beside(broken, nil)
		}
	}
	return beside(broken, nil)
}

// beside returns what went wrong beside some records: those that cannot be read,
// each a *BrokenError, and that not all were read.
func beside(broken []error, cut error) error {
	if broken == nil {
		return cut
	}
	all := &BrokenError{}
	for _, err := range broken {
		var b *BrokenError
		if errors.As(err, &b) {
			all.Errs = append(all.Errs, b.Errs...)
		}
	}
	if cut == nil {
		return all
	}
	return errors.Join(all, cut)
}
