package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestServeHTTP2Hostile has clients do what only HTTP/2 lets them. Every other
// client is answered all the same, and memory stays bounded.
func TestServeHTTP2Hostile(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	before := peak(t, h.Process.Pid)
	t.Run("zero window", h.zeroWindow)
	h.answers(t)
	t.Logf("peak memory with as many answers as there can be: %.0f MiB", peak(t, h.Process.Pid))
	t.Run("together", func(t *testing.T) {
		for name, do := range map[string]func(*testing.T){
			"many streams": h.manyStreams, "rapid reset": h.rapidReset, "large headers": h.largeHeaders,
			"endless headers": h.endlessHeaders, "large frames": h.largeFrames, "bodies": h.bodies, "deaf": h.deaf,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				do(t)
				h.answers(t)
			})
		}
	})
	h.answers(t)
	after := peak(t, h.Process.Pid)
	t.Logf("peak memory %.0f MiB before and %.0f MiB after", before, after)
	if after-before > 180 && !underRace() {
		t.Errorf("peak memory went from %.0f to %.0f MiB", before, after)
	}
}

// raw is a connection on which frames are sent as they please.
type raw struct {
	testing.TB
	*http2.Framer
	conn    net.Conn
	mu      sync.Mutex // of what is written
	stream  uint32     // the last one
	encoded bytes.Buffer
	encoder *hpack.Encoder
}

// http2 opens a connection, with settings.
func (h *hostile) http2(t *testing.T, settings ...http2.Setting) *raw {
	t.Helper()
	c := h.dial(t)
	send(c, http2.ClientPreface)
	r := &raw{TB: t, Framer: http2.NewFramer(c, c), conn: c}
	r.encoder = hpack.NewEncoder(&r.encoded)
	r.AllowIllegalWrites = true
	if err := r.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	return r
}

// ask begins a request. That the other side has had enough is its right.
func (r *raw) ask(path string, end bool, more ...string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.encoded.Reset()
	fields := append([]string{":method", "GET", ":scheme", "http", ":authority", "h", ":path", path}, more...)
	for i := 0; i < len(fields); i += 2 {
		if err := r.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			return err
		}
	}
	r.stream += 2
	if r.stream == 2 {
		r.stream = 1
	}
	block := r.encoded.Bytes()
	first := block[:min(len(block), 16<<10)]
	err := r.WriteHeaders(http2.HeadersFrameParam{StreamID: r.stream, BlockFragment: first, EndStream: end, EndHeaders: len(first) == len(block)})
	for rest := block[len(first):]; len(rest) > 0 && err == nil; {
		piece := rest[:min(len(rest), 16<<10)]
		rest = rest[len(piece):]
		err = r.WriteContinuation(r.stream, len(rest) == 0, piece)
	}
	return err
}

// ends reads how so many streams, or all with the connection, are answered: with a
// status, or with an error.
func (r *raw) ends(streams int) map[string]int {
	r.Helper()
	out := map[string]int{}
	if err := r.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		r.Fatal(err)
	}
	decoder := hpack.NewDecoder(4096, nil)
	for n := 0; n < streams; {
		f, err := r.ReadFrame()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			r.Fatalf("of %d streams there is no word, but only of %v", streams, out)
		}
		if err != nil { // the connection has ended
			out["closed"]++
			return out
		}
		switch f := f.(type) {
		case *http2.HeadersFrame:
			fields, err := decoder.DecodeFull(f.HeaderBlockFragment())
			if err != nil {
				r.Fatal(err)
			}
			out[fields[0].Value]++
			n++
		case *http2.RSTStreamFrame:
			out[f.ErrCode.String()]++
			n++
		case *http2.GoAwayFrame:
			out["goaway "+f.ErrCode.String()]++
		}
	}
	return out
}

// manyStreams waits on more streams than a connection may have, on several.
func (h *hostile) manyStreams(t *testing.T) {
	for range 10 {
		c := h.http2(t)
		for range 4 * mostStreams {
			if err := c.ask("/v2/keys"+loadKey+"?wait=true", true); err != nil {
				break // it was told to go
			}
		}
		if got := c.ends(4 * mostStreams); got["200"] > mostStreams || got["200"] == 0 {
			t.Errorf("a connection with %d streams is answered with %v", 4*mostStreams, got)
		}
	}
}

