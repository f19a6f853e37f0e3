package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/conftool/confctl/pkg/store"
)

// Limits of nesting. etcd accepts 128 operations in one transaction: along each path
// of nested transactions, it adds up the larger of the number of conditions and the
// number of operations in a branch. All conditions are in the root, where they decide
// over everything. Two levels of innerWidth below it hold store.MaxWrites beside
// store.MaxGuards and the once key.
const (
	maxWidth   = 128
	innerWidth = 8
)

// Commit implements store.Store. It is one request, which either writes or reads the
// keys whose guards failed.
//
// A transaction without a once key is sent only once: its own effect could not be
// distinguished from another writer's.
func (s *Store) Commit(ctx context.Context, txn store.Txn) (store.Receipt, error) {
	if err := txn.Check(); err != nil {
		return store.Receipt{}, err
	}
	if len(txn.Writes) == 0 && len(txn.Guards) == 0 {
		return store.Receipt{}, ctx.Err()
	}
	end := time.Now().Add(s.cfg.Timeout)
	conditions, reads := conditions(txn)
	writes := pack(ops(txn.Writes))
	var answer *clientv3.TxnResponse
	c := &call{
		what:   fmt.Sprintf("commit of %d writes with %d guards", len(txn.Writes), len(txn.Guards)),
		needs:  needs(txn),
		writes: len(txn.Writes) > 0,
		once:   txn.Once == "" && len(txn.Writes) > 0,
		do: func(ctx context.Context, u *session) (err error) {
			answer, err = u.Txn(ctx).If(conditions...).Then(writes...).Else(reads...).Commit()
			return err
		},
	}
	err := s.run(ctx, c)
	if err == nil {
		var r store.Receipt
		if r, err = receipt(txn, answer); err == nil || c.doubt == nil || isFinal(err) {
			return r, err
		}
		c.rejection, err = err, c.settle(err)
	}
	if c.rejection != nil && txn.Once != "" {
		ctx, cancel := context.WithDeadline(ctx, end)
		defer cancel()
		return s.settle(ctx, c, txn, err)
	}
	return store.Receipt{}, commitError(txn, err)
}

// isFinal reports whether a conflict holds for all attempts of its transaction,
// including those that have not arrived yet. It does if a failed guard names a
// positive revision of a key: a key that has changed never returns to an earlier
// revision, since revisions only grow. A guard on an absent key may hold again once
// the key is deleted, and so may a guard on a prefix.
func isFinal(err error) bool {
	var conflict *store.ConflictError
	return errors.As(err, &conflict) && slices.ContainsFunc(conflict.Failed, func(f store.FailedGuard) bool {
		return !f.Prefix && f.Revision > 0
	})
}

// settle finds the outcome of a transaction that the store has refused with
// c.rejection although an attempt may have been performed. It returns the receipt of
// that attempt, or commitError of c.rejection once it is certain that no attempt was
// or will be performed, or else the error open, which leaves the outcome unknown.
//
// A read shows an attempt that has ended. An attempt without an answer may still be
// performed later, so its absence proves nothing: settle therefore writes the void
// value to the once key. The store performs transactions in one order. If the attempt
// comes first, the once key holds what it wrote. If the void value comes first, the
// attempt's condition on the once key fails whenever it arrives, even if its guards
// hold. The read comes first because a full store accepts no void value, not even one
// that would write nothing.
func (s *Store) settle(ctx context.Context, c *call, txn store.Txn, open error) (store.Receipt, error) {
	open, rejection := commitError(txn, open), commitError(txn, c.rejection)
	found, err := s.Read(ctx, txn.Once)
	switch {
	case err != nil:
		return store.Receipt{}, open
	case len(found.Entries) > 0:
		return store.Receipt{Revision: found.Entries[0].Created, Stored: found.Entries[0].Value}, nil
	case c.doubt == nil:
		return store.Receipt{}, rejection
	case txn.Void == nil:
		return store.Receipt{}, open
	}
	void, err := s.Commit(ctx, store.Txn{Once: txn.Once, Writes: []store.Write{{Key: txn.Once, Value: txn.Void}}})
	switch {
	case err != nil:
		return store.Receipt{}, open
	case !bytes.Equal(void.Stored, txn.Void):
		return void, nil
	}
	var conflict *store.ConflictError
	if errors.As(rejection, &conflict) {
		conflict.Spent = true
	}
	return store.Receipt{}, rejection
}

