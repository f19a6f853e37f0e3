// Package etcdindex converts the revisions of a store to indexes of etcd v2, and
// back.
//
// A revision has PerRevision indexes. The first ones are those of its events, in key
// order. The last one does not belong to an event: it is the index of each key that
// the revision modified, and of the store at that revision. All indexes up to
// revision 2^40 are below 2^53, the largest number to which every reader can count.
package etcdindex

import "github.com/conftool/confctl/pkg/store"

// PerRevision is the number of indexes of a revision.
const PerRevision = 8192

// Last returns the last index of a revision: the index of a key that it modified,
// and of the store at that revision.
func Last(r store.Revision) uint64 { return uint64(r)*PerRevision + PerRevision - 1 }

// Event returns the index of an event by its position, from 0, among the events of a
// revision. A transaction has fewer events than there are indexes. The differences
// found when everything is read again may be more: those beyond the limit share the
// highest index of an event.
func Event(r store.Revision, position int) uint64 {
	return uint64(r)*PerRevision + uint64(min(position, PerRevision-2))
}

// Revision returns the revision that any index belongs to.
func Revision(index uint64) store.Revision { return store.Revision(index / PerRevision) }

// Before returns the latest revision without an event at an index or later.
func Before(index uint64) store.Revision {
	r := Revision(index)
	if index == Last(r) {
		return r
	}
	return max(0, r-1)
}
