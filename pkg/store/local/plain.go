package local

import (
	"bytes"
	"encoding/binary"
	"errors"

	bolt "go.etcd.io/bbolt"

	"github.com/conftool/confctl/pkg/store"
)

// Format 1 had no checksums:
//
//	confctl   "format", "revision", "log bytes" -> 8 bytes, big endian
//	data      key -> created, modified (8 bytes each, big endian), value
//	log       revision (8 bytes, big endian) -> the events of that transaction

var (
	revisionKey = []byte("revision")
	logBytesKey = []byte("log bytes")
)

// plainHeader returns the header of a file with format 1, which stores no link.
func (st state) plainHeader() (*header, error) {
	if st.meta.Get(headerKey) != nil {
		return nil, damaged("it has two formats")
	}
	revision, err := st.number(revisionKey)
	if err != nil {
		return nil, err
	}
	h := &header{revision: store.Revision(revision), oldest: 1}
	if h.logBytes, err = st.number(logBytesKey); err != nil {
		return nil, err
	}
	if k, _ := st.log.Cursor().First(); k != nil {
		oldest, err := parseNumber(k)
		h.oldest = store.Revision(oldest)
		return h, err
	}
	return h, nil
}

func decodePlain(key, b []byte) (record, error) {
	if len(b) < 16 {
		return record{}, damaged("the entry of key %q has %d bytes", key, len(b))
	}
	created, err := parseNumber(b[:8])
	if err != nil {
		return record{}, err
	}
	modified, err := parseNumber(b[8:16])
	return record{created: store.Revision(created), modified: store.Revision(modified), value: b[16:]}, err
}

// upgrade rewrites a store with format 1.
func (st state) upgrade(tx *bolt.Tx) (state, error) {
	data, err := emptyBucket(tx, dataBucket)
	if err != nil {
		return state{}, err
	}
	log, err := emptyBucket(tx, logBucket)
	if err != nil {
		return state{}, err
	}
	now := state{meta: st.meta, data: tx.Bucket(dataBucket), log: tx.Bucket(logBucket), header: &header{revision: st.revision, oldest: st.oldest}}
	for i, p := range data {
		r, err := decodePlain(p.key, p.value)
		if err != nil {
			return state{}, err
		}
		if i+1 < len(data) {
			r.next = link(data[i+1].key)
		}
		if err := now.data.Put(p.key, encodeRecord(p.key, r)); err != nil {
			return state{}, err
		}
	}
	if len(data) > 0 {
		now.first = link(data[0].key)
	}
	for i, p := range log {
		at, err := parseNumber(p.key)
		if err != nil || store.Revision(at) != st.oldest+store.Revision(i) {
			return state{}, damaged("the log lacks revision %d", st.oldest+store.Revision(i))
		}
		entry := encodeLogEntry(p.key, p.value)
		now.logBytes += int64(len(entry))
		if err := now.log.Put(p.key, entry); err != nil {
			return state{}, err
		}
	}
	return now, errors.Join(st.meta.Delete(revisionKey), st.meta.Delete(logBytesKey),
		st.meta.Put(formatKey, binary.BigEndian.AppendUint64(nil, format)), now.save())
}

// pair is a key in a bucket and its value.
type pair struct{ key, value []byte }

// emptyBucket empties a bucket and returns its previous content.
func emptyBucket(tx *bolt.Tx, name []byte) (previous []pair, err error) {
	err = tx.Bucket(name).ForEach(func(k, v []byte) error {
		previous = append(previous, pair{bytes.Clone(k), bytes.Clone(v)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := tx.DeleteBucket(name); err != nil {
		return nil, err
	}
	_, err = tx.CreateBucket(name)
	return previous, err
}
