package local

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/conftool/confctl/pkg/store"
)

// format is the version of the layout below. A file of a newer one is refused;
// one of format 1, which had no checksums, is read as it is, and the next
// commit rewrites it.
//
//	confctl   "format" -> 8 bytes, big endian; "header" -> see header
//	data      key -> created, modified (8 bytes each, big endian),
//	          link, checksum (4 bytes each), value
//	log       revision (8 bytes, big endian) -> checksum (4 bytes), the events
//	          of that transaction
//
// A checksum is of the key and everything else. A link is that of the next key,
// so that no key can be missing without notice. Every revision has its entry in
// the log, until the oldest are dropped.
const format = 2

var (
	metaBucket = []byte("confctl")
	dataBucket = []byte("data")
	logBucket  = []byte("log")
	formatKey  = []byte("format")
	headerKey  = []byte("header")
)

// state is the store within one database transaction. Its buckets are nil
// where nothing has ever been written.
type state struct {
	meta, data, log *bolt.Bucket
	*header
	unchecked bool // there are no checksums, or they were verified before
	plain     bool // the file has format 1
}

// damaged is the error for contents that this package never writes.
func damaged(format string, args ...any) error {
	return &store.DamagedError{Problems: []string{fmt.Sprintf(format, args...)}}
}

// load finds the buckets, and refuses files of other programs and of the
// future.
func load(tx *bolt.Tx) (state, error) {
	st := state{meta: tx.Bucket(metaBucket), data: tx.Bucket(dataBucket), log: tx.Bucket(logBucket), header: &header{}}
	if st.meta == nil {
		if name, _ := tx.Cursor().First(); name != nil && st.data == nil && st.log == nil {
			return state{}, fmt.Errorf("not a file of confctl: it is a bbolt file of another program")
		} else if name != nil {
			return state{}, damaged("it lacks what every store has")
		}
		return st, nil
	}
	version, err := st.number(formatKey)
	switch {
	case err != nil:
		return state{}, err
	case version > format:
		return state{}, fmt.Errorf("the file was written by a newer confctl, upgrade this one: format %d, known are up to %d", version, format)
	case version < 1 || st.data == nil || st.log == nil:
		return state{}, damaged("it lacks what every store has")
	case version == 1:
		st.unchecked, st.plain = true, true
		st.header, err = st.plainHeader()
		return st, err
	}
	st.header, err = parseHeader(st.meta.Get(headerKey))
	return st, err
}

// create lays out a new store.
func create(tx *bolt.Tx) (st state, err error) {
	st.header = &header{}
	for _, b := range []struct {
		bucket **bolt.Bucket
		name   []byte
	}{{&st.meta, metaBucket}, {&st.data, dataBucket}, {&st.log, logBucket}} {
		if *b.bucket, err = tx.CreateBucket(b.name); err != nil {
			return state{}, err
		}
	}
	return st, errors.Join(st.meta.Put(formatKey, number(format)), st.save())
}

func number(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// number returns a number of the meta bucket, 0 if it was never set.
func (st state) number(key []byte) (int64, error) {
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
// another: a large store is then read with a handful of allocations. What was
// verified once is not again: nobody writes meanwhile.
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
	st.unchecked = true
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

// list returns copies of the entries of a page, and whether there are more. What
// it sorts are references into the file: only what it returns is copied.
func (st state) list(prefix string, page store.Page) (entries []store.Entry, more bool, err error) {
	type reference struct {
		key []byte
		record
	}
	var found []reference
	room := newRoom(page)
	err = st.scanFrom(prefix, page.From, func(key []byte, r record) error {
		if page.Until != "" && string(key) >= page.Until {
			return errEnough
		}
		found = append(found, reference{key, r})
		if page.Order == store.ByKey && !room.has(key, r) {
			return errEnough // with one entry more than there is room for
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, false, err
	}
	if page.Order == store.NewestFirst {
		slices.SortFunc(found, func(a, b reference) int { return cmp.Compare(b.modified, a.modified) })
	}
	room = newRoom(page)
	for _, e := range found {
		if !room.has(e.key, e.record) {
			return entries, true, nil
		}
		entries = append(entries, store.Entry{Key: string(e.key), Value: bytes.Clone(e.value), Created: e.created, Modified: e.modified})
	}
	return entries, false, nil
}

// errEnough ends a scan that has found what was wanted.
var errEnough = errors.New("enough")

// room is what a page still has room for.
type room struct{ entries, bytes int }

func newRoom(page store.Page) *room {
	if page.Limit <= 0 {
		return &room{math.MaxInt, store.MaxPage}
	}
	return &room{page.Limit, store.MaxPage}
}

// has reports whether there is room for one more entry, which takes it.
func (r *room) has(key []byte, e record) bool {
	r.entries, r.bytes = r.entries-1, r.bytes-len(key)-len(e.value)
	return r.entries >= 0 && r.bytes >= 0
}
