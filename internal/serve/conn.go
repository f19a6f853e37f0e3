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

// limitedConn is a connection that is counted until it is closed.
type limitedConn struct {
	net.Conn
	leave         func()
	maxUnanswered int64        // see bounded.maxUnanswered
	unanswered    atomic.Int64 // bytes read since the last write

	mu  sync.Mutex
	end context.CancelFunc // ends its requests; nil before the first
}

// Close closes the connection, removes it from the count, and ends its requests.
func (c *limitedConn) Close() error {
	c.leave()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != nil {
		c.end()
	}
	return c.Conn.Close()
}

// maxTLSUnanswered is the maxUnanswered of TLS connections. TLS may keep
// incomplete handshake messages of up to 64 KiB in memory; the first message of a
// client has at most 2 KiB. The limit is larger than a TLS record and than the
// largest request.
const maxTLSUnanswered = 20 << 10

var errUnanswered = errors.New("the client sends too much before it is answered")

// Read fails after maxUnanswered bytes without a write.
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

// Write resets the count of unanswered bytes.
func (c *limitedConn) Write(p []byte) (int, error) {
	c.unanswered.Store(0)
	return c.Conn.Write(p)
}

// failed reports whether the kernel knows that the connection has failed.
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

// requestsEndWith is a http.Server.ConnContext. The context that it returns ends
// when the connection is closed.
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
