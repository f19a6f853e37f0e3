package etcd

import (
	"context"
	"fmt"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/conftool/confctl/pkg/store"
)

// A progress request asks the server of a watch for its revision. Since 3.4.25 and
// 3.5.8 the server sends the answer behind all events up to that revision, and
// sends none while the watch is still catching up. The answer can be believed.
//
// Older servers always answer, and the answer may overtake events: those that wait
// for flow control, and those that have not been read from the history yet. However
// often they are asked, an answer is no more than a sign of life. There, a
// comparison tells whether anything is missing: if no key in the span was written
// after a revision and there are as many keys as at that revision, the span holds
// the same as it did then. Only keys that were created since and deleted again
// leave no trace; their events are yielded when they arrive, late.

// ordered reports whether servers of a version send the answer to a progress
// request behind the events before it.
func ordered(version string) bool {
	var major, minor, patch int
	n, _ := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch)
	if n < 3 || strings.Contains(version, "-") { // pre-releases of 3.6 are of either kind
		return false
	}
	switch {
	case major != 3:
		return major > 3
	case minor == 4:
		return patch >= 25
	case minor == 5:
		return patch >= 8
	}
	return minor > 5
}

// askVersion finds out in the background whether the server of a stream is
// ordered. An answer that came over another connection counts for nothing: another
// server may have given it.
func (st *stream) askVersion(patience time.Duration) {
	m := &mark{}
	ctx, cancel := context.WithTimeout(context.WithValue(st.ctx, markKey{}, m), patience)
	defer cancel()
	status, err := pb.NewMaintenanceClient(st.session.ActiveConnection()).Status(ctx, &pb.StatusRequest{})
	at, same := m.from.Load(), st.mark.from.Load()
	st.ordered <- err == nil && at != nil && same != nil && *at == *same && ordered(status.GetVersion())
}

// comparison is what the store says of the span of a watch.
type comparison struct {
	base store.Revision // compared with what there was then
	keys int64          // how many keys there were then; -1 if not known
	now  store.Revision // the revision of the store
	same bool           // there is the same as at base
	err  error
	took time.Duration
}

// compare asks the store whether a span holds the same as at base.
func (s *Store) compare(ctx context.Context, sp span, c comparison) comparison {
	begun := time.Now()
	if c.base == 0 {
		c.keys = 0
	}
	if c.keys < 0 {
		var then *clientv3.GetResponse
		if then, c.err = s.get(ctx, "count", sp, clientv3.WithCountOnly(), clientv3.WithRev(int64(c.base))); c.err != nil {
			return c
		}
		c.keys = then.Count
	}
	newer, err := s.get(ctx, "comparison", sp, clientv3.WithKeysOnly(), clientv3.WithLimit(1), clientv3.WithMinModRev(int64(c.base)+1))
	if c.err = err; err == nil {
		c.now = store.Revision(newer.Header.Revision)
		c.same = len(newer.Kvs) == 0 && newer.Count == c.keys
		c.took = time.Since(begun)
	}
	return c
}

func (s *Store) get(ctx context.Context, what string, sp span, options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	var answer clientv3.OpResponse
	err := s.run(ctx, &call{
		what:  fmt.Sprintf("%s of %s", what, sp.key),
		needs: []need{{span: sp}},
		do: func(ctx context.Context, u *session) (err error) {
			answer, err = u.Do(ctx, sp.get(options...))
			return err
		},
	})
	return answer.Get(), err
}

// How long a comparison is left alone after one that took a while: the server
// looks at every key of the span.
const (
	restFactor = 20
	mostRest   = 10 * time.Second
)

// doubt is what one stream leaves open: whether events are missing that an answer
// to a progress request has overtaken.
type doubt struct {
	told    store.Revision  // what the last answer named; 0 if events came after it
	base    store.Revision  // nothing that the span holds is missing up to here
	keys    int64           // how many keys it held then; -1 if not known
	running chan comparison // nil if none is
	rest    time.Time       // none begins before
	since   time.Time       // since when something is known to be missing
}

// answered takes the answer to a progress request. A comparison begins once an
// answer has named a later revision and no event came until the next one.
func (w *watch) answered(st *stream, told store.Revision) error {
	st.asked = false
	if st.trusted {
		w.seen = max(w.seen, told)
		return w.alive()
	}
	d := &w.doubt
	if d.told > d.base && d.running == nil && time.Now().After(d.rest) {
		result, begin := make(chan comparison, 1), comparison{base: d.base, keys: d.keys}
		d.running = result
		go func() { result <- w.store.compare(st.ctx, w.span, begin) }()
	}
	d.told = told
	return w.alive()
}

// compared takes the result of a comparison. One that failed, or that events have
// overtaken, says nothing, and the next one may.
func (w *watch) compared(c comparison, patience time.Duration) error {
	d := &w.doubt
	d.running, d.rest = nil, time.Now().Add(min(restFactor*c.took, mostRest))
	switch {
	case isAny(c.err, rpctypes.ErrCompacted):
		return fmt.Errorf("%w: revision %d is forgotten", errLost, c.base)
	case c.err == nil && c.base == d.base:
		return w.settle(c, patience)
	}
	return nil
}

// settle goes on to the revision of a comparison if nothing is missing there. What
// is missing for longer than the watch might be silent will not come on this stream.
func (w *watch) settle(c comparison, patience time.Duration) error {
	d := &w.doubt
	d.keys = c.keys
	switch {
	case c.same:
		d.since, d.base, w.same = time.Time{}, c.now, max(w.same, c.now)
		return w.alive()
	case d.since.IsZero():
		d.since = time.Now()
	case time.Since(d.since) > patience:
		return fmt.Errorf("%w: events after revision %d are missing at revision %d", errLost, w.seen, c.now)
	}
	return nil
}

// changed notes events that came.
func (w *watch) changed(events []*clientv3.Event) {
	d := &w.doubt
	d.told, d.since = 0, time.Time{}
	if w.seen <= d.base { // a transient key, which is not among those counted
		return
	}
	d.base = w.seen
	for _, e := range events {
		switch {
		case d.keys < 0:
		case e.IsCreate():
			d.keys++
		case e.Type == clientv3.EventTypeDelete:
			d.keys--
		}
	}
}
