package etcdtest

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
)

// Queue intercepts the transactions that write to a server. It can hold some back, as
// the queues of kernels and proxies do, and perform them after their sender has given
// up. Its methods may be called from several goroutines.
type Queue struct {
	mu     sync.Mutex
	fates  []Fate
	kept   []func() error
	before func() // see Before
}

// Fate says how a Queue handles a transaction.
type Fate int

// The fates.
const (
	Pass  Fate = iota // it is performed and answered
	Hold              // it gets no answer, and is kept for Deliver
	Twice             // it is performed and answered, and a copy is kept for Deliver
	Mute              // it is performed and gets no answer
)

// Option returns the option that puts the queue before a server; it may be used for
// several.
func (q *Queue) Option() Option {
	return func(cfg *embed.Config) {
		cfg.GRPCAdditionalServerOptions = append(cfg.GRPCAdditionalServerOptions, grpc.ChainUnaryInterceptor(q.take))
	}
}

// Next sets the fates of the next transactions. Later ones pass.
func (q *Queue) Next(fates ...Fate) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fates = slices.Clone(fates)
}

// Before sets a function that is called once, when the next transaction arrives and
// before its fate applies.
func (q *Queue) Before(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.before = f
}

// Deliver performs all transactions that are kept, in random order, and returns their
// number. Nothing receives their answers.
func (q *Queue) Deliver() int {
	q.mu.Lock()
	kept := q.kept
	q.kept = nil
	q.mu.Unlock()
	for _, i := range rand.Perm(len(kept)) {
		_ = kept[i]() // tests look at the store for the outcome
	}
	return len(kept)
}

func (q *Queue) take(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	txn, ok := req.(*pb.TxnRequest)
	if !ok || !writes(txn.GetSuccess()) {
		return next(ctx, req)
	}
	fate := q.fate()
	if fate == Hold || fate == Twice {
		late := context.WithoutCancel(ctx)
		q.mu.Lock()
		q.kept = append(q.kept, func() error {
			_, err := next(late, req)
			return err
		})
		q.mu.Unlock()
	}
	var answer any
	var err error
	if fate != Hold {
		answer, err = next(ctx, req)
	}
	if fate == Hold || fate == Mute {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return answer, err
}

// fate returns the fate of the next transaction, after it has called the function set
// by Before.
func (q *Queue) fate() Fate {
	q.mu.Lock()
	before := q.before
	q.before = nil
	fate := Pass
	if len(q.fates) > 0 {
		fate, q.fates = q.fates[0], q.fates[1:]
	}
	q.mu.Unlock()
	if before != nil {
		before()
	}
	return fate
}

func writes(ops []*pb.RequestOp) bool {
	return slices.ContainsFunc(ops, func(op *pb.RequestOp) bool {
		return op.GetRequestPut() != nil || op.GetRequestDeleteRange() != nil || writes(op.GetRequestTxn().GetSuccess())
	})
}
