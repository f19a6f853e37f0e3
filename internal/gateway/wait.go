package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/conftool/confctl/internal/etcdindex"
	"github.com/conftool/confctl/internal/mirror"
	"github.com/conftool/confctl/pkg/store"
)

// settleTime is how long a request waits for an index that the mirror may still
// learn of: another gateway may be slightly ahead, or the history is still being
// read. It is shorter than the time that clients wait for headers.
const settleTime = 2 * time.Second

// wait answers a request with wait=true with the first event at its index or later,
// which may be in the future.
func (h *Handler) wait(w http.ResponseWriter, r *http.Request, q query) *failure {
	if h.waiting.Add(1) > int64(h.cfg.MaxWaiters) {
		h.waiting.Add(-1)
		return busy("too many requests wait already")
	}
	defer h.waiting.Add(-1)
	v, fail := h.view(r)
	if fail != nil {
		return fail
	}
	switch h.may(q.key) {
	case denied:
		return &failure{status: http.StatusForbidden, code: codeUnauthorized, cause: q.key + " is not served here", index: newest(v)}
	case outside: // there is nothing to send to PyBal
		q.pybal = false
	case above, within:
	}
	who, port := client(r, q)
	if q.index == 0 {
		q.index = h.resumed(v, who, port)
	} else {
		h.recall.claim(who, port, q.index-1)
	}
	v, batches, err := h.settle(r, v, q.index)
	if fail := h.waitFailure(v); fail != nil {
		return fail
	}
	if err != nil {
		return h.cleared(w, v, q, err)
	}
	last, fail := h.follow(w, r, q, v, batches)
	if fail == nil {
		h.recall.note(who, port, last)
	}
	return fail
}

// resumed returns the index to wait for if the request has none: the one after the
// last index that was sent to the client, if that was recent and the history since
// then is known, and otherwise the next index.
func (h *Handler) resumed(v *mirror.View, who waiter, port string) uint64 {
	last, known := h.recall.take(who, port)
	if known && last < newest(v) {
		if _, _, err := lookUp(v, last+1); err == nil {
			return last + 1
		}
	}
	return newest(v) + 1
}

// waitFailure returns a failure if a request cannot wait now, and otherwise nil.
func (h *Handler) waitFailure(v *mirror.View) *failure {
	select {
	case <-h.closed:
		return busy("the gateway is shutting down")
	default:
		return h.nothing(v)
	}
}

// settle returns the batches in which to look for an index, and their view. If the
// index is not known, it was forgotten, or it belongs to a store that has been
// restored since. In both cases the client must read again.
func (h *Handler) settle(r *http.Request, v *mirror.View, index uint64) (*mirror.View, []*mirror.Batch, error) {
	batches, settled, err := lookUp(v, index)
	if settled {
		return v, batches, err
	}
	timer := time.NewTimer(h.cfg.settleTime)
	defer timer.Stop()
	tick := time.NewTicker(h.cfg.settleTime / 100) // a view that only has a higher revision wakes nobody
	defer tick.Stop()
	for !settled {
		select {
		case <-v.Changed():
		case <-tick.C:
		case <-timer.C:
			return v, nil, err
		case <-h.closed:
			return v, nil, err
		case <-r.Context().Done():
			return v, nil, err
		}
		v = h.cfg.Mirror.View()
		batches, settled, err = lookUp(v, index)
	}
	return v, batches, err
}

// lookUp returns the batches that have events at an index or later, and whether a
// later view would give the same answer.
func lookUp(v *mirror.View, index uint64) (batches []*mirror.Batch, settled bool, err error) {
	if index > newest(v)+1 {
		return nil, false, fmt.Errorf("index %d is to come, the store is at %d", index, newest(v))
	}
	batches, err = v.History(etcdindex.Before(index))
	return batches, err == nil || !v.Filling(), err
}

