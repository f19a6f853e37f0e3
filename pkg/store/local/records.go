package local

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/conftool/confctl/pkg/store"
)

// castagnoli returns the table of the CRC-32 polynomial for which processors have an
// instruction.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// header is the state of the whole store. It is stored as three numbers of 8 bytes,
// the link to the first key and a checksum, of 4 bytes each.
type header struct {
	revision store.Revision
	oldest   store.Revision // the oldest revision in the log
	logBytes int64
	first    uint32 // the link to the first key
}

const headerSize = 3*8 + 2*4

func (st state) save() error {
	b := make([]byte, 0, headerSize)
	for _, n := range []int64{int64(st.revision), int64(st.oldest), st.logBytes} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b = binary.BigEndian.AppendUint32(b, st.first)
	return st.meta.Put(headerKey, binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli())))
}

func parseHeader(b []byte) (*header, error) {
	if len(b) != headerSize || binary.BigEndian.Uint32(b[headerSize-4:]) != crc32.Checksum(b[:headerSize-4], castagnoli()) {
		return nil, damaged("the header of the store does not match its checksum")
	}
	return &header{
		revision: store.Revision(binary.BigEndian.Uint64(b)),
		oldest:   store.Revision(binary.BigEndian.Uint64(b[8:])),
		logBytes: int64(binary.BigEndian.Uint64(b[16:])),
		first:    binary.BigEndian.Uint32(b[24:]),
	}, nil
}

// record is the value of a key in the data bucket.
type record struct {
	created, modified store.Revision
	next              uint32 // the link to the next key
	value             []byte
}

// link returns the checksum that represents a key in the previous record; 0 means
// that no key follows.
func link(key []byte) uint32 {
	if key == nil {
		return 0
	}
	return max(1, crc32.Checksum(key, castagnoli()))
}

const recordSize = 2*8 + 2*4 // size in bytes without the value

// sum returns the checksum of a record without the checksum itself. It continues from
// the checksum of the key, and includes the key's length, since key and value are
// adjacent in the file.
func sum(key []byte, link uint32, b []byte) uint32 {
	s := crc32.Update(link^uint32(len(key)), castagnoli(), b[:recordSize-4])
	return crc32.Update(s, castagnoli(), b[recordSize:])
}

func encodeRecord(key []byte, r record) []byte {
	b := make([]byte, 0, recordSize+len(r.value))
	b = binary.BigEndian.AppendUint64(b, uint64(r.created))
	b = binary.BigEndian.AppendUint64(b, uint64(r.modified))
	b = binary.BigEndian.AppendUint32(b, r.next)
	b = append(append(b, 0, 0, 0, 0), r.value...)
	binary.BigEndian.PutUint32(b[recordSize-4:], sum(key, link(key), b))
	return b
}

// decodeRecord decodes a record, given its key and the key's link. It does not copy
// the value.
func (st state) decodeRecord(key []byte, link uint32, b []byte) (record, error) {
	if st.plain {
		return decodePlain(key, b)
	}
	if len(b) < recordSize {
		return record{}, damaged("the entry of key %q has %d bytes", key, len(b))
	}
	if !st.unchecked && binary.BigEndian.Uint32(b[recordSize-4:]) != sum(key, link, b) {
		return record{}, damaged("the entry of key %q does not match its checksum", key)
	}
	return record{
		created:  store.Revision(binary.BigEndian.Uint64(b)),
		modified: store.Revision(binary.BigEndian.Uint64(b[8:])),
		next:     binary.BigEndian.Uint32(b[16:]),
		value:    b[recordSize:],
	}, nil
}

