package gateway

import (
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Bounds of what is remembered of clients.
const (
	defaultRecall = 5 * time.Second

	maxRecalled     = 4096 // keys that clients wait for
	maxOfOne        = 64   // clients of one address that wait for one key
	longestRecalled = 256  // bytes of a key
)

// recall remembers up to which index clients were told. One that waits without an
// index means "from now", and would lose what has happened while it was busy with
// the answer before. If it asks again soon, it is told of that.
//
// A client is known by its address, and clients that share one, behind a proxy or
// NAT, by their ports. One that comes with a new port may be any of those that are
// expected, so it goes on from the lowest index: it may be told of what it knows,
// and in turn another one may miss what it would have missed without all this.
type recall struct {
	keep time.Duration

	mu   sync.Mutex
	told map[waiter][]place
}

// waiter is who waits for what.
type waiter struct {
	host, key string
	recursive bool
}

// place is where one client stopped.
type place struct {
	port  string
	index uint64
	at    time.Time
}

func newRecall(keep time.Duration) *recall {
	return &recall{keep: keep, told: map[waiter][]place{}}
}

// client is who asks, and its port.
func client(r *http.Request, q query) (w waiter, port string) {
	host, port, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return waiter{host, q.key, q.recursive}, port
}

// note remembers up to where a client was told.
func (m *recall) note(w waiter, port string, index uint64) {
	if len(w.key) > longestRecalled || m.keep <= 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.told[w]; !known && len(m.told) >= maxRecalled {
		m.makeRoom()
	}
	places := m.fresh(w)
	if len(places) >= maxOfOne {
		places = places[1:]
	}
	m.told[w] = append(places, place{port, index, time.Now()})
}

// take returns, and forgets, up to where a client was told that asks again.
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

// claim forgets the place of a client that says itself up to where it was told.
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

// drop forgets one place of a waiter, if there is one, and the waiter if no other
// is left.
func (m *recall) drop(w waiter, places []place, i int) {
	if i >= 0 {
		places = slices.Delete(places, i, i+1)
	}
	if m.told[w] = places; len(places) == 0 {
		delete(m.told, w)
	}
}

// fresh are the places of a waiter that are not too old.
func (m *recall) fresh(w waiter) []place {
	return slices.DeleteFunc(m.told[w], func(p place) bool { return time.Since(p.at) > m.keep })
}

// makeRoom forgets what is too old, and more if need be, so that it is not called
// each time.
func (m *recall) makeRoom() {
	for w := range m.told {
		if places := m.fresh(w); len(places) > 0 {
			m.told[w] = places
		} else {
			delete(m.told, w)
		}
	}
	for w := range m.told {
		if len(m.told) <= maxRecalled/4*3 {
			return
		}
		delete(m.told, w)
	}
}