// follow sends the first event, now or when it happens, and returns the last index
// that was sent to the client. It fails only before it has sent anything.
//
// The X-Etcd-Index of a past event is that of the last served event, not that of the
// store, so that a client that has all events is not reported as being behind.
func (h *Handler) follow(w http.ResponseWriter, r *http.Request, q query, v *mirror.View, batches []*mirror.Batch) (last uint64, fail *failure) {
	t, fail := h.deliver(r.Context(), h.past, q, v, batches)
	if fail != nil {
		return 0, fail
	}
	if t.body != nil {
		w.Header().Set("X-Etcd-Index", strconv.FormatUint(max(h.lastEvent(batches), t.final), 10))
		h.write(w, t.body)
		return t.last, nil
	}
	w.Header().Set("X-Etcd-Index", strconv.FormatUint(newest(v), 10))
	control := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	if control.Flush() != nil { // clients wait for the headers
		return newest(v), nil
	}
	_ = control.SetWriteDeadline(time.Time{}) // no deadline while there is nothing to send
	for {
		select {
		case <-r.Context().Done():
			return newest(v), nil
		case <-h.closed:
			return newest(v), nil
		case <-v.Changed():
		}
		before := v
		v = h.cfg.Mirror.View()
		batches, all := v.Since(before.Version())
		if !all || h.nothing(v) != nil {
			return newest(before), nil // the next request reports that they are forgotten, or that the store is empty
		}
		for _, b := range batches {
			if b.Reload { // indexes may have restarted
				q.index = 0
			}
		}
		h.deadline(control)
		t, fail := h.deliver(r.Context(), h.turn, q, v, batches)
		if fail != nil {
			return newest(before), nil // the next request gets the events
		}
		if t.body != nil {
			h.write(w, t.body)
			return t.last, nil
		}
		if r.Context().Err() != nil {
			return newest(before), nil
		}
		_ = control.SetWriteDeadline(time.Time{})
	}
}

// bodyOfEvents returns the body for one or more events. The caller must release it.
// Clients that wait for the same events share it.
func (h *Handler) bodyOfEvents(v *mirror.View, q query, events []event) (*body, *failure) {
	if len(events) == 1 {
		return h.bodies.share(v.Version(), bodyKey{key: events[0].Key, event: events[0].index}, func() ([]byte, *failure) {
			return encodeEvent(events[0]), nil
		})
	}
	what := bodyKey{key: q.key, recursive: q.recursive, all: true, event: events[0].index}
	return h.bodies.share(v.Version(), what, func() ([]byte, *failure) { return encodeAll(q.key, latest(events), 0), nil })
}

// write sends a body, after the header or after what was already sent, and releases
// it.
func (h *Handler) write(w http.ResponseWriter, b *body) {
	defer h.bodies.release(b)
	_, _ = w.Write(b.text) // the client may have disconnected
}

// lastOf returns the highest index of events.
func lastOf(events []event) (last uint64) {
	for _, e := range events {
		last = max(last, e.index)
	}
	return last
}

// lastEvent returns the index of the last served event in some batches.
func (h *Handler) lastEvent(batches []*mirror.Batch) uint64 {
	for _, b := range slices.Backward(batches) {
		if from, to := b.Range(h.root); to > from {
			return etcdindex.Event(b.Revision, to-from-1)
		}
	}
	return 0
}

// delivery is the events to send to a client.
type delivery struct {
	body  *body  // must be released; nil if there are no events
	final uint64 // the index of the last event
	last  uint64 // the highest index
}

// deliver returns what to send for a request, if the batches have events for it. A
// change can wake thousands of requests, and thousands may ask for past events. They
// take turns, so that the events are not in memory for all of them at the same time,
// and so that reads do not wait behind all of them. A turn is short, and a client
// that has disconnected does not take one.
func (h *Handler) deliver(ctx context.Context, turn chan struct{}, q query, v *mirror.View, batches []*mirror.Batch) (t delivery, fail *failure) {
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return t, nil
	case <-h.closed:
		return t, nil
	}
	defer func() { <-turn }()
	events := h.events(ctx, q, batches, !q.pybal)
	if len(events) == 0 {
		return t, nil
	}
	t.body, fail = h.bodyOfEvents(v, q, events)
	t.final, t.last = events[len(events)-1].index, lastOf(events)
	return t, fail
}

