// Package store is the contract between confctl and the store of its keys.
//
// A store maps keys to values under one revision counter. It can be read at one
// revision, and changed by transactions that happen whole or not at all. Everything
// confctl promises an operator depends on the promises made here; package storetest
// tests them for every driver.
package store

import (
	"context"
	"iter"
	"strings"
)

// Limits of one transaction, which every driver accepts. They fit into one request to
// etcd with its default limits of 128 conditions or operations, which it counts along
// each path of nested transactions, and of 1.5 MiB.
const (
	MaxWrites = 58 * 64
	MaxBytes  = 1200 << 10 // size of the keys and values of all writes, and of the keys of guards
	MaxGuards = 100
)

// MaxPage is the maximum size in bytes of the keys and values that a List returns. It
// is several times what one transaction can write.
const MaxPage = 16 << 20

// Revision counts the transactions of a store. It only grows; 0 is the
// revision before the first one, and the revision of an absent key.
type Revision int64

// Store keeps keys. Implementations are safe for concurrent use, by several
// goroutines and by several processes.
type Store interface {
	// Read returns all entries under the prefixes, in key order and without
	// repetition, as they were at one revision: the latest when it was made.
	// A prefix that ends in a slash is a subtree, any other is exactly that
	// key. Read without a prefix returns the revision alone. It is one request.
	//
	// Errors: *UnavailableError, *DeniedError, or the context's own.
	Read(ctx context.Context, prefixes ...string) (Snapshot, error)

	// List returns the first entries under one prefix, which means the same as for
	// Read, in the order and within the bounds of a page, and at most MaxPage bytes
	// of them. Snapshot.More reports that entries were left out. List may return
	// fewer entries than would fit, but at least one if there is any: the sizes of
	// the values may be known only from an answer. Entries that are left out take no
	// memory. The snapshot is of one revision, the latest when it was made.
	//
	// Errors: as Read.
	List(ctx context.Context, prefix string, page Page) (Snapshot, error)

	// Commit performs a transaction whole or not at all, and exactly once: if the key
	// txn.Once exists already, nothing is written, and the receipt is that of the
	// transaction that wrote it, which may be a void one. So a caller that repeats a
	// transaction keeps its Once key, and no caller may overwrite such a key.
	//
	// Errors: *ConflictError when a guard failed, *TooLargeError before anything is
	// sent, *UnavailableError when it is certain that nothing was written,
	// *DeniedError, *UnknownError when it is not known whether the transaction
	// happened, and the context's own if it was cancelled before anything was sent.
	//
	// After any error but *UnknownError nothing was written, and nothing will be. If
	// a later attempt was refused, that does not prove that an earlier attempt
	// without an answer was: its request may still be on the way, and its guards may
	// hold again when it arrives, as "absent" does after the key was deleted. So a
	// driver returns such an error only when no attempt can be performed any more. If
	// it does not know that of an attempt, it first puts txn.Void at the Once key:
	// the attempt then finds the key and does nothing, whenever it arrives. This
	// spends the Once key, which ConflictError.Spent reports. Without a Void, or if
	// it cannot be written, the error is an *UnknownError.
	//
	// A transaction without a Once key is sent at most once.
	Commit(ctx context.Context, txn Txn) (Receipt, error)

	// Watch yields every transaction after a revision that wrote under one of the
	// prefixes, in order, each as one Batch with those of its writes. An empty Batch,
	// at least every two seconds, is a sign of life and carries the revision up to
	// which nothing is missing: the entries at that revision are those that the
	// batches so far have made. A server that does not order its messages may later
	// send transactions of that revision or an earlier one, but only those whose
	// every write was deleted again by then. Deleting an absent key is no event.
	//
	// The sequence ends without an error when the context ends, and otherwise after
	// yielding an error. The error is ErrCompacted if the store has forgotten
	// transactions after that revision or has not reached it, as after a backup was
	// restored: the caller then reads again and watches from there. It is a
	// *CompactedError if the oldest known revision is known. Other errors: as Read. A
	// lost connection is resumed, which Batch.Resumed reports; *UnavailableError
	// follows when that has failed for as long as a request may take. At least one
	// prefix is needed, and the permission to read the smallest range around all of
	// them.
	Watch(ctx context.Context, after Revision, prefixes ...string) iter.Seq2[Batch, error]

	// Close releases what the store holds. The store is not used afterwards.
	Close() error
}

