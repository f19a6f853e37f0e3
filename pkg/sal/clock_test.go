package sal

import (
	"slices"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// TestClockSince: a change is recent only if neither its own time nor the times
// of later changes contradict that.
func TestClockSince(t *testing.T) {
	now := noon()
	since := now.Add(-time.Hour)
	for _, c := range []struct {
		name   string
		host   string
		at     time.Duration
		later  []time.Duration // times of later changes by other hosts, oldest first
		recent bool
	}{
		{"just now", "a", 0, nil, true},
		{"a while ago", "a", -59 * time.Minute, nil, true},
		{"too long ago", "a", -61 * time.Minute, nil, false},
		{"a clock a little ahead", "a", 4 * time.Minute, nil, true},
		{"the future", "a", 6 * time.Minute, nil, false},
		{"the future, on this host", "here", 6 * time.Minute, nil, false},
		{"a clock ahead, by a later change", "a", -time.Minute, []time.Duration{-2 * time.Hour}, false},
		{"a clock ahead, by a change after others", "a", -time.Minute, []time.Duration{-2 * time.Minute, -2 * time.Hour, -time.Minute}, false},
		{"later changes with a clock a little behind", "a", -58 * time.Minute, []time.Duration{-62 * time.Minute}, true},
		{"later changes with a clock ahead", "a", -time.Minute, []time.Duration{2 * time.Hour}, true},
		{"this host, before a clock far behind", "here", -time.Minute, []time.Duration{-2 * time.Hour}, true},
	} {
		r := change("r", now.Add(c.at))
		r.Host.Name = c.host
		var later []Stored
		for i, at := range c.later {
			later = append(later, Stored{change("l", now.Add(at)), store.Revision(11 + i)})
		}
		earlier := Stored{change("e", now.Add(-10*time.Hour)), 9} // earlier than the change, so it has no effect
		slices.Reverse(later)
		clock := NewClock("here", now, append(later, Stored{r, 10}, earlier))
		if got := clock.Since(Stored{r, 10}, since); got != c.recent {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
