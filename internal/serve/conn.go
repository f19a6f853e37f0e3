package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// limitedConn is a connection that counts until it is closed.
type limitedConn struct {
	net.Conn
	leave         func()
	maxUnanswered int64        // as of the listener
	unanswered    atomic.Int64 // bytes that were read since the last write

	mu  sync.Mutex
	end context.CancelFunc // of its requests; nil before there is one
}

// Close closes the connection, makes room for another, and ends what waits.
func (c *limitedConn) Close() error {
	c.leave()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != nil {
		c.end()
	}
	return c.Conn.Close()
}

// maxTLSUnanswered is for TLS, which keeps handshake messages of up to 64 KiB in
// memory until they are whole, at any time. A client's first is of 2 KiB or less.
// It is more than a record of TLS, and than a request with all that it may have.
const maxTLSUnanswered = 20 << 10

var errUnanswered = errors.New("the client sends too much before it is answered")

// Read reads what may come.
func (c *limitedConn) Read(p []byte) (int, error) {
	if c.maxUnanswered == 0 {
		return c.Conn.Read(p)
	}
	left := c.maxUnanswered - c.unanswered.Load()
	if left <= 0 {
		return 0, errUnanswered
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), left)])
	c.unanswered.Add(int64(n))
	return n, err
}

// Write lets as much come as before.
func (c *limitedConn) Write(p []byte) (int, error) {
	c.unanswered.Store(0)
	return c.Conn.Write(p)
}

// failed reports whether the kernel knows that the client has gone.
func (c *limitedConn) failed() bool {
	tcp, ok := c.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	cause := 0
	bad := raw.Control(func(fd uintptr) {
		cause, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
	})
	return bad == nil && err == nil && cause != 0
}

// requestsEndWith is for http.Server.ConnContext: the requests of a connection end
// when it is closed.
func requestsEndWith(ctx context.Context, c net.Conn) context.Context {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	if conn, ok := c.(*limitedConn); ok {
		conn.mu.Lock()
		defer conn.mu.Unlock()
		ctx, conn.end = context.WithCancel(ctx)
	}
	return ctx
}
