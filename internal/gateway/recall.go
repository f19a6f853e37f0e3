package gateway

import (
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Limits of what is remembered of clients.
const (
	defaultRecall = 5 * time.Second

	maxRecalled     = 4096 // keys that clients wait for
	maxOfOne        = 64   // clients at one address that wait for one key
	longestRecalled = 256  // bytes of a key
)

// recall remembers the last index that was sent to each client. A client that waits
// without an index waits from now on, and would lose the events while it processes
// the previous one. If it asks again soon, it gets those events.
//
// A client is identified by its address and, if several share an address behind a
// proxy or NAT, by its port. A client with a new port may be any of those that are
// expected, so it continues from the lowest index: it may get events that it already
// has, and another client may then miss events, as it would without recall.
type recall struct {
	keep time.Duration

	mu   sync.Mutex
	sent map[waiter][]place
}

// waiter identifies the clients of one address that wait for one key.
type waiter struct {
	host, key string
	recursive bool
}

// place is the last index that was sent to one client.
type place struct {
	port  string
	index uint64
	at    time.Time
}

func newRecall(keep time.Duration) *recall {
	return &recall{keep: keep, sent: map[waiter][]place{}}
}

// client returns the waiter and the port of a request.
func client(r *http.Request, q query) (w waiter, port string) {
	host, port, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return waiter{host, q.key, q.recursive}, port
}

// note remembers the last index that was sent to a client.
func (m *recall) note(w waiter, port string, index uint64) {
	if len(w.key) > longestRecalled || m.keep <= 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.sent[w]; !known && len(m.sent) >= maxRecalled {
		m.makeRoom()
	}
	places := m.fresh(w)
	if len(places) >= maxOfOne {
		places = places[1:]
	}
	m.sent[w] = append(places, place{port, index, time.Now()})
}

// take returns and forgets the last index that was sent to a client that asks again.
func (m *recall) take(w waiter, port string) (index uint64, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	places := m.fresh(w)
	if len(places) == 0 {
		m.drop(w, places, -1)
		return 0, false
	}
	i := slices.IndexFunc(places, func(p place) bool { return p.port == port })
	if i < 0 {
		i = 0
		for n, p := range places {
			if p.index < places[i].index {
				i = n
			}
		}
	}
	index = places[i].index
	m.drop(w, places, i)
	return index, true
}

// claim forgets the place of a client that sends its own index.
func (m *recall) claim(w waiter, port string, index uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	places := m.fresh(w)
	i := slices.IndexFunc(places, func(p place) bool { return p.port == port })
	if i < 0 {
		i = slices.IndexFunc(places, func(p place) bool { return p.index == index })
	}
	m.drop(w, places, i)
}

// drop forgets place i of a waiter, if i is not negative, and the waiter if it has
// no places left.
func (m *recall) drop(w waiter, places []place, i int) {
	if i >= 0 {
		places = slices.Delete(places, i, i+1)
	}
	if m.sent[w] = places; len(places) == 0 {
		delete(m.sent, w)
	}
}

// fresh returns the places of a waiter that have not expired.
func (m *recall) fresh(w waiter) []place {
	return slices.DeleteFunc(m.sent[w], func(p place) bool { return time.Since(p.at) > m.keep })
}

// makeRoom forgets expired places, and more if necessary, so that it does not have
// to run for each new waiter.
func (m *recall) makeRoom() {
	for w := range m.sent {
		if places := m.fresh(w); len(places) > 0 {
			m.sent[w] = places
		} else {
			delete(m.sent, w)
		}
	}
	for w := range m.sent {
		if len(m.sent) <= maxRecalled/4*3 {
			return
		}
		delete(m.sent, w)
	}
}
