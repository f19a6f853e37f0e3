package gateway

import (
	"sync"
	"sync/atomic"

	"github.com/conftool/confctl/internal/mirror"
)

// bodies caches the response bodies of one version, because many clients send the
// same request. It also counts bodies of earlier versions that are still being sent,
// because a slow client keeps one in memory.
type bodies struct {
	limit int64
	held  atomic.Int64 // bytes of all bodies that are in use or cached; changed under mu

	making sync.Mutex // locked before mu

	mu      sync.Mutex
	version mirror.Sequence
	kept    map[bodyKey]*body
}

type bodyKey struct {
	key       string
	recursive bool
	dir       bool   // a directory, even if there is a key with the same name
	all       bool   // everything that changed, for PyBal
	event     uint64 // the index of its first event; 0 for the current content
}

// body is a response body. Whoever gets one must release it.
type body struct {
	text  []byte
	users int // one of them is the cache, while it keeps the body
}

func newBodies(limit int64) *bodies {
	return &bodies{limit: limit, kept: make(map[bodyKey]*body)}
}

// share returns a cached body, or makes it. Bodies are made one at a time, because
// thousands of clients may ask at once, and a body that is being made is not counted
// yet. It fails if the body cannot be made, or if the memory limit is reached.
func (bs *bodies) share(version mirror.Sequence, what bodyKey, text func() ([]byte, *failure)) (*body, *failure) {
	if b := bs.get(version, what); b != nil {
		return b, nil
	}
	bs.making.Lock()
	defer bs.making.Unlock()
	if b := bs.get(version, what); b != nil { // made in the meantime
		return b, nil
	}
	made, fail := text()
	if fail != nil {
		return nil, fail
	}
	if b := bs.add(version, what, made); b != nil {
		return b, nil
	}
	return nil, busy("too many answers are being sent")
}

// get returns a cached body, or nil.
func (bs *bodies) get(version mirror.Sequence, what bodyKey) *body {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if version != bs.version {
		return nil
	}
	b := bs.kept[what]
	if b != nil {
		b.users++
	}
	return b
}

// add counts a new body, and caches it unless the cache is full or has a later
// version. It returns nil if the memory limit is reached.
func (bs *bodies) add(version mirror.Sequence, what bodyKey, text []byte) *body {
	size := sizeOf(text)
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if version > bs.version {
		bs.drop()
		bs.version = version
	}
	if bs.held.Load()+size > bs.limit {
		bs.drop()
		if bs.held.Load() > 0 && bs.held.Load()+size > bs.limit {
			return nil
		}
	}
	bs.held.Add(size)
	b := &body{text: text, users: 1}
	if version == bs.version && bs.kept[what] == nil {
		bs.kept[what] = b
		b.users++
	}
	return b
}

// sizeOf returns the approximate memory of a cached body.
func sizeOf(text []byte) int64 { return int64(cap(text)) + 256 }

// drop empties the cache. The caller must hold bs.mu.
func (bs *bodies) drop() {
	for _, b := range bs.kept {
		bs.let(b)
	}
	clear(bs.kept)
}

func (bs *bodies) release(b *body) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.let(b)
}

func (bs *bodies) let(b *body) {
	if b.users--; b.users == 0 {
		bs.held.Add(-sizeOf(b.text))
	}
}
