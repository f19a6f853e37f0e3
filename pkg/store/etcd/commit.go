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

// How transactions nest. etcd takes 128 operations in one: along each path the
// larger of a transaction's conditions and its branches adds up. All conditions
// stand in the root, where they decide over everything; two levels of
// innerWidth below it hold store.MaxWrites beside store.MaxGuards and the once
// key.
const (
	maxWidth   = 128
	innerWidth = 8
)

// Commit is described by the contract. It is one request, which either writes
// or reads what kept it from writing.
//
// A transaction without a once key is sent but once: there would be no telling
// its own traces from somebody else's.
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
		c.said, err = err, c.settle(err)
	}
	if c.said != nil && txn.Once != "" {
		ctx, cancel := context.WithDeadline(ctx, end)
		defer cancel()
		return s.settle(ctx, c, txn, err)
	}
	return store.Receipt{}, commitError(txn, err)
}

// isFinal reports whether a conflict holds for all attempts of its transaction,
// those that are still on their way too: a key is not any more as it was at some
// revision, and never will be again, since revisions only grow. A key that was
// to be absent may be so again, and so may a prefix that was to have nothing
// newer, once that is deleted.
func isFinal(err error) bool {
	var conflict *store.ConflictError
	return errors.As(err, &conflict) && slices.ContainsFunc(conflict.Failed, func(f store.FailedGuard) bool {
		return !f.Prefix && f.Revision > 0
	})
}

// settle finds out what became of a transaction that the store has refused with
// c.said, although an attempt of it may have been performed. It returns the
// receipt of that attempt, or what was said once it is certain that no attempt
// was performed or can be, or else the error that leaves it open.
//
// An attempt that has come to its end is to be seen by a read. One that got no
// answer may be performed later, so that its absence proves nothing: the void
// value takes the once key from it. Both go by the one order in which the store
// performs transactions. Either the attempt comes first, and the once key holds
// what it wrote; or the void does, and the attempt's condition on the once key
// fails, whenever it arrives and whatever its guards find. The read comes first
// since a full store takes no void, not even one that would write nothing.
func (s *Store) settle(ctx context.Context, c *call, txn store.Txn, open error) (store.Receipt, error) {
	open, said := commitError(txn, open), commitError(txn, c.said)
	found, err := s.Read(ctx, txn.Once)
	switch {
	case err != nil:
		return store.Receipt{}, open
	case len(found.Entries) > 0:
		return store.Receipt{Revision: found.Entries[0].Created, Stored: found.Entries[0].Value}, nil
	case c.doubt == nil:
		return store.Receipt{}, said
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
	if errors.As(said, &conflict) {
		conflict.Spent = true
	}
	return store.Receipt{}, said
}

// commitError adds to an error what only Commit knows.
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

// conditions are those of a transaction, and for each what to read when it
// fails. That of the once key comes first.
func conditions(txn store.Txn) ([]clientv3.Cmp, []clientv3.Op) {
	var conditions []clientv3.Cmp
	var reads []clientv3.Op
	if txn.Once != "" {
		conditions = append(conditions, clientv3.Compare(clientv3.CreateRevision(txn.Once), "=", 0))
		reads = append(reads, clientv3.OpGet(txn.Once))
	}
	for _, g := range txn.Guards {
		sp, at := guarded(g), int64(g.Revision) // 0 is that of an absent key there too
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

// pack nests operations if there are too many to stand side by side.
func pack(ops []clientv3.Op) []clientv3.Op {
	if len(ops) <= maxWidth {
		return ops
	}
	return nest(nest(ops))
}

// nest makes a transaction of every few operations.
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

// refusedReceipt is that of the transaction that wrote the once key, or an
// error that says which guards failed.
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

// conflict compares guards with what was found for each.
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

// needs are the permissions a transaction takes.
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
