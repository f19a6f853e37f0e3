package sal

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// maxKept is how many bytes of records are kept in memory. It counts their stored
// form, which is about the memory they need.
const maxKept = 64 << 20

// A Query selects records of the journal.
type Query struct {
	Most  int               // the number of records, those committed last; 0 for all
	Since time.Time         // excludes earlier times by the clock of the record's host; zero for none
	After store.Revision    // excludes this revision and earlier ones; 0 for none
	Match func(Stored) bool // nil for all
	// Objects selects the objects of a record that are returned. Match sees all
	// objects. Nil selects all.
	Objects func(Object) bool
	// Recent limits the search to the newest records that fit into one page of
	// the store. If that is not enough, the error is a *CutError.
	Recent bool
}

// Search returns the records that match, newest first by revision, without void
// ones. It reads the journal from its end and only as far as needed.
//
// The error is one of store.Store without records, or one that is returned
// together with records, see Incomplete: a *BrokenError if some records cannot be
// read, or a *CutError if more records match than are kept in memory, 64 MiB.
func (l *Log) Search(ctx context.Context, q Query) ([]Stored, error) {
	var found []Stored
	err := collect(l.search(ctx, q, limits{bytes: maxKept, stopBefore: q.Since}), func(r Stored) bool {
		found = append(found, r)
		return true
	})
	if err != nil && !Incomplete(err) {
		return nil, err
	}
	return found, err
}

// Stream yields the records that Search returns, without a limit on their size.
// For a record that cannot be read, it yields the revision and a *BrokenError,
// and continues. Any other error is the last value that it yields.
func (l *Log) Stream(ctx context.Context, q Query) iter.Seq2[Stored, error] {
	return l.search(ctx, q, limits{stopBefore: q.Since})
}

// search is Stream with limits.
func (l *Log) search(ctx context.Context, q Query, lim limits) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		s := &search{Query: q, limits: lim, log: l, yield: yield, seen: map[string]bool{}}
		if err := s.run(ctx); err != nil {
			yield(Stored{}, err)
		}
	}
}

// limits bound a search.
type limits struct {
	bytes      int       // bytes of the records that are yielded; 0 for no limit
	stopBefore time.Time // the search ends where all older records are surely from before this time; zero for no limit
}

// search is the state of a search.
type search struct {
	Query
	limits
	log   *Log
	yield func(Stored, error) bool

	upTo    store.Revision  // later records are ignored
	seen    map[string]bool // keys that were handled
	found   int             // number of records yielded
	size    int             // bytes of the records yielded
	earlier int             // number of consecutive records from before the limit
}

// run handles the newest records, and then all others if they are needed.
func (s *search) run(ctx context.Context) error {
	more, err := s.newest(ctx)
	switch {
	case err != nil || !more:
		return err
	case s.Recent:
		return &CutError{Seen: len(s.seen), Limit: store.MaxPage}
	}
	return s.older(ctx)
}

// sizes returns the page sizes to begin with; 0 means as much as fits.
func (s *search) sizes() []int {
	const first = 500
	switch {
	case s.Most <= 0 && s.stopBefore.IsZero() && s.After == 0:
		return []int{0}
	case s.Most > 0 && s.Match == nil && s.Since.IsZero() && s.After == 0:
		return []int{min(s.Most, first), s.Most + first} // the second is needed only if some records are broken or void
	}
	return []int{first, 0}
}

// newest handles the newest records, in one page and then in a larger one, and
// reports whether there are more.
func (s *search) newest(ctx context.Context) (more bool, err error) {
	for i, size := range s.sizes() {
		page, err := s.log.Store.List(ctx, s.log.Key(""), store.Page{Order: store.NewestFirst, Limit: size})
		if err != nil {
			return false, err
		}
		if i == 0 {
			s.upTo = page.Revision
		}
		for _, e := range page.Entries {
			if s.isNew(e) && !s.take(e) {
				return false, nil
			}
		}
		if !page.More || s.isBefore() {
			return false, nil
		}
		if len(page.Entries) < size {
			break // a larger page would have the same entries
		}
	}
	return true, nil
}

