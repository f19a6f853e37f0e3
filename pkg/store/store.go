// Package store is the contract between confctl and whatever keeps its keys.
//
// A store maps keys to values under one revision counter. It can be read at
// one revision, and changed by transactions that happen whole or not at all.
// Everything confctl promises an operator rests on the promises made here;
// package storetest holds them as tests, and every driver runs them.
package store

import (
	"context"
	"iter"
	"strings"
)

// Limits of one transaction, which every driver takes. They fit into one
// request to etcd with its default settings: it counts conditions and
// operations, nested ones along their path, up to 128, and takes 1.5 MiB.
const (
	MaxWrites = 58 * 64
	MaxBytes  = 1200 << 10 // keys and values of all writes, and keys of guards
	MaxGuards = 100
)

// MaxPage is how many bytes of keys and values a List returns at most. It is
// several times what one transaction can write.
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

	// List returns the first entries under one prefix, as Read understands it, in
	// the order and within the bounds of a page, and at most MaxPage bytes of them.
	// Snapshot.More says that entries were left out. There may be fewer than would
	// fit, but not none: how large the values are may show only when they come.
	// Those that are left out take no memory. The snapshot is of one revision, the
	// latest when it was made.
	//
	// Errors: as Read.
	List(ctx context.Context, prefix string, page Page) (Snapshot, error)

	// Commit performs a transaction whole or not at all, and exactly once: if
	// the key txn.Once exists already, nothing is written, and the receipt is
	// that of the transaction that wrote it, which may be a void one. A caller
	// that repeats a transaction therefore keeps its Once key, and nobody
	// rewrites such a key.
	//
	// Errors: *ConflictError when a guard failed, *TooLargeError before
	// anything is sent, *UnavailableError when it is certain that nothing was
	// written, *DeniedError, *UnknownError when it is not known whether the
	// transaction happened, and the context's own if it was cancelled before
	// anything was sent.
	//
	// After any error but *UnknownError nothing was written, and nothing will
	// be. That a later attempt was refused does not prove it of an earlier one
	// that got no answer: the earlier request may still be on its way, and its
	// guards may hold again when it arrives, as "absent" does once somebody has
	// deleted the key. So a driver returns such an error only when no attempt
	// can be performed any more. Where it does not know that of an attempt, it
	// puts txn.Void at the Once key first: the attempt then finds the key and
	// does nothing, whenever it arrives. The Once key is spent by this, which a
	// *ConflictError says. Without a Void, or if it cannot be written, the
	// error is an *UnknownError.
	//
	// A transaction without a Once key is sent once at most.
	Commit(ctx context.Context, txn Txn) (Receipt, error)

	// Watch yields every transaction after a revision that wrote under one of
	// the prefixes, in order, each as one Batch with those of its writes. An
	// empty Batch, at least every two seconds, is a sign of life and carries
	// the revision up to which nothing is missing: the entries at that revision
	// are those that the batches so far have made. A server that cannot tell
	// the order of its messages may still send transactions of that revision or
	// an earlier one after it, but only those whose every write was deleted
	// again by then. Deleting an absent key is no event.
	//
	// The sequence ends when the context does, without an error, or after
	// yielding one: ErrCompacted, as a *CompactedError where it is known from
	// when on nothing is forgotten, when the store has forgotten that far back,
	// or has never come so far, as after a backup was restored (read again, then
	// watch from there); or as for Read. A lost connection is resumed, which
	// Batch.Resumed says; *UnavailableError follows when that has failed for as
	// long as a request may take. At least one prefix is needed, and the
	// permission to read the smallest range around all of them.
	Watch(ctx context.Context, after Revision, prefixes ...string) iter.Seq2[Batch, error]

	// Close releases what the store holds. The store is not used afterwards.
	Close() error
}

// Page says which of the entries under a prefix a List returns.
type Page struct {
	Order Order
	Limit int    // at most so many entries; no limit if it is 0 or less
	From  string // the first key that is of interest; empty for that of the prefix
	Until string // the first key after those of interest; empty for that after the prefix
}

// Order is that of a List.
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
	More     bool // there are more entries than a List returned
}

// Txn is a transaction: if all guards hold, all writes happen.
type Txn struct {
	Once string // a key that one of Writes puts and that must not exist yet; empty for none
	// Void is what stands at the Once key instead when the transaction was not
	// made and must not be made later; see Commit. The caller has to tell it
	// from what Writes puts there.
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

// Receipt says what a Commit did.
type Receipt struct {
	// Revision is that of the transaction which wrote the Once key. Of one that
	// only deleted what was not there it is the store's at that time, and of
	// one without writes it is 0.
	Revision Revision
	// Stored is the value of the Once key: the one this Commit wrote or, when
	// the key existed already, what was found there. That is what an earlier
	// attempt wrote, or a Void: then nothing was made, and nothing will be.
	Stored []byte
}

// Event is one write of a transaction as a watcher sees it.
type Event struct {
	Entry
	Deleted bool // Value and Created are empty then, Modified is the deleting transaction
}

// Batch is a whole transaction, less what lies outside the watched prefixes.
type Batch struct {
	Revision Revision
	Events   []Event // in key order
	// Resumed marks the first Batch after the Watch lost sight of the store and
	// found it again by itself. Meanwhile a backup may have been put in its
	// place, and been written to until it was past where the Watch goes on: it
	// looks like the store that was away. Who keeps a copy compares it with a
	// Read made after this Batch has come, and does the same after a Watch of
	// their own that goes on where another one ended.
	Resumed bool
}

// Under reports whether a key lies under a prefix as Read understands it.
func Under(key, prefix string) bool {
	if strings.HasSuffix(prefix, "/") {
		return strings.HasPrefix(key, prefix)
	}
	return key == prefix
}

// Check reports what makes a transaction unfit for any store: a *TooLargeError,
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
