package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/conftool/confctl/pkg/store"
)

// progressInterval is the time between two progress requests of a watch. The first is
// sent sooner, but late enough for the server to have caught up: some versions never
// answer a request that comes before that.
const (
	progressInterval = time.Second
	firstProgress    = 200 * time.Millisecond
)

// Watch implements store.Store. It is one watcher on the smallest range that holds
// all prefixes, so that a transaction arrives whole. The user needs the permission to
// read all of that range.
//
// When the connection is lost, or the server is silent or loses its leader, the watch
// continues at another server after the last transaction that it yielded. If none can
// be reached within the store's timeout, it ends with a *store.UnavailableError.
func (s *Store) Watch(ctx context.Context, after store.Revision, prefixes ...string) iter.Seq2[store.Batch, error] {
	return func(yield func(store.Batch, error) bool) {
		spans := cover(prefixes)
		if len(spans) == 0 {
			yield(store.Batch{}, errors.New("watch of nothing: no prefix is given"))
			return
		}
		w := &watch{
			store: s, prefixes: prefixes, seen: after, yield: yield,
			span: span{spans[0].key, spans[len(spans)-1].upto()},
		}
		if len(spans) == 1 {
			w.span = spans[0]
		}
		err := w.run(ctx)
		if err != nil && ctx.Err() == nil && !errors.Is(err, errEnough) {
			yield(store.Batch{}, err)
		}
	}
}

var (
	errEnough     = errors.New("enough")          // the consumer broke off
	errLost       = errors.New("connection lost") // the watch is resumed
	errEndedEarly = errors.New("the watch ended before it began")
)

type watch struct {
	store    *Store
	prefixes []string
	span     span
	yield    func(store.Batch, error) bool
	seen     store.Revision // every transaction up to here was yielded
	same     store.Revision // a later revision at which the span holds the same as at seen
	doubt    doubt          // about the current stream
	resumed  bool           // the stream was lost, and nothing has been yielded since
}

// at returns the revision up to which everything was yielded.
func (w *watch) at() store.Revision { return max(w.seen, w.same) }

// start returns the first revision to request. It is the last one seen, whose events
// are dropped, and not the next one: servers report no progress to a watcher that
// waits for a future revision. Also, after a compaction at a revision, some versions
// lose the events of keys deleted at that revision, so that the transaction after a
// forgotten one may be incomplete.
func (w *watch) start() int64 { return max(1, int64(w.seen)) }

