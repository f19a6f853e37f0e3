package serve

import (
	"net"
	"net/http"
	"testing"
)

// TestTrailersAreDropped: a waiting request keeps neither trailers nor unused
// header fields.
func TestTrailersAreDropped(t *testing.T) {
	t.Parallel()
	seen := make(chan *http.Request, 1)
	server := newServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r }))
	b := listenBounded(t, 1, 1)
	conn := b.dial("127.0.0.1")
	go func() { _ = server.Serve(&single{Listener: b, conn: <-b.accepted}) }()
	t.Cleanup(func() { _ = server.Close() })
	send(conn, "GET / HTTP/1.1\r\nHost: h\r\nX: y\r\nTransfer-Encoding: chunked\r\nTrailer: Z\r\n\r\n0\r\nA: b\r\nZ: z\r\n\r\n")
	if r := <-seen; len(r.Trailer)+len(r.Header) > 0 {
		t.Errorf("it keeps the trailers %q and the header %q", r.Trailer, r.Header)
	}
}

// single is a listener that has accepted one connection.
type single struct {
	net.Listener
	conn net.Conn
}

func (s *single) Accept() (c net.Conn, err error) {
	if c, s.conn = s.conn, nil; c == nil {
		err = net.ErrClosed
	}
	return c, err
}
