package etcdindex

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/conftool/confctl/pkg/store"
)

// TestFormulas checks the numbers that are documented for readers.
func TestFormulas(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ got, want uint64 }{
		{Last(0), 8191},
		{Last(2), 3*8192 - 1},
		{Event(2, 0), 2 * 8192},
		{Event(2, 8190), 3*8192 - 2},
		{Event(2, 8191), 3*8192 - 2},
		{Event(2, 100000), 3*8192 - 2},
		{Last(1<<40 - 1), 1<<53 - 1},
		{uint64(Revision(0)), 0},
		{uint64(Revision(3*8192 - 1)), 2},
		{uint64(Revision(math.MaxUint64)), 1<<51 - 1},
		{uint64(Before(0)), 0},
		{uint64(Before(8191)), 0},
		{uint64(Before(2 * 8192)), 1},
		{uint64(Before(3*8192 - 2)), 1},
		{uint64(Before(3*8192 - 1)), 2},
		{uint64(Before(math.MaxUint64)), 1<<51 - 1},
	} {
		if c.got != c.want {
			t.Errorf("%d, want %d", c.got, c.want)
		}
	}
}

// TestOrder checks that indexes are in the order of the events, and can be converted
// back.
func TestOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := store.Revision(rapid.Int64Range(1, 1<<39).Draw(t, "revision"))
		position := rapid.IntRange(0, 20000).Draw(t, "position")
		index := Event(r, position)
		if index < Event(r, position-min(position, 1)) || index <= Last(r-1) || index >= Last(r) || Last(r) >= Event(r+1, 0) {
			t.Errorf("revision %d, position %d: %d is not in order", r, position, index)
		}
		if Revision(index) != r || Revision(Last(r)) != r {
			t.Errorf("revision %d has %d, of %d, and %d", r, index, Revision(index), Last(r))
		}
		at := Before(index)
		if Event(at, PerRevision) >= index || Event(at+1, PerRevision) < index {
			t.Errorf("after revision %d there are events from %d on", at, index)
		}
	})
}
