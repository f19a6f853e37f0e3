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

	"github.com/conftool/confctl/pkg/netcause"
)

// record is what went wrong first on a connection. The libraries say of a
// failure only that there was one, so each layer notes its own.
type record struct {
	at     *endpoint
	naming *netcause.Naming
	begun  atomic.Bool // a byte has come
	mu     sync.Mutex
	err    error
	noted  chan struct{} // closed once there is one
}

func (r *record) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && err != nil {
		r.err = err
		close(r.noted)
	}
}

// dial makes a connection of a session and begins its record.
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

// cause says why there is no connection to an endpoint; nil if that is not
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
			return saying(err, "%s", wantsTLS)
		}
		return saying(err, "connection closed by the server")
	}
	return plainly(err, s.cfg.CACert)
}

// isClosed reports whether the other side has closed a connection, for which a
// proxy may have had a reason of its own.
func isClosed(err error) bool { return isAny(err, io.EOF, syscall.ECONNRESET, syscall.EPIPE) }

// What a server says by speaking the other protocol.
const (
	wantsTLS  = "the server speaks TLS, the address is to begin with https"
	wantsHTTP = "the server does not speak TLS, the address is to begin with http"
)

// noting are credentials that note why a handshake failed, and what the
// connection fails with afterwards: a server that wants a client certificate
// says so only then.
type noting struct {
	credentials.TransportCredentials // of the first endpoint
	store                            *Store
	session                          *session
}

// credentials are those of an endpoint, and why they are not those that are there
// now.
func (s *Store) credentials(e *endpoint) (credentials.TransportCredentials, error) {
	if !e.secure {
		return insecure.NewCredentials(), nil
	}
	c, err := s.currentTLS()
	return credentials.NewTLS(c), err
}

func (n noting) Clone() credentials.TransportCredentials { return n }

func (n noting) ClientHandshake(ctx context.Context, target string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	r := n.session.record(target)
	c, unusable := n.store.credentials(r.at)
	conn, info, err := c.ClientHandshake(ctx, target, raw)
	if err != nil {
		err = distrust(err, n.store.cfg.CACert)
		if isClosed(err) && netcause.SpeaksHTTP(ctx, r.at.target) {
			err = saying(err, "%s", wantsHTTP)
		}
		if unusable != nil {
			err = saying(err, "%v, with the certificates from before, since those that are there cannot be used: %v", err, unusable)
		}
		r.note(err)
		return nil, nil, err
	}
	return &notingConn{Conn: conn, record: r}, info, nil
}

type notingConn struct {
	net.Conn
	*record
}

// remote is an address that knows its endpoint.
type remote struct {
	net.Addr
	*endpoint
}

func (c *notingConn) RemoteAddr() net.Addr { return remote{c.Conn.RemoteAddr(), c.at} }

func (c *notingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.begun.Swap(true) {
		err = errors.Join(c.foreign(p[:n]), err)
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		c.note(err)
	}
	return n, err
}

// Write leaves it to Read to say why the other side broke off, if that is what
// it did.
func (c *notingConn) Write(p []byte) (int, error) {
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

// foreign is an error if the first bytes of a server are not those of HTTP/2.
// The library would wait for more.
func (c *notingConn) foreign(first []byte) error {
	switch {
	case !c.at.secure && bytes.HasPrefix(first, []byte{0x15, 0x03}): // an alert, and the version
		return saying(nil, "%s", wantsTLS)
	case bytes.HasPrefix(first, []byte("HTTP/")):
		return saying(nil, "the server is not etcd")
	}
	return nil
}
