package sal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// A void record stands at the key of a change that was not made, and makes sure
// that it will not be: the change is guarded by the absence of its record, so a
// request that is still on its way finds the void record and does nothing. It is
// written when the outcome of a change is settled, by Settle or by the store's
// driver; see store.Txn. What reads the journal for changes leaves it out.

// Void returns the record that says that the change of this one was not made.
func (r Record) Void() Record {
	r.Event.Outcome = Failure
	r.Change = ChangeRecord{Selector: r.Change.Selector, Run: r.Change.Run, Void: true, Objects: []Object{}}
	return r
}

// Made reports whether the change was made, and not refused or made void.
func (r Record) Made() bool { return r.Event.Outcome != Failure }

// VoidError reports a change that was not made and will not be: its record is
// void.
type VoidError struct {
	Record Record
}

func (e *VoidError) Error() string {
	r := e.Record
	return fmt.Sprintf("the change %s was not made, and will not be (settled by %s on %s at %s)",
		r.Event.ID, r.User.Name, r.Host.Name, r.Time.Format(time.RFC3339))
}

// UnsettledError reports a change that was not made so far. Err says why it
// cannot be made sure that it stays so.
type UnsettledError struct {
	ID  string
	Err error
}

func (e *UnsettledError) Error() string {
	return fmt.Sprintf("the change %s was not made so far, but it may be made yet: %v", e.ID, e.Err)
}

// Unwrap returns why it is not settled.
func (e *UnsettledError) Unwrap() error { return e.Err }

// Settle finds out whether a change of unknown outcome was made, and returns its
// records as Find does. If there are none, it writes a void record, so that the
// change will not be made. Who, where, when and how are taken from settled.
//
// Errors are *VoidError if the change was not made and will not be, whoever
// settled that, *NoRecordError for what is no id, or one older than a day, whose
// record may have been pruned, *UnsettledError if the store does not let this user write, and
// those of store.Store: then nothing is settled.
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
	return []Stored{{stored, receipt.Revision}}, nil // it was made just now
}

// MaySettle reports whether Settle knows what it means that an id has no record:
// whether it is an id, and of a change whose record, if there was one, has surely
// not been pruned. Prune leaves records of the last two days by its
// host's clock, so those of the last day by this one's are there as long as the
// two differ by less than a day. The clock of the host that made the id does not
// matter: the record has its time from it, too.
func (l *Log) MaySettle(id string) bool {
	if !IsID(id) {
		return false
	}
	made, err := time.Parse(idTime, id[:len(idTime)])
	return err == nil && made.After(l.now().Add(-settleTime))
}

// What Settle and Prune keep apart: for how long after it was begun a change
// can be settled, and for how long records are kept in any case.
const (
	settleTime = 24 * time.Hour
	keptTime   = 2 * settleTime
)
