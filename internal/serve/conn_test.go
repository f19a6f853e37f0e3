package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// send writes to a connection, which the other side may have closed.
func send(c net.Conn, text string) { _, _ = io.WriteString(c, text) }

// TestBoundedUnanswered: a client cannot send unlimited data that is kept until
// it is complete, such as TLS handshakes.
func TestBoundedUnanswered(t *testing.T) {
	t.Parallel()
	b := listenBounded(t, 1, 1)
	client := b.dial("127.0.0.1")
	c, ok := (<-b.accepted).(*limitedConn)
	if !ok {
		t.Fatal("no limited connection")
	}
	c.maxUnanswered = 10
	for range 2 {
		send(client, "0123456789 and more")
		got, err := io.ReadAll(c)
		if !errors.Is(err, errUnanswered) || len(got) != 10 {
			t.Errorf("%q, %v", got, err)
		}
		send(c, "an answer")
	}
}

// TestBoundedClosesDead: a connection is closed when its client disappears, even
// if nothing reads from it, and its requests end.
func TestBoundedClosesDead(t *testing.T) {
	t.Parallel()
	b := listenBounded(t, 2, 2)
	clients := []net.Conn{b.dial("127.0.0.1"), b.dial("127.0.0.1")}
	var requests []context.Context
	for range clients {
		requests = append(requests, requestsEndWith(t.Context(), <-b.accepted))
	}
	b.closeDead()
	for _, ctx := range requests {
		if ctx.Err() != nil {
			t.Error("what waits has ended, and its client is there")
		}
	}
	gone, ok := clients[0].(*net.TCPConn)
	if !ok {
		t.Fatal("no TCP connection")
	}
	send(gone, "more than anybody reads")
	if err := errors.Join(gone.SetLinger(0), gone.Close()); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); requests[0].Err() == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		b.closeDead()
	}
	if requests[0].Err() == nil || requests[1].Err() != nil {
		t.Errorf("the first has gone: %v, %v", requests[0].Err(), requests[1].Err())
	}
	b.dial("127.0.0.1")
	<-b.accepted
}