// events returns the events that a request waits for, or only the first of them. It
// returns none if the context ends during the search, which may be long.
func (h *Handler) events(ctx context.Context, q query, batches []*mirror.Batch, one bool) []event {
	var out []event
	places := h.places(q)
	if len(places) == 0 {
		return nil
	}
	for _, b := range batches {
		if ctx.Err() != nil {
			return nil
		}
		served, _ := b.Range(h.root)
		for _, place := range places {
			from, to := b.Range(place)
			for i := from; i < to; i++ {
				e := event{b.Events[i], etcdindex.Event(b.Revision, i-served)}
				if e.index < q.index || !h.matches(q, e.Key) {
					continue
				}
				if out = append(out, e); one {
					return out
				}
			}
		}
	}
	return out
}

// places returns the keys and the directories whose events match a request. None of
// them contains another, and they are in the order of the events in a batch.
func (h *Handler) places(q query) []string {
	tops := []string{q.key}
	switch h.may(q.key) {
	case outside, denied:
		return nil
	case above: // not a key
		if !q.recursive {
			return nil
		}
		tops = h.servedBelow(q.key)
	case within:
	}
	if !q.recursive {
		return tops
	}
	var places []string
	for _, t := range tops {
		places = append(places, t, t+"/")
	}
	slices.Sort(places)
	return places
}

// servedBelow returns the served paths below a directory that contains everything
// that is served, or a part of it.
func (h *Handler) servedBelow(dir string) []string {
	if len(h.cfg.Allow) == 0 {
		return []string{strings.TrimSuffix(h.root, "/")}
	}
	return slices.DeleteFunc(slices.Clone(h.cfg.Allow), func(a string) bool { return !strings.HasPrefix(a+"/", dir+"/") })
}

// matches reports whether events of a key match a request.
func (h *Handler) matches(q query, key string) bool {
	if key == q.key {
		return h.may(key) == within && !odd(key)
	}
	return q.recursive && strings.HasPrefix(key, q.key+"/") && h.lists(q.key, key)
}

// latest returns the last event of each key, in key order.
func latest(events []event) []event {
	last := make(map[string]event, len(events))
	for _, e := range events {
		last[e.Key] = e
	}
	return slices.SortedFunc(maps.Values(last), func(a, b event) int { return strings.Compare(a.Key, b.Key) })
}

// encodeAll returns a body for PyBal: one directory with everything that has
// changed. PyBal waits next at the highest index in it, which is at least least. A
// node without a value was deleted.
func encodeAll(dir string, events []event, least uint64) []byte {
	n := nodeJSON{Key: dir, Dir: true, Nodes: []nodeJSON{}, Modified: least, Created: least}
	for i, e := range events {
		n.Nodes = append(n.Nodes, e.node())
		n.Modified = max(n.Modified, e.index)
		if i == 0 || e.created() < n.Created {
			n.Created = e.created()
		}
	}
	return encode(replyJSON{Action: "set", Node: n})
}

// cleared answers a request for an unknown index. PyBal never reads again, so it
// gets the current content and all known deletions.
func (h *Handler) cleared(w http.ResponseWriter, v *mirror.View, q query, why error) *failure {
	if !q.pybal {
		oldest := newest(v)
		var forgotten *mirror.ForgottenError
		if errors.As(why, &forgotten) {
			oldest = etcdindex.Last(forgotten.Oldest) + 1
		}
		return &failure{
			status: http.StatusBadRequest, code: codeIndexCleared, index: newest(v),
			cause: fmt.Sprintf("the requested history has been cleared [%d/%d]", oldest, q.index),
		}
	}
	q.index = 0
	body, fail := h.bodies.share(v.Version(), bodyKey{key: q.key, recursive: q.recursive, all: true}, func() ([]byte, *failure) {
		return h.everything(v, q), nil
	})
	if fail != nil {
		return fail
	}
	defer h.bodies.release(body)
	w.Header().Set("X-Etcd-Index", strconv.FormatUint(newest(v), 10))
	send(w, http.StatusOK, body.text)
	return nil
}

// everything returns a body for PyBal: the current content and all known deletions.
// It is completed even if the client has disconnected, because others may share it.
func (h *Handler) everything(v *mirror.View, q query) []byte {
	known := latest(h.events(context.Background(), q, v.Retained(), false))
	known = slices.DeleteFunc(known, func(e event) bool { return !e.Deleted })
	for _, e := range h.list(v, q.key) {
		known = append(known, event{mirror.Event{Event: store.Event{Entry: *e}}, etcdindex.Last(e.Modified)})
	}
	return encodeAll(q.key, known, newest(v))
}
