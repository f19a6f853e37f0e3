package mirror

import (
	"fmt"
	"iter"

	"github.com/conftool/confctl/pkg/store"
)

// View is what one store held at one revision, and what changed last before it.
// It never changes; entries and batches are shared and not to be modified.
type View struct {
	Revision store.Revision // nothing up to here is missing

	tree    tree
	history history
	filling bool
	changed chan struct{}
}

// Len is the number of entries.
func (v *View) Len() int { return v.tree.len() }

// Get returns the entry of a key, or nil.
func (v *View) Get(key string) *store.Entry { return v.tree.get(key) }

// Under yields the entries under a prefix in key order: of a subtree if it ends
// in a slash, else of that key. The empty prefix is everything.
func (v *View) Under(prefix string) iter.Seq[*store.Entry] {
	if prefix == "" {
		return v.tree.all()
	}
	return v.tree.under(prefix)
}

// Changed is closed when there is a later view with other entries or another
// history. One that only has a higher revision does not count.
func (v *View) Changed() <-chan struct{} { return v.changed }

// Version tells contents apart: of two views of one mirror with the same, the
// entries are the same. It grows by one with each batch.
func (v *View) Version() Sequence { return v.history.next() }

// Filling reports whether the history may yet come to begin earlier: the store
// is still telling what happened before it was first read.
func (v *View) Filling() bool { return v.filling }

// Since returns the batches that are in this view and were not in the one with
// a version, in order. It reports false if some of them are forgotten.
func (v *View) Since(version Sequence) ([]*Batch, bool) {
	h := v.history
	if version < h.first {
		return h.batches, false
	}
	if version >= h.next() {
		return nil, true
	}
	return h.batches[version-h.first:], true
}

// History returns the batches after a revision, in order, or a
// *ForgottenError. The difference that a reload made is no such batch: it says
// what changed, but not when, so that all before it is forgotten.
func (v *View) History(after store.Revision) ([]*Batch, error) {
	if after < v.history.floor {
		return nil, &ForgottenError{After: after, Oldest: v.history.floor}
	}
	return v.history.after(after), nil
}

// Retained returns all batches that are in memory, those that History does not
// vouch for too.
func (v *View) Retained() []*Batch { return v.history.batches }

// ForgottenError reports that not all that happened after a revision is known.
type ForgottenError struct {
	After  store.Revision
	Oldest store.Revision // everything after this one is known
}

func (e *ForgottenError) Error() string {
	return fmt.Sprintf("the changes after revision %d are forgotten; those after %d are known", e.After, e.Oldest)
}
