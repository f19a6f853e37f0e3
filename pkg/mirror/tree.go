package mirror

import (
	"iter"
	"sort"
	"strings"

	"github.com/conftool/confctl/pkg/store"
)

// tree is a sorted list of entries in pieces. It is never changed: a change
// makes another tree, which shares the pieces that it does not touch.
type tree struct {
	pieces [][]*store.Entry // none is empty
	len    int
}

// A piece is split when it is longer than this, into halves. It is what a change
// of one key copies, so it should be short, but so should the list of pieces.
const longPiece = 256

func newTree(entries []store.Entry) tree {
	t := tree{}
	for len(entries) > 0 {
		n := min(longPiece/2, len(entries))
		piece := make([]*store.Entry, n)
		for i := range piece {
			e := entries[i]
			piece[i] = &e
		}
		t.pieces, t.len, entries = append(t.pieces, piece), t.len+n, entries[n:]
	}
	return t
}

// find returns the piece that a key is in, or belongs into, and where there.
func (t tree) find(key string) (piece, at int) {
	piece = max(0, sort.Search(len(t.pieces), func(i int) bool { return t.pieces[i][0].Key > key })-1)
	if piece < len(t.pieces) {
		p := t.pieces[piece]
		at = sort.Search(len(p), func(i int) bool { return p[i].Key >= key })
	}
	return piece, at
}

func (t tree) get(key string) *store.Entry {
	if piece, at := t.find(key); piece < len(t.pieces) && at < len(t.pieces[piece]) && t.pieces[piece][at].Key == key {
		return t.pieces[piece][at]
	}
	return nil
}

func (t tree) all() iter.Seq[*store.Entry] {
	return func(yield func(*store.Entry) bool) { t.from(0, 0, yield) }
}

func (t tree) from(piece, at int, yield func(*store.Entry) bool) {
	for ; piece < len(t.pieces); piece, at = piece+1, 0 {
		for _, e := range t.pieces[piece][at:] {
			if !yield(e) {
				return
			}
		}
	}
}

func (t tree) under(prefix string) iter.Seq[*store.Entry] {
	return func(yield func(*store.Entry) bool) {
		if !strings.HasSuffix(prefix, "/") {
			if e := t.get(prefix); e != nil {
				yield(e)
			}
			return
		}
		piece, at := t.find(prefix)
		t.from(piece, at, func(e *store.Entry) bool { return strings.HasPrefix(e.Key, prefix) && yield(e) })
	}
}

// apply makes the tree after some events, which are in key order and each of
// another key. It returns them with what was there before.
func (t tree) apply(events []store.Event) (tree, []Event) {
	out := make([]Event, len(events))
	next := tree{pieces: make([][]*store.Entry, 0, len(t.pieces)+1), len: t.len}
	pieces := t.pieces
	if len(pieces) == 0 {
		pieces = [][]*store.Entry{nil}
	}
	done := 0
	for i, piece := range pieces {
		upto := len(events)
		if i+1 < len(pieces) {
			end := pieces[i+1][0].Key
			upto = done + sort.Search(len(events)-done, func(j int) bool { return events[done+j].Key >= end })
		}
		if upto == done {
			if len(piece) > 0 {
				next.pieces = append(next.pieces, piece)
			}
			continue
		}
		merged := merge(piece, events[done:upto], out[done:upto])
		next.len += len(merged) - len(piece)
		next.addPiece(merged)
		done = upto
	}
	return next, out
}

// addPiece appends a piece that is new: joined to the one before if both are
// short, in parts if it is long.
func (t *tree) addPiece(piece []*store.Entry) {
	if n := len(t.pieces); n > 0 && len(t.pieces[n-1])+len(piece) <= longPiece/4 {
		joined := make([]*store.Entry, 0, len(t.pieces[n-1])+len(piece))
		t.pieces[n-1] = append(append(joined, t.pieces[n-1]...), piece...)
		return
	}
	for len(piece) > longPiece {
		t.pieces = append(t.pieces, piece[:longPiece/2:longPiece/2])
		piece = piece[longPiece/2:]
	}
	if len(piece) > 0 {
		t.pieces = append(t.pieces, piece)
	}
}

// merge is a piece after some events, and fills in what was there before them.
func merge(piece []*store.Entry, events []store.Event, out []Event) []*store.Entry {
	merged := make([]*store.Entry, 0, len(piece)+len(events))
	for i, ev := range events {
		n := sort.Search(len(piece), func(j int) bool { return piece[j].Key >= ev.Key })
		merged = append(merged, piece[:n]...)
		piece = piece[n:]
		out[i].Event = ev
		if len(piece) > 0 && piece[0].Key == ev.Key {
			out[i].Before, piece = piece[0], piece[1:]
		}
		if !ev.Deleted {
			e := ev.Entry
			merged = append(merged, &e)
		}
	}
	return append(merged, piece...)
}
