package cli

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/pkg/files"
)

// refused says why a part cannot listen, and what to do.
func refused(part string, at config.Value, err error) error {
	host, port, split := net.SplitHostPort(at.Text)
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
	hint := "to have it listen on this host alone: " + instead(at, "127.0.0.1:"+port)
	switch {
	case errors.Is(why, syscall.EADDRINUSE):
		hint = fmt.Sprintf("something listens there already, maybe another confctl serve; what it is: %s\n"+
			"to have this one listen elsewhere: %s", commandLine([]string{"ss", "-ltnp", "sport = :" + port}), instead(at, net.JoinHostPort(host, "PORT")))
	case errors.Is(why, syscall.EACCES):
		hint = "ports below 1024 are for root, and for units with AmbientCapabilities=CAP_NET_BIND_SERVICE\n" +
			"to have it listen elsewhere: " + instead(at, net.JoinHostPort(host, "PORT"))
	case errors.Is(why, syscall.EADDRNOTAVAIL):
		hint = host + " is not an address of this host; those it has: ip -brief address\n" + hint
	}
	return &usageError{fmt.Sprintf("%s cannot listen on %s: %v", part, at.Text, err), hint}
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
	cert, err := files.Read(r.cert, files.MaxPEM)
	key, keyErr := files.Read(r.key, files.MaxPEM)
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

// instead says how to have a part listen on another address.
func instead(at config.Value, address string) string {
	if at.Option != "" {
		return at.Option + " " + address
	}
	return address + " at " + at.Pos.String()
}
