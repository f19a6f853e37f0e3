package cli

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/conftool/confctl/internal/config"
)

// TestServeHeaderCompression sends HTTP/2 requests on plain connections and
// resizes the header compression table between them. Go before 1.26.10 resizes
// that table while an answer is being compressed, which ends the process:
// "fatal error: concurrent map read and map write". So neither listener answers
// in HTTP/2, and both still answer others afterwards.
func TestServeHeaderCompression(t *testing.T) {
	t.Parallel()
	s := newSite(t, localConfig)
	s.ok("--quiet", "sync", "--directory", "data")
	v := s.serve(2, "--gateway", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
	until(t, v.gateway+"/v2/keys"+loadSmall, http.StatusOK, "common")
	attack := resizingTable(t)
	for name, target := range map[string]string{"gateway": v.gateway, "metrics": v.metrics} {
		t.Run(name, func(t *testing.T) {
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if got := firstAnswer(t, strings.TrimPrefix(target, "http://"), attack); !bytes.HasPrefix(got, []byte("HTTP/1.")) && len(got) > 0 {
						t.Errorf("answered with %q", got)
					}
				})
			}
			all.Wait()
			until(t, v.gateway+"/v2/keys"+loadSmall, http.StatusOK, "common")
			until(t, v.metrics+"/healthz", http.StatusOK, "")
		})
	}
}

// resizingTable returns HTTP/2 frames: requests, and between them the header
// compression table is emptied and enlarged.
func resizingTable(t *testing.T) []byte {
	t.Helper()
	var frames, block bytes.Buffer
	frames.WriteString(http2.ClientPreface)
	framer, encoder := http2.NewFramer(&frames, nil), hpack.NewEncoder(&block)
	for n := range uint32(90) {
		block.Reset()
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "h"}, {":path", "/v2/keys/x"}} {
			if err := encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
				t.Fatal(err)
			}
		}
		for _, size := range []uint32{0, 4096} {
			if err := framer.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: size}); err != nil {
				t.Fatal(err)
			}
		}
		if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*n + 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}); err != nil {
			t.Fatal(err)
		}
	}
	return frames.Bytes()
}

// firstAnswer sends bytes that are not a request of HTTP/1 and returns the first
// bytes that come back: none if the connection is closed.
func firstAnswer(t *testing.T, address string, text []byte) []byte {
	conn, err := net.Dial("tcp", address) //nolint:noctx // a test's
	if err != nil {
		t.Error(err)
		return nil
	}
	defer conn.Close() //nolint:errcheck // the other side may have closed it
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Error(err)
		return nil
	}
	send(conn, string(text))
	got := make([]byte, 64)
	n, err := io.ReadAtLeast(conn, got, 1)
	if err, ok := err.(net.Error); ok && err.Timeout() { //nolint:errorlint // as it comes from net
		t.Errorf("%s does not answer", address)
	}
	return got[:n]
}

// maxFields is how many header fields a request may have. One with more is refused.
const maxFields = 64

// TestServeHeaderMemory has requests wait that came with as many header fields
// as a request may have, and with more. What they brought along is not kept.
func TestServeHeaderMemory(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	waits := 500
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil && os.Getenv(faultsVariable) != "" && files.Cur > config.MaxConnections+1000 {
		waits = config.MaxConnections - 96
	}
	before := peak(t, h.Process.Pid)
	for name, fields := range map[string]int{"all that are taken": maxFields, "too many": 2200} {
		var header strings.Builder
		for n := range fields {
			fmt.Fprintf(&header, "%x:\r\n", n)
		}
		request := "GET /v2/keys" + loadKey + "?wait=true HTTP/1.1\r\nHost: h\r\n" + header.String() + "\r\n"
		conns := make([]net.Conn, waits)
		for i := range conns {
			conns[i] = h.dial(t)
			send(conns[i], request)
		}
		for _, c := range conns {
			if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(make([]byte, 1)); err != nil { // the status line, of a wait at once
				t.Fatalf("%s: not answered: %v", name, err)
			}
		}
		t.Logf("%d requests with %d header fields: peak memory %.0f MiB", waits, fields, peak(t, h.Process.Pid))
		h.answers(t)
		for _, c := range conns {
			_ = c.Close()
		}
	}
	// The systemd unit ends a process of 256 MiB.
	if after := peak(t, h.Process.Pid); after > 220 && !underRace() {
		t.Errorf("peak memory went from %.0f to %.0f MiB", before, after)
	}
}
