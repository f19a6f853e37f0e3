package netcause

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"time"
)

// A connection that is closed before a byte arrives does not show why. A server that
// requires TLS may close a connection without it, and vice versa, but so does a
// proxy whose server is down. Only an answer is proof: these functions request one,
// on their own connection.

// SpeaksTLS reports whether the server at an address answers a TLS handshake.
func SpeaksTLS(ctx context.Context, address string) bool {
	conn, err := connect(ctx, address)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	// Nothing is sent over the connection, so the identity of the server does not
	// matter.
	err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx) //nolint:gosec // see above
	return err == nil || Alert(err) != ""
}

// SpeaksHTTP reports whether the server at an address answers HTTP/2 without TLS, as
// etcd does, or answers it with an older HTTP.
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
	n, _ := conn.Read(answer[:]) // the bytes that were read decide
	return n == len(answer) && (answer[3] == settings[3] || bytes.HasPrefix(answer[:], []byte("HTTP/1.")))
}

// connect makes a connection whose deadline is that of its context, but at most one
// second away.
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
