package sal

import (
	"context"

	"github.com/conftool/confctl/pkg/store"
)

// Append adds a record of something that changed nothing, such as a refusal:
// what is changed has its record in the same transaction, see Writes. Errors
// are those of store.Store.Commit.
func (l *Log) Append(ctx context.Context, r Record) error {
	text, err := r.Encode()
	if err != nil {
		return err
	}
	key := l.Key(r.Event.ID)
	_, err = l.Store.Commit(ctx, store.Txn{Once: key, Writes: []store.Write{{Key: key, Value: text}}})
	return err
}
