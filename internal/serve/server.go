package serve

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// shutdownTime is how long current requests may take after the service was asked
// to end.
const shutdownTime = 5 * time.Second

// serve serves a listener until the context ends, and then shuts the server
// down.
func (v *service) serve(ctx context.Context, l listener) error {
	fresh := &unusedConns{conns: make(map[net.Conn]struct{})}
	server := newServer(l.handler)
	server.ConnState = fresh.watch
	server.ErrorLog = log.New(&serverLog{warn: v.Warn, debug: v.Debug}, "", 0)
	server.RegisterOnShutdown(fresh.close)
	if l.stop != nil {
		server.RegisterOnShutdown(l.stop)
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		stopped <- server.Shutdown(limited)
	}()
	if err := server.Serve(l.Listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := <-stopped; err != nil {
		return server.Close() // the time for the remaining clients is over
	}
	return nil
}

// newServer returns a server that limits what one client can use. It speaks only
// HTTP/1, because no known reader needs HTTP/2, which lets a client do far more.
func newServer(handler http.Handler) *http.Server {
	server := &http.Server{
		Handler:           lighten(handler),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      15 * time.Second, // waiting requests remove this limit
		ConnContext:       requestsEndWith,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         &http.Protocols{},
	}
	server.Protocols.SetHTTP1(true)
	return server
}

// unusedConns are the connections without any data yet. A server that shuts down
// would wait some seconds for their first request.
type unusedConns struct {
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// watch is a http.Server.ConnState.
func (u *unusedConns) watch(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(u.conns, c)
	case u.closed:
		_ = c.Close() // no data was read or written
	default:
		u.conns[c] = struct{}{}
	}
}

// close closes the unused connections, and all new ones from then on.
func (u *unusedConns) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for c := range u.conns {
		_ = c.Close() // no data was read or written
	}
}

// serverLog receives the messages of net/http. It logs all of them for debugging,
// and failed accepts and panics also as warnings, at most one a minute.
type serverLog struct {
	warn  func(string)
	debug func(string, ...any)

	mu     sync.Mutex
	warned time.Time
}

// Write logs one message.
func (l *serverLog) Write(message []byte) (int, error) {
	text := strings.TrimSpace(string(message))
	l.debug("%s", text)
	first, _, _ := strings.Cut(text, "\n")
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case time.Since(l.warned) < time.Minute:
	case strings.HasPrefix(text, "http: Accept error"):
		l.warned = time.Now()
		l.warn(first + "; nobody else can connect")
	case strings.HasPrefix(text, "http: panic"), strings.HasPrefix(text, "http2: panic"):
		l.warned = time.Now()
		l.warn(first + "; please report this, with the messages of debugging")
	}
	return len(message), nil
}
