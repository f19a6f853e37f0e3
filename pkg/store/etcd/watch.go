package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/conftool/confctl/pkg/store"
)

// beat is how often a watch asks the server how far it is. The first time is
// sooner, but late enough for the server to have caught up: some versions
// never answer who asks before that.
const (
	beat      = time.Second
	firstBeat = 200 * time.Millisecond
)

// Watch is described by the contract. It is one watcher on the smallest range
// that holds all prefixes, so that a transaction arrives whole; the user needs
// the permission to read all of that range.
//
// When the connection is lost, or the server falls silent or loses its leader,
// it goes on at another one from where it was. If none can be had for longer
// than the store's timeout, the watch ends with a *store.UnavailableError.
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

// errEnough ends a watch whose consumer wants no more, errLost what can be
// resumed.
var (
	errEnough = errors.New("enough")
	errLost   = errors.New("connection lost")
)

type watch struct {
	store    *Store
	prefixes []string
	span     span
	yield    func(store.Batch, error) bool
	seen     store.Revision // nothing up to here is missing
	told     store.Revision // the server has said to be here
	exact    bool           // start after seen, not at it
}

// start is the revision to have events from. It is the last one seen, whose
// events are dropped: of a watcher that waits for a revision yet to come, no
// server says how far it is. Only if that one is forgotten it is the next.
func (w *watch) start() int64 {
	if w.exact || w.seen == 0 {
		return int64(w.seen) + 1
	}
	return int64(w.seen)
}

func (w *watch) run(ctx context.Context) error {
	for resumed := false; ; resumed = true {
		st, err := w.open(ctx, resumed)
		if err != nil {
			return err
		}
		err = w.follow(ctx, st)
		st.close()
		if !errors.Is(err, errLost) {
			return err
		}
		w.store.debugf("etcd: watch of %s: lost after revision %d at %s: %v", w.span.key, w.seen, st.link.at.address, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(stagger):
		}
	}
}

// stream is an open watch at one server.
type stream struct {
	pb.Watch_WatchClient
	link    *link
	cancel  context.CancelFunc
	message chan *pb.WatchResponse // closed after the last
	err     error                  // of the last, once message is closed
}

// open starts the watch at a server, within the store's timeout.
func (w *watch) open(ctx context.Context, resumed bool) (*stream, error) {
	w.told = w.seen // what one server said is not for the next to confirm
	var st *stream
	err := w.store.run(ctx, &call{
		what:    fmt.Sprintf("watch of %s after %d", w.span.key, w.seen),
		needs:   []need{w.span.read()},
		patient: resumed,
		do: func(attempt context.Context, l *link) (err error) {
			st, err = w.create(ctx, attempt, l)
			return err
		},
	})
	return st, err
}

// create opens a stream that outlives the attempt that made it.
func (w *watch) create(ctx, attempt context.Context, l *link) (st *stream, err error) {
	alive, cancel := context.WithCancel(context.WithoutCancel(attempt))
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	stop := context.AfterFunc(attempt, cancel)
	client, err := pb.NewWatchClient(l).Watch(alive)
	if err != nil {
		return nil, err
	}
	err = client.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{
		Key: []byte(w.span.key), RangeEnd: w.span.rangeEnd(), StartRevision: w.start(),
	}}})
	if err != nil {
		return nil, err
	}
	answer, err := client.Recv()
	switch {
	case err != nil:
		return nil, err
	case answer.Canceled:
		return nil, cancelled(answer)
	case !stop():
		return nil, attempt.Err()
	}
	l.hold()
	st = &stream{Watch_WatchClient: client, link: l, message: make(chan *pb.WatchResponse)}
	ending := context.AfterFunc(ctx, cancel)
	st.cancel = func() { ending(); cancel() }
	go st.receive(alive)
	return st, nil
}

