package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/conftool/confctl/pkg/store"
)

// bounds limit the change log. Transactions beyond either are dropped, but never the
// newest one.
type bounds struct {
	txns  store.Revision
	bytes int64
}

// advance makes at the latest revision, adds its events to the log, and drops the
// oldest entries beyond the bounds.
func (st state) advance(at store.Revision, events []store.Event, keep bounds) error {
	key := number(int64(at))
	entry := encodeLogEntry(key, encodeEvents(events))
	if err := st.log.Put(key, entry); err != nil {
		return err
	}
	if st.oldest == 0 {
		st.oldest = at
	}
	st.revision = at
	st.logBytes += int64(len(entry))
	for st.oldest < at && (st.oldest <= at-keep.txns || st.logBytes > keep.bytes) {
		old, err := st.logEntry(st.oldest)
		if err != nil {
			return err
		}
		st.logBytes -= int64(len(old) + logSum)
		if err := st.log.Delete(number(int64(st.oldest))); err != nil {
			return err
		}
		st.oldest++
	}
	return st.save()
}

const logSum = 4 // size in bytes of the checksum before the events

// encodeLogEntry returns a checksum of key and events, followed by events.
func encodeLogEntry(key, events []byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, logSum+len(events)), logChecksum(key, events)), events...)
}

func logChecksum(key, events []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli()), castagnoli(), events)
}

// logEntry returns the encoded events of a revision that is in the log.
func (st state) logEntry(at store.Revision) ([]byte, error) {
	key := number(int64(at))
	entry := st.log.Get(key)
	switch {
	case entry == nil:
		return nil, damaged("the log lacks revision %d", at)
	case st.plain:
		return entry, nil
	case len(entry) < logSum || binary.BigEndian.Uint32(entry) != logChecksum(key, entry[logSum:]):
		return nil, damaged("the log entry of revision %d does not match its checksum", at)
	}
	return entry[logSum:], nil
}

// A watch reads at most about this much of the log at once, so that a long history
// neither fills the memory nor blocks writers.
const (
	chunkTxns  = 256
	chunkBytes = 4 << 20
)

// mark returns a hash of the transaction of a revision, which differs from that of
// another store at the same revision. It is empty if the log does not hold the
// revision.
func (st state) mark(at store.Revision) (string, error) {
	if at < max(1, st.oldest) || at > st.revision {
		return "", nil
	}
	entry, err := st.logEntry(at)
	sum := sha256.Sum256(entry)
	return string(sum[:]), err
}

// changes returns the next transactions after a revision that wrote under the
// prefixes, and the revision up to which they are complete.
func (st state) changes(after store.Revision, prefixes []string) ([]store.Batch, store.Revision, error) {
	switch {
	case after == st.revision:
		return nil, after, nil
	case after > st.revision: // the file was replaced by an older one or removed
		return nil, 0, store.ErrCompacted
	case after+1 < st.oldest:
		return nil, 0, &store.CompactedError{Oldest: st.oldest - 1}
	}
	var batches []store.Batch
	size, upTo := 0, after
	for upTo < st.revision && upTo < after+chunkTxns && size < chunkBytes {
		upTo++
		entry, err := st.logEntry(upTo)
		if err != nil {
			return nil, 0, err
		}
		events, err := decodeEvents(entry, upTo, prefixes)
		if err != nil {
			return nil, 0, err
		}
		if len(events) > 0 {
			batches = append(batches, store.Batch{Revision: upTo, Events: events})
		}
		size += len(entry)
	}
	return batches, upTo, nil
}

// encodeEvents encodes, for each event, the revision at which its key was created or
// 0 for a deletion, and then its key and its value, each after its length. All
// numbers are varints.
func encodeEvents(events []store.Event) []byte {
	var b []byte
	for _, e := range events {
		b = binary.AppendUvarint(b, uint64(e.Created))
		b = binary.AppendUvarint(b, uint64(len(e.Key)))
		b = append(b, e.Key...)
		b = binary.AppendUvarint(b, uint64(len(e.Value)))
		b = append(b, e.Value...)
	}
	return b
}

// decodeEvents returns copies of the events under the prefixes.
func decodeEvents(b []byte, at store.Revision, prefixes []string) ([]store.Event, error) {
	var events []store.Event
	for len(b) > 0 {
		created, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, damaged("the log entry of revision %d is cut off", at)
		}
		var key, value []byte
		var whole bool
		if key, b, whole = field(b[n:]); whole {
			value, b, whole = field(b)
		}
		if !whole {
			return nil, damaged("the log entry of revision %d is cut off", at)
		}
		e := store.Event{Entry: store.Entry{Key: string(key), Created: store.Revision(created), Modified: at}, Deleted: created == 0}
		if slices.ContainsFunc(prefixes, func(p string) bool { return store.Under(e.Key, p) }) {
			e.Value = bytes.Clone(value)
			events = append(events, e)
		}
	}
	return events, nil
}

// field splits off bytes that follow their length. It reports whether all of them are
// present.
func field(b []byte) (content, rest []byte, whole bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	b = b[n:]
	return b[:size], b[size:], true
}
