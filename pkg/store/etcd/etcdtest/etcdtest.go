// Package etcdtest runs etcd inside a test: a real server, or several, on
// loopback. It is for tests only; the server is large.
package etcdtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
)

// Option changes the configuration of a server before it starts.
type Option func(*embed.Config)

// Server is a running cluster of one or several members.
type Server struct {
	members []*member
}

type member struct {
	etcd *embed.Etcd
	url  string
	once sync.Once     // it can be killed but once
	dead chan struct{} // closed then

	mu    sync.Mutex
	calls map[string]int
	ended map[string][]string // first compared keys of transactions, by what they ended with
}

// Start runs a server of one member until the test ends.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	return Cluster(t, 1, options...)
}

// Cluster runs a server of several members until the test ends.
func Cluster(t testing.TB, size int, options ...Option) *Server {
	t.Helper()
	peers := make([]string, size)
	initial := ""
	for i := range peers {
		peers[i] = "http://" + freeAddress(t)
		initial += fmt.Sprintf(",m%d=%s", i, peers[i])
	}
	s := &Server{}
	for i, peer := range peers {
		m := &member{calls: make(map[string]int), ended: make(map[string][]string), dead: make(chan struct{})}
		cfg := m.config(t, fmt.Sprintf("m%d", i), peer)
		cfg.InitialCluster = initial[1:]
		if size > 1 {
			cfg.TickMs, cfg.ElectionMs = 20, 300 // leaders are to last on a busy machine
		}
		for _, o := range options {
			o(cfg)
		}
		etcd, err := embed.StartEtcd(cfg)
		if err != nil {
			t.Fatalf("start etcd: %v", err)
		}
		m.etcd = etcd
		m.url = cfg.ListenClientUrls[0].Scheme + "://" + etcd.Clients[0].Addr().String()
		s.members = append(s.members, m)
		t.Cleanup(m.kill)
	}
	for _, m := range s.members {
		select {
		case <-m.etcd.Server.ReadyNotify():
		case <-time.After(time.Minute):
			t.Fatal("etcd does not get ready")
		}
	}
	return s
}

// config is that of a server that is fast to start and to elect, and does not
// sync its disk.
func (m *member) config(t testing.TB, name, peer string) *embed.Config {
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = name, t.TempDir()
	cfg.LogOutputs, cfg.LogLevel = []string{"/dev/null"}, "fatal"
	cfg.TickMs, cfg.ElectionMs = 10, 100
	cfg.UnsafeNoFsync = true
	cfg.BcryptCost = 4 // the least there is: passwords are checked with the race detector on
	cfg.ListenPeerUrls = []url.URL{parse(t, peer)}
	cfg.AdvertisePeerUrls = cfg.ListenPeerUrls
	cfg.ListenClientUrls = []url.URL{parse(t, "http://127.0.0.1:0")}
	cfg.AdvertiseClientUrls = cfg.ListenClientUrls
	cfg.GRPCAdditionalServerOptions = []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(m.count), grpc.ChainStreamInterceptor(m.mortal),
	}
	return cfg
}

func (m *member) count(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	m.mu.Lock()
	m.calls[info.FullMethod]++
	m.mu.Unlock()
	answer, err := next(ctx, req)
	if txn, ok := req.(*pb.TxnRequest); ok && err != nil && len(txn.GetCompare()) > 0 {
		m.mu.Lock()
		m.ended[rpctypes.ErrorDesc(err)] = append(m.ended[rpctypes.ErrorDesc(err)], string(txn.GetCompare()[0].GetKey()))
		m.mu.Unlock()
	}
	return answer, err
}

// Ended returns the keys that come first in the conditions of the transactions
// that ended with an error of the server.
func (s *Server) Ended(with error) []string {
	var keys []string
	for _, m := range s.members {
		m.mu.Lock()
		keys = append(keys, m.ended[rpctypes.ErrorDesc(with)]...)
		m.mu.Unlock()
	}
	return keys
}

