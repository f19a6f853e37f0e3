package netcause

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"time"
)

// A connection that is closed before a byte has come says nothing of why. A
// server that wants TLS may do that to one without, and the other way round, but
// so does a proxy whose server is dead. Only an answer tells: these functions ask
// for one, on a connection of their own.

// SpeaksTLS reports whether the server at an address answers to TLS.
func SpeaksTLS(ctx context.Context, address string) bool {
	conn, err := connect(ctx, address)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	// Nothing is said to it, so it does not matter who it is.
	err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx) //nolint:gosec // see above
	return err == nil || Alert(err) != ""
}

// SpeaksHTTP reports whether the server at an address answers to HTTP/2 without
// TLS, as etcd does, or to that with an older HTTP.
func SpeaksHTTP(ctx context.Context, address string) bool {
	conn, err := connect(ctx, address)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	const settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00" // an empty frame
	if _, err := conn.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)); err != nil {
		return false
	}
	var answer [9]byte
	n, _ := conn.Read(answer[:]) // what has come tells
	return n == len(answer) && (answer[3] == settings[3] || bytes.HasPrefix(answer[:], []byte("HTTP/1.")))
}

// connect makes a connection that does not last longer than its context, and a
// second at most.
func connect(ctx context.Context, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	end := time.Now().Add(time.Second)
	if limit, ok := ctx.Deadline(); ok && limit.Before(end) {
		end = limit
	}
	return conn, conn.SetDeadline(end)
}
