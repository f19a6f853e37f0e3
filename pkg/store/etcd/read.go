package etcd

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/conftool/confctl/pkg/store"
)

// Read is described by the contract. It is one linearizable request: a range,
// or a transaction of several.
func (s *Store) Read(ctx context.Context, prefixes ...string) (store.Snapshot, error) {
	spans := cover(prefixes)
	if len(spans) == 1 {
		return s.readSpan(ctx, spans[0])
	}
	return s.readSpans(ctx, spans)
}

func (s *Store) readSpan(ctx context.Context, sp span) (store.Snapshot, error) {
	var answer *pb.RangeResponse
	err := s.run(ctx, &call{what: "read of " + sp.key, needs: []need{sp.read()}, do: func(ctx context.Context, l *link) (err error) {
		answer, err = pb.NewKVClient(l).Range(ctx, sp.request())
		return err
	}})
	if err != nil {
		return store.Snapshot{}, err
	}
	return store.Snapshot{Revision: store.Revision(answer.Header.Revision), Entries: appendEntries(nil, answer.Kvs)}, nil
}

// readSpans reads several ranges, or none. A transaction of nothing would be
// answered by a member from what it knows, old or not; one that holds another
// is not, and asks for no permission.
func (s *Store) readSpans(ctx context.Context, spans []span) (store.Snapshot, error) {
	c := &call{what: fmt.Sprintf("read of %d ranges", len(spans))}
	ops := make([]*pb.RequestOp, len(spans))
	for i, sp := range spans {
		ops[i] = &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: sp.request()}}
		c.needs = append(c.needs, sp.read())
	}
	if len(ops) == 0 {
		ops = []*pb.RequestOp{nested(nil)}
	}
	request := &pb.TxnRequest{Success: pack(ops)}
	var answer *pb.TxnResponse
	c.do = func(ctx context.Context, l *link) (err error) {
		answer, err = pb.NewKVClient(l).Txn(ctx, request)
		return err
	}
	if err := s.run(ctx, c); err != nil {
		return store.Snapshot{}, err
	}
	snap := store.Snapshot{Revision: store.Revision(answer.Header.Revision)}
	for kvs := range ranges(answer) {
		snap.Entries = appendEntries(snap.Entries, kvs)
	}
	return snap, nil
}

// ranges yields what the ranges of a transaction found, in order.
func ranges(answer *pb.TxnResponse) iter.Seq[[]*mvccpb.KeyValue] {
	return func(yield func([]*mvccpb.KeyValue) bool) {
		for _, r := range answer.Responses {
			if t := r.GetResponseTxn(); t != nil {
				for kvs := range ranges(t) {
					if !yield(kvs) {
						return
					}
				}
			} else if !yield(r.GetResponseRange().GetKvs()) {
				return
			}
		}
	}
}

// appendEntries adds keys as they came. Values are not copied: nobody else
// holds them.
func appendEntries(entries []store.Entry, kvs []*mvccpb.KeyValue) []store.Entry {
	entries = slices.Grow(entries, len(kvs))
	for _, kv := range kvs {
		entries = append(entries, entry(kv))
	}
	return entries
}

func entry(kv *mvccpb.KeyValue) store.Entry {
	return store.Entry{
		Key:      string(kv.Key),
		Value:    kv.Value,
		Created:  store.Revision(kv.CreateRevision),
		Modified: store.Revision(kv.ModRevision),
	}
}

// span is a range of keys as etcd has it: all from key up to, not including,
// end, or key alone if end is empty.
type span struct{ key, end string }

// spanOf is what a prefix of the contract stands for.
func spanOf(prefix string) span {
	if !strings.HasSuffix(prefix, "/") {
		return span{key: prefix}
	}
	return span{prefix, prefix[:len(prefix)-1] + "0"} // the byte after the slash
}

// upto is the end, also of a single key.
func (sp span) upto() string {
	if sp.end == "" {
		return sp.key + "\x00"
	}
	return sp.end
}

func (sp span) read() need { return need{key: sp.key, end: sp.end} }

func (sp span) request() *pb.RangeRequest {
	return &pb.RangeRequest{Key: []byte(sp.key), RangeEnd: sp.rangeEnd()}
}

func (sp span) rangeEnd() []byte {
	if sp.end == "" {
		return nil
	}
	return []byte(sp.end)
}

// cover returns the spans of prefixes in key order, none within another. Two
// prefixes either lie apart or one within the other. The empty prefix is the
// empty key, which no store has.
func cover(prefixes []string) []span {
	var spans []span
	for _, p := range prefixes {
		if p != "" {
			spans = append(spans, spanOf(p))
		}
	}
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(b.upto(), a.upto()))
	})
	apart := spans[:0]
	for _, sp := range spans {
		if n := len(apart); n == 0 || sp.upto() > apart[n-1].upto() {
			apart = append(apart, sp)
		}
	}
	return apart
}
