package serve

import (
	"context"
	"net"
	"syscall"
	"testing"
)

// boundedListener is a listener with limits, and the connections it has accepted.
type boundedListener struct {
	testing.TB
	*bounded
	refused  chan string // the limits that were reached
	accepted chan net.Conn
}

func listenBounded(t *testing.T, most, each int) *boundedListener {
	t.Helper()
	l, err := listenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &boundedListener{TB: t, refused: make(chan string, 10), accepted: make(chan net.Conn, 10)}
	b.bounded = newBounded(l, most, each, func(limit string) { b.refused <- limit })
	t.Cleanup(func() { _ = b.Close() })
	go func() {
		for {
			c, err := b.Accept()
			if err != nil {
				return
			}
			b.accepted <- c
		}
	}()
	return b
}

// dial connects from an address of this host.
func (b *boundedListener) dial(from string) net.Conn {
	b.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(context.Background(), "tcp", b.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return c
}

// TestBounded: a listener closes connections beyond its limits, and accepts
// others after some are closed.
func TestBounded(t *testing.T) {
	t.Parallel()
	b := listenBounded(t, 3, 2)
	b.dial("127.0.0.1")
	b.dial("127.0.0.1")
	first := <-b.accepted
	<-b.accepted
	if _, err := b.dial("127.0.0.1").Read(make([]byte, 1)); err == nil {
		t.Error("a third connection from one address was taken")
	}
	b.dial("127.0.0.2")
	<-b.accepted
	if _, err := b.dial("127.0.0.3").Read(make([]byte, 1)); err == nil {
		t.Error("a fourth connection was taken")
	}
	if a, b := <-b.refused, <-b.refused; a != "address" || b != "total" {
		t.Errorf("told of the limits %s and %s", a, b)
	}
	_, _ = first.Close(), first.Close() // closed twice, but counted once
	b.dial("127.0.0.1")
	<-b.accepted
	if _, err := b.dial("127.0.0.1").Read(make([]byte, 1)); err == nil {
		t.Error("a connection closed twice made room for two")
	}
}

// TestClientAddr: the addresses of one IPv6 network are counted together.
func TestClientAddr(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ a, b string }{
		{"192.0.2.1:1", "192.0.2.1:2"},
		{"[::ffff:192.0.2.1]:1", "192.0.2.1:2"},
		{"[2001:db8::1]:1", "[2001:db8::ffff:1]:2"},
	} {
		if a, b := clientAddr(tcpAddr(t, c.a)), clientAddr(tcpAddr(t, c.b)); a != b {
			t.Errorf("%s is %v and %s is %v", c.a, a, c.b, b)
		}
	}
	if a, b := clientAddr(tcpAddr(t, "[2001:db8::1]:1")), clientAddr(tcpAddr(t, "[2001:db8:0:1::1]:1")); a == b {
		t.Errorf("two networks are both %v", a)
	}
}

func tcpAddr(t *testing.T, text string) net.Addr {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestNoticesDeadClients: the connections of a client that disappeared end after 30
// seconds.
func TestNoticesDeadClients(t *testing.T) {
	t.Parallel()
	b := listenBounded(t, 1, 1)
	b.dial("127.0.0.1")
	c, ok := (<-b.accepted).(*limitedConn).Conn.(*net.TCPConn)
	if !ok {
		t.Fatal("no TCP connection")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	seconds := 0
	if err := raw.Control(func(fd uintptr) {
		option := func(name int) int {
			v, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, name)
			if err != nil {
				t.Error(err)
			}
			return v
		}
		seconds = option(syscall.TCP_KEEPIDLE) + option(syscall.TCP_KEEPCNT)*option(syscall.TCP_KEEPINTVL)
	}); err != nil {
		t.Fatal(err)
	}
	if seconds != 30 {
		t.Errorf("noticed after %d seconds, want 30", seconds)
	}
}
