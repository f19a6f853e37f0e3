package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/conftool/confctl/pkg/store"
)

// How transactions nest. etcd takes 128 operations in one: along each path the
// larger of a transaction's conditions and its branches adds up. The widths
// here hold store.MaxWrites beside store.MaxGuards and the once key.
const (
	maxWidth   = 128
	rootWidth  = 116 // of a root that holds nested transactions
	innerWidth = 6   // of those, and again of the ones in them
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
	request := newRequest(txn)
	var answer *pb.TxnResponse
	err := s.run(ctx, &call{
		what:   fmt.Sprintf("commit of %d writes with %d guards", len(txn.Writes), len(txn.Guards)),
		needs:  needs(txn),
		writes: len(txn.Writes) > 0,
		once:   txn.Once == "" && len(txn.Writes) > 0,
		do: func(ctx context.Context, l *link) (err error) {
			answer, err = pb.NewKVClient(l).Txn(ctx, request)
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
	if errors.As(err, new(*tooLarge)) {
		e := &store.TooLargeError{Writes: len(txn.Writes), Guards: len(txn.Guards)}
		for _, w := range txn.Writes {
			e.Bytes += len(w.Key) + len(w.Value)
		}
		return fmt.Errorf("%w: %w", err, e)
	}
	return err
}

// newRequest builds the transaction: conditions, writes, and what to read
// when a condition does not hold.
//
// All conditions stand in the root, where they decide over everything. Only
// when there are more than rootWidth of them beside nested writes, the rest
// stand in every one of the nested transactions: etcd tests all conditions
// before it writes anything, so these decide alike.
func newRequest(txn store.Txn) *pb.TxnRequest {
	ops := make([]*pb.RequestOp, len(txn.Writes))
	for i, w := range txn.Writes {
		ops[i] = write(w)
	}
	conditions, reads := conditions(txn)
	request := &pb.TxnRequest{Compare: conditions, Success: pack(ops), Failure: reads}
	if len(ops) <= maxWidth || len(conditions) <= rootWidth {
		return request
	}
	request.Compare = conditions[:rootWidth]
	for i, op := range request.Success {
		inner := op.GetRequestTxn()
		inner.Compare = conditions[rootWidth:]
		if i == 0 {
			inner.Failure = reads[rootWidth:] // once is enough
		}
	}
	request.Failure = nest(reads)
	return request
}

// conditions are those of a transaction, and for each what to read when it
// fails. That of the once key comes first.
func conditions(txn store.Txn) ([]*pb.Compare, []*pb.RequestOp) {
	var conditions []*pb.Compare
	var reads []*pb.RequestOp
	if txn.Once != "" {
		conditions = append(conditions, created(txn.Once))
		reads = append(reads, rangeOp(&pb.RangeRequest{Key: []byte(txn.Once)}))
	}
	for _, g := range txn.Guards {
		conditions = append(conditions, condition(g))
		reads = append(reads, rangeOp(found(g)))
	}
	return conditions, reads
}

// pack nests operations if there are too many to stand side by side.
func pack(ops []*pb.RequestOp) []*pb.RequestOp {
	if len(ops) <= maxWidth {
		return ops
	}
	return nest(nest(ops))
}

// nest makes a transaction of every few operations.
func nest(ops []*pb.RequestOp) []*pb.RequestOp {
	var outer []*pb.RequestOp
	for part := range slices.Chunk(ops, innerWidth) {
		outer = append(outer, nested(part))
	}
	return outer
}

func nested(ops []*pb.RequestOp) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{Success: ops}}}
}

func rangeOp(r *pb.RangeRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
}

func write(w store.Write) *pb.RequestOp {
	if w.Delete {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{
			RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte(w.Key)},
		}}
	}
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(w.Key), Value: w.Value}}}
}

// created is the condition that a key does not exist.
func created(key string) *pb.Compare {
	return &pb.Compare{
		Key: []byte(key), Target: pb.Compare_CREATE, Result: pb.Compare_EQUAL,
		TargetUnion: &pb.Compare_CreateRevision{CreateRevision: 0},
	}
}

// condition is a guard in etcd's terms. A key that does not exist has the
// revision 0 there too.
func condition(g store.Guard) *pb.Compare {
	if g.Prefix {
		sp := spanOf(g.Key)
		return &pb.Compare{
			Key: []byte(sp.key), RangeEnd: sp.rangeEnd(), Target: pb.Compare_MOD, Result: pb.Compare_LESS,
			TargetUnion: &pb.Compare_ModRevision{ModRevision: int64(g.Revision) + 1},
		}
	}
	return &pb.Compare{
		Key: []byte(g.Key), Target: pb.Compare_MOD, Result: pb.Compare_EQUAL,
		TargetUnion: &pb.Compare_ModRevision{ModRevision: int64(g.Revision)},
	}
}

// found reads what tells whether a guard failed: the key, or one key under the
// prefix that is too new.
func found(g store.Guard) *pb.RangeRequest {
	if !g.Prefix {
		return &pb.RangeRequest{Key: []byte(g.Key)}
	}
	sp := spanOf(g.Key)
	return &pb.RangeRequest{
		Key: []byte(sp.key), RangeEnd: sp.rangeEnd(), MinModRevision: int64(g.Revision) + 1, Limit: 1, KeysOnly: true,
	}
}

// receipt reads the answer to a transaction.
func receipt(txn store.Txn, answer *pb.TxnResponse) (store.Receipt, error) {
	if !answer.Succeeded {
		return refusedReceipt(txn, answer)
	}
	if len(txn.Writes) == 0 {
		return store.Receipt{}, nil
	}
	if inner := answer.Responses[0].GetResponseTxn(); inner != nil && !inner.Succeeded {
		found := slices.Collect(ranges(inner))
		return store.Receipt{}, conflict(txn.Guards[len(txn.Guards)-len(found):], found)
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
func refusedReceipt(txn store.Txn, answer *pb.TxnResponse) (store.Receipt, error) {
	found := slices.Collect(ranges(answer))
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
		all = append(all, need{key: txn.Once})
	}
	for _, g := range txn.Guards {
		sp := span{key: g.Key}
		if g.Prefix {
			sp = spanOf(g.Key)
		}
		all = append(all, sp.read())
	}
	for _, w := range txn.Writes {
		all = append(all, need{write: true, key: w.Key})
	}
	return all
}
