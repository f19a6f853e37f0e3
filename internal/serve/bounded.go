package serve

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// bounded is a listener that limits how many connections are open at once: in
// all, and from one address, so that one client cannot keep out the others. It
// closes a connection beyond a limit at once, which costs nothing and lets the client
// try elsewhere.
type bounded struct {
	net.Listener
	maxTotal, maxEach int
	refused           func(limit string) // is called for each closed connection
	stop              func()             // ends closeDeadUntil
	maxUnanswered     int64              // bytes that a connection may send before it is sent some; no limit if 0

	mu   sync.Mutex
	open map[*limitedConn]struct{}
	from map[netip.Addr]int // by source
}

func newBounded(l net.Listener, maxTotal, maxEach int, refused func(limit string)) *bounded {
	closed := make(chan struct{})
	b := &bounded{
		Listener: l, maxTotal: maxTotal, maxEach: maxEach, refused: refused, stop: sync.OnceFunc(func() { close(closed) }),
		open: make(map[*limitedConn]struct{}), from: make(map[netip.Addr]int),
	}
	go b.closeDeadUntil(closed)
	return b
}

// Close ends Accept. Connections stay open.
func (b *bounded) Close() error {
	b.stop()
	return b.Listener.Close()
}

// Accept returns the next connection that is within the limits.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		conn := &limitedConn{Conn: c, maxUnanswered: b.maxUnanswered}
		at := clientAddr(c.RemoteAddr())
		conn.leave = sync.OnceFunc(func() { b.leave(conn, at) })
		if limit := b.enter(conn, at); limit != "" {
			b.refused(limit)
			_ = c.Close() // nothing was read or written
			continue
		}
		return conn, nil
	}
}

// enter counts a connection, or returns which limit is reached.
func (b *bounded) enter(c *limitedConn, at netip.Addr) (limit string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case len(b.open) >= b.maxTotal:
		return limitTotal
	case b.from[at] >= b.maxEach:
		return limitAddress
	}
	b.open[c] = struct{}{}
	b.from[at]++
	return ""
}

func (b *bounded) leave(c *limitedConn, at netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, c)
	if b.from[at]--; b.from[at] == 0 {
		delete(b.from, at)
	}
}

// closeDead closes the connections that the kernel knows to have failed. While a
// request waits, net/http does not notice if there is more to read from its
// client: a body, or another request.
func (b *bounded) closeDead() {
	b.mu.Lock()
	all := slices.Collect(maps.Keys(b.open))
	b.mu.Unlock()
	for _, c := range all {
		if c.failed() {
			_ = c.Close() // it is of no use to anybody
		}
	}
}

// closeDeadUntil does so every few seconds until the listener is closed.
func (b *bounded) closeDeadUntil(closed <-chan struct{}) {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			b.closeDead()
		case <-closed:
			return
		}
	}
}

// clientAddr returns what counts as one address: the address itself, or for IPv6 its
// network of 64 bits, all of which one host may use.
func clientAddr(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	at := tcp.AddrPort().Addr().Unmap().WithZone("")
	if at.Is6() {
		if network, err := at.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return at
}