// Page selects the entries under a prefix that a List returns.
type Page struct {
	Order Order
	Limit int    // the maximum number of entries; no limit if 0 or less
	From  string // the first key to return; empty for the first under the prefix
	Until string // the first key not to return; empty for the first after the prefix
}

// Order is the order of the entries of a List.
type Order int

// The orders: by the revision of the last modification, those that one
// transaction wrote in no particular order, or by key.
const (
	NewestFirst Order = iota
	ByKey
)

// Entry is one key as it is stored.
type Entry struct {
	Key      string
	Value    []byte
	Created  Revision // of the transaction that created the key
	Modified Revision // of the transaction that last wrote it
}

// Snapshot is what a Read or a List saw. All of it is of one revision.
type Snapshot struct {
	Revision Revision
	Entries  []Entry
	More     bool // List left out entries
}

// Txn is a transaction: if all guards hold, all writes happen.
type Txn struct {
	Once string // a key that one of Writes puts and that must not exist yet; may be empty
	// Void is the value that Commit puts at the Once key if the transaction was not
	// made and must not be made later; see Commit. It must differ from the value in
	// Writes.
	Void   []byte
	Guards []Guard
	Writes []Write // each key at most once
}

// Guard is a condition on the store at the moment of the commit.
//
// On a key: it was last modified at Revision, 0 meaning that it does not exist.
// On a prefix: no key under it was created or modified after Revision. Such a
// guard promises nothing about keys that were deleted.
type Guard struct {
	Key      string // the prefix, with its trailing slash, when Prefix is set
	Prefix   bool
	Revision Revision
}

// Write puts a value at a key or deletes the key. Deleting an absent key is
// no error.
type Write struct {
	Key    string
	Value  []byte
	Delete bool
}

// Receipt is the result of a Commit.
type Receipt struct {
	// Revision is that of the transaction; if the Once key existed already, of the
	// transaction that wrote it. It is the store's revision if the transaction only
	// deleted absent keys, and 0 if it has no writes.
	Revision Revision
	// Stored is the value of the Once key: the one this Commit wrote or, if the key
	// existed already, the existing one. That is what an earlier attempt wrote, or a
	// Void: then nothing was made, and nothing will be.
	Stored []byte
}

// Event is one write of a transaction in a Watch.
type Event struct {
	Entry
	Deleted bool // if set, Value and Created are zero and Modified is the deleting transaction
}

// Batch is a whole transaction without the writes outside the watched prefixes.
type Batch struct {
	Revision Revision
	Events   []Event // in key order
	// Resumed marks the first Batch after the Watch lost the store and reached it
	// again. In between, the store may have been replaced by a backup and been
	// written to until it passed the revision at which the Watch continues, which
	// looks like the same store. A caller that keeps a copy compares it with a Read
	// made after this Batch. It does the same after it starts a Watch that continues
	// an ended one.
	Resumed bool
}

// Under reports whether a key is under a prefix, which means the same as for
// Store.Read.
func Under(key, prefix string) bool {
	if strings.HasSuffix(prefix, "/") {
		return strings.HasPrefix(key, prefix)
	}
	return key == prefix
}

// Check returns an error for a transaction that no store accepts: a *TooLargeError,
// or a plain error for a programming mistake. Drivers call it first.
func (t Txn) Check() error {
	size, puts := 0, make(map[string]bool, len(t.Writes)) // false for a deletion
	for _, w := range t.Writes {
		_, twice := puts[w.Key]
		switch {
		case w.Key == "":
			return malformed("a key is empty")
		case twice:
			return malformed("key %q is written twice", w.Key)
		}
		puts[w.Key] = !w.Delete
		size += len(w.Key) + len(w.Value)
	}
	if t.Once != "" && !puts[t.Once] {
		return malformed("key %q is to be written once, but no write puts it", t.Once)
	}
	if t.Once == "" && t.Void != nil {
		return malformed("there is a void value, but no key to be written once")
	}
	for _, g := range t.Guards {
		switch {
		case g.Prefix && !strings.HasSuffix(g.Key, "/"):
			return malformed("guarded prefix %q does not end in a slash", g.Key)
		case g.Key == "":
			return malformed("a guarded key is empty")
		}
		size += len(g.Key)
	}
	if len(t.Writes) > MaxWrites || size > MaxBytes || len(t.Guards) > MaxGuards {
		return &TooLargeError{Writes: len(t.Writes), Bytes: size, Guards: len(t.Guards)}
	}
	return nil
}
