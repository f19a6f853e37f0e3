package sal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// A void record is stored at the key of a change that was not made, and ensures
// that it will not be: the change is guarded by the absence of its record, so a
// delayed request finds the void record and does nothing. Settle or the store's
// driver writes it when the outcome of a change is settled; see store.Txn.
// Functions that read the journal for changes skip it.

// Void returns a record which says that the change was not made.
func (r Record) Void() Record {
	r.Event.Outcome = Failure
	r.Change = ChangeRecord{Selector: r.Change.Selector, Run: r.Change.Run, Void: true, Objects: []Object{}}
	return r
}

// Made reports whether the change was made: it was neither refused nor made void.
func (r Record) Made() bool { return r.Event.Outcome != Failure }

// VoidError reports a change with a void record: it was not made and will not be.
type VoidError struct {
	Record Record
}

func (e *VoidError) Error() string {
	r := e.Record
	return fmt.Sprintf("the change %s was not made, and will not be (settled by %s on %s at %s)",
		r.Event.ID, r.User.Name, r.Host.Name, r.Time.Format(time.RFC3339))
}

// UnsettledError reports a change that was not made so far but may still be made.
// Err says why that could not be prevented.
type UnsettledError struct {
	ID  string
	Err error
}

func (e *UnsettledError) Error() string {
	return fmt.Sprintf("the change %s was not made so far, but it may be made yet: %v", e.ID, e.Err)
}

// Unwrap returns Err.
func (e *UnsettledError) Unwrap() error { return e.Err }

// Settle finds out whether a change of unknown outcome was made, and returns its
// records as Find does. If there are none, it writes a void record, so that the
// change will not be made. The user, host, time and process of that record are
// those of settled.
//
// Errors are *VoidError if the change was not made and will not be, no matter who
// settled it; *NoRecordError if the id is malformed or older than a day, because
// its record may have been pruned; *UnsettledError if the store does not allow
// this user to write; and those of store.Store. After the last two, nothing is
// settled.
func (l *Log) Settle(ctx context.Context, id string, settled Record) ([]Stored, error) {
	found, err := l.Find(ctx, id)
	if err != nil || len(found) > 0 {
		return found, err
	}
	if !l.MaySettle(id) {
		return nil, &NoRecordError{ID: id, Old: IsID(id)}
	}
	settled.Event.ID, settled.Change.Run = id, id
	text, err := settled.Void().Encode()
	if err != nil {
		return nil, err
	}
	key := l.Key(id)
	receipt, err := l.Store.Commit(ctx, store.Txn{Once: key, Writes: []store.Write{{Key: key, Value: text}}})
	if errors.As(err, new(*store.DeniedError)) {
		return nil, &UnsettledError{id, err}
	}
	if err != nil {
		return nil, err
	}
	stored, err := ParseRecord(receipt.Stored)
	if err != nil {
		return nil, &BrokenError{[]error{fmt.Errorf("%s: %w", key, err)}}
	}
	if stored.Change.Void {
		return nil, &VoidError{stored}
	}
	return []Stored{{stored, receipt.Revision}}, nil // it was made concurrently
}

// MaySettle reports whether Settle can tell from a missing record that a change
// was not made: the text must be an id, and of a change whose record has surely
// not been pruned. Prune keeps the records of the last two days by its host's
// clock, so the records of the last day by this host's clock exist as long as the
// two clocks differ by less than a day. The clock of the host that made the id
// does not matter, because the record has the same time.
func (l *Log) MaySettle(id string) bool {
	if !IsID(id) {
		return false
	}
	made, err := time.Parse(idTime, id[:len(idTime)])
	return err == nil && made.After(l.now().Add(-settleTime))
}

// settleTime is how long after its beginning a change can be settled. Prune keeps
// all records for keptTime.
const (
	settleTime = 24 * time.Hour
	keptTime   = 2 * settleTime
)
