package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// bounded is a listener with so many connections at most: more are closed at
// once, which tells a client to go elsewhere, and costs nothing.
type bounded struct {
	net.Listener
	most int64
	open atomic.Int64
}

// Accept returns the next connection that there is room for.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if b.open.Add(1) <= b.most {
			return &counting{Conn: c, of: b}, nil
		}
		b.open.Add(-1)
		_ = c.Close() // nobody has heard of it yet
	}
}

// counting is a connection that is counted until it is closed.
type counting struct {
	net.Conn
	of   *bounded
	once sync.Once
}

// Close closes the connection, and makes room.
func (c *counting) Close() error {
	c.once.Do(func() { c.of.open.Add(-1) })
	return c.Conn.Close()
}

// refused says why a part cannot listen, and what to do.
func refused(part string, at given, err error) error {
	host, port, split := net.SplitHostPort(at.text)
	var why syscall.Errno
	var name *net.DNSError
	switch {
	case split != nil: // it was checked
		return err
	case errors.As(err, &name):
		err = fmt.Errorf("the name %s has no address: %s", host, name.Err)
	case errors.As(err, &why):
		err = why
	}
	hint := "to have it listen on this host alone: " + at.change("127.0.0.1:"+port)
	switch {
	case errors.Is(why, syscall.EADDRINUSE):
		hint = fmt.Sprintf("something listens there already, maybe another confctl serve; what it is: ss -ltnp 'sport = :%s'\n"+
			"to have this one listen elsewhere: %s", port, at.change(net.JoinHostPort(host, "PORT")))
	case errors.Is(why, syscall.EACCES):
		hint = "ports below 1024 are for root, and for units with AmbientCapabilities=CAP_NET_BIND_SERVICE\n" +
			"to have it listen elsewhere: " + at.change(net.JoinHostPort(host, "PORT"))
	case errors.Is(why, syscall.EADDRNOTAVAIL):
		hint = host + " is not an address of this host; those it has: ip -brief address\n" + hint
	}
	return &usageError{fmt.Sprintf("%s cannot listen on %s: %v", part, at.text, err), hint}
}

// atMost answers so many requests at once, and refuses more: with HTTP/2 it is not
// enough to count connections.
func atMost(most int64, next http.Handler) http.Handler {
	var now atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer now.Add(-1)
		if now.Add(1) > most {
			http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
			return
		}
		passBody(w, r)
		next.ServeHTTP(w, r)
	})
}

// What a request may bring along, which nobody reads, and how long that may take.
const (
	mostBody = 64 << 10
	bodyTime = 2 * time.Second
)

// passBody gets past what a request brings along. With HTTP/1 that stands before
// the next request, and the server would wait for it, however long it takes to
// come, before it answers this one; where it does not come, the connection ends
// with the answer.
func passBody(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 2 {
		_ = r.Body.Close() // it is not kept until the answer
		return
	}
	if r.ContentLength == 0 {
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // a server's connection has one
	if r.ContentLength > mostBody {
		return
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(r.Body, mostBody+1)); err == nil && n <= mostBody {
		_ = control.SetReadDeadline(time.Time{})
	}
}

// unused are the connections on which nothing has come yet. A server that shuts
// down would wait some seconds for what may come.
type unused struct {
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// watch is for http.Server.ConnState.
func (u *unused) watch(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(u.conns, c)
	case u.closed:
		_ = c.Close() // nobody has asked for anything
	default:
		u.conns[c] = struct{}{}
	}
}

// close closes those that there are, and those to come.
func (u *unused) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for c := range u.conns {
		_ = c.Close() // nobody has asked for anything
	}
}

// reloaded is a certificate that is read again when its files have changed. One that
// cannot be used does not replace the one that can.
type reloaded struct {
	cert, key string
	warn      func(string)

	mu      sync.Mutex
	current *tls.Certificate
	text    [2][]byte // of the files that it came from
	looked  time.Time
	failed  string // why those that are there now cannot be used, which is said once
}

// get returns the certificate for a handshake. It looks at the files once a
// second at most.
func (r *reloaded) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil && time.Since(r.looked) < time.Second {
		return r.current, nil
	}
	r.looked = time.Now()
	switch err := r.load(); {
	case err == nil:
		r.failed = ""
	case r.current == nil:
		return nil, err
	case err.Error() != r.failed:
		r.failed = err.Error()
		r.warn(r.failed + "; going on with the one from before")
	}
	return r.current, nil
}

// load takes the files if they are others than before. A certificate whose time is
// over, or not come yet, is better than none: it is for clients to say.
func (r *reloaded) load() error {
	cert, err := os.ReadFile(r.cert)
	key, keyErr := os.ReadFile(r.key)
	if err == nil {
		err = keyErr
	}
	if err == nil && r.current != nil && bytes.Equal(cert, r.text[0]) && bytes.Equal(key, r.text[1]) {
		return nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.X509KeyPair(cert, key)
	}
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", absolute(r.cert), absolute(r.key), err)
	}
	if now := time.Now(); now.Before(pair.Leaf.NotBefore) || now.After(pair.Leaf.NotAfter) {
		r.warn(fmt.Sprintf("certificate %s is valid from %s to %s, and not now: clients will refuse it",
			absolute(r.cert), pair.Leaf.NotBefore.Format(time.RFC3339), pair.Leaf.NotAfter.Format(time.RFC3339)))
	}
	r.current, r.text = &pair, [2][]byte{cert, key}
	return nil
}

// certificateHint says what to do about files that cannot be read.
func certificateHint(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "the user that serve runs as has to be able to read both"
	case errors.Is(err, fs.ErrNotExist):
		return "a relative path begins where serve is started, wherever confctl.yaml is"
	}
	return ""
}

// absolute is a path as it is seen from anywhere.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

// serverLog is what net/http has to say. What clients do wrong only somebody who
// looks for it wants to read; what goes wrong here everybody wants to know of, but
// not more than once a minute.
type serverLog struct {
	warn   func(string)
	debugf func(string, ...any)

	mu   sync.Mutex
	said time.Time
}

// Write takes one message.
func (l *serverLog) Write(message []byte) (int, error) {
	text := strings.TrimSpace(string(message))
	l.debugf("%s", text)
	first, _, _ := strings.Cut(text, "\n")
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case time.Since(l.said) < time.Minute:
	case strings.HasPrefix(text, "http: Accept error"):
		l.said = time.Now()
		l.warn(first + "; nobody else can connect")
	case strings.HasPrefix(text, "http: panic"), strings.HasPrefix(text, "http2: panic"):
		l.said = time.Now()
		l.warn(first + "; please report this, with what --debug says")
	}
	return len(message), nil
}
