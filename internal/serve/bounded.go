package serve

import (
	"net"
	"net/netip"
	"sync"
)

// bounded is a listener that limits how many connections are open at once: in
// all, and from one address, so that one client cannot keep out the others. It
// closes a connection beyond a limit at once, which costs nothing and lets the client
// try elsewhere.
type bounded struct {
	net.Listener
	maxTotal, maxEach int
	refused           func(limit string) // is called for each closed connection

	mu   sync.Mutex
	open int
	from map[netip.Addr]int // by source
}

func newBounded(l net.Listener, maxTotal, maxEach int, refused func(limit string)) *bounded {
	return &bounded{Listener: l, maxTotal: maxTotal, maxEach: maxEach, refused: refused, from: make(map[netip.Addr]int)}
}

// Accept returns the next connection that is within the limits.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		at := clientAddr(c.RemoteAddr())
		if limit := b.enter(at); limit != "" {
			b.refused(limit)
			_ = c.Close() // nothing was read or written
			continue
		}
		return &limitedConn{Conn: c, leave: sync.OnceFunc(func() { b.leave(at) })}, nil
	}
}

// enter counts a connection, or returns which limit is reached.
func (b *bounded) enter(at netip.Addr) (limit string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.open >= b.maxTotal:
		return limitTotal
	case b.from[at] >= b.maxEach:
		return limitAddress
	}
	b.open++
	b.from[at]++
	return ""
}

func (b *bounded) leave(at netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
	if b.from[at]--; b.from[at] == 0 {
		delete(b.from, at)
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

// limitedConn is a connection that counts until it is closed.
type limitedConn struct {
	net.Conn
	leave func()
}

// Close closes the connection and makes room for another.
func (c *limitedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