// commitError adds the facts of the transaction to an error.
func commitError(txn store.Txn, err error) error {
	var unknown *store.UnknownError
	if errors.As(err, &unknown) {
		unknown.Once = txn.Once
		return err
	}
	if tooLarge(err) {
		e := &store.TooLargeError{Writes: len(txn.Writes), Guards: len(txn.Guards)}
		for _, w := range txn.Writes {
			e.Bytes += len(w.Key) + len(w.Value)
		}
		return fmt.Errorf("%w: %w", err, e)
	}
	return err
}

// conditions returns the conditions of a transaction, and for each the operation that
// reads what it compares. The condition on the once key comes first.
func conditions(txn store.Txn) ([]clientv3.Cmp, []clientv3.Op) {
	var conditions []clientv3.Cmp
	var reads []clientv3.Op
	if txn.Once != "" {
		conditions = append(conditions, clientv3.Compare(clientv3.CreateRevision(txn.Once), "=", 0))
		reads = append(reads, clientv3.OpGet(txn.Once))
	}
	for _, g := range txn.Guards {
		sp, at := guarded(g), int64(g.Revision) // etcd, too, gives an absent key revision 0
		if g.Prefix {
			conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(sp.key).WithRange(sp.end), "<", at+1))
			reads = append(reads, sp.get(clientv3.WithMinModRev(at+1), clientv3.WithLimit(1), clientv3.WithKeysOnly()))
		} else {
			conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(g.Key), "=", at))
			reads = append(reads, sp.get())
		}
	}
	return conditions, reads
}

func ops(writes []store.Write) []clientv3.Op {
	ops := make([]clientv3.Op, len(writes))
	for i, w := range writes {
		if w.Delete {
			ops[i] = clientv3.OpDelete(w.Key)
		} else {
			ops[i] = clientv3.OpPut(w.Key, string(w.Value))
		}
	}
	return ops
}

// pack nests operations that are too many for one level.
func pack(ops []clientv3.Op) []clientv3.Op {
	if len(ops) <= maxWidth {
		return ops
	}
	return nest(nest(ops))
}

// nest puts every innerWidth operations into a transaction.
func nest(ops []clientv3.Op) []clientv3.Op {
	var outer []clientv3.Op
	for part := range slices.Chunk(ops, innerWidth) {
		outer = append(outer, clientv3.OpTxn(nil, part, nil))
	}
	return outer
}

// receipt reads the answer to a transaction.
func receipt(txn store.Txn, answer *clientv3.TxnResponse) (store.Receipt, error) {
	if !answer.Succeeded {
		return refusedReceipt(txn, answer)
	}
	if len(txn.Writes) == 0 {
		return store.Receipt{}, nil
	}
	r := store.Receipt{Revision: store.Revision(answer.Header.Revision)}
	for _, w := range txn.Writes {
		if txn.Once != "" && w.Key == txn.Once {
			r.Stored = w.Value
		}
	}
	return r, nil
}

// refusedReceipt returns the receipt of the transaction that wrote the once key, or
// an error that names the failed guards.
func refusedReceipt(txn store.Txn, answer *clientv3.TxnResponse) (store.Receipt, error) {
	found := slices.Collect(ranges(answer.Responses))
	if txn.Once != "" {
		if record := found[0]; len(record) > 0 {
			return store.Receipt{Revision: store.Revision(record[0].CreateRevision), Stored: record[0].Value}, nil
		}
		found = found[1:]
	}
	return store.Receipt{}, conflict(txn.Guards, found)
}

// conflict returns the error for the guards that do not match what was found for
// each.
func conflict(guards []store.Guard, found [][]*mvccpb.KeyValue) error {
	e := &store.ConflictError{}
	for i, g := range guards {
		var kv *mvccpb.KeyValue
		if len(found[i]) > 0 {
			kv = found[i][0]
		}
		switch {
		case g.Prefix && kv == nil, !g.Prefix && kv.GetModRevision() == int64(g.Revision):
			continue // this one held
		case g.Prefix || kv == nil:
			e.Failed = append(e.Failed, store.FailedGuard{Guard: g})
		default:
			is := entry(kv)
			e.Failed = append(e.Failed, store.FailedGuard{Guard: g, Found: &is})
		}
	}
	if len(e.Failed) == 0 {
		return errors.New("refused by the store, although all guards hold")
	}
	return e
}

// needs returns the permissions that a transaction needs.
func needs(txn store.Txn) []need {
	var all []need
	if txn.Once != "" {
		all = append(all, need{span: span{key: txn.Once}})
	}
	for _, g := range txn.Guards {
		all = append(all, need{span: guarded(g)})
	}
	for _, w := range txn.Writes {
		all = append(all, need{write: true, span: span{key: w.Key}})
	}
	return all
}

func guarded(g store.Guard) span {
	if g.Prefix {
		return spanOf(g.Key)
	}
	return span{key: g.Key}
}
