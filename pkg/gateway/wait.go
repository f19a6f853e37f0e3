package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/mirror"
	"github.com/conftool/confctl/pkg/store"
)

// settleTime is for an index that the mirror may come to know of: another
// gateway is a little ahead, or the history is still being read. It is less
// than clients give until there are headers.
const settleTime = 2 * time.Second

// wait answers a request with wait=true: with the first event that there is, or
// will be, at its index or a later one.
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
	case outside, above, within:
	}
	if q.index == 0 {
		q.index = newest(v) + 1
	}
	v, batches, err := h.settle(r, v, q.index)
	if err != nil {
		return h.cleared(w, v, q, err)
	}
	w.Header().Set("X-Etcd-Index", strconv.FormatUint(newest(v), 10))
	h.follow(w, r, q, v, batches)
	return nil
}

// settle returns the batches to look for an index in, and the view that they
// are of. An index that is not known of is forgotten, or of a store that was
// put back since: in both cases the client has to read again.
func (h *Handler) settle(r *http.Request, v *mirror.View, index uint64) (*mirror.View, []*mirror.Batch, error) {
	batches, settled, err := lookUp(v, index)
	if settled {
		return v, batches, err
	}
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	tick := time.NewTicker(settleTime / 100) // a view that has but another revision wakes nobody
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

// lookUp returns the batches that have events at an index or later ones, and
// whether a later view will say the same.
func lookUp(v *mirror.View, index uint64) (batches []*mirror.Batch, settled bool, err error) {
	if index > newest(v)+1 {
		return nil, false, fmt.Errorf("index %d is to come, the store is at %d", index, newest(v))
	}
	// The last index of a revision is no event's.
	batches, err = v.History(max(0, store.Revision((index+1)/perRevision)-1))
	return batches, err == nil || !v.Filling(), err
}

// follow answers with the first event there is or will be.
func (h *Handler) follow(w http.ResponseWriter, r *http.Request, q query, v *mirror.View, batches []*mirror.Batch) {
	if h.answer(w, q, batches) {
		return
	}
	control := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	if control.Flush() != nil { // clients wait for the headers
		return
	}
	_ = control.SetWriteDeadline(time.Time{}) // nothing is sent for as long as it takes
	for {
		select {
		case <-r.Context().Done():
			return
		case <-h.closed:
			return
		case <-v.Changed():
		}
		seen := v.Version()
		v = h.cfg.Mirror.View()
		batches, all := v.Since(seen)
		if !all {
			return // asked again, it is told that they are forgotten
		}
		for _, b := range batches {
			if b.Reload { // indexes may have begun anew
				q.index = 0
			}
		}
		h.deadline(control)
		if h.answer(w, q, batches) {
			return
		}
		_ = control.SetWriteDeadline(time.Time{})
	}
}

// answer writes the answer if the batches have one.
func (h *Handler) answer(w http.ResponseWriter, q query, batches []*mirror.Batch) bool {
	body := h.told(q, batches)
	if body == nil {
		return false
	}
	_, _ = w.Write(body) //nolint:gosec // the client may have gone; it is JSON, and says so
	return true
}

// told is the body of the answer if the batches have one, else nil. One change can
// wake thousands: they are told one after the other, so that who reads meanwhile
// does not have to wait behind all of them.
func (h *Handler) told(q query, batches []*mirror.Batch) []byte {
	h.turn <- struct{}{}
	defer func() { <-h.turn }()
	events := h.events(q, batches, !q.pybal)
	switch len(events) {
	case 0:
		return nil
	case 1:
		return appendEvent(events[0])
	}
	return appendAll(q.key, latest(events), 0)
}

// events returns those that a request waits for, or only the first of them.
func (h *Handler) events(q query, batches []*mirror.Batch, one bool) []event {
	var out []event
	for _, b := range batches {
		served, _ := b.Range(h.root)
		from, to := b.Range(q.key)
		if q.recursive {
			from, to = h.under(b, q.key)
		}
		for i := from; i < to; i++ {
			e := event{b.Events[i], eventAt(b.Revision, i-served)}
			if e.index < q.index || !h.tells(q, e.Key) {
				continue
			}
			if out = append(out, e); one {
				return out
			}
		}
	}
	return out
}

// under is where the events of a key and of all below it are. In between there
// may be others.
func (h *Handler) under(b *mirror.Batch, key string) (from, to int) {
	from, to = b.Range(h.prefix(key))
	if itself, end := b.Range(key); key != "" && itself < end {
		from, to = itself, max(end, to)
	}
	return from, to
}

// tells reports whether a request hears of a key.
func (h *Handler) tells(q query, key string) bool {
	if key == q.key {
		return h.may(key) == within && !odd(key)
	}
	return q.recursive && strings.HasPrefix(key, q.key+"/") && h.lists(q.key, key)
}

// latest makes of several events the last of each key, in key order.
func latest(events []event) []event {
	last := make(map[string]event, len(events))
	for _, e := range events {
		last[e.Key] = e
	}
	return slices.SortedFunc(maps.Values(last), func(a, b event) int { return strings.Compare(a.Key, b.Key) })
}

// appendAll is a body for PyBal: one directory with all that has changed. It
// goes on waiting at the highest index in it, which is at least the one given.
// A node without a value is a deleted one.
func appendAll(dir string, events []event, index uint64) []byte {
	b := append([]byte(nil), `{"action":"set","node":{"key":`...)
	b = appendString(b, dir)
	b = append(b, `,"dir":true,"nodes":[`...)
	created := index
	for i, e := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendChange(b, e)
		index = max(index, e.index)
		if i == 0 || e.index < created {
			created = e.index
		}
	}
	b = append(b, ']')
	b = appendIndexes(b, index, created)
	return append(b, "}}\n"...)
}

// cleared answers a request for an index that is not known of. PyBal never
// reads again, so it is given all there is, and all that is known to have gone.
func (h *Handler) cleared(w http.ResponseWriter, v *mirror.View, q query, why error) *failure {
	if !q.pybal {
		oldest := newest(v)
		var forgotten *mirror.ForgottenError
		if errors.As(why, &forgotten) {
			oldest = lastOf(forgotten.Oldest) + 1
		}
		return &failure{
			status: http.StatusBadRequest, code: codeIndexCleared, index: newest(v),
			cause: fmt.Sprintf("the requested history has been cleared [%d/%d]", oldest, q.index),
		}
	}
	q.index = 0
	known := latest(h.events(q, v.Retained(), false))
	known = slices.DeleteFunc(known, func(e event) bool { return !e.Deleted })
	for _, e := range h.list(v, q.key) {
		known = append(known, event{mirror.Event{Event: store.Event{Entry: *e}}, lastOf(e.Modified)})
	}
	w.Header().Set("X-Etcd-Index", strconv.FormatUint(newest(v), 10))
	send(w, http.StatusOK, appendAll(q.key, known, newest(v)))
	return nil
}
