package etcdtest

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// Proxy stands before a server, and does with what passes what networks do.
// Its methods may be called from several goroutines.
type Proxy struct {
	listener net.Listener
	target   string

	mu     sync.Mutex
	goesOn *sync.Cond // frozen has ended, or a connection has
	frozen bool
	open   map[*passage]bool
	taken  int
}

// passage is a connection through a proxy. What it needs of the proxy is held by
// the proxy's mutex.
type passage struct {
	client, server net.Conn
	dead           bool // what comes goes nowhere
}

// NewProxy runs a proxy before the server at a URL until the test ends.
func NewProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l, target: strings.TrimPrefix(to, "http://"), open: make(map[*passage]bool)}
	p.goesOn = sync.NewCond(&p.mu)
	go p.accept()
	t.Cleanup(func() {
		_ = l.Close()
		p.Cut()
		p.Thaw()
	})
	return p
}

// URL is where the proxy takes connections.
func (p *Proxy) URL() string { return "http://" + p.listener.Addr().String() }

// Freeze keeps back what is sent from now on, either way and on new connections
// too, which stay open: as if the server's process stood still.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true
}

// Thaw ends a Freeze. What was kept back arrives.
func (p *Proxy) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = false
	p.goesOn.Broadcast()
}

// Forget drops all that is sent on the connections there are, without closing
// them: as a firewall does that has forgotten them. New ones work.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.dead = true
	}
	p.goesOn.Broadcast()
}

// Cut closes the connections there are. New ones work.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		p.close(c)
	}
	p.goesOn.Broadcast()
}

// Taken is how many connections the proxy has taken so far.
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
			_ = client.Close() // as the server itself would refuse it
			continue
		}
		c := &passage{client: client, server: server}
		p.mu.Lock()
		p.open[c] = true
		p.taken++
		p.mu.Unlock()
		go p.pass(c, server, client)
		go p.pass(c, client, server)
	}
}

// pass copies one way, until either end has gone.
func (p *Proxy) pass(c *passage, to io.Writer, from io.Reader) {
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

// held waits while the proxy is frozen, and reports whether a connection is dead.
func (p *Proxy) held(c *passage) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.frozen && !c.dead && p.open[c] {
		p.goesOn.Wait()
	}
	return c.dead
}

// ended closes both ends. Of a dead connection no end hears that the other has
// gone.
func (p *Proxy) ended(c *passage, dead bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !dead {
		p.close(c)
	}
}

// close is called with the mutex held.
func (p *Proxy) close(c *passage) {
	_ = c.client.Close()
	_ = c.server.Close()
	delete(p.open, c)
}
