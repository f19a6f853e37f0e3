package sal

import (
	"slices"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// Skew is how far apart the clocks of two hosts are taken to be at most.
const Skew = 5 * time.Minute

// Clock tells when changes were committed. A record has the time of the host that
// made it, and that clock may be wrong; the order of the store is not.
type Clock struct {
	host  string
	now   time.Time
	later []bound
}

// bound is a time before which all changes up to a revision were committed, by
// what is recorded after it.
type bound struct {
	revision store.Revision
	earliest time.Time
}

// NewClock returns the clock of a host, which corrects the times of changes by
// those of later records, the newest first.
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

// Ahead reports whether a time is in the future, by more than clocks differ.
func (c Clock) Ahead(t time.Time) bool { return t.After(c.now.Add(Skew)) }

// Committed returns when a change was committed at the latest: at the time of its
// record or, if another host made it, at that of a record that was committed
// after it.
func (c Clock) Committed(r Stored) time.Time {
	at := r.Time
	if r.Host.Name == c.host {
		return at
	}
	// the last of those after it is the earliest of them all
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

// Since reports whether a change was committed at a time or later. One from the
// future was not: nobody knows when it was.
func (c Clock) Since(r Stored, since time.Time) bool {
	return !c.Ahead(r.Time) && !c.Committed(r).Before(since)
}
