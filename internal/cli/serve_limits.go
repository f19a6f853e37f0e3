package cli

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// listenTCP listens on an address. A client that is gone without a word, such as
// a host that lost its power, is noticed after 30 seconds: otherwise its requests
// would wait here for hours.
func listenTCP(ctx context.Context, address string) (net.Listener, error) {
	c := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 10 * time.Second, Count: 2,
	}}
	return c.Listen(ctx, "tcp", address)
}

// bounded is a listener that limits how many connections are open at once: in
// all, and from one address, so that one client cannot keep out the others. It
// closes a connection beyond a limit at once, which tells the client to go
// elsewhere and costs nothing.
type bounded struct {
	net.Listener
	most, each int
	refused    func(limit string) // told of one closed: by the limit total or address

	mu   sync.Mutex
	open int
	from map[netip.Addr]int // by source
}

// newRefused returns the counter of connections that were closed at once, by the
// part they were for and the limit that was reached.
func newRefused() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "confctl", Name: "refused_connections_total",
		Help: "Connections closed at once because a limit was reached: that of all connections, or that of one address.",
	}, []string{"part", "limit"})
}

func newBounded(l net.Listener, most, each int, refused func(limit string)) *bounded {
	return &bounded{Listener: l, most: most, each: each, refused: refused, from: make(map[netip.Addr]int)}
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
	case b.open >= b.most:
		return "total"
	case b.from[at] >= b.each:
		return "address"
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

// clientAddr is what counts as one address: the address itself, or for IPv6 its
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

// Limits on what a request may bring along. Readers send a few short header
// fields and no body. net/http adds 4 KiB to maxHeaderBytes.
const (
	maxHeaderBytes = 4 << 10
	maxFields      = 64
	maxBody        = 64 << 10
	bodyTime       = 2 * time.Second
)

// lighten drops what a request brought along before it is answered: a request
// may wait for hours, and its header fields take far more memory than they took
// bytes on the way here.
func lighten(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fields, kept := 0, http.Header{}
		for name, values := range r.Header {
			fields += len(values)
			switch name {
			case "Connection", "User-Agent", "Accept", "Accept-Encoding": // for net/http, the gateway and the metrics
				kept[name] = values
			}
		}
		if fields > maxFields {
			w.Header().Set("Connection", "close")
			http.Error(w, "too many header fields", http.StatusRequestHeaderFieldsTooLarge)
			return
		}
		r.Header = kept
		discardBody(w, r)
		next.ServeHTTP(w, r)
	})
}

// discardBody reads past the body of a request. The next request stands behind
// it, and the server would wait for all of it before it answers this one; where it
// does not come in time, the connection ends with the answer.
func discardBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // a server's connection has one
	if r.ContentLength > maxBody {
		return
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(r.Body, maxBody+1)); err == nil && n <= maxBody {
		_ = control.SetReadDeadline(time.Time{})
	}
}
