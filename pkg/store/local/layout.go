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

// format is the version of the layout below. A file with a newer format is refused. A
// file with format 1, which had no checksums, is read as it is, and the next commit
// rewrites it.
//
//	confctl   "format" -> 8 bytes, big endian; "header" -> see header
//	data      key -> created, modified (8 bytes each, big endian),
//	          link, checksum (4 bytes each), value
//	log       revision (8 bytes, big endian) -> checksum (4 bytes), the events
//	          of that transaction
//
// A checksum covers the key and all other fields. A link is the checksum of the next
// key, so that a missing key is noticed. Every revision has an entry in the log until
// the oldest are dropped.
const format = 2

var (
	metaBucket = []byte("confctl")
	dataBucket = []byte("data")
	logBucket  = []byte("log")
	formatKey  = []byte("format")
	headerKey  = []byte("header")
)

// state is the store within one database transaction. Its buckets are nil if nothing
// has been written yet.
type state struct {
	meta, data, log *bolt.Bucket
	*header
	unchecked bool // there are no checksums, or they have been verified
	plain     bool // the file has format 1
}

// damaged returns the error for contents that this package never writes.
func damaged(format string, args ...any) error {
	return &store.DamagedError{Problems: []string{fmt.Sprintf(format, args...)}}
}

// load opens the buckets, and refuses files of other programs and of newer versions.
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

// create creates the buckets of a new store.
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

// number returns a number in the meta bucket; 0 if it is absent.
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

// disjoint sorts prefixes and drops those that are under another one, so that
// scanning one after another finds every key once and in order.
func disjoint(prefixes []string) []string {
	var kept []string
	for _, p := range slices.Sorted(slices.Values(prefixes)) {
		if len(kept) == 0 || !store.Under(p, kept[len(kept)-1]) {
			kept = append(kept, p)
		}
	}
	return kept
}

// entries returns copies of the entries under disjoint prefixes. It scans them twice,
// to copy all keys into one allocation and all values into another: reading a large
// store needs few allocations. The second scan skips verification, since nothing can
// change in between.
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
			Value:    values[v:len(values):len(values)], // the caller's append must not overwrite the next value
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

// list returns copies of the entries of a page, and reports whether there are more.
// It sorts references into the file, and copies only the entries that it returns.
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
		if page.Order == store.ByKey && !room.take(key, r) {
			return errEnough // one more entry than fits was found
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
		if !room.take(e.key, e.record) {
			return entries, true, nil
		}
		entries = append(entries, store.Entry{Key: string(e.key), Value: bytes.Clone(e.value), Created: e.created, Modified: e.modified})
	}
	return entries, false, nil
}

// errEnough ends a scan before its end.
var errEnough = errors.New("enough")

// room is the remaining capacity of a page.
type room struct{ entries, bytes int }

func newRoom(page store.Page) *room {
	if page.Limit <= 0 {
		return &room{math.MaxInt, store.MaxPage}
	}
	return &room{page.Limit, store.MaxPage}
}

// take reduces the room by one entry, and reports whether the entry fits.
func (r *room) take(key []byte, e record) bool {
	r.entries, r.bytes = r.entries-1, r.bytes-len(key)-len(e.value)
	return r.entries >= 0 && r.bytes >= 0
}
