package sal

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// maxKept is how many bytes of records are kept in memory: as they are stored,
// which is about what they take.
const maxKept = 64 << 20

// Query is what to look for in the journal.
type Query struct {
	Most  int               // so many records, those committed last; 0 for all
	Since time.Time         // of no earlier time, by the clock of its host; zero for any
	After store.Revision    // committed after it; 0 for any
	Match func(Stored) bool // nil for all
	// Objects says which objects of a record are of interest. The others are left
	// out of it, after Match has seen them; nil for all.
	Objects func(Object) bool
	// Recent has no more looked at than the newest records that fit into one page
	// of the store. If that is not enough, the error is a *CutError.
	Recent bool
}

// Search returns the records that match, the newest first by revision; void
// ones are none. It reads only as much of the journal as it takes, from its end.
//
// The error is one of store.Store, or comes beside the records, see Incomplete: a
// *BrokenError if some of what was read cannot be understood, or a *CutError if
// more records match than are kept in memory, 64 MiB.
func (l *Log) Search(ctx context.Context, q Query) ([]Stored, error) {
	var found []Stored
	err := collect(l.search(ctx, q, limits{bytes: maxKept, back: q.Since}), func(r Stored) bool {
		found = append(found, r)
		return true
	})
	if err != nil && !Incomplete(err) {
		return nil, err
	}
	return found, err
}

// Stream yields what Search returns, however much it is. A record that cannot be
// read is yielded as its revision with a *BrokenError, and the next ones follow.
// Any other error is the last that is yielded.
func (l *Log) Stream(ctx context.Context, q Query) iter.Seq2[Stored, error] {
	return l.search(ctx, q, limits{back: q.Since})
}

// search is Stream within limits.
func (l *Log) search(ctx context.Context, q Query, within limits) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		s := &search{Query: q, limits: within, log: l, yield: yield, seen: map[string]bool{}}
		if err := s.run(ctx); err != nil {
			yield(Stored{}, err)
		}
	}
}

// limits are how far a search goes.
type limits struct {
	bytes int       // of the records that are yielded; 0 for all
	back  time.Time // to records that are surely earlier, whatever matches; zero for no limit
}

// search is a search under way.
type search struct {
	Query
	limits
	log   *Log
	yield func(Stored, error) bool

	upTo    store.Revision  // what is committed later is not looked at
	seen    map[string]bool // keys that were looked at
	found   int             // records that were yielded
	size    int             // of them, in bytes
	earlier int             // how many of the last ones were of before the limit
}

// run looks at the newest records, and then at all others, unless that is not
// needed.
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

// sizes are those of the pages to begin with; 0 is as much as fits.
func (s *search) sizes() []int {
	const first = 500
	switch {
	case s.Most <= 0 && s.back.IsZero() && s.After == 0:
		return []int{0}
	case s.Most > 0 && s.Match == nil && s.Since.IsZero() && s.After == 0:
		return []int{min(s.Most, first), s.Most + first} // the first is not enough only if some are broken or void
	}
	return []int{first, 0}
}

// newest looks at the newest records, in one page and then in a larger one,
// and reports whether there are more to look at.
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
			break // a larger one would be no different
		}
	}
	return true, nil
}

// isNew reports whether an entry is to be looked at for the first time.
func (s *search) isNew(e store.Entry) bool {
	if s.seen[e.Key] || e.Modified > s.upTo {
		return false
	}
	s.seen[e.Key] = true
	return true
}

// isBefore reports whether all that is older than what was looked at is surely of
// before the time that limits the search. The clocks of hosts differ, and one may be
// far off, so that it takes more than a single record of an earlier time.
func (s *search) isBefore() bool {
	const sure = 100
	return s.earlier >= sure
}

// take looks at the next older record, yields it if it is wanted, and reports
// whether to go on.
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
	if s.earlier++; !r.Time.Before(s.back) {
		s.earlier = 0
	}
	if !s.wants(r) {
		return true
	}
	text := e.Value
	if s.Objects != nil {
		r.only(s.Objects)
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

// wants reports whether a record matches, but for its revision.
func (s *search) wants(r Stored) bool {
	return !r.Time.Before(s.Since) && (s.Match == nil || s.Match(r))
}

// place is where a record is, and how large.
type place struct {
	key   string
	at    store.Revision
	bytes int
}

// older looks at the records that newest has not: it goes over all to find those
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

// mayWant reports whether an entry has a record that matches. One that cannot be
// read has to be named.
func (s *search) mayWant(e store.Entry) bool {
	if s.Match == nil && s.Since.IsZero() {
		return true
	}
	r, err := s.log.parse(e)
	return err != nil || s.wants(r)
}

// nextPage returns the keys of the first records that fit into a page, and what
// is left.
func nextPage(places []place) (keys []string, left []place) {
	const most = 1_000
	bytes := 0
	for i, p := range places {
		if bytes += p.bytes; i > 0 && (bytes > store.MaxPage || i == most) {
			return keys, places[i:]
		}
		keys = append(keys, p.key)
	}
	return keys, nil
}

// only leaves out of a record all objects but those of interest.
func (r *Record) only(interest func(Object) bool) {
	var kept []Object // a list of its own: the other would keep its memory
	for _, o := range r.Change.Objects {
		if interest(o) {
			kept = append(kept, o)
		}
	}
	r.Change.Objects = kept
}
