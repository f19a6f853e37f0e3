package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// maxFields is how many header fields a request may have. One with more is refused.
const maxFields = 64

// hostile is a gateway, and somebody who means it no good.
type hostile struct {
	*server
	address string
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	s := newSite(t, localConfig)
	s.ok("--quiet", "sync", "--directory", "data")
	v := s.serve(1, "--gateway", "127.0.0.1:0")
	until(t, v.gateway+"/v2/keys"+loadSmall, http.StatusOK, "common")
	return &hostile{server: v, address: strings.TrimPrefix(v.gateway, "http://")}
}

// TestServeHostile has the gateway be asked for what nobody should. Every other
// client is answered all the same.
func TestServeHostile(t *testing.T) {
	t.Parallel()
	newHostile(t).requests(t)
}

// answers checks that others are answered, and soon.
func (h *hostile) answers(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within(2*time.Second))
	defer cancel()
	c := reader(1)
	defer c.CloseIdleConnections()
	if status, body, err := ask(ctx, c, h.gateway+"/v2/keys"+loadKey); err != nil || status != http.StatusOK {
		t.Errorf("others are answered with %d, %s, %v", status, body, err)
	}
}

// dial opens a connection that is left until the test ends.
func (h *hostile) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", h.address, 5*time.Second) //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// send writes to a connection. That the other side has had enough is its right.
func send(c net.Conn, text string) { _, _ = io.WriteString(c, text) }

func (h *hostile) requests(t *testing.T) {
	in := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n" }
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"dots":            {in("/v2/keys/../../etc/passwd"), 400},
		"dots encoded":    {in("/v2/keys/conftool/v1/%2e%2e/%2e%2e/x"), 404},
		"empty part":      {in("/v2/keys//conftool//v1"), 200},
		"backslashes":     {in(`/v2/keys/conftool/v1\..\..\x`), 404},
		"long":            {in("/v2/keys/conftool/v1/" + strings.Repeat("x", 5000)), 414},
		"longer":          {in("/v2/keys/" + strings.Repeat("x", 1<<20)), 431},
		"deep":            {in("/v2/keys/conftool/v1" + strings.Repeat("/x", 2000)), 404},
		"nul":             {in("/v2/keys/conftool/v1/%00"), 400},
		"newline":         {in("/v2/keys/conftool/v1/%0d%0aX:%20y"), 400},
		"no UTF-8":        {in("/v2/keys/conftool/v1/%ff%fe"), 400},
		"bad escape":      {in("/v2/keys/%zz"), 400},
		"index":           {in("/v2/keys/conftool/v1?wait=true&waitIndex=-1"), 400},
		"large index":     {in("/v2/keys/conftool/v1?wait=true&waitIndex=99999999999999999999999"), 400},
		"write":           {"PUT /v2/keys/conftool/v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nvalue=x", 403},
		"delete":          {"DELETE /v2/keys/conftool/v1?recursive=true HTTP/1.1\r\nHost: h\r\n\r\n", 403},
		"no method":       {"\x16\x03\x01\x02\x00 / HTTP/1.1\r\n\r\n", 400},
		"no host":         {"GET /v2/keys HTTP/1.1\r\n\r\n", 400},
		"large header":    {"GET /v2/keys HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", 431},
		"many fields":     {"GET /v2/keys HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", maxFields+1) + "\r\n", 431},
		"many headers":    {"GET /v2/keys HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", 20000) + "\r\n", 431},
		"length, chunks":  {"POST /v2/keys HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /", 403},
		"odd encoding":    {"GET /v2/keys HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity, chunked\r\n\r\n", 501},
		"odd expectation": {"GET /v2/keys HTTP/1.1\r\nHost: h\r\nExpect: much\r\n\r\n", 417},
		"many cookies":    {"GET /v2/keys HTTP/1.1\r\nHost: h\r\nCookie: " + strings.Repeat("a=b; ", 1000) + "\r\nIf-None-Match: " + strings.Repeat("x", 2000) + "\r\n\r\n", 200},
		"two lengths":     {"GET /v2/keys HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		"chunks":          {"POST /v2/keys HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 403},
		"body to come":    {"GET /v2/keys/conftool/v1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", 200},
		"chunk to come":   {"GET /v2/keys/conftool/v1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx", 200},
		"body":            {"GET /v2/keys/conftool/v1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", 200},
		"proxy request":   {"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n", 404},
	} {
		t.Run(name, func(t *testing.T) {
			conn := h.dial(t)
			if err := conn.SetDeadline(time.Now().Add(within(3 * time.Second))); err != nil {
				t.Fatal(err)
			}
			go send(conn, c.request)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			defer resp.Body.Close() //nolint:errcheck // only the status is looked at
			if resp.StatusCode != c.status {
				t.Errorf("answered with %s, want %d", resp.Status, c.status)
			}
		})
	}
	h.answers(t)
}

// closed reports whether the other side closes a connection in time.
func closed(c net.Conn, within time.Duration) bool {
	if c.SetReadDeadline(time.Now().Add(within)) != nil {
		return true
	}
	_, err := io.Copy(io.Discard, c)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}
