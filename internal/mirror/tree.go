package mirror

import (
	"iter"
	"strings"

	"k8s.io/utils/third_party/forked/golang/btree"

	"github.com/conftool/confctl/pkg/store"
)

// tree holds entries by key. It is immutable: apply returns a new tree, which shares
// the nodes that it does not change.
type tree struct {
	entries *btree.BTree[*store.Entry]
}

// degree limits the size of the nodes of a tree: a change of one key copies up to
// twice as many entries at each level.
const degree = 32

func newTree(entries []store.Entry) tree {
	t := btree.New(degree, func(a, b *store.Entry) bool { return a.Key < b.Key })
	for _, e := range entries {
		t.ReplaceOrInsert(&e)
	}
	return tree{t}
}

func (t tree) len() int { return t.entries.Len() }

func (t tree) get(key string) *store.Entry {
	e, _ := t.entries.Get(&store.Entry{Key: key})
	return e
}

func (t tree) all() iter.Seq[*store.Entry] {
	return func(yield func(*store.Entry) bool) { t.entries.Ascend(yield) }
}

func (t tree) under(prefix string) iter.Seq[*store.Entry] {
	return func(yield func(*store.Entry) bool) {
		if !strings.HasSuffix(prefix, "/") {
			if e := t.get(prefix); e != nil {
				yield(e)
			}
			return
		}
		t.entries.AscendGreaterOrEqual(&store.Entry{Key: prefix}, func(e *store.Entry) bool {
			return strings.HasPrefix(e.Key, prefix) && yield(e)
		})
	}
}

// apply returns the tree after some events with distinct keys, and these events with
// the entries before them.
func (t tree) apply(events []store.Event) (tree, []Event) {
	out := make([]Event, len(events))
	next := tree{t.entries.Clone()}
	for i, ev := range events {
		out[i].Event = ev
		if ev.Deleted {
			out[i].Before, _ = next.entries.Delete(&ev.Entry)
		} else {
			out[i].Before, _ = next.entries.ReplaceOrInsert(&ev.Entry)
		}
	}
	return next, out
}
