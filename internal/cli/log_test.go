package cli

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// TestLogFollow: new records come as they are committed, those asked for, until
// ^C.
func TestLogFollow(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	term := s.terminal("log", "--follow", "--object", "web9", "--debug")
	term.Expect("  sync  ")
	term.Expect("local: watch")
	s.ok("select", "name=db1.example", "set/weight=11")
	s.ok("select", "name=web9.example", "set/weight=12")
	term.Expect("  set/weight=12  name=web9.example  1 object  ")
	term.Type("\x03")
	term.Expect("confctl: interrupted")
	term.end(exitFailed)
	if shown := term.Shown(); strings.Contains(shown, "weight=11") || strings.Count(shown, "weight=12") != 1 {
		t.Errorf("shown:\n%s", shown)
	}
}

// TestLogFollowOutlastsTheStore: a store that is away ends nothing. It is told
// once, and what came meanwhile is not missed.
func TestLogFollowOutlastsTheStore(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	direct := etcdSite(t, server.URL())
	direct.ok("sync", "--directory", "data")
	line := newRelay(t, strings.TrimPrefix(server.URL(), "http://"))
	s := etcdSite(t, "http://"+line.address)
	s.file("confctl.yaml", "timeout: 300ms\n")

	term := s.terminal("log", "-f", "-n", "1")
	term.Expect("  sync  ")
	direct.ok("select", "name=web9.example", "set/weight=11")
	term.Expect("  set/weight=11  ")
	line.cut()
	term.Expect("confctl: warning: store unavailable: ")
	direct.ok("select", "name=web9.example", "set/weight=12")
	time.Sleep(1500 * time.Millisecond) // another attempt fails
	line.mend(t)
	term.Expect("confctl: the store is back")
	term.Expect("  set/weight=12  ")
	direct.ok("select", "name=web9.example", "set/weight=13")
	term.Expect("  set/weight=13  ")
	term.Type("\x03")
	term.end(exitFailed)
	for text, want := range map[string]int{"warning": 1, "is back": 1, "sync": 1, "weight=11": 1, "weight=12": 1, "weight=13": 1} {
		if got := strings.Count(term.Shown(), text); got != want {
			t.Errorf("%q is shown %d times, want %d:\n%s", text, got, want, term.Shown())
		}
	}
}

// relay is a connection to a server that can be cut and mended.
type relay struct {
	address, server string
	mu              sync.Mutex
	listener        net.Listener
	open            []net.Conn
	down            bool
}

func newRelay(t *testing.T, server string) *relay {
	t.Helper()
	r := &relay{address: "127.0.0.1:0", server: server}
	r.mend(t)
	t.Cleanup(r.cut)
	return r
}

func (r *relay) mend(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	r.listener, r.address = l, l.Addr().String()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = false
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			r.join(from)
		}
	}()
}

func (r *relay) join(from net.Conn) {
	to, err := net.Dial("tcp", r.server)
	if err != nil {
		_ = from.Close()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open = append(r.open, from, to); r.down { // it was on its way in
		_, _ = from.Close(), to.Close()
		return
	}
	for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // ends when either end does
			_ = pair[0].Close()
		}()
	}
}

func (r *relay) cut() {
	_ = r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.open {
		_ = c.Close()
	}
	r.open, r.down = nil, true
}