// walk calls f with the records from a key on, in order, while within returns true
// for their keys and f returns no error. Every record is verified before the call.
// When walk returns nil, it has also verified that no record is missing.
func (st state) walk(from []byte, within func(key []byte) bool, f func(key []byte, r record) error) error {
	if st.data == nil {
		return nil
	}
	_, want, err := st.before(from)
	if err != nil {
		return err
	}
	c := st.data.Cursor()
	for k, v := c.Seek(from); ; k, v = c.Next() {
		var found uint32
		if !st.unchecked {
			if found = link(k); found != want || k != nil && bytes.Compare(k, from) < 0 {
				return damaged("a key is missing or was changed, %s", place(k))
			}
		}
		if k == nil || !within(k) {
			return nil
		}
		r, err := st.decodeRecord(k, found, v)
		if err == nil {
			err = f(k, r)
		}
		if err != nil {
			return err
		}
		want = r.next
	}
}

// place describes the position of a key that was not expected.
func place(found []byte) string {
	if found == nil {
		return "after the last one"
	}
	return fmt.Sprintf("at or before %q", found)
}

// neighbour is a record with its key; the key is nil before the first record.
type neighbour struct {
	key []byte
	record
}

// before returns the last record before a key, and the link of the first key that is
// not before it.
func (st state) before(key []byte) (n neighbour, next uint32, err error) {
	c := st.data.Cursor()
	var v []byte
	if k, _ := c.Seek(key); k == nil {
		n.key, v = c.Last()
	} else {
		n.key, v = c.Prev()
	}
	if st.unchecked || n.key == nil {
		return n, st.first, nil
	}
	if bytes.Compare(n.key, key) >= 0 {
		return n, 0, damaged("key %q is not in its place", n.key)
	}
	n.record, err = st.decodeRecord(n.key, link(n.key), v)
	return n, n.next, err
}

// find returns the record of a key, or nil.
func (st state) find(key []byte) (found *record, err error) {
	err = st.walk(key, func(k []byte) bool { return bytes.Equal(k, key) }, func(_ []byte, r record) error {
		found = &r
		return nil
	})
	return found, err
}

// put writes the record of a key. It replaces old unless that is nil.
func (st state) put(key []byte, r record, old *record) error {
	if old != nil {
		r.next = old.next
		return st.data.Put(key, encodeRecord(key, r))
	}
	before, next, err := st.before(key)
	if err != nil {
		return err
	}
	r.next = next
	if err := st.setNext(before, link(key)); err != nil {
		return err
	}
	return st.data.Put(key, encodeRecord(key, r))
}

// remove deletes a key; old is its record.
func (st state) remove(key []byte, old record) error {
	before, _, err := st.before(key)
	if err != nil {
		return err
	}
	next := old.next
	if err := st.data.Delete(key); err != nil {
		return err
	}
	return st.setNext(before, next)
}

// setNext changes the link of a record, or of the header, to the next key.
func (st state) setNext(from neighbour, next uint32) error {
	if from.key == nil {
		st.first = next // the header is saved with the log entry
		return nil
	}
	from.next = next
	return st.data.Put(from.key, encodeRecord(from.key, from.record))
}

// scan calls a function with the records under a prefix, in key order, until it
// returns an error.
func (st state) scan(prefix string, f func(key []byte, r record) error) error {
	return st.scanFrom(prefix, "", f)
}

// scanFrom is like scan, but begins at a key.
func (st state) scanFrom(prefix, from string, f func(key []byte, r record) error) error {
	p, first := []byte(prefix), []byte(max(prefix, from))
	if strings.HasSuffix(prefix, "/") {
		return st.walk(first, func(k []byte) bool { return bytes.HasPrefix(k, p) }, f)
	}
	return st.walk(first, func(k []byte) bool { return bytes.Equal(k, p) }, f)
}

// entry returns a copy of the entry of a key, or nil if it is absent.
func (st state) entry(key string) (*store.Entry, error) {
	r, err := st.find([]byte(key))
	if r == nil || err != nil {
		return nil, err
	}
	return &store.Entry{Key: key, Value: bytes.Clone(r.value), Created: r.created, Modified: r.modified}, nil
}
