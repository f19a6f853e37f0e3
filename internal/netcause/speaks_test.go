package netcause_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/netcause"
)

// answers returns an address that answers each connection with a text and then
// closes it. Without a text, it closes the connection immediately.
func answers(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if text != "" {
				_, _ = c.Read(make([]byte, 16<<10))
				_, _ = c.Write([]byte(text))
			}
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// serving returns the address of an HTTP server.
func serving(t *testing.T, start func(*httptest.Server)) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.Protocols = &http.Protocols{}
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.ErrorLog = nil
	start(s)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// TestSpeaks checks that only an answer of the server decides which protocol it
// speaks.
func TestSpeaks(t *testing.T) {
	asking := func(s *httptest.Server) {
		s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
		s.StartTLS()
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mute.Close() }()
	for _, c := range []struct {
		name, address string
		tls, http     bool
	}{
		{"HTTP", serving(t, (*httptest.Server).Start), false, true},
		{"TLS", serving(t, (*httptest.Server).StartTLS), true, false},
		{"TLS with client certificates", serving(t, asking), true, false},
		{"an alert", answers(t, "\x15\x03\x01\x00\x02\x02\x46"), true, false},
		{"an older HTTP", answers(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), false, true},
		{"something else", answers(t, "220 mail.example.org ESMTP\r\n"), false, false},
		{"closed at once", answers(t, ""), false, false},
		{"nothing", mute.Addr().String(), false, false},
		{"nobody", "127.0.0.1:1", false, false},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if c.name == "nothing" {
			ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		}
		if got := netcause.SpeaksTLS(ctx, c.address); got != c.tls {
			t.Errorf("%s: TLS %v", c.name, got)
		}
		if got := netcause.SpeaksHTTP(ctx, c.address); got != c.http {
			t.Errorf("%s: HTTP %v", c.name, got)
		}
		cancel()
	}
}
