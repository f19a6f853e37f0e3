package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	conditions, reads := conditions(txn)
	writes := pack(ops(txn.Writes))
	var answer *clientv3.TxnResponse
	err := s.run(ctx, &call{
		what:   fmt.Sprintf("commit of %d writes with %d guards", len(txn.Writes), len(txn.Guards)),
		needs:  needs(txn),
		writes: len(txn.Writes) > 0,
		once:   txn.Once == "" && len(txn.Writes) > 0,
		do: func(ctx context.Context, u *session) (err error) {
			answer, err = u.Txn(ctx).If(conditions...).Then(writes...).Else(reads...).Commit()
			return err
		},
	})
	if err != nil {
		return store.Receipt{}, commitError(txn, err)
	}
	return receipt(txn, answer)
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
