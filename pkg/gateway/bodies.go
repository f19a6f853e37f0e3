package gateway

import (
	"sync"
	"sync/atomic"

	"github.com/conftool/confctl/pkg/mirror"
)

// bodies keeps the answers of one version, since many ask the same. It also counts those of earlier versions that are still being sent: a
// slow reader holds on to one, however little else it costs.
type bodies struct {
	most int64
	held atomic.Int64 // bytes of all bodies that are in use or kept; changed under mu

	making sync.Mutex // before mu

	mu      sync.Mutex
	version mirror.Sequence
	kept    map[bodyKey]*body
}

type bodyKey struct {
	key       string
	recursive bool
	dir       bool   // and a directory, should there be a key of the same name
	all       bool   // all that has changed, for PyBal
	event     uint64 // the index of the first event of it; 0 for what there is
}

// body is an answer. Who has got it releases it.
type body struct {
	text  []byte
	users int // and one while it is kept
}

func newBodies(most int64) *bodies {
	return &bodies{most: most, kept: make(map[bodyKey]*body)}
}

// share returns a body that is kept, or makes it: one after the other, since
// thousands may ask at once, and what is being made is not counted yet. It fails
// if it cannot be made, or if there is no room.
func (bs *bodies) share(version mirror.Sequence, what bodyKey, text func() ([]byte, *failure)) (*body, *failure) {
	if b := bs.get(version, what); b != nil {
		return b, nil
	}
	bs.making.Lock()
	defer bs.making.Unlock()
	if b := bs.get(version, what); b != nil { // meanwhile
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

// get returns a body that is kept, or nil.
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

// add takes in a new body, and keeps it unless there is much already or a
// later version. It returns nil if there is no room.
func (bs *bodies) add(version mirror.Sequence, what bodyKey, text []byte) *body {
	size := sizeOf(text)
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if version > bs.version {
		bs.drop()
		bs.version = version
	}
	if bs.held.Load()+size > bs.most {
		bs.drop()
		if bs.held.Load() > 0 && bs.held.Load()+size > bs.most {
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

// sizeOf is about what keeping a body costs.
func sizeOf(text []byte) int64 { return int64(cap(text)) + 256 }

// drop lets go of all that is kept. bs.mu is held.
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
