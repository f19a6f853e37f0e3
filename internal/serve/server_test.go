package serve

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
)

// TestAnswerFinishes: a current request is answered when the service ends, and a
// connection without a request is closed immediately.
func TestAnswerFinishes(t *testing.T) {
	t.Parallel()
	inner, err := listenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := inner.Addr().String()
	unused, err := net.Dial("tcp", address) //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	defer unused.Close() //nolint:errcheck // nothing was written
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		_, err := unused.Read(make([]byte, 1)) // the server closes it without waiting for a request
		_, _ = io.WriteString(w, err.Error())
	})
	v := &service{Config: Config{Warn: func(msg string) { t.Error(msg) }, Debug: t.Logf}}
	done := make(chan error, 1)
	go func() { done <- v.serve(ctx, listener{part{name: "test", handler: handler}, inner}) }()
	resp, err := http.Get("http://" + address) //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || string(body) != "EOF" {
		t.Errorf("the request under way was answered with %d, %q, %v", resp.StatusCode, body, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
