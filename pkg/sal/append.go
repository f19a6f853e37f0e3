package sal

import (
	"context"

	"github.com/conftool/confctl/pkg/store"
)

// Append adds a record of an event that changed nothing, such as a refusal. The
// record of a change is committed in the transaction of the change; see Writes.
// Errors are those of store.Store.Commit.
func (l *Log) Append(ctx context.Context, r Record) error {
	text, err := r.Encode()
	if err != nil {
		return err
	}
	key := l.Key(r.Event.ID)
	_, err = l.Store.Commit(ctx, store.Txn{Once: key, Writes: []store.Write{{Key: key, Value: text}}})
	return err
}
