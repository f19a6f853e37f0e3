package etcd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/conftool/confctl/internal/netcause"
)

// record holds the first error of a connection. The libraries report only that a
// connection failed, so each layer records its cause.
type record struct {
	at     *endpoint
	naming *netcause.Naming
	begun  atomic.Bool // a byte has arrived
	mu     sync.Mutex
	err    error
	noted  chan struct{} // closed when err is set
}

func (r *record) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && err != nil {
		r.err = err
		close(r.noted)
	}
}

// dial opens a connection for a session and begins its record.
func (s *Store) dial(ctx context.Context, to *session, target string) (net.Conn, error) {
	i := slices.IndexFunc(s.endpoints, func(e *endpoint) bool { return e.target == target })
	ctx, naming := netcause.Trace(ctx)
	r := &record{at: s.endpoints[i], naming: naming, noted: make(chan struct{})}
	to.mu.Lock()
	to.records[target] = r
	to.mu.Unlock()
	dialer := &net.Dialer{Resolver: s.resolver}
	conn, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		r.note(err)
		return nil, err
	}
	return conn, nil
}

func (u *session) record(target string) *record {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.records[target]
}

// cause returns why there is no connection to an endpoint, or nil if that is not
// known.
func (s *Store) cause(ctx context.Context, u *session, e *endpoint) error {
	r := u.record(e.target)
	if r == nil {
		return nil
	}
	r.mu.Lock()
	err := r.err
	r.mu.Unlock()
	var known *cause
	switch {
	case err == nil && r.naming.Unanswered():
		return errors.New(netcause.NoNameServer)
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case !e.secure && !r.begun.Load() && isClosed(err):
		if netcause.SpeaksTLS(ctx, e.target) {
			return causef(err, "%s", wantsTLS)
		}
		return causef(err, "connection closed by the server")
	}
	return connectionCause(err, s.cfg.CACert)
}

// isClosed reports whether the other side closed a connection. A proxy may have done
// so for a reason of its own.
func isClosed(err error) bool { return isAny(err, io.EOF, syscall.ECONNRESET, syscall.EPIPE) }

// Errors for a server that speaks the other protocol.
const (
	wantsTLS  = "the server speaks TLS, the address is to begin with https"
	wantsHTTP = "the server does not speak TLS, the address is to begin with http"
)

// recordingCredentials is transport credentials that record why a handshake failed,
// and the later error of the connection: a server that requires a client certificate
// reports that only then.
type recordingCredentials struct {
	credentials.TransportCredentials // of the first endpoint
	store                            *Store
	session                          *session
}

// credentials returns the credentials for an endpoint. The error says why the current
// certificate files are unusable; the credentials are then those of the last usable
// files.
func (s *Store) credentials(e *endpoint) (credentials.TransportCredentials, error) {
	if !e.secure {
		return insecure.NewCredentials(), nil
	}
	c, err := s.currentTLS()
	return credentials.NewTLS(c), err
}

func (n recordingCredentials) Clone() credentials.TransportCredentials { return n }

func (n recordingCredentials) ClientHandshake(ctx context.Context, target string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	r := n.session.record(target)
	c, unusable := n.store.credentials(r.at)
	conn, info, err := c.ClientHandshake(ctx, target, raw)
	if err != nil {
		err = handshakeCause(err, n.store.cfg.CACert)
		if isClosed(err) && netcause.SpeaksHTTP(ctx, r.at.target) {
			err = causef(err, "%s", wantsHTTP)
		}
		if unusable != nil {
			err = causef(err, "%v, with the certificates from before, since those that are there cannot be used: %v", err, unusable)
		}
		r.note(err)
		return nil, nil, err
	}
	return &recordingConn{Conn: conn, record: r}, info, nil
}

type recordingConn struct {
	net.Conn
	*record
}

// remote is a network address with its endpoint.
type remote struct {
	net.Addr
	*endpoint
}

func (c *recordingConn) RemoteAddr() net.Addr { return remote{c.Conn.RemoteAddr(), c.at} }

func (c *recordingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.begun.Swap(true) {
		err = errors.Join(c.foreign(p[:n]), err)
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		c.note(err)
	}
	return n, err
}

// Write waits briefly for Read to record why the other side closed the connection,
// which is a better cause than its own error.
func (c *recordingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		select {
		case <-c.noted:
		case <-time.After(30 * time.Millisecond):
		}
		c.note(err)
	}
	return n, err
}

// foreign returns an error if the first bytes of a server are not HTTP/2. The library
// would wait for more.
func (c *recordingConn) foreign(first []byte) error {
	switch {
	case !c.at.secure && bytes.HasPrefix(first, []byte{0x15, 0x03}): // a TLS alert and the major version
		return causef(nil, "%s", wantsTLS)
	case bytes.HasPrefix(first, []byte("HTTP/")):
		return causef(nil, "the server is not etcd")
	}
	return nil
}