// rapidReset takes back each request as soon as it is made.
func (h *hostile) rapidReset(t *testing.T) {
	var all sync.WaitGroup
	for range 5 {
		c := h.http2(t)
		all.Go(func() {
			go func() { _, _ = io.Copy(io.Discard, c.conn) }()
			for range 5000 {
				if c.ask("/v2/keys/conftool?recursive=true", true) != nil || c.WriteRSTStream(c.stream, http2.ErrCodeCancel) != nil {
					return // it was told to go
				}
			}
		})
	}
	h.answers(t)
	all.Wait()
}

// largeHeaders sends more than a request may have, also such that a few bytes stand
// for much.
func (h *hostile) largeHeaders(t *testing.T) {
	c := h.http2(t)
	if err := c.ask("/v2/keys", true, "x", strings.Repeat("x", 1<<20)); err == nil {
		if got := c.ends(1); got["200"] > 0 {
			t.Errorf("a header of 1 MiB is answered with %v", got)
		}
	}
	c = h.http2(t)
	many := make([]string, 0, 10000)
	for range cap(many) / 2 {
		many = append(many, "x", strings.Repeat("y", 3000)) // after the first, one byte each
	}
	if err := c.ask("/v2/keys", true, many...); err == nil {
		if got := c.ends(1); got["200"] > 0 {
			t.Errorf("headers of 15 MB, in %d bytes, are answered with %v", c.encoded.Len(), got)
		}
	}
}

// endlessHeaders sends headers that go on and on.
func (h *hostile) endlessHeaders(t *testing.T) {
	c := h.http2(t)
	go func() { _, _ = io.Copy(io.Discard, c.conn) }()
	err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
	for n := 0; err == nil; n++ {
		if n > 20000 {
			t.Fatal("headers of 300 MB are taken")
		}
		err = c.WriteContinuation(1, false, bytes.Repeat([]byte{0x82}, 16<<10))
	}
}

// zeroWindow asks for as much as is answered at once, and takes nothing.
func (h *hostile) zeroWindow(t *testing.T) {
	conns, got := h.stalled(t, 60)
	if h.answers(t); got["200"] != 60*mostStreams {
		t.Errorf("%d requests are answered with %v", 60*mostStreams, got)
	}
	more, got := h.stalled(t, 30)
	if got["503"] == 0 || got["200"]+got["503"] != 30*mostStreams {
		t.Errorf("%d more are answered with %v", 30*mostStreams, got)
	}
	for _, c := range append(conns, more...) {
		_ = c.conn.Close()
	}
	until(t, h.gateway+"/v2/keys"+loadSmall, http.StatusOK, "common")
}

// stalled opens connections that take no answers, with as many requests as they may
// have, and returns what these are answered with.
func (h *hostile) stalled(t *testing.T, connections int) ([]*raw, map[string]int) {
	t.Helper()
	var conns []*raw
	got := map[string]int{}
	for range connections {
		c := h.http2(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		for range mostStreams {
			if err := c.ask("/v2/keys/conftool?recursive=true", true); err != nil {
				t.Fatal(err)
			}
		}
		for how, n := range c.ends(mostStreams) {
			got[how] += n
		}
		conns = append(conns, c)
	}
	return conns, got
}

// largeFrames sends a frame that is larger than it may be.
func (h *hostile) largeFrames(t *testing.T) {
	c := h.http2(t)
	if err := c.ask("/v2/keys"+loadKey+"?wait=true", false); err != nil {
		t.Fatal(err)
	}
	_ = c.WriteData(1, false, make([]byte, 1<<20))
	if got := c.ends(2); got["goaway FRAME_SIZE_ERROR"] == 0 {
		t.Errorf("a frame of 1 MiB is answered with %v", got)
	}
}

// bodies brings something along with what only reads.
func (h *hostile) bodies(t *testing.T) {
	for range 100 {
		c := h.http2(t)
		if err := c.conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		var err error
		for i := 0; i < 16 && err == nil; i++ {
			err = c.ask("/v2/keys"+loadKey+"?wait=true", false)
			for j := 0; j < 4 && err == nil; j++ {
				err = c.WriteData(c.stream, false, make([]byte, 16<<10))
			}
		}
	}
}

// deaf asks, and asks whether anybody is there, and never reads what comes.
func (h *hostile) deaf(t *testing.T) {
	var all sync.WaitGroup
	for range 10 {
		c := h.http2(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
		if err := c.conn.SetWriteDeadline(time.Now().Add(2 * time.Second)); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for range 100000 {
				if c.WriteWindowUpdate(0, 1<<16) != nil || c.WritePing(false, [8]byte{}) != nil || c.ask("/v2/keys/conftool?recursive=true", true) != nil {
					return // nothing more goes in, or it was told to go
				}
			}
		})
	}
	h.answers(t)
	all.Wait()
}
