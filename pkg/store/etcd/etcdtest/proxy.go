package etcdtest

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// Proxy forwards connections to a server, and simulates faults of networks. Its
// methods may be called from several goroutines.
type Proxy struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	changed *sync.Cond // signals that frozen, dead or open changed
	frozen  bool
	open    map[*connection]bool
	taken   int
}

// connection is a client's connection through a proxy. The proxy's mutex guards dead.
type connection struct {
	client, server net.Conn
	dead           bool // data is dropped
}

// NewProxy runs a proxy for the server at a URL until the test ends.
func NewProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l, target: strings.TrimPrefix(to, "http://"), open: make(map[*connection]bool)}
	p.changed = sync.NewCond(&p.mu)
	go p.accept()
	t.Cleanup(func() {
		_ = l.Close()
		p.Cut()
		p.Thaw()
	})
	return p
}

// URL returns the URL of the proxy.
func (p *Proxy) URL() string { return "http://" + p.listener.Addr().String() }

// Freeze holds back all data in both directions, on existing and new connections,
// which stay open: as if the server's process were stopped.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true
}

// Thaw ends a Freeze. The data held back arrives.
func (p *Proxy) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = false
	p.changed.Broadcast()
}

// Forget drops all data on the existing connections without closing them, as a
// firewall does that has lost its state. New connections work.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.dead = true
	}
	p.changed.Broadcast()
}

// Cut closes the existing connections. New connections work.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		p.close(c)
	}
	p.changed.Broadcast()
}

// Taken returns the number of connections accepted so far.
func (p *Proxy) Taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close() // the server refuses connections
			continue
		}
		c := &connection{client: client, server: server}
		p.mu.Lock()
		p.open[c] = true
		p.taken++
		p.mu.Unlock()
		go p.pass(c, server, client)
		go p.pass(c, client, server)
	}
}

// pass copies data in one direction until either end closes.
func (p *Proxy) pass(c *connection, to io.Writer, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		dead := p.held(c)
		if n > 0 && !dead {
			_, err = to.Write(buffer[:n])
		}
		if err != nil {
			p.ended(c, dead)
			return
		}
	}
}

// held waits while the proxy is frozen, and reports whether the connection is dead.
func (p *Proxy) held(c *connection) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.frozen && !c.dead && p.open[c] {
		p.changed.Wait()
	}
	return c.dead
}

// ended closes both ends. If the connection is dead, neither end may learn that the
// other has closed, so it does nothing.
func (p *Proxy) ended(c *connection, dead bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !dead {
		p.close(c)
	}
}

// close closes both ends. The caller holds the mutex.
func (p *Proxy) close(c *connection) {
	_ = c.client.Close()
	_ = c.server.Close()
	delete(p.open, c)
}
