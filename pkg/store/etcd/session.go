package etcd

import (
	"context"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// session is a client of etcd's library, connected to one endpoint at a time:
// the first that can be reached, in its order.
type session struct {
	*clientv3.Client
	end    context.CancelFunc // closes it
	shared bool               // by all requests, but for those that want their own

	mu      sync.Mutex
	records map[string]*record // of the last connection to each target
}

// session returns the client to make a request with, or one of its own. If it
// cannot log in there is an error as well.
func (s *Store) session(ctx context.Context, own bool) (*session, error) {
	s.mu.Lock()
	current := s.current
	s.mu.Unlock()
	if current != nil && !own {
		return current, nil
	}
	fresh, err := s.login(ctx)
	if err != nil || own {
		return fresh, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil { // somebody else was faster
		fresh.end()
	} else {
		fresh.shared = true
		s.current = fresh
	}
	return s.current, nil
}

// login makes a session. With a user, the library logs in now; otherwise it
// connects with the first request.
func (s *Store) login(ctx context.Context) (*session, error) {
	life, end := context.WithCancel(context.WithValue(clientv3.WithRequireLeader(s.ctx), markKey{}, ctx.Value(markKey{})))
	u := &session{end: end, records: make(map[string]*record)}
	stop := context.AfterFunc(ctx, end)
	client, err := clientv3.New(clientv3.Config{
		Context:            life,
		Endpoints:          s.order(),
		Username:           s.cfg.User,
		Password:           s.cfg.Password,
		MaxUnaryRetries:    1, // that is none: which requests are safe to repeat is decided here
		MaxCallSendMsgSize: math.MaxInt32,
		MaxCallRecvMsgSize: math.MaxInt32,
		Logger:             zap.NewNop(),
		DialOptions:        s.dialOptions(u),
	})
	if err != nil {
		return u, err
	}
	u.Client = client
	context.AfterFunc(life, func() { _ = client.Close() }) // says that it is closed
	if !stop() {
		return u, ctx.Err()
	}
	return u, nil
}

// retire sees to it that a session is not used again, and that the next one
// begins with another endpoint than the one that failed, if that is known.
// What others do on it is not broken: no request takes longer than it stays.
func (s *Store) retire(u *session, failed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if failed >= 0 {
		s.first = (failed + 1) % len(s.endpoints)
	}
	if u != nil && s.current == u {
		s.current = nil
		time.AfterFunc(s.cfg.Timeout, u.end)
	}
}

// lost sees to it that what was a watch's endpoint is the last to be tried now, and
// that nobody goes on with a session from before: what has silenced a watch may
// have silenced that, too, and a request would have to find out for itself.
func (s *Store) lost(failed int) {
	s.mu.Lock()
	u := s.current
	s.mu.Unlock()
	s.retire(u, failed)
}

// order is in which order to try the endpoints.
func (s *Store) order() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var urls []string
	for i := range s.endpoints {
		urls = append(urls, s.endpoints[(s.first+i)%len(s.endpoints)].url())
	}
	return urls
}

func (s *Store) dialOptions(to *session) []grpc.DialOption {
	const longer = 2 // than a request waits: so it is the request that gives up, and says so

	first, _ := s.credentials(s.endpoints[0]) // each handshake asks again
	return []grpc.DialOption{
		grpc.WithTransportCredentials(noting{first, s, to}),
		grpc.WithContextDialer(func(ctx context.Context, target string) (net.Conn, error) { return s.dial(ctx, to, target) }),
		grpc.WithStatsHandler(marker{}),
		grpc.WithChainUnaryInterceptor(failFast),
		grpc.WithChainStreamInterceptor(failOnce),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: longer * s.cfg.Timeout, Backoff: backoff.DefaultConfig}),
		// The library would connect to all endpoints at once and take turns.
		// Without its configuration, one after the other is tried, the next
		// also when one has not answered within 250 ms.
		grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(),
		grpc.WithUserAgent("confctl"),
	}
}

// mostKey is the key of a context under which is how large the answer to a
// request may be, in bytes.
type mostKey struct{}

// failFast has a request fail as soon as no endpoint can be reached, or if its
// answer is larger than it may be.
func failFast(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	opts = append(opts, grpc.WaitForReady(false))
	if most, limited := ctx.Value(mostKey{}).(int); limited {
		opts = append(opts, grpc.MaxCallRecvMsgSize(most))
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}

// failOnce does so for a watch, and ends it with its connection. The library
// would resume it behind the revision that the server last said to be at, and
// not all servers say that truly.
func failOnce(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := open(ctx, desc, cc, method, append(opts, grpc.WaitForReady(false))...)
	if err != nil {
		return nil, final(err)
	}
	return finalStream{stream}, nil
}

type finalStream struct{ grpc.ClientStream }

func (s finalStream) RecvMsg(m any) error { return final(s.ClientStream.RecvMsg(m)) }

// final gives an error a code after which the library does not try again.
func final(err error) error {
	if code := status.Code(err); code == codes.Unavailable || code == codes.Internal {
		return status.Error(codes.Aborted, status.Convert(err).Message())
	}
	return err
}

// mark follows one attempt: to which endpoint it was sent, so that it may have
// been performed there, and whether its answer has begun to arrive.
type mark struct {
	at       atomic.Pointer[endpoint]
	from     atomic.Pointer[string] // the local address of its connection
	answered atomic.Bool
	patience time.Duration // for how long the endpoint may be mute, if it matters
	lost     func()        // called when it was
}

type markKey struct{}

// marker keeps the mark of each attempt.
type marker struct{}

func (marker) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (marker) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (marker) HandleConn(context.Context, stats.ConnStats)                       {}

func (marker) HandleRPC(ctx context.Context, event stats.RPCStats) {
	m, ok := ctx.Value(markKey{}).(*mark)
	if !ok {
		return
	}
	switch event := event.(type) {
	case *stats.OutHeader:
		if event.LocalAddr != nil {
			from := event.LocalAddr.String()
			m.from.CompareAndSwap(nil, &from)
		}
		if to, ok := event.RemoteAddr.(remote); ok && m.at.Swap(to.endpoint) == nil && m.patience > 0 {
			time.AfterFunc(m.patience, func() {
				if !m.answered.Load() {
					m.lost()
				}
			})
		}
	case *stats.InHeader:
		m.answered.Store(true)
	}
}