func (w *watch) run(ctx context.Context) error {
	for patient := false; ; patient = true {
		st, err := w.open(ctx, patient)
		if err != nil {
			return err
		}
		err = w.reached(ctx, st)
		if err == nil {
			err = w.follow(ctx, st)
		}
		st.session.end()
		var forgotten *store.CompactedError
		switch {
		case errors.Is(err, errLost):
			w.resumed = true
		case errors.As(err, &forgotten) && w.seen < forgotten.Oldest && forgotten.Oldest <= w.same:
			w.seen = w.same // the span has not changed up to there
			continue
		default:
			return err
		}
		w.store.lost(st.at)
		w.store.debugf("etcd: watch of %s: lost after revision %d: %v", w.span.key, w.seen, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// stream is an open watch at one server.
type stream struct {
	session *session
	ctx     context.Context // identifies the stream in the library
	message clientv3.WatchChan
	mark    *mark          // the attempt that opened it
	at      int            // the index of the endpoint
	is      store.Revision // the server's revision when the stream began
	ordered chan bool      // receives once whether answers follow the events before them
	trusted bool           // received from ordered
	asked   bool           // a progress request has no answer yet
}

// open starts the watch at a server, within the store's timeout. It has a session of
// its own: a progress request of the library is for all watches of a client.
func (w *watch) open(ctx context.Context, patient bool) (*stream, error) {
	w.doubt = doubt{base: w.seen, keys: -1}
	var st *stream
	c := &call{
		what:    fmt.Sprintf("watch of %s after %d", w.span.key, w.seen),
		needs:   []need{{span: w.span}},
		patient: patient,
		own:     true,
		do: func(attempt context.Context, u *session) (err error) {
			st, err = w.create(attempt, u)
			return err
		},
	}
	err := w.store.run(ctx, c)
	if st != nil {
		st.at = slices.Index(c.endpoints, c.at)
	}
	return st, err
}

// create opens a stream that outlives the attempt that made it, and lasts as long as
// its session.
func (w *watch) create(attempt context.Context, u *session) (*stream, error) {
	m, _ := attempt.Value(markKey{}).(*mark)
	alive := context.WithValue(u.Ctx(), markKey{}, m)
	stop := context.AfterFunc(attempt, u.end)
	st := &stream{session: u, ctx: alive, mark: m, ordered: make(chan bool, 1), message: u.Watch(alive, w.span.key,
		clientv3.WithRange(w.span.end), clientv3.WithRev(w.start()), clientv3.WithCreatedNotify())}
	answer, open := <-st.message // closed when the attempt, the session or the store ends
	if err := answer.Err(); err != nil || !stop() || !open {
		return nil, cmp.Or(fromText(err), attempt.Err(), errEndedEarly)
	}
	st.is = store.Revision(answer.Header.Revision)
	return st, nil
}

// reached returns store.ErrCompacted if not only this server but the whole store is
// behind the watch: the watch would be silent until the store catches up.
func (w *watch) reached(ctx context.Context, st *stream) error {
	if st.is >= w.at() {
		return nil
	}
	now, err := w.store.Read(ctx)
	if err == nil && now.Revision < w.at() {
		return store.ErrCompacted
	}
	return nil // otherwise the server catches up, or follow notices its loss
}

// follow yields the transactions of a stream until it ends, and returns errLost if
// the watch can be resumed.
func (w *watch) follow(ctx context.Context, st *stream) error {
	ask := time.NewTimer(firstProgress)
	defer ask.Stop()
	patience := progressInterval + w.store.cfg.Attempt
	silent := time.NewTimer(patience)
	defer silent.Stop()
	go st.askVersion(patience)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m, open := <-st.message:
			if !open {
				return fmt.Errorf("%w: ended by the server", errLost)
			}
			if err := w.take(st, m); err != nil {
				return err
			}
			silent.Reset(patience) // not counting the consumer's time
		case st.trusted = <-st.ordered:
		case c := <-w.doubt.running:
			if err := w.compared(c, patience); err != nil {
				return err
			}
		case <-silent.C:
			return fmt.Errorf("%w: silent for %v", errLost, patience)
		case <-ask.C:
			if err := st.ask(); err != nil {
				continue // the stream reports the cause
			}
			ask.Reset(progressInterval)
		}
	}
}

// ask sends a progress request. Servers that are not ordered answer each one, so a
// second request would only queue behind the first. Ordered servers drop the requests
// of a watch that is catching up.
func (st *stream) ask() error {
	if st.asked && !st.trusted {
		return nil
	}
	st.asked = true
	return st.session.RequestProgress(st.ctx)
}

// take yields the transactions of one message of the server in the order of their
// revisions, each whole, or returns the error that the message reports.
func (w *watch) take(st *stream, m clientv3.WatchResponse) error {
	if m.CompactRevision != 0 {
		return &store.CompactedError{Oldest: store.Revision(m.CompactRevision)}
	}
	if err := m.Err(); err != nil {
		return fmt.Errorf("%w: %s", errLost, reason(err))
	}
	if len(m.Events) == 0 {
		return w.answered(st, store.Revision(m.Header.Revision))
	}
	for events := m.Events; len(events) > 0; {
		n := slices.IndexFunc(events, func(e *clientv3.Event) bool { return e.Kv.ModRevision != events[0].Kv.ModRevision })
		if n < 0 {
			n = len(events)
		}
		if err := w.transaction(events[:n]); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// alive yields a sign of life.
func (w *watch) alive() error { return w.pass(store.Batch{Revision: w.at()}) }

// pass yields a batch, marked as resumed if it is the first after a loss.
func (w *watch) pass(b store.Batch) error {
	b.Resumed, w.resumed = w.resumed, false
	if !w.yield(b, nil) {
		return errEnough
	}
	return nil
}

// transaction yields one transaction without the events outside the prefixes.
func (w *watch) transaction(events []*clientv3.Event) error {
	b := store.Batch{Revision: store.Revision(events[0].Kv.ModRevision)}
	if b.Revision <= w.seen {
		return nil // yielded before the connection was lost
	}
	for _, e := range events {
		ev := store.Event{Entry: entry(e.Kv), Deleted: e.Type == clientv3.EventTypeDelete}
		if slices.ContainsFunc(w.prefixes, func(p string) bool { return store.Under(ev.Key, p) }) {
			b.Events = append(b.Events, ev)
		}
	}
	w.seen = b.Revision
	w.changed(events)
	if len(b.Events) == 0 {
		return nil
	}
	slices.SortFunc(b.Events, func(a, b store.Event) int { return cmp.Compare(a.Key, b.Key) })
	return w.pass(b)
}
