package serve

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// bounded is a listener that limits how many connections are open at once, in
// total and from one address, so that one client cannot keep out the others. It
// closes a connection beyond a limit immediately, which is cheap and lets the
// client try another server.
type bounded struct {
	net.Listener
	maxTotal, maxEach int
	refused           func(limit string) // called for each connection that is closed
	stop              func()             // ends closeDeadUntil
	maxUnanswered     int64              // bytes read from a connection before a reply is written; 0 for no limit

	mu   sync.Mutex
	open map[*limitedConn]struct{}
	from map[netip.Addr]int // connections by source
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

// Close makes Accept fail. Open connections are not closed.
func (b *bounded) Close() error {
	b.stop()
	return b.Listener.Close()
}

// Accept returns the next connection within the limits.
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

// enter counts a connection, or returns the limit that is reached.
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

// closeDead closes the connections that the kernel reports as failed. While a
// request waits, net/http does not notice the failure if its client has sent
// more: a body or another request.
func (b *bounded) closeDead() {
	b.mu.Lock()
	all := slices.Collect(maps.Keys(b.open))
	b.mu.Unlock()
	for _, c := range all {
		if c.failed() {
			_ = c.Close() // the connection has failed already
		}
	}
}

// closeDeadUntil calls closeDead every five seconds until the listener is closed.
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

// clientAddr returns the address by which connections are counted: the IPv4
// address, or the /64 network of an IPv6 address, because one host may use all of
// it.
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
