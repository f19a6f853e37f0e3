package sal

import (
	"fmt"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/store"
)

// Evidence compares records with the store. A user with the right to change any
// object can write any record, so a record by itself proves nothing. But the
// record of a change is written in the transaction that writes its objects: the
// revision of a stored object is the revision of the record of its last change,
// and only a user with the right to write the object can make them equal. That
// record names the revision of the change before it, and so on. For an absent
// object, the revision of the fence of its type is used, which every deletion
// writes.
type Evidence struct {
	records map[store.Revision][]Stored
	indexed map[store.Revision]transaction
}

// transaction is the content of the records of one revision.
type transaction struct {
	objects map[ObjectID]Object
	deletes map[string]bool           // types with deleted objects
	fences  map[string]store.Revision // see ChangeRecord
	runs    []string
}

// NewEvidence returns the evidence of records. It ignores those of changes that
// were not made.
func NewEvidence(records []Stored) *Evidence {
	e := &Evidence{map[store.Revision][]Stored{}, map[store.Revision]transaction{}}
	for _, r := range records {
		if r.Made() {
			e.records[r.Revision] = append(e.records[r.Revision], r)
		}
	}
	return e
}

// transactionAt returns the content of the records of a revision. It indexes each revision
// once.
func (e *Evidence) transactionAt(revision store.Revision) transaction {
	if t, known := e.indexed[revision]; known {
		return t
	}
	t := transaction{map[ObjectID]Object{}, map[string]bool{}, map[string]store.Revision{}, nil}
	for _, r := range e.records[revision] {
		t.runs = append(t.runs, r.Run())
		for _, o := range r.Change.Objects {
			t.objects[o.ID()] = o
			t.deletes[o.Type] = t.deletes[o.Type] || o.Deleted()
		}
		for name, at := range r.Change.Fences {
			t.fences[name] = at
		}
	}
	e.indexed[revision] = t
	return t
}

// A Trace is the changes of one object that the store confirms.
type Trace struct {
	Changes map[store.Revision]Object // by revision of the record
	Runs    map[string]bool           // the ids of these changes
	Gap     string                    // why the trace ends early; empty if nothing is missing
}

// Trace follows the changes of an object from its stored state back to the
// revision oldest. Now is the stored object, nil if it is absent; fence is the
// revision of the last deletion of an object of its type.
func (e *Evidence) Trace(id ObjectID, now *object.Object, fence, oldest store.Revision) Trace {
	t := Trace{Changes: map[store.Revision]Object{}, Runs: map[string]bool{}}
	at, exists := fence, now != nil
	if exists {
		at = now.Revision
	}
	for at >= oldest {
		txn := e.transactionAt(at)
		o, named := txn.objects[id]
		if t.Gap = gap(txn, id, exists, at); t.Gap == "" && exists && len(t.Changes) == 0 && !agrees(o, now) {
			t.Gap = fmt.Sprintf("the store has other values than the record of its last change, of revision %d", at)
		}
		if t.Gap != "" {
			return t
		}
		before := txn.fences[id.Type]
		if named && o.Deleted() != exists {
			t.Changes[at] = o
			for _, run := range txn.runs {
				t.Runs[run] = true
			}
			if exists = !o.Created(); exists {
				before = o.Since
			}
		}
		switch {
		case before >= at:
			t.Gap = fmt.Sprintf("its record of revision %d names a later one as the one before it", at)
			return t
		case before == 0 && exists:
			t.Gap = fmt.Sprintf("its record of revision %d does not name the change before it", at)
			return t
		}
		at = before
	}
	return t
}

// gap describes what is missing in a transaction: the record of the object's
// change or, if the object was absent after it, of a deletion of an object of its
// type.
func gap(txn transaction, id ObjectID, exists bool, at store.Revision) string {
	o, named := txn.objects[id]
	switch {
	case exists && (!named || o.Deleted()):
		return fmt.Sprintf("the store has a change of it of revision %d, which has no record", at)
	case !exists && !txn.deletes[id.Type]:
		return fmt.Sprintf("it does not exist, and a deletion of revision %d has no record", at)
	}
	return ""
}

// agrees reports whether an object has the values that a change wrote.
func agrees(o Object, now *object.Object) bool {
	for _, f := range o.After.Fields() {
		if now.Malformed != nil || now.Get(f.Name) != f.Value {
			return false
		}
	}
	return true
}

// RunsAt returns the ids of the changes that have records at a revision; normally
// there is one.
func (e *Evidence) RunsAt(revision store.Revision) []string { return e.transactionAt(revision).runs }
