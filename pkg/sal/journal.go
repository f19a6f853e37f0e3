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

// BrokenError reports stored records or notes that cannot be read. It is returned
// together with those that can.
type BrokenError struct {
	Errs []error // at least one; each names its key
}

func (e *BrokenError) Error() string { return errors.Join(e.Errs...).Error() }

// CutError reports that only part of the journal was read, because the size of
// what is read at once is limited. It is returned together with what was read.
type CutError struct {
	Seen  int  // how many of the newest records, or how many notes, were read
	Notes bool // it is about notes, not records
	Limit int  // bytes that are read at most
}

func (e *CutError) Error() string {
	what := fmt.Sprintf("the newest %d records of the journal", e.Seen)
	if e.Notes {
		what = fmt.Sprintf("%d notes", e.Seen)
	}
	return fmt.Sprintf("only %s were looked at, since no more than %d MiB are read at once", what, e.Limit>>20)
}

// Incomplete reports whether an error means that the records returned with it are
// valid but not all: it is a *BrokenError, a *CutError or both.
func Incomplete(err error) bool {
	return errors.As(err, new(*BrokenError)) || errors.As(err, new(*CutError))
}

// Key returns the key of the journal's record of a change.
func (l *Log) Key(id string) string { return l.Prefix + "journal/" + id }

// Records returns all records of the journal; see Search.
func (l *Log) Records(ctx context.Context) ([]Stored, error) { return l.Search(ctx, Query{}) }

// Newest returns the n records committed last, or as many as fit into one page of
// the store; see Search. If n is 0 or less, only the page is a limit.
func (l *Log) Newest(ctx context.Context, n int) ([]Stored, error) {
	return l.Search(ctx, Query{Most: n, Recent: true})
}

// Find returns the records of one change, those of its parts in order. It returns
// none if no such change has been made yet; Settle ensures that it will not be
// made. Errors are *VoidError and those of Search.
func (l *Log) Find(ctx context.Context, id string) ([]Stored, error) {
	if !IsID(id) {
		return nil, nil
	}
	var records []Stored
	var void, cut error
	var broken []error
	bytes := 0
	for e, err := range store.Walk(ctx, l.Store, l.Key(""), l.Key(id), l.Key(id)+".") { // . is the character after -
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
	return records, partialError(broken, cut)
}

// parse reads a record. The error is a *BrokenError; the returned record then has
// only its revision.
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

// collect calls f with the records of a sequence until f returns false. It
// combines the errors of records that cannot be read into one *BrokenError.
func collect(records iter.Seq2[Stored, error], f func(Stored) bool) error {
	var broken []error
	for r, err := range records {
		switch {
		case errors.As(err, new(*BrokenError)):
			broken = append(broken, err)
		case err != nil && !Incomplete(err):
			return err
		case err != nil:
			return partialError(broken, err)
		case !f(r):
			return partialError(broken, nil)
		}
	}
	return partialError(broken, nil)
}

// partialError returns the error that accompanies records: it combines the
// *BrokenErrors in broken with cut, which is nil if all records were read.
func partialError(broken []error, cut error) error {
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
