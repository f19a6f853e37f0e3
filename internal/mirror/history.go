package mirror

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/conftool/confctl/pkg/store"
)

// Batch is one whole transaction, without what is outside the mirrored prefixes, or
// the difference found when everything was read again.
type Batch struct {
	Revision store.Revision
	Events   []Event // in key order, at least one
	// Reload reports whether the batch is such a difference. Deleted keys have the
	// revision of that read, and a key that changed several times occurs once. The
	// revision may be lower than that of the previous batch, if the store was restored.
	Reload bool

	size int
}

// Event is one write, with the entry before it.
type Event struct {
	store.Event
	Before  *store.Entry // nil if the key was absent, or if Unknown
	Unknown bool         // the entry before is not known
}

// Under returns the events under a prefix, as defined by View.Under.
func (b *Batch) Under(prefix string) []Event {
	from, to := b.Range(prefix)
	return b.Events[from:to]
}

// Range returns the bounds of the events under a prefix: Events[from:to].
func (b *Batch) Range(prefix string) (from, to int) {
	if prefix == "" {
		return 0, len(b.Events)
	}
	from = sort.Search(len(b.Events), func(i int) bool { return b.Events[i].Key >= prefix })
	rest := b.Events[from:]
	if !strings.HasSuffix(prefix, "/") {
		if len(rest) > 0 && rest[0].Key == prefix {
			return from, from + 1
		}
		return from, from
	}
	return from, from + sort.Search(len(rest), func(i int) bool { return !strings.HasPrefix(rest[i].Key, prefix) })
}

// bytes returns the approximate memory that a batch holds.
func (b *Batch) bytes() int {
	if b.size == 0 {
		b.size = 64
		for _, e := range b.Events {
			b.size += size(e.Event)
			if e.Before != nil {
				b.size += len(e.Before.Value)
			}
		}
	}
	return b.size
}

// size returns the approximate memory of an event.
func size(e store.Event) int { return 128 + len(e.Key) + len(e.Value) }

// Sequence numbers the batches of one mirror. It has no meaning for another mirror.
type Sequence int64

// firstSequence leaves room for the history from before the first view.
const firstSequence Sequence = 1 << 40

// history is the latest batches. It is a value: appending to one history does not
// change another, although they share memory.
type history struct {
	batches []*Batch
	bytes   int
	first   Sequence       // of the first batch
	indexed Sequence       // from this one on, batches are transactions in increasing order of revision
	floor   store.Revision // all transactions after this revision are in batches
	dropped int            // bytes of dropped batches that the memory behind batches may still hold
}

func (h history) next() Sequence { return h.first + Sequence(len(h.batches)) }

// latest returns the revision of the last transaction added.
func (h history) latest() store.Revision {
	if h.indexed < h.next() {
		return h.batches[len(h.batches)-1].Revision
	}
	return h.floor
}

// add returns a history with the batch appended and the limits applied.
func (h history) add(b *Batch, batches, bytes int) history {
	h.batches = append(h.batches, b) // only the latest history is ever appended to
	h.bytes += b.bytes()
	return h.trim(batches, bytes)
}

// trim drops the oldest batches beyond the limits. It copies the rest once the
// memory shared with earlier histories holds too much that was dropped.
func (h history) trim(batches, bytes int) history {
	n := 0
	for ; n < len(h.batches)-1 && (len(h.batches)-n > batches || h.bytes > bytes); n++ {
		oldest := h.batches[n]
		if h.first >= h.indexed {
			h.floor = oldest.Revision
		}
		h.bytes -= oldest.bytes()
		h.dropped += oldest.bytes()
		h.first++
	}
	h.batches = h.batches[n:]
	if h.dropped > bytes/4 {
		h.batches, h.dropped = slices.Clone(h.batches), 0
	}
	return h
}

// cut marks a gap up to a revision.
func (h history) cut(at store.Revision) history {
	h.indexed, h.floor = h.next(), at
	return h
}

// before returns a history with older batches in front.
func (h history) before(floor store.Revision, older []*Batch, batches, bytes int) history {
	all := slices.Concat(older, h.batches)
	h.first -= Sequence(len(older))
	h.batches, h.indexed, h.floor = all, h.first, floor
	for _, b := range older {
		h.bytes += b.bytes()
	}
	return h.trim(batches, bytes)
}

// after returns the transactions after a revision that is at least the floor.
func (h history) after(revision store.Revision) []*Batch {
	known := h.batches[max(0, h.indexed-h.first):]
	from, _ := slices.BinarySearchFunc(known, revision+1, func(b *Batch, r store.Revision) int { return cmp.Compare(b.Revision, r) })
	return known[from:]
}
