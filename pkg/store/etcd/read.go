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
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/conftool/confctl/pkg/store"
)

// Read implements store.Store. It is one linearizable request: a range, or a
// transaction of several ranges or none. A member would answer an empty transaction
// from its own state, which may be old. It does not do so for a transaction that
// contains another one, which needs no permission either.
func (s *Store) Read(ctx context.Context, prefixes ...string) (store.Snapshot, error) {
	c := &call{what: fmt.Sprintf("read of %q", prefixes)}
	ops := []clientv3.Op{}
	for _, sp := range cover(prefixes) {
		ops = append(ops, sp.get())
		c.needs = append(c.needs, need{span: sp})
	}
	request := clientv3.OpTxn(nil, pack(ops), nil)
	switch len(ops) {
	case 0:
		request = clientv3.OpTxn(nil, []clientv3.Op{request}, nil)
	case 1:
		request = ops[0]
	}
	var answer clientv3.OpResponse
	c.do = func(ctx context.Context, u *session) (err error) {
		answer, err = u.Do(ctx, request)
		return err
	}
	if err := s.run(ctx, c); err != nil {
		return store.Snapshot{}, err
	}
	if one := answer.Get(); one != nil {
		return store.Snapshot{Revision: store.Revision(one.Header.Revision), Entries: appendEntries(nil, one.Kvs)}, nil
	}
	snap := store.Snapshot{Revision: store.Revision(answer.Txn().Header.Revision)}
	for kvs := range ranges(answer.Txn().Responses) {
		snap.Entries = appendEntries(snap.Entries, kvs)
	}
	return snap, nil
}

// List implements store.Store. It is one linearizable range, which the server sorts
// and limits to a number of entries. Their size is known only from the answer: one
// that is too large is refused before it is read, and the request is repeated for
// fewer entries.
func (s *Store) List(ctx context.Context, prefix string, page store.Page) (store.Snapshot, error) {
	whole := spanOf(prefix)
	sp := whole.within(page)
	if prefix == "" || sp.upto() <= sp.key { // no store has the empty key
		return s.Read(ctx)
	}
	const many = 4096
	limit := page.Limit
	if limit <= 0 {
		limit = many
	}
	for {
		snap, err := s.list(ctx, sp, page.Order, limit, need{span: whole})
		size, refused := answerSize(err)
		if !refused || limit == 1 {
			return snap, err
		}
		limit = fewer(limit, size)
	}
}

// list returns at most limit entries of a span.
func (s *Store) list(ctx context.Context, sp span, order store.Order, limit int, n need) (store.Snapshot, error) {
	sorted := clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortDescend)
	if order == store.ByKey {
		sorted = clientv3.WithSort(clientv3.SortByKey, clientv3.SortAscend)
	}
	request := sp.get(sorted, clientv3.WithLimit(int64(limit)))
	var answer clientv3.OpResponse
	err := s.run(context.WithValue(ctx, maxAnswerKey{}, store.MaxPage), &call{
		what:  fmt.Sprintf("list of %d in %q", limit, sp.key),
		needs: []need{n},
		do: func(ctx context.Context, u *session) (err error) {
			answer, err = u.Do(ctx, request)
			return err
		},
	})
	if err != nil {
		return store.Snapshot{}, err
	}
	found := answer.Get()
	return store.Snapshot{
		Revision: store.Revision(found.Header.Revision), Entries: appendEntries(nil, found.Kvs), More: found.More,
	}, nil
}

// fewer returns how many entries fit into a page if limit entries made an answer of
// size bytes; a size of 0 is unknown.
func fewer(limit, size int) int {
	fit := limit / 4
	if size > 0 {
		fit = int(float64(limit) * store.MaxPage / float64(size) * 0.95)
	}
	return max(1, min(fit, limit/2))
}

// ranges yields the results of the ranges of a transaction, in order.
func ranges(responses []*pb.ResponseOp) iter.Seq[[]*mvccpb.KeyValue] {
	return func(yield func([]*mvccpb.KeyValue) bool) {
		for _, r := range responses {
			if t := r.GetResponseTxn(); t != nil {
				for kvs := range ranges(t.Responses) {
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

// appendEntries appends keys in the order of the answer. It does not copy the values:
// nothing else refers to them.
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

// span is a range of keys as in etcd's API: the keys from key up to, not including,
// end, or only key if end is empty.
type span struct{ key, end string }

// spanOf returns the span of a prefix as store.Store.Read defines it.
func spanOf(prefix string) span {
	if !strings.HasSuffix(prefix, "/") {
		return span{key: prefix}
	}
	return span{prefix, prefix[:len(prefix)-1] + "0"} // the byte after the slash
}

// within returns the part of a span that a page asks for.
func (sp span) within(page store.Page) span {
	if page.From == "" && page.Until == "" {
		return sp
	}
	end := sp.upto()
	if page.Until != "" {
		end = min(end, page.Until)
	}
	return span{max(sp.key, page.From), end}
}

// upto returns the first key after the span.
func (sp span) upto() string {
	if sp.end == "" {
		return sp.key + "\x00"
	}
	return sp.end
}

func (sp span) get(options ...clientv3.OpOption) clientv3.Op {
	return clientv3.OpGet(sp.key, append(options, clientv3.WithRange(sp.end))...)
}

// cover returns the spans of prefixes in key order, without those that are inside
// another. Two prefixes are either disjoint or one is inside the other. The empty
// prefix is the empty key, which no store has.
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
