package netcause_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/netcause"
)

// silent returns a dialer whose name server never answers.
func silent(t *testing.T) *net.Dialer {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	return &net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", socket.LocalAddr().String())
	}}}
}

// TestTraceSilentNameServer checks that a request that waits for a name server is
// recognized after its timeout; the error of the library does not show it.
func TestTraceSilentNameServer(t *testing.T) {
	held := make(chan struct{})
	mute := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	t.Cleanup(mute.Close)
	t.Cleanup(func() { close(held) })
	client := &http.Client{Transport: &http.Transport{DialContext: silent(t).DialContext}}
	for url, want := range map[string]bool{"http://conf1001.example.org:2379": true, mute.URL: false} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		ctx, naming := netcause.Trace(ctx)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		cancel()
		if err == nil {
			_ = resp.Body.Close()
			t.Fatalf("%s answers", url)
		}
		if got := naming.Unanswered(); got != want {
			t.Errorf("%s: waits for a name server: %v, want %v (%v)", url, got, want, err)
		}
	}
}

// TestTraceAnswered checks that a lookup that fails or succeeds in time does not
// count as unanswered.
func TestTraceAnswered(t *testing.T) {
	for _, address := range []string{"nowhere.invalid:1", "localhost:1"} {
		ctx, naming := netcause.Trace(t.Context())
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		var dns *net.DNSError
		if silence := errors.As(err, &dns) && dns.IsTimeout; naming.Unanswered() != silence {
			t.Errorf("%s: waits for a name server: %v (%v)", address, naming.Unanswered(), err)
		}
	}
}
