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
// 3.5.8, which are called ordered here, the server sends the answer after all events
// up to that revision, and sends none while the watch is still catching up. Such an
// answer can be trusted.
//
// Older servers always answer, and the answer may overtake events that wait for flow
// control or have not been read from the history yet. Such an answer shows only that
// the server is alive, however often it is repeated. There, a comparison shows
// whether anything is missing: if no key in the span was written after a revision and
// the number of keys is the same, the span holds what it held at that revision. Only
// keys that were created since and deleted again leave no trace; their events are
// yielded when they arrive, late.

// ordered reports whether servers of a version send the answer to a progress request
// after the events before it.
func ordered(version string) bool {
	var major, minor, patch int
	n, _ := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch)
	if n < 3 || strings.Contains(version, "-") { // pre-releases of 3.6 may be ordered or not
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

// askVersion finds out in the background whether the server of a stream is ordered.
// It ignores an answer over another connection, which may come from another server.
func (st *stream) askVersion(patience time.Duration) {
	m := &mark{}
	ctx, cancel := context.WithTimeout(context.WithValue(st.ctx, markKey{}, m), patience)
	defer cancel()
	status, err := pb.NewMaintenanceClient(st.session.ActiveConnection()).Status(ctx, &pb.StatusRequest{})
	at, same := m.from.Load(), st.mark.from.Load()
	st.ordered <- err == nil && at != nil && same != nil && *at == *same && ordered(status.GetVersion())
}

// comparison compares the span of a watch with its contents at an earlier revision.
type comparison struct {
	base store.Revision // the earlier revision
	keys int64          // the number of keys at base; -1 if unknown
	now  store.Revision // the revision of the store
	same bool           // the span holds the same as at base
	err  error
	took time.Duration
}

// compare asks the store whether a span holds the same as at c.base.
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

// After a comparison, the next one waits restFactor times as long as it took, at most
// maxRest: the server looks at every key of the span.
const (
	restFactor = 20
	maxRest    = 10 * time.Second
)

// doubt tracks whether events of one stream are missing because the answer to a
// progress request has overtaken them.
type doubt struct {
	named   store.Revision  // the revision in the last answer; 0 if events came after it
	base    store.Revision  // the events yielded make the span's contents at this revision
	keys    int64           // the number of keys at base; -1 if unknown
	running chan comparison // the comparison in progress, if any
	rest    time.Time       // when the next comparison may begin
	since   time.Time       // when events were first found missing; zero if none are
}

// answered handles the answer to a progress request. It starts a comparison when the
// previous answer named a later revision than base and no event has come since.
func (w *watch) answered(st *stream, named store.Revision) error {
	st.asked = false
	if st.trusted {
		w.seen = max(w.seen, named)
		return w.alive()
	}
	d := &w.doubt
	if d.named > d.base && d.running == nil && time.Now().After(d.rest) {
		result, begin := make(chan comparison, 1), comparison{base: d.base, keys: d.keys}
		d.running = result
		go func() { result <- w.store.compare(st.ctx, w.span, begin) }()
	}
	d.named = named
	return w.alive()
}

// compared handles the result of a comparison. A comparison that failed, or was
// overtaken by events, proves nothing; another one follows.
func (w *watch) compared(c comparison, patience time.Duration) error {
	d := &w.doubt
	d.running, d.rest = nil, time.Now().Add(min(restFactor*c.took, maxRest))
	switch {
	case isAny(c.err, rpctypes.ErrCompacted):
		return fmt.Errorf("%w: revision %d is forgotten", errLost, c.base)
	case c.err == nil && c.base == d.base:
		return w.settle(c, patience)
	}
	return nil
}

// settle advances to the revision of a comparison if nothing is missing there. Events
// that stay missing for longer than a stream may be silent will not come on this
// stream.
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

// changed updates the doubt for events that arrived.
func (w *watch) changed(events []*clientv3.Event) {
	d := &w.doubt
	d.named, d.since = 0, time.Time{}
	if w.seen <= d.base { // events of a transient key, which compare did not count
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
