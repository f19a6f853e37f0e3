package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// attacked is a serve that runs under the limits of the systemd unit, and those
// who mean it no good.
type attacked struct {
	*server
	limit *memoryLimit // nil where there is none, and under the race detector, which takes several times as much
	etcd  *etcdtest.Server
	proxy *etcdtest.Proxy // between serve and etcd
	store store.Store
	many  int // connections of an attack

	mu    sync.Mutex
	conns []net.Conn
}

// attack is one way to have serve use more memory than it may, or stop to answer.
type attack struct {
	name   string
	secure bool // serve speaks TLS
	slow   bool // only in make soak
	run    func(*attacked)
}

// TestServeUnderAttack has serve attacked with the memory and the open files that
// the systemd unit gives it. It goes on to answer others, and the kernel does not
// end it.
func TestServeUnderAttack(t *testing.T) {
	t.Parallel()
	full := os.Getenv(faultsVariable) != ""
	many, objects := 50, 500
	if full {
		needsFiles(t, 2*config.MaxConnections)
		many, objects = config.MaxConnections-96, 5000
	}
	s, server, proxy := attackedSite(t, objects)
	st := storeAt(t, server.URL())
	for _, c := range serveAttacks() {
		t.Run(c.name, func(t *testing.T) {
			if c.slow && !full {
				t.Skipf("takes its time, or thousands of connections: make soak, or %s=1", faultsVariable)
			}
			a := &attacked{etcd: server, proxy: proxy, store: st, many: many}
			a.start(t, *s, c.secure)
			c.run(a)
			a.closeAll()
			a.answers("afterwards")
			if a.limit != nil {
				t.Logf("%-42s peak %4.0f of %d MiB", c.name, a.limit.held(), a.limit.limit>>20)
			}
		})
	}
}

// attackedSite returns a site whose store has objects of which one is large.
func attackedSite(t *testing.T, objects int) (*site, *etcdtest.Server, *etcdtest.Proxy) {
	t.Helper()
	server := etcdtest.Start(t)
	proxy := etcdtest.NewProxy(t, server.URL())
	s := etcdSite(t, proxy.URL())
	s.ok("--quiet", "sync", "--directory", "data")
	st := storeAt(t, server.URL())
	var writes []store.Write
	commit := func() {
		if _, err := st.Commit(t.Context(), store.Txn{Writes: writes}); err != nil {
			t.Fatal(err)
		}
		writes = nil
	}
	for i := range objects {
		key := fmt.Sprintf("%s/pools/north/cluster%02d/web/host%05d.example", loadTree, i%40, i)
		writes = append(writes, store.Write{Key: key, Value: []byte(`{"pooled": "yes", "weight": 10}`)})
		if len(writes) == 100 {
			commit()
		}
	}
	commit()
	ca := etcdtest.NewAuthority(t)
	cert, key := ca.Issue(t, "h.example", time.Now().Add(time.Hour))
	for from, to := range map[string]string{cert: "gw.pem", key: "gw.key"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		s.file(to, string(text))
	}
	return s, server, proxy
}

// start starts serve at two free addresses.
func (a *attacked) start(t *testing.T, s site, secure bool) {
	t.Helper()
	s.TB = t
	args := []string{"serve", "--gateway", "127.0.0.1:0", "--metrics", "127.0.0.1:0"}
	if secure {
		args = append(args, "--cert", "gw.pem", "--key", "gw.key")
	}
	cmd := s.command(args...)
	limit, err := newMemoryLimit(t, unitMemory(t))
	switch {
	case underRace():
	case err != nil:
		t.Logf("attacked without a limit: %v", err)
	default:
		a.limit = limit
		limit.confine(cmd)
	}
	a.server = s.started(cmd, 2)
	if secure {
		a.gateway = strings.Replace(a.gateway, "http:", "https:", 1)
	}
	go func() {
		for range a.said {
			continue // it must not wait for us
		}
	}()
	t.Cleanup(a.closeAll)
	until(t, a.metrics+"/readyz", http.StatusOK, "")
}

// answers checks that somebody else is answered by both parts.
func (a *attacked) answers(when string) {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), time.Minute)
	defer cancel()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 99)}}
	c := &http.Client{Transport: &http.Transport{
		DialContext: d.DialContext, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	for _, url := range []string{a.gateway + "/v2/keys" + loadKey, a.metrics + "/metrics"} {
		for {
			status, body, err := ask(ctx, c, url)
			if err == nil && status == http.StatusOK {
				break
			}
			if ctx.Err() != nil || status == 0 {
				a.Errorf("%s, %s is answered with %d, %s, %v", when, url, status, body, err)
				return
			}
		}
	}
}

// dial connects from an address of this host.
func (a *attacked) dial(url, from string) (net.Conn, error) {
	kind, address, _ := strings.Cut(url, "://")
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Minute, Control: smallSegments}
	c, err := d.DialContext(a.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.conns = append(a.conns, c)
	a.mu.Unlock()
	if kind == "https" {
		return tls.Client(c, &tls.Config{InsecureSkipVerify: true}), nil
	}
	return c, nil
}

// smallSegments has little on its way that a client has not read: over loopback it
// would be megabytes, which serve is rid of.
func smallSegments(_, _ string, c syscall.RawConn) error {
	var err error
	bad := c.Control(func(fd uintptr) {
		err = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 536),
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096))
	})
	return errors.Join(bad, err)
}

// connect opens connections, no more from one address than it may have, and sends
// each a text.
func (a *attacked) connect(url string, n int, text string) []net.Conn {
	a.Helper()
	all := make([]net.Conn, n)
	var group errgroup.Group
	group.SetLimit(50)
	for i := range all {
		group.Go(func() (err error) {
			all[i], err = a.dial(url, fmt.Sprintf("127.0.1.%d", 1+i/2000))
			if err == nil {
				send(all[i], text)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		a.Fatal(err)
	}
	a.answers("meanwhile")
	return all
}

// each does something with all connections, many at a time.
func (a *attacked) each(all []net.Conn, do func(net.Conn)) {
	var group sync.WaitGroup
	for _, c := range all {
		group.Go(func() { do(c) })
	}
	group.Wait()
}

// waits has a request wait on many connections. Each is told so at once.
func (a *attacked) waits(request string) []net.Conn {
	a.Helper()
	all := a.connect(a.gateway, a.many, request)
	a.each(all, func(c net.Conn) {
		if n, err := c.Read(make([]byte, 1)); n == 0 {
			a.Errorf("a wait is not answered: %v", err)
		}
	})
	a.answers("while others wait")
	return all
}

func (a *attacked) closeAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.conns {
		_ = c.Close()
	}
	a.conns = nil
}

// amid changes an object until something is done.
func (a *attacked) amid(what func()) {
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := int64(0); ; n++ {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if err := a.write(loadKey, numbered(n)); err != nil {
				a.Error(err)
			}
		}
	})
	what()
	close(done)
	writer.Wait()
}

func (a *attacked) write(key string, value []byte) error {
	_, err := a.store.Commit(a.Context(), store.Txn{Writes: []store.Write{{Key: key, Value: value}}})
	return err
}

// until waits for a line of the metrics.
func (a *attacked) until(line string) {
	a.Helper()
	for end := time.Now().Add(2 * time.Minute); ; {
		_, metrics := get(a.TB, a.metrics+"/metrics")
		if strings.Contains(metrics, "\n"+line) {
			return
		}
		if time.Now().After(end) {
			a.Errorf("no %q", line)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}
