package sal

import (
	"slices"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// Skew is the largest difference between the clocks of two hosts that is
// tolerated.
const Skew = 5 * time.Minute

// A Clock estimates when changes were committed. The time in a record comes from
// the clock of the host that made it, which may be wrong; the order of revisions
// is always right.
type Clock struct {
	host  string
	now   time.Time
	later []bound
}

// bound is the latest time at which the changes up to a revision can have been
// committed, according to later records.
type bound struct {
	revision store.Revision
	earliest time.Time
}

// NewClock returns the clock of a host. It corrects the times of changes by those
// of later records, which must be ordered newest first.
func NewClock(host string, now time.Time, later []Stored) Clock {
	c := Clock{host: host, now: now}
	for _, r := range later {
		if r.Time.IsZero() {
			continue
		}
		at := r.Time
		if n := len(c.later); n > 0 && c.later[n-1].earliest.Before(at) {
			at = c.later[n-1].earliest
		}
		c.later = append(c.later, bound{r.Revision, at})
	}
	return c
}

// Ahead reports whether a time is in the future by more than Skew.
func (c Clock) Ahead(t time.Time) bool { return t.After(c.now.Add(Skew)) }

// Committed returns the latest time at which a change can have been committed: the
// time of its record or, if another host made it, Skew after the earliest time in a
// later record, if that is earlier.
func (c Clock) Committed(r Stored) time.Time {
	at := r.Time
	if r.Host.Name == c.host {
		return at
	}
	// bounds do not increase, so the last one after the revision is the earliest
	i, _ := slices.BinarySearchFunc(c.later, r.Revision, func(b bound, revision store.Revision) int {
		if b.revision > revision {
			return -1
		}
		return 1
	})
	if i > 0 && c.later[i-1].earliest.Add(Skew).Before(at) {
		at = c.later[i-1].earliest.Add(Skew)
	}
	return at
}

// Since reports whether a change was committed at a time or later. It is false
// for a record that is in the future, because the time of that change is unknown.
func (c Clock) Since(r Stored, since time.Time) bool {
	return !c.Ahead(r.Time) && !c.Committed(r).Before(since)
}