// isNew reports whether an entry has not been handled before.
func (s *search) isNew(e store.Entry) bool {
	if s.seen[e.Key] || e.Modified > s.upTo {
		return false
	}
	s.seen[e.Key] = true
	return true
}

// isBefore reports whether all older records are surely from before the time
// limit. The clock of a host may be wrong, so a single earlier record does not
// suffice.
func (s *search) isBefore() bool {
	const minEarlier = 100
	return s.earlier >= minEarlier
}

// take handles the next older record, yields it if it matches, and reports
// whether to continue.
func (s *search) take(e store.Entry) bool {
	if e.Modified <= s.After {
		return false
	}
	r, err := s.log.parse(e)
	if err != nil {
		return s.yield(r, err)
	}
	if r.Change.Void {
		return true
	}
	if s.earlier++; !r.Time.Before(s.stopBefore) {
		s.earlier = 0
	}
	if !s.wants(r) {
		return true
	}
	text := e.Value
	if s.Objects != nil {
		r.keepObjects(s.Objects)
		if text, err = r.Encode(); err != nil {
			return s.yield(r, &BrokenError{[]error{err}})
		}
	}
	if s.size += len(text); s.bytes > 0 && s.size > s.bytes {
		s.yield(Stored{}, &CutError{Seen: s.found, Limit: s.bytes})
		return false
	}
	s.found++
	return s.yield(r, nil) && (s.Most <= 0 || s.found < s.Most)
}

// wants reports whether a record matches the query, apart from its revision.
func (s *search) wants(r Stored) bool {
	return !r.Time.Before(s.Since) && (s.Match == nil || s.Match(r))
}

// place is the key, revision and size of a record.
type place struct {
	key   string
	at    store.Revision
	bytes int
}

// older handles the records that newest has not: it walks over all to find those
// that match, and then reads these in order.
func (s *search) older(ctx context.Context) error {
	var places []place
	for e, err := range store.Walk(ctx, s.log.Store, s.log.Key(""), "", "") {
		if err != nil {
			return err
		}
		if !s.seen[e.Key] && e.Modified <= s.upTo && e.Modified > s.After && s.mayWant(e) {
			places = append(places, place{e.Key, e.Modified, len(e.Key) + len(e.Value)})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(b.at, a.at) })
	for len(places) > 0 {
		var keys []string
		keys, places = nextPage(places)
		found, err := s.log.Store.Read(ctx, keys...)
		if err != nil {
			return err
		}
		slices.SortFunc(found.Entries, func(a, b store.Entry) int { return cmp.Compare(b.Modified, a.Modified) })
		for _, e := range found.Entries {
			if !s.take(e) {
				return nil
			}
		}
	}
	return nil
}

// mayWant reports whether an entry must be read again: it matches, or it cannot
// be read and must be reported.
func (s *search) mayWant(e store.Entry) bool {
	if s.Match == nil && s.Since.IsZero() {
		return true
	}
	r, err := s.log.parse(e)
	return err != nil || s.wants(r)
}

// nextPage returns the keys of the first records that fit into one page, and the
// remaining places.
func nextPage(places []place) (keys []string, left []place) {
	const maxKeys = 1_000
	bytes := 0
	for i, p := range places {
		if bytes += p.bytes; i > 0 && (bytes > store.MaxPage || i == maxKeys) {
			return keys, places[i:]
		}
		keys = append(keys, p.key)
	}
	return keys, nil
}

// keepObjects removes the objects that interest does not select.
func (r *Record) keepObjects(interest func(Object) bool) {
	var kept []Object // not a slice of the old list, which would keep its memory
	for _, o := range r.Change.Objects {
		if interest(o) {
			kept = append(kept, o)
		}
	}
	r.Change.Objects = kept
}