// receive hands on what the server sends until the stream ends.
func (st *stream) receive(ctx context.Context) {
	defer close(st.message)
	for {
		m, err := st.Recv()
		if err != nil {
			st.err = err
			return
		}
		select {
		case st.message <- m:
		case <-ctx.Done():
			st.err = ctx.Err()
			return
		}
	}
}

// close ends the stream and waits until nothing of it is left.
func (st *stream) close() {
	st.cancel()
	for range st.message {
		continue
	}
	st.link.release()
}

// follow yields what a stream brings until it ends, with errLost if it can be
// resumed.
func (w *watch) follow(ctx context.Context, st *stream) error {
	ask := time.NewTimer(firstBeat)
	defer ask.Stop()
	heard := time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m, open := <-st.message:
			if !open {
				return fmt.Errorf("%w: %s", errLost, reason(st.err))
			}
			if err := w.take(m); err != nil {
				return err
			}
			heard = time.Now() // after the consumer's own time
		case <-ask.C:
			if silent := time.Since(heard); silent > beat+w.store.cfg.Attempt {
				st.link.retire()
				return fmt.Errorf("%w: silent for %v", errLost, silent.Round(time.Millisecond))
			}
			if err := st.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}}); err != nil {
				continue // what is wrong is received
			}
			ask.Reset(beat)
		}
	}
}

// take yields what one message of the server says.
func (w *watch) take(m *pb.WatchResponse) error {
	if m.Canceled {
		if err := cancelled(m); errors.Is(err, store.ErrCompacted) && w.start() > int64(w.seen) {
			return err
		}
		w.exact = m.CompactRevision != 0
		return fmt.Errorf("%w: %s", errLost, m.CancelReason)
	}
	w.exact = false
	if len(m.Events) == 0 {
		return w.alive(store.Revision(m.Header.Revision))
	}
	for events := range transactions(m.Events) {
		if err := w.transaction(events); err != nil {
			return err
		}
	}
	return nil
}

// alive yields a sign of life. Before 3.4.25 and 3.5.8 the server could say to
// be at a revision while events of it were still on their way; by the time it
// says so once more they have arrived. So it is the revision said before that
// counts.
func (w *watch) alive(told store.Revision) error {
	w.seen = max(w.seen, w.told)
	w.told = max(w.told, told)
	if !w.yield(store.Batch{Revision: w.seen}, nil) {
		return errEnough
	}
	return nil
}

// transactions splits events, which are in the order of their revisions.
func transactions(events []*mvccpb.Event) iter.Seq[[]*mvccpb.Event] {
	return func(yield func([]*mvccpb.Event) bool) {
		for len(events) > 0 {
			n := 1
			for n < len(events) && events[n].Kv.ModRevision == events[0].Kv.ModRevision {
				n++
			}
			if !yield(events[:n]) {
				return
			}
			events = events[n:]
		}
	}
}

// transaction yields one transaction, less what is not watched.
func (w *watch) transaction(events []*mvccpb.Event) error {
	b := store.Batch{Revision: store.Revision(events[0].Kv.ModRevision)}
	if b.Revision <= w.seen {
		return nil // seen before the connection was lost
	}
	for _, e := range events {
		ev := store.Event{Entry: entry(e.Kv), Deleted: e.Type == mvccpb.Event_DELETE}
		if slices.ContainsFunc(w.prefixes, func(p string) bool { return store.Under(ev.Key, p) }) {
			b.Events = append(b.Events, ev)
		}
	}
	w.seen = b.Revision
	if len(b.Events) == 0 {
		return nil
	}
	slices.SortFunc(b.Events, func(a, b store.Event) int { return cmp.Compare(a.Key, b.Key) })
	if !w.yield(b, nil) {
		return errEnough
	}
	return nil
}

// cancelled is the error of a watch that the server ended.
func cancelled(m *pb.WatchResponse) error {
	if m.CompactRevision != 0 {
		return store.ErrCompacted
	}
	return fromText(m.CancelReason)
}
