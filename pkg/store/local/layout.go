package local

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/conftool/confctl/pkg/store"
)

// format is the version of the layout below. A file of a newer one is refused.
//
//	confctl   "format", "revision", "log bytes" -> 8 bytes, big endian
//	data      key -> created, modified (8 bytes each, big endian), value
//	log       revision (8 bytes, big endian) -> the events of that transaction
//
// Every revision has its entry in the log, until the oldest are dropped.
const format = 1

var (
	metaBucket  = []byte("confctl")
	dataBucket  = []byte("data")
	logBucket   = []byte("log")
	formatKey   = []byte("format")
	revisionKey = []byte("revision")
	logBytesKey = []byte("log bytes")
)

// state is the store within one database transaction. Its buckets are nil
// where nothing has ever been written.
type state struct {
	meta, data, log *bolt.Bucket
}

// record is the value of a key in the data bucket.
type record struct {
	created, modified store.Revision
	value             []byte
}

// damaged is the error for contents that this package never writes.
func damaged(format string, args ...any) error {
	return fmt.Errorf("the file is damaged, restore it from a backup: "+format, args...)
}

// load finds the buckets, and refuses files of other programs and of the
// future.
func load(tx *bolt.Tx) (state, error) {
	st := state{meta: tx.Bucket(metaBucket), data: tx.Bucket(dataBucket), log: tx.Bucket(logBucket)}
	if st.meta == nil {
		if name, _ := tx.Cursor().First(); name != nil {
			return state{}, fmt.Errorf("not a file of confctl: it is a bbolt file of another program")
		}
		return state{}, nil
	}
	switch version, err := st.number(formatKey); {
	case err != nil:
		return state{}, err
	case version > format:
		return state{}, fmt.Errorf("the file was written by a newer confctl, upgrade this one: format %d, known are up to %d", version, format)
	case version == 0 || st.data == nil || st.log == nil:
		return state{}, damaged("it lacks what every store has")
	}
	return st, nil
}

// create lays out a new store.
func create(tx *bolt.Tx) (st state, err error) {
	for _, b := range []struct {
		bucket **bolt.Bucket
		name   []byte
	}{{&st.meta, metaBucket}, {&st.data, dataBucket}, {&st.log, logBucket}} {
		if *b.bucket, err = tx.CreateBucket(b.name); err != nil {
			return state{}, err
		}
	}
	return st, st.meta.Put(formatKey, number(format))
}

func number(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// number returns a number of the meta bucket, 0 if it was never set.
func (st state) number(key []byte) (int64, error) {
	if st.meta == nil {
		return 0, nil
	}
	b := st.meta.Get(key)
	if b == nil {
		return 0, nil
	}
	return parseNumber(b)
}

func parseNumber(b []byte) (int64, error) {
	if len(b) != 8 || b[0] > 0x7f {
		return 0, damaged("%x is not a number", b)
	}
	return int64(binary.BigEndian.Uint64(b)), nil
}

func (st state) revision() (store.Revision, error) {
	n, err := st.number(revisionKey)
	return store.Revision(n), err
}

func encodeRecord(r record) []byte {
	b := make([]byte, 0, 16+len(r.value))
	b = binary.BigEndian.AppendUint64(b, uint64(r.created))
	b = binary.BigEndian.AppendUint64(b, uint64(r.modified))
	return append(b, r.value...)
}

// decodeRecord does not copy the value.
func decodeRecord(b []byte) (record, error) {
	if len(b) < 16 {
		return record{}, damaged("an entry has %d bytes", len(b))
	}
	created, err := parseNumber(b[:8])
	if err != nil {
		return record{}, err
	}
	modified, err := parseNumber(b[8:16])
	return record{created: store.Revision(created), modified: store.Revision(modified), value: b[16:]}, err
}

// entry returns a copy of the entry of a key, or nil.
func (st state) entry(key string) (*store.Entry, error) {
	var found *store.Entry
	err := st.scanKey(key, func(_ []byte, r record) error {
		found = &store.Entry{Key: key, Value: bytes.Clone(r.value), Created: r.created, Modified: r.modified}
		return nil
	})
	return found, err
}

// scanKey calls a function with the record of a key, if there is one.
func (st state) scanKey(key string, f func(key []byte, r record) error) error {
	if st.data == nil {
		return nil
	}
	k := []byte(key)
	b := st.data.Get(k)
	if b == nil {
		return nil
	}
	r, err := decodeRecord(b)
	if err != nil {
		return err
	}
	return f(k, r)
}

// scan calls a function with the records under a prefix, in key order, until
// it returns an error.
func (st state) scan(prefix string, f func(key []byte, r record) error) error {
	if !strings.HasSuffix(prefix, "/") {
		return st.scanKey(prefix, f)
	}
	if st.data == nil {
		return nil
	}
	p, c := []byte(prefix), st.data.Cursor()
	for k, v := c.Seek(p); bytes.HasPrefix(k, p); k, v = c.Next() {
		r, err := decodeRecord(v)
		if err != nil {
			return err
		}
		if err := f(k, r); err != nil {
			return err
		}
	}
	return nil
}

// disjoint sorts prefixes and leaves out what lies under another, so that
// scanning one after the other meets every key once and in order.
func disjoint(prefixes []string) []string {
	var kept []string
	for _, p := range slices.Sorted(slices.Values(prefixes)) {
		if len(kept) == 0 || !store.Under(p, kept[len(kept)-1]) {
			kept = append(kept, p)
		}
	}
	return kept
}

// entries returns copies of the entries under disjoint prefixes. It goes over
// them twice to copy all keys into one piece of memory and all values into
// another: a large store is then read with a handful of allocations.
func (st state) entries(prefixes []string) ([]store.Entry, error) {
	var count, keyBytes, valueBytes int
	err := st.scanAll(prefixes, func(key []byte, r record) error {
		count, keyBytes, valueBytes = count+1, keyBytes+len(key), valueBytes+len(r.value)
		return nil
	})
	if err != nil || count == 0 {
		return nil, err
	}
	var keys strings.Builder
	keys.Grow(keyBytes)
	values, entries := make([]byte, 0, valueBytes), make([]store.Entry, 0, count)
	err = st.scanAll(prefixes, func(key []byte, r record) error {
		k, v := keys.Len(), len(values)
		keys.Write(key)
		values = append(values, r.value...)
		entries = append(entries, store.Entry{
			Key:      keys.String()[k:],
			Value:    values[v:len(values):len(values)], // an append by the caller must not reach the next
			Created:  r.created,
			Modified: r.modified,
		})
		return nil
	})
	return entries, err
}

func (st state) scanAll(prefixes []string, f func(key []byte, r record) error) error {
	for _, p := range prefixes {
		if err := st.scan(p, f); err != nil {
			return err
		}
	}
	return nil
}

// list returns copies of the first entries under a prefix, in the order of
// their last modification; of all if the limit is not above 0. What it sorts
// are references into the file: only what it returns is copied.
func (st state) list(prefix string, order store.Order, limit int) ([]store.Entry, error) {
	type reference struct {
		key []byte
		record
	}
	var all []reference
	err := st.scan(prefix, func(key []byte, r record) error {
		all = append(all, reference{key, r})
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b reference) int {
		if order == store.OldestFirst {
			a, b = b, a
		}
		return cmp.Compare(b.modified, a.modified)
	})
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	entries := make([]store.Entry, len(all))
	for i, e := range all {
		entries[i] = store.Entry{Key: string(e.key), Value: bytes.Clone(e.value), Created: e.created, Modified: e.modified}
	}
	return entries, nil
}
