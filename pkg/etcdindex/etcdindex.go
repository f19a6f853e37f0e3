// Package etcdindex makes the indexes of etcd v2 of the revisions of a store, and
// back.
//
// A revision has PerRevision of them. The first ones are those of its events,
// in key order; the last one is no event's, but that of each key as it was left,
// and of the store itself. All are below 2^53, the largest number that any reader
// can count to, up to revision 2^40.
package etcdindex

import "github.com/conftool/confctl/pkg/store"

// PerRevision is how many indexes a revision has.
const PerRevision = 8192

// Last is the last index of a revision: that of a key that it modified, and of
// the store when it is there.
func Last(r store.Revision) uint64 { return uint64(r)*PerRevision + PerRevision - 1 }

// Event is the index of an event by its position, from 0, among those of a
// revision. A transaction has fewer than there are indexes. What is found different
// when all was read again can be more: those beyond share the highest.
func Event(r store.Revision, position int) uint64 {
	return uint64(r)*PerRevision + uint64(min(position, PerRevision-2))
}

// Revision is the one that an index is of, whatever the index.
func Revision(index uint64) store.Revision { return store.Revision(index / PerRevision) }

// Before is the latest revision that has no event at an index, or at a later one.
func Before(index uint64) store.Revision {
	r := Revision(index)
	if index == Last(r) {
		return r
	}
	return max(0, r-1)
}
