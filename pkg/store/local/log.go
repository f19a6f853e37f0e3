package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/conftool/confctl/pkg/store"
)

// bounds limit the change log: what is beyond either is forgotten, but never
// the newest transaction.
type bounds struct {
	txns  store.Revision
	bytes int64
}

// advance makes a revision the latest, with what it did as its log entry.
func (st state) advance(at store.Revision, events []store.Event, keep bounds) error {
	size, err := st.number(logBytesKey)
	if err != nil {
		return err
	}
	entry := encodeEvents(events)
	if err := st.log.Put(number(int64(at)), entry); err != nil {
		return err
	}
	size += int64(len(entry))
	c := st.log.Cursor()
	for k, v := c.First(); k != nil; k, v = c.First() {
		first, err := parseNumber(k)
		if err != nil {
			return err
		}
		if store.Revision(first) == at || store.Revision(first) > at-keep.txns && size <= keep.bytes {
			break
		}
		size -= int64(len(v))
		if err := c.Delete(); err != nil {
			return err
		}
	}
	if err := st.meta.Put(logBytesKey, number(size)); err != nil {
		return err
	}
	return st.meta.Put(revisionKey, number(int64(at)))
}

// A watcher reads at most about this much of the log at once, so that a long
// history neither fills the memory nor keeps writers waiting.
const (
	chunkTxns  = 256
	chunkBytes = 4 << 20
)

// mark is what tells the transaction of a revision from that of another store
// with the same number; empty if it is forgotten.
func (st state) mark(at store.Revision) string {
	if st.log == nil {
		return ""
	}
	entry := st.log.Get(number(int64(at)))
	if entry == nil {
		return ""
	}
	sum := sha256.Sum256(entry)
	return string(sum[:])
}

// changes returns the next transactions after a revision that wrote under the
// prefixes, and the revision up to which that is all.
func (st state) changes(after store.Revision, prefixes []string) ([]store.Batch, store.Revision, error) {
	now, err := st.revision()
	if err != nil || after == now {
		return nil, now, err
	}
	if after > now { // an older file was put in this place, or none is there
		return nil, 0, store.ErrCompacted
	}
	var batches []store.Batch
	size, upTo := 0, after
	c := st.log.Cursor()
	for k, v := c.Seek(number(int64(after + 1))); k != nil && upTo < after+chunkTxns && size < chunkBytes; k, v = c.Next() {
		at, err := parseNumber(k)
		if err != nil {
			return nil, 0, err
		}
		if store.Revision(at) != upTo+1 {
			break
		}
		events, err := decodeEvents(v, store.Revision(at), prefixes)
		if err != nil {
			return nil, 0, err
		}
		if len(events) > 0 {
			batches = append(batches, store.Batch{Revision: store.Revision(at), Events: events})
		}
		upTo, size = store.Revision(at), size+len(v)
	}
	if upTo == after {
		return nil, 0, st.forgotten()
	}
	return batches, upTo, nil
}

// forgotten is the error for what is before the log.
func (st state) forgotten() error {
	oldest, _ := st.log.Cursor().First()
	if oldest == nil {
		return damaged("the log is empty")
	}
	at, err := parseNumber(oldest)
	if err != nil {
		return err
	}
	return &store.CompactedError{Oldest: store.Revision(at) - 1}
}

// encodeEvents writes for each event the revision at which its key was
// created, 0 for a deletion, and key and value with their lengths.
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

// field splits off bytes that follow their length.
func field(b []byte) (content, rest []byte, whole bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	b = b[n:]
	return b[:size], b[size:], true
}
