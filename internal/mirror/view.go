package mirror

import (
	"fmt"
	"iter"

	"github.com/conftool/confctl/pkg/store"
)

// View is the content of one store at one revision, and the latest changes before
// it. It is immutable; entries and batches are shared and must not be modified.
type View struct {
	Revision store.Revision // all changes up to this revision are included

	tree    tree
	history history
	filling bool
	changed chan struct{}
}

// Len returns the number of entries.
func (v *View) Len() int { return v.tree.len() }

// Get returns the entry of a key, or nil.
func (v *View) Get(key string) *store.Entry { return v.tree.get(key) }

// Under yields the entries under a prefix in key order: those of a subtree if the
// prefix ends in a slash, otherwise the one with that key. The empty prefix yields
// all entries.
func (v *View) Under(prefix string) iter.Seq[*store.Entry] {
	if prefix == "" {
		return v.tree.all()
	}
	return v.tree.under(prefix)
}

// Changed returns a channel that is closed when there is a later view with other
// entries or another history. A view that only has a higher revision does not count.
func (v *View) Changed() <-chan struct{} { return v.changed }

// Version identifies the content: two views of one mirror with the same version have
// the same entries. It grows by one with each batch.
func (v *View) Version() Sequence { return v.history.next() }

// Filling reports whether the history may still be extended backwards, because the
// store is still sending the changes before the first read.
func (v *View) Filling() bool { return v.filling }

// Since returns the batches in this view that are not in the view with the given
// version, in order. It reports false if some of them have been dropped.
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

// History returns the batches after a revision, in order, or a *ForgottenError. The
// difference of a reload is not one of them: it shows what changed but not when, so
// everything before it counts as forgotten.
func (v *View) History(after store.Revision) ([]*Batch, error) {
	if after < v.history.floor {
		return nil, &ForgottenError{After: after, Oldest: v.history.floor}
	}
	return v.history.after(after), nil
}

// Retained returns all batches in memory, including those that History does not
// return.
func (v *View) Retained() []*Batch { return v.history.batches }

// ForgottenError reports that not all changes after a revision are known.
type ForgottenError struct {
	After  store.Revision
	Oldest store.Revision // all changes after this revision are known
}

func (e *ForgottenError) Error() string {
	return fmt.Sprintf("the changes after revision %d are forgotten; those after %d are known", e.After, e.Oldest)
}
