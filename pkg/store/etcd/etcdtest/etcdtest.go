// Package etcdtest runs etcd in a test: a real server of one or more members, on
// loopback. Only tests may import it, because the server is large.
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

// Option changes the configuration of a member before it starts.
type Option func(*embed.Config)

// Server is a running cluster of one or more members.
type Server struct {
	members []*member
}

type member struct {
	etcd *embed.Etcd
	url  string
	once sync.Once     // kills it only once
	dead chan struct{} // closed when it is killed

	mu    sync.Mutex
	calls map[string]int
	ended map[string][]string // by error: the first compared keys of the transactions that it ended
}

// Start runs a server of one member until the test ends.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	return Cluster(t, 1, options...)
}

// Cluster runs a server of size members until the test ends.
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
			cfg.TickMs, cfg.ElectionMs = 20, 300 // the leader must not change on a busy machine
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

// config returns the configuration of a member that starts and elects quickly, and
// does not sync its disk.
func (m *member) config(t testing.TB, name, peer string) *embed.Config {
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = name, t.TempDir()
	cfg.LogOutputs, cfg.LogLevel = []string{"/dev/null"}, "fatal"
	cfg.TickMs, cfg.ElectionMs = 10, 100
	cfg.UnsafeNoFsync = true
	cfg.BcryptCost = 4 // the minimum: the race detector makes hashing passwords slow
	cfg.ListenPeerUrls = []url.URL{parse(t, peer)}
	cfg.AdvertisePeerUrls = cfg.ListenPeerUrls
	cfg.ListenClientUrls = []url.URL{parse(t, "http://127.0.0.1:0")}
	cfg.AdvertiseClientUrls = cfg.ListenClientUrls
	cfg.GRPCAdditionalServerOptions = []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(m.count), grpc.ChainStreamInterceptor(m.endStreams),
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

// Ended returns the first key in the conditions of each transaction that ended with
// an error of the server.
func (s *Server) Ended(with error) []string {
	var keys []string
	for _, m := range s.members {
		m.mu.Lock()
		keys = append(keys, m.ended[rpctypes.ErrorDesc(with)]...)
		m.mu.Unlock()
	}
	return keys
}

// endStreams ends a stream when the member is killed, which would otherwise wait
// seconds for it.
func (m *member) endStreams(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go func() {
		select {
		case <-m.dead:
			cancel()
		case <-ctx.Done():
		}
	}()
	return next(srv, streamWithContext{stream, ctx})
}

type streamWithContext struct {
	grpc.ServerStream
	ctx context.Context
}

func (s streamWithContext) Context() context.Context { return s.ctx }

func (m *member) kill() {
	m.once.Do(func() {
		close(m.dead)
		m.etcd.Server.HardStop()
		m.etcd.Close()
	})
}

// URL returns the client URL of the first member.
func (s *Server) URL() string { return s.members[0].url }

// URLs returns the client URLs of the members.
func (s *Server) URLs() []string {
	var urls []string
	for _, m := range s.members {
		urls = append(urls, m.url)
	}
	return urls
}

// Leader returns the index of the member that leads.
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

// Kill stops a member immediately, as a power failure of its host would.
func (s *Server) Kill(i int) { s.members[i].kill() }

// Part disconnects a member from the others, in both directions. Clients still reach
// it.
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

// Compact makes the server forget the history before a revision.
func (s *Server) Compact(t testing.TB, before int64) {
	t.Helper()
	if _, err := s.members[0].etcd.Server.Compact(t.Context(), &pb.CompactionRequest{Revision: before, Physical: true}); err != nil {
		t.Fatalf("compact etcd: %v", err)
	}
}

// Calls returns the number of requests that the members received since the previous
// call, by gRPC method.
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

// freeAddress returns a loopback address on which nothing listens. A member gets its
// address before it listens there, so another process could take the port. The port
// is therefore outside the ranges that systems assign, and on Linux, where all of
// 127.0.0.0/8 is this host, the address is random.
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

// Address returns a loopback address at which a server can be started repeatedly.
func Address(t testing.TB) string { return freeAddress(t) }

// At sets a member's data directory and its client address. A server started there
// again has the same data.
func At(t testing.TB, dir, address string) Option {
	return func(cfg *embed.Config) {
		cfg.Dir = dir
		cfg.ListenClientUrls = []url.URL{parse(t, "http://"+address)}
		cfg.AdvertiseClientUrls = cfg.ListenClientUrls
	}
}

// Quota sets the maximum size of a server's database.
func Quota(bytes int64) Option {
	return func(cfg *embed.Config) { cfg.QuotaBackendBytes = bytes }
}

// Limits sets the maximum size and number of operations of a request.
func Limits(bytes, operations uint) Option {
	return func(cfg *embed.Config) { cfg.MaxRequestBytes, cfg.MaxTxnOps = bytes, operations }
}