// mortal ends streams with the member, which would see them out for seconds.
func (m *member) mortal(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go func() {
		select {
		case <-m.dead:
			cancel()
		case <-ctx.Done():
		}
	}()
	return next(srv, mortalStream{stream, ctx})
}

type mortalStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s mortalStream) Context() context.Context { return s.ctx }

func (m *member) kill() {
	m.once.Do(func() {
		close(m.dead)
		m.etcd.Server.HardStop()
		m.etcd.Close()
	})
}

// URL is where the first member takes requests.
func (s *Server) URL() string { return s.members[0].url }

// URLs is where each of the members takes requests.
func (s *Server) URLs() []string {
	var urls []string
	for _, m := range s.members {
		urls = append(urls, m.url)
	}
	return urls
}

// Leader returns the number of the member that leads.
func (s *Server) Leader(t testing.TB) int {
	t.Helper()
	for range 500 {
		for i, m := range s.members {
			if id := m.etcd.Server.Leader(); id != 0 && id == m.etcd.Server.MemberID() {
				return i
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("etcd elects no leader")
	return 0
}

// Kill stops a member at once, as if its host had lost power.
func (s *Server) Kill(i int) { s.members[i].kill() }

// Part cuts a member off from the others, either way. Clients still reach it.
func (s *Server) Part(i int) {
	for _, m := range s.others(i) {
		m.etcd.Server.CutPeer(s.members[i].etcd.Server.MemberID())
		s.members[i].etcd.Server.CutPeer(m.etcd.Server.MemberID())
	}
}

// Join ends a Part.
func (s *Server) Join(i int) {
	for _, m := range s.others(i) {
		m.etcd.Server.MendPeer(s.members[i].etcd.Server.MemberID())
		s.members[i].etcd.Server.MendPeer(m.etcd.Server.MemberID())
	}
}

func (s *Server) others(i int) []*member {
	return append(append([]*member(nil), s.members[:i]...), s.members[i+1:]...)
}

// Compact has the server forget what was before a revision.
func (s *Server) Compact(t testing.TB, before int64) {
	t.Helper()
	if _, err := s.members[0].etcd.Server.Compact(t.Context(), &pb.CompactionRequest{Revision: before, Physical: true}); err != nil {
		t.Fatalf("compact etcd: %v", err)
	}
}

// Calls returns how many requests the members were sent since the last time,
// by their gRPC method.
func (s *Server) Calls() map[string]int {
	all := make(map[string]int)
	for _, m := range s.members {
		m.mu.Lock()
		for method, n := range m.calls {
			all[method] += n
		}
		clear(m.calls)
		m.mu.Unlock()
	}
	return all
}

// freeAddress returns a loopback address that nobody listens on. A member is told
// its address before it listens there, so the port could be given to somebody
// else meanwhile: it is none of those that systems hand out and, where all of
// 127.0.0.0/8 is this host, one of an address of its own.
func freeAddress(t testing.TB) string {
	t.Helper()
	const firstPort, ports, tries = 10_000, 20_000, 100
	var err error
	for range tries {
		host := "127.0.0.1"
		if runtime.GOOS == "linux" {
			host = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
		}
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(firstPort+rand.IntN(ports)))); err == nil {
			_ = l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal(err)
	return ""
}

func parse(t testing.TB, address string) url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return *u
}

// Address returns one on loopback that a server can have again and again.
func Address(t testing.TB) string { return freeAddress(t) }

// At is where a server keeps its data and takes requests. One that is started
// there later is the same again, as its data are.
func At(t testing.TB, dir, address string) Option {
	return func(cfg *embed.Config) {
		cfg.Dir = dir
		cfg.ListenClientUrls = []url.URL{parse(t, "http://"+address)}
		cfg.AdvertiseClientUrls = cfg.ListenClientUrls
	}
}

// Quota is how large a server's database may grow.
func Quota(bytes int64) Option {
	return func(cfg *embed.Config) { cfg.QuotaBackendBytes = bytes }
}

// Limits are those of a request.
func Limits(bytes, operations uint) Option {
	return func(cfg *embed.Config) { cfg.MaxRequestBytes, cfg.MaxTxnOps = bytes, operations }
}
