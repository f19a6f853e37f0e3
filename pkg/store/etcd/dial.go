package etcd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/stats"
)

// dial makes one connection and waits until the server has answered on it.
// The gRPC library says of a failure only that there was one, so each layer
// notes its own.
func (s *Store) dial(e *endpoint) (*link, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeout)
	defer cancel()
	seen := newRecord()
	conn, err := grpc.NewClient("passthrough:///"+e.target, s.dialOptions(e, seen)...)
	if err != nil {
		return nil, err
	}
	for {
		state := conn.GetState()
		switch state {
		case connectivity.Ready:
			return &link{ClientConn: conn, at: e, seen: seen}, nil
		case connectivity.Idle:
			conn.Connect()
		case connectivity.TransientFailure, connectivity.Shutdown:
			_ = conn.Close() // it has failed already
			return nil, s.unconnected(e, seen.cause())
		}
		if !conn.WaitForStateChange(ctx, state) {
			_ = conn.Close() // it is given up
			return nil, noAnswer(s.cfg.Timeout)
		}
	}
}

// unconnected says why there is no connection.
func (s *Store) unconnected(e *endpoint, err error) error {
	if !e.secure && isAny(err, io.EOF, syscall.ECONNRESET) {
		return saying(err, "connection closed by the server, does it want https?")
	}
	return plainly(err, s.cfg.CACert)
}

func (s *Store) dialOptions(e *endpoint, seen *record) []grpc.DialOption {
	creds := insecure.NewCredentials()
	if e.secure {
		creds = credentials.NewTLS(s.tls)
	}
	dialer := &net.Dialer{Resolver: s.resolver}
	const longer = 2 // than dial waits: so it is dial that gives up, and says so
	return []grpc.DialOption{
		grpc.WithTransportCredentials(noting{creds, seen}),
		grpc.WithContextDialer(func(ctx context.Context, target string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, "tcp", target)
			seen.note(err)
			return conn, err
		}),
		grpc.WithStatsHandler(marker{}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32)),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: longer * s.cfg.Timeout}),
		grpc.WithNoProxy(),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableHealthCheck(),
		grpc.WithUserAgent("confctl"),
	}
}

// record is what went wrong first on a connection.
type record struct {
	mu    sync.Mutex
	err   error
	noted chan struct{} // closed once there is one
}

func newRecord() *record { return &record{noted: make(chan struct{})} }

func (r *record) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && err != nil {
		r.err = err
		close(r.noted)
	}
}

func (r *record) cause() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// noting are credentials that note why a handshake failed, and what the
// connection fails with afterwards: a server that wants a client certificate
// says so only then.
type noting struct {
	credentials.TransportCredentials
	seen *record
}

func (n noting) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := n.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		n.seen.note(&handshakeError{err})
		return nil, nil, err
	}
	_, secure := info.(credentials.TLSInfo)
	return &notingConn{Conn: conn, seen: n.seen, plain: !secure}, info, nil
}

func (n noting) Clone() credentials.TransportCredentials {
	return noting{n.TransportCredentials.Clone(), n.seen}
}

// handshakeError tells a failure of TLS from one of the network.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

type notingConn struct {
	net.Conn
	seen  *record
	plain bool
	begun atomic.Bool
}

// errSpeaksTLS is noted when the answer to plain HTTP/2 is a TLS alert.
var errSpeaksTLS = errors.New("the server speaks TLS")

// errSpeaksHTTP1 is noted when the answer is one of HTTP/1.
var errSpeaksHTTP1 = errors.New("the server is not etcd")

func (c *notingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.begun.Swap(true) {
		err = errors.Join(c.foreign(p[:n]), err)
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		c.seen.note(err)
	}
	return n, err
}

// Write leaves it to Read to say why the other side broke off, if that is what
// it did.
func (c *notingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		select {
		case <-c.seen.noted:
		case <-time.After(stagger):
		}
		c.seen.note(err)
	}
	return n, err
}

// foreign is an error if the first bytes of a server are not those of HTTP/2.
// The library would wait for more.
func (c *notingConn) foreign(first []byte) error {
	switch {
	case c.plain && bytes.HasPrefix(first, []byte{0x15, 0x03}): // an alert, and the version
		return errSpeaksTLS
	case bytes.HasPrefix(first, []byte("HTTP/")):
		return errSpeaksHTTP1
	}
	return nil
}

// mark follows one attempt: whether it was sent, so that it may have been
// performed, and whether its answer has begun to arrive.
type mark struct {
	sent, answered atomic.Bool
}

type markKey struct{}

// marker keeps the mark of each attempt.
type marker struct{}

func (marker) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (marker) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (marker) HandleConn(context.Context, stats.ConnStats)                       {}

func (marker) HandleRPC(ctx context.Context, event stats.RPCStats) {
	m, ok := ctx.Value(markKey{}).(*mark)
	if !ok {
		return
	}
	switch event.(type) {
	case *stats.OutHeader:
		m.sent.Store(true)
	case *stats.InHeader:
		m.answered.Store(true)
	}
}
