package main

import (
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
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

// reloaded is a certificate that is read again when its file has changed. One that
// cannot be used does not replace the one that can.
type reloaded struct {
	cert, key string
	warn      func(string)

	mu      sync.Mutex
	current *tls.Certificate
	looked  time.Time
	changed [2]time.Time // of the two files, when they were read
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
	changed := [2]time.Time{changedAt(r.cert), changedAt(r.key)}
	if r.current != nil && changed == r.changed {
		return r.current, nil
	}
	pair, err := tls.LoadX509KeyPair(r.cert, r.key)
	switch {
	case err != nil && r.current == nil:
		return nil, fmt.Errorf("certificate %s with key %s: %w", r.cert, r.key, err)
	case err != nil:
		if changed != r.changed {
			r.warn(fmt.Sprintf("certificate %s with key %s: %v; going on with the one from before", r.cert, r.key, err))
		}
		r.changed = changed
		return r.current, nil
	}
	r.current, r.changed = &pair, changed
	return r.current, nil
}

// changedAt is when a file was changed, zero if it is not there.
func changedAt(file string) time.Time {
	info, err := os.Stat(file)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// quiet is a logger for what clients do wrong, which only somebody who looks for it
// wants to read.
func quiet(debugf func(string, ...any)) *log.Logger {
	return log.New(writerOf(func(line string) { debugf("%s", strings.TrimSpace(line)) }), "", 0)
}

type writerOf func(string)

func (f writerOf) Write(p []byte) (int, error) {
	f(string(p))
	return len(p), nil
}
