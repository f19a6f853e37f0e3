package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/conftool/confctl/internal/config"
)

// serveAttacks are those on serve: each is over when it returns, or when its
// connections are closed.
func serveAttacks() []attack {
	wait := "GET /v2/keys" + loadTree + "/pools?recursive=true&wait=true"
	fields := func(n int) string {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, "%x:\r\n", i)
		}
		return text.String()
	}
	return []attack{
		{name: "none", run: func(*attacked) {}},
		{name: "connections that say nothing", run: func(a *attacked) { a.connect(a.gateway, a.many, "") }},
		{name: "waits with 64 header fields", run: func(a *attacked) { a.waits(wait + " HTTP/1.1\r\nHost: h\r\n" + fields(maxFields-1) + "\r\n") }},
		{name: "waits with 2,200 header fields", run: func(a *attacked) {
			a.connect(a.gateway, a.many, wait+" HTTP/1.1\r\nHost: h\r\n"+fields(2200)+"\r\n")
		}},
		{name: "waits with a long target", run: func(a *attacked) { a.waits(wait + "&x=" + strings.Repeat("x", 7900) + " HTTP/1.1\r\nHost: h\r\n\r\n") }},
		{name: "waits with a long Accept", run: func(a *attacked) {
			a.waits(wait + " HTTP/1.1\r\nHost: h\r\nAccept: " + strings.Repeat("x", 7900) + "\r\n\r\n")
		}},
		{name: "waits of HTTP/1.0", run: func(a *attacked) { a.waits(wait + " HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") }},
		{name: "waits over TLS", secure: true, run: func(a *attacked) { a.waits(wait + " HTTP/1.1\r\nHost: h\r\n\r\n") }},
		{name: "large TLS hellos that do not end", secure: true, run: (*attacked).hellos},
		{name: "4,096 waits of one address", run: (*attacked).oneAddress},
		{name: "more connections than there may be", slow: true, run: (*attacked).tooMany},
		{name: "HTTP/2 frames", run: (*attacked).frames},
		{name: "heads that drip", slow: true, run: func(a *attacked) { a.drip("GET /v2/keys HTTP/1.1\r\nHost: h\r\nX: ", "x") }},
		{name: "bodies that drip", slow: true, run: func(a *attacked) {
			a.drip("GET /v2/keys HTTP/1.1\r\nHost: h\r\nContent-Length: 65536\r\n\r\n", strings.Repeat("x", 1000))
		}},
		{name: "chunks that drip", slow: true, run: func(a *attacked) {
			a.drip("GET /v2/keys HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n", "1;"+strings.Repeat("x", 500)+"\r\nx\r\n")
		}},
		{name: "trailers", run: func(a *attacked) {
			a.connect(a.gateway, a.many, wait+" HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"+fields(500)+"\r\n")
		}},
		{name: "bodies to continue with", run: func(a *attacked) {
			a.connect(a.gateway, a.many, wait+" HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 60000\r\n\r\n")
		}},
		{name: "pipelined reads of everything", run: func(a *attacked) { a.unread(a.gateway, "/v2/keys"+loadTree+"?recursive=true") }},
		{name: "pipelined reads of metrics", run: func(a *attacked) { a.unread(a.metrics, "/metrics") }},
		{name: "reads of everything at each change", run: (*attacked).herd},
		{name: "PyBal with a forgotten index", run: (*attacked).forgotten},
		{name: "waits for a large object", run: (*attacked).large},
		{name: "waits for past changes of a large object", run: (*attacked).past},
		{name: "different waits amid changes", run: (*attacked).different},
		{name: "clients that are gone", slow: true, run: (*attacked).gone},
		{name: "an outage of the store", run: (*attacked).outage},
	}
}

// hellos begins TLS handshakes with as much as a client may say first.
func (a *attacked) hellos() {
	const size = 1<<16 - 1
	var text strings.Builder
	hello := "\x01\x00\xff\xff" + strings.Repeat("x", size-100)
	for len(hello) > 0 {
		n := min(len(hello), 1<<14)
		fmt.Fprintf(&text, "\x16\x03\x01%c", n>>8)
		text.WriteByte(byte(n))
		text.WriteString(hello[:n])
		hello = hello[n:]
	}
	all := a.connect(strings.Replace(a.gateway, "https:", "http:", 1), a.many, text.String())
	a.each(all, func(c net.Conn) {
		if !closed(c, time.Minute) {
			a.Error("a handshake that does not end is waited for")
		}
	})
}

// tooMany has clients open 200 connections more than there is room for.
func (a *attacked) tooMany() {
	a.connect(a.gateway, a.many, "")
	for range config.MaxConnections + 200 - a.many {
		if _, err := a.dial(a.gateway, "127.0.2.1"); err != nil {
			a.Fatal(err)
		}
	}
	a.until(`confctl_refused_connections_total{limit="total",part="gateway"} 200` + "\n")
}

// oneAddress has one client take all that it can.
func (a *attacked) oneAddress() {
	for range a.many + 96 {
		if c, err := a.dial(a.gateway, "127.0.0.2"); err == nil {
			go send(c, "GET /v2/keys"+loadKey+"?wait=true HTTP/1.1\r\nHost: h\r\n\r\n")
		}
	}
	a.answers("while one address has all it can")
}

// frames sends both parts HTTP/2.
func (a *attacked) frames() {
	text := string(resizingTable(a.TB))
	for _, url := range []string{a.gateway, a.metrics} {
		a.each(a.connect(url, a.many, text), func(c net.Conn) {
			got := make([]byte, 8)
			if n, _ := io.ReadFull(c, got); n > 0 && !strings.HasPrefix(string(got[:n]), "HTTP/1.") {
				a.Errorf("answered with %q", got[:n])
			}
		})
	}
}

