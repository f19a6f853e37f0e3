package mirror

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/conftool/confctl/pkg/store"
)

// Batch is a whole transaction, less what lies outside the mirrored prefixes,
// or the difference that was found when all was read again.
type Batch struct {
	Revision store.Revision
	Events   []Event // in key order, at least one
	// Reload marks a difference. What was deleted has the revision of the read,
	// and what changed several times is there once. Its revision may even be
	// below that of the batch before: the store was put back.
	Reload bool

	size int
}

// Event is one write, with what was there before.
type Event struct {
	store.Event
	Before  *store.Entry // nil if the key was absent, or if that is Unknown
	Unknown bool         // what was there before was never seen
}

// Under returns the events under a prefix, as of View.Under.
func (b *Batch) Under(prefix string) []Event {
	from, to := b.Range(prefix)
	return b.Events[from:to]
}

// Range returns where the events under a prefix begin and end.
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

// bytes is about what a batch holds on to.
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

// size is about what an event holds on to.
func size(e store.Event) int { return 128 + len(e.Key) + len(e.Value) }

// Sequence numbers the batches that a mirror has seen. It means nothing to
// another one.
type Sequence int64

// firstSequence leaves room for the history from before the first view.
const firstSequence Sequence = 1 << 40

// history is the latest batches. It is a value: what is added to one is not
// seen through another, though they share memory.
type history struct {
	batches []*Batch
	bytes   int
	first   Sequence       // of the first batch
	indexed Sequence       // from here on batches are transactions, by growing revision
	floor   store.Revision // all transactions after this one are here
	dropped int            // bytes of forgotten batches that the memory behind batches may still hold
}

func (h history) next() Sequence { return h.first + Sequence(len(h.batches)) }

// latest is the revision up to which transactions were added.
func (h history) latest() store.Revision {
	if h.indexed < h.next() {
		return h.batches[len(h.batches)-1].Revision
	}
	return h.floor
}

// add appends a batch and forgets what is beyond the bounds.
func (h history) add(b *Batch, batches, bytes int) history {
	h.batches = append(h.batches, b) // only the latest history is ever added to
	h.bytes += b.bytes()
	return h.trim(batches, bytes)
}

// trim forgets what is beyond the bounds. The memory that it shares with earlier
// histories is left to them before it holds much that is forgotten.
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

// cut says that there is a gap up to a revision.
func (h history) cut(at store.Revision) history {
	h.indexed, h.floor = h.next(), at
	return h
}

// before puts older batches in front.
func (h history) before(floor store.Revision, older []*Batch, batches, bytes int) history {
	all := slices.Concat(older, h.batches)
	h.first -= Sequence(len(older))
	h.batches, h.indexed, h.floor = all, h.first, floor
	for _, b := range older {
		h.bytes += b.bytes()
	}
	return h.trim(batches, bytes)
}

// after returns the transactions after a revision that is not below the floor.
func (h history) after(revision store.Revision) []*Batch {
	known := h.batches[max(0, h.indexed-h.first):]
	from, _ := slices.BinarySearchFunc(known, revision+1, func(b *Batch, r store.Revision) int { return cmp.Compare(b.Revision, r) })
	return known[from:]
}
