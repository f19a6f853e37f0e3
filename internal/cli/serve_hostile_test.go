package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/config"
)

// hostile is a gateway, and somebody who means it no good.
type hostile struct {
	*server
	address string
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	s := newSite(t, localConfig)
	s.file("confctl.yaml", fmt.Sprintf("serve: {connections_per_address: %d}\n", config.MaxConnections))
	s.ok("--quiet", "sync", "--directory", "data")
	v := s.serve(1, "--gateway", "127.0.0.1:0")
	until(t, v.gateway+"/v2/keys"+loadSmall, http.StatusOK, "common")
	return &hostile{server: v, address: strings.TrimPrefix(v.gateway, "http://")}
}

// TestServeHostile has the gateway be asked for what nobody should, and be held
// up. Every other client is answered all the same, and memory stays bounded.
func TestServeHostile(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	before := peak(t, h.Process.Pid)
	t.Run("requests", h.requests)
	t.Run("held", h.held)
	t.Run("full", func(t *testing.T) {
		if os.Getenv(faultsVariable) == "" {
			t.Skipf("thousands of connections want a machine of their own: make soak, or %s=1", faultsVariable)
		}
		h.full(t)
	})
	after := peak(t, h.Process.Pid)
	t.Logf("peak memory %.0f MiB before and %.0f MiB after", before, after)
	if after-before > 200 && !underRace() {
		t.Errorf("peak memory went from %.0f to %.0f MiB", before, after)
	}
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
		"dots":          {in("/v2/keys/../../etc/passwd"), 400},
		"dots encoded":  {in("/v2/keys/conftool/v1/%2e%2e/%2e%2e/x"), 404},
		"empty part":    {in("/v2/keys//conftool//v1"), 200},
		"backslashes":   {in(`/v2/keys/conftool/v1\..\..\x`), 404},
		"long":          {in("/v2/keys/conftool/v1/" + strings.Repeat("x", 5000)), 414},
		"longer":        {in("/v2/keys/" + strings.Repeat("x", 1<<20)), 431},
		"deep":          {in("/v2/keys/conftool/v1" + strings.Repeat("/x", 2000)), 404},
		"nul":           {in("/v2/keys/conftool/v1/%00"), 400},
		"newline":       {in("/v2/keys/conftool/v1/%0d%0aX:%20y"), 400},
		"no UTF-8":      {in("/v2/keys/conftool/v1/%ff%fe"), 400},
		"bad escape":    {in("/v2/keys/%zz"), 400},
		"index":         {in("/v2/keys/conftool/v1?wait=true&waitIndex=-1"), 400},
		"large index":   {in("/v2/keys/conftool/v1?wait=true&waitIndex=99999999999999999999999"), 400},
		"write":         {"PUT /v2/keys/conftool/v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nvalue=x", 403},
		"delete":        {"DELETE /v2/keys/conftool/v1?recursive=true HTTP/1.1\r\nHost: h\r\n\r\n", 403},
		"no method":     {"\x16\x03\x01\x02\x00 / HTTP/1.1\r\n\r\n", 400},
		"no host":       {"GET /v2/keys HTTP/1.1\r\n\r\n", 400},
		"large header":  {"GET /v2/keys HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", 431},
		"many fields":   {"GET /v2/keys HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", maxFields+1) + "\r\n", 431},
		"many headers":  {"GET /v2/keys HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", 20000) + "\r\n", 431},
		"two lengths":   {"GET /v2/keys HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		"chunks":        {"POST /v2/keys HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 403},
		"body to come":  {"GET /v2/keys/conftool/v1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", 200},
		"chunk to come": {"GET /v2/keys/conftool/v1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx", 200},
		"body":          {"GET /v2/keys/conftool/v1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", 200},
		"proxy request": {"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n", 404},
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

// held has clients open connections and leave them, send headers without an end,
// and not read what they asked for.
func (h *hostile) held(t *testing.T) {
	var dripping []net.Conn
	for range 300 {
		h.dial(t)
		c := h.dial(t)
		send(c, "GET /v2/keys HTTP/1.1\r\nHost: h\r\nX: ")
		dripping = append(dripping, c)
	}
	many := strings.Repeat("GET /v2/keys/conftool/v1?recursive=true HTTP/1.1\r\nHost: h\r\n\r\n", 1000)
	for range 100 {
		c := h.dial(t)
		go send(c, many)
	}
	begun := time.Now()
	for range 8 {
		for _, c := range dripping {
			send(c, "x")
		}
		h.answers(t)
		time.Sleep(20 * time.Millisecond)
	}
	if os.Getenv(faultsVariable) == "" {
		return
	}
	for time.Since(begun) < 8*time.Second {
		for _, c := range dripping {
			send(c, "x")
		}
		time.Sleep(200 * time.Millisecond)
	}
	for i, c := range dripping {
		if !closed(c, time.Second) {
			t.Fatalf("headers that do not end are waited for, connection %d", i)
		}
	}
}

// closed reports whether the other side closes a connection in time.
func closed(c net.Conn, within time.Duration) bool {
	if c.SetReadDeadline(time.Now().Add(within)) != nil {
		return true
	}
	_, err := io.Copy(io.Discard, c)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// full opens more connections than there is room for.
func (h *hostile) full(t *testing.T) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < config.MaxConnections+1000 {
		t.Skipf("needs %d open files for a process, the limit is %d", config.MaxConnections+1000, files.Cur)
	}
	time.Sleep(100 * time.Millisecond) // those of before are closed
	request := "GET /v2/keys" + loadKey + "?wait=true HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 3<<10) + "\r\n\r\n"
	all := make([]net.Conn, config.MaxConnections+200)
	for i := range all {
		all[i] = h.dial(t)
		send(all[i], request)
	}
	refused := 0
	for _, c := range all[config.MaxConnections-200:] {
		one := make([]byte, 1)
		if err := c.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(one); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			refused++
		} else if !bytes.Equal(one, []byte("H")) {
			t.Fatalf("a connection is neither refused nor answered: %v, %q", err, one)
		}
	}
	if refused < 200 || refused > 300 {
		t.Errorf("of %d connections %d were refused", len(all), refused)
	}
	t.Logf("with %d connections the peak is %.0f MiB", config.MaxConnections, peak(t, h.Process.Pid))
	for _, c := range all {
		_ = c.Close()
	}
	time.Sleep(200 * time.Millisecond)
	h.answers(t)
}