// drip sends the beginning of a request, and then again and again a little more.
func (a *attacked) drip(head, more string) {
	all := a.connect(a.gateway, a.many, head)
	for range 8 {
		a.each(all, func(c net.Conn) { send(c, more) })
		a.answers("amid requests that do not end")
	}
	a.each(all, func(c net.Conn) {
		if !closed(c, time.Minute) {
			a.Error("a request that does not end is waited for")
		}
	})
}

// unread pipelines requests and reads nothing.
func (a *attacked) unread(url, path string) {
	many := strings.Repeat("GET "+path+" HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n", 300)
	for _, c := range a.connect(url, a.many, "") {
		go send(c, many)
	}
	for range 3 {
		a.answers("amid answers that nobody reads")
	}
}

// herd has everybody read everything, each time that there is something new, and
// from other directories too.
func (a *attacked) herd() {
	dirs := []string{"", "/conftool", loadTree, loadTree + "/pools", loadTree + "/pools/north"}
	all := a.connect(a.gateway, a.many, "")
	a.amid(func() {
		for range 5 {
			var group sync.WaitGroup
			for i, c := range all {
				group.Go(func() {
					send(c, "GET /v2/keys"+dirs[i%len(dirs)]+"?recursive=true HTTP/1.1\r\nHost: h\r\n\r\n")
					_, _ = c.Read(make([]byte, 1000))
				})
			}
			group.Wait()
			a.answers("amid reads of everything")
		}
	})
}

// forgotten has clients that call themselves PyBal ask for what has happened since
// an index that nobody knows of any more: they are told of all there is.
func (a *attacked) forgotten() {
	snapshot, err := a.store.Read(a.Context(), loadKey)
	if err != nil {
		a.Fatal(err)
	}
	a.etcd.Compact(a.TB, int64(snapshot.Revision))
	a.each(a.connect(a.gateway, a.many, "GET /v2/keys"+loadTree+"?recursive=true&wait=true&waitIndex=1 HTTP/1.1\r\nHost: h\r\nUser-Agent: PyBal/1.15\r\n\r\n"),
		func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
	a.answers("amid much to tell")
}

const largeKey = loadTree + "/services/web/large"

func (a *attacked) changeLarge(n int) {
	if err := a.write(largeKey, fmt.Appendf(nil, `{"defaults": {"n": %d, "x": "%s"}}`, n, strings.Repeat("x", 400<<10))); err != nil {
		a.Fatal(err)
	}
}

// large has all wait for an object, and read nothing when it changes.
func (a *attacked) large() {
	a.changeLarge(0)
	a.waits("GET /v2/keys" + loadTree + "?recursive=true&wait=true HTTP/1.1\r\nHost: h\r\n\r\n")
	for n := range 3 {
		a.changeLarge(1 + n)
		a.answers("amid large changes")
	}
}

// past has all ask for one of the past changes of an object, and read nothing.
func (a *attacked) past() {
	var indexes []uint64
	for n := range 20 {
		a.changeLarge(n)
		status, body := 0, ""
		for status != http.StatusOK || !strings.Contains(body, fmt.Sprintf(`\"n\": %d,`, n)) {
			status, body = get(a.TB, a.gateway+"/v2/keys"+largeKey)
		}
		var got answer
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			a.Fatal(err)
		}
		indexes = append(indexes, got.Node.ModifiedIndex&^8191)
	}
	for i, c := range a.connect(a.gateway, a.many, "") {
		go send(c, fmt.Sprintf("GET /v2/keys%s?recursive=true&wait=true&waitIndex=%d HTTP/1.1\r\nHost: h\r\n\r\n", loadTree, indexes[i%len(indexes)]))
	}
	for range 10 {
		a.answers("amid large changes of the past")
	}
}

// different has all wait for other keys while there are changes.
func (a *attacked) different() {
	all := a.connect(a.gateway, a.many, "")
	for i, c := range all {
		send(c, fmt.Sprintf("GET /v2/keys%s/%s/%d?wait=true&recursive=true HTTP/1.1\r\nHost: h\r\n\r\n", loadTree, strings.Repeat("x/", 1000), i))
	}
	a.amid(func() {
		for range 50 {
			a.answers("amid waits that changes wake")
		}
	})
}

// gone has clients wait and end their connections without a word to anybody who
// would read it: a body is to come, or another request has begun.
func (a *attacked) gone() {
	wait := "GET /v2/keys" + loadKey + "?wait=true HTTP/1.1\r\nHost: h\r\n"
	all := a.connect(a.gateway, a.many/2, wait+"Content-Length: 1000000\r\n\r\n")
	more := a.connect(a.gateway, a.many/2, wait+"\r\n")
	for _, c := range append(all, more...) {
		_, _ = c.Read(make([]byte, 1))
	}
	a.each(more, func(c net.Conn) { send(c, "G") })
	for _, c := range append(all, more...) {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
	a.closeAll()
	a.until("confctl_gateway_waiting 0\n")
}

// outage has the store stand still while clients read and wait.
func (a *attacked) outage() {
	a.proxy.Freeze()
	defer a.proxy.Thaw()
	a.waits("GET /v2/keys" + loadTree + "?recursive=true&wait=true HTTP/1.1\r\nHost: h\r\n\r\n")
	a.proxy.Cut()
	for range 10 {
		a.answers("while the store is away")
	}
}

// resizingTable returns HTTP/2 frames: requests, and between them the header
// compression table is emptied and enlarged. Go before 1.26.10 resizes that table
// while an answer is being compressed, which ends the process: "fatal error:
// concurrent map read and map write". Neither part speaks HTTP/2.
func resizingTable(t testing.TB) []byte {
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
