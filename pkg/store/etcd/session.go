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
	shared bool               // by all requests that need no session of their own

	mu      sync.Mutex
	records map[string]*record // by target, of the last connection
}

// session returns the shared session, or a new one if own is true. A session that
// could not log in is returned with an error.
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
	if s.current != nil { // another request was faster
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
		MaxUnaryRetries:    1, // no retries: this package decides which requests are safe to repeat
		MaxCallSendMsgSize: math.MaxInt32,
		MaxCallRecvMsgSize: math.MaxInt32,
		Logger:             zap.NewNop(),
		DialOptions:        s.dialOptions(u),
	})
	if err != nil {
		return u, err
	}
	u.Client = client
	context.AfterFunc(life, func() { _ = client.Close() }) // its error only says that it is closed
	if !stop() {
		return u, ctx.Err()
	}
	return u, nil
}

// retire takes a session out of use, and makes the next one begin with the endpoint
// after the one that failed, if that is known. Other requests may finish on it: none
// takes longer than the timeout, after which it is closed.
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

// lost moves the endpoint of a lost watch to the end of the order, and takes the
// shared session out of use: its connection may have failed in the same way, and each
// request would have to find that out.
func (s *Store) lost(failed int) {
	s.mu.Lock()
	u := s.current
	s.mu.Unlock()
	s.retire(u, failed)
}

// order returns the URLs of the endpoints in the order in which to try them.
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
	const longer = 2 // than the timeout of a request, which then ends first with a better error

	first, _ := s.credentials(s.endpoints[0]) // each handshake loads its own
	return []grpc.DialOption{
		grpc.WithTransportCredentials(recordingCredentials{first, s, to}),
		grpc.WithContextDialer(func(ctx context.Context, target string) (net.Conn, error) { return s.dial(ctx, to, target) }),
		grpc.WithStatsHandler(marker{}),
		grpc.WithChainUnaryInterceptor(failFast),
		grpc.WithChainStreamInterceptor(failOnce),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: longer * s.cfg.Timeout, Backoff: backoff.DefaultConfig}),
		// Without its service configuration the library tries one endpoint after
		// another, and the next one also when one has not connected within 250 ms.
		// With it, the library would connect to all endpoints and use them in turn.
		grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(),
		grpc.WithUserAgent("confctl"),
	}
}

// maxAnswerKey is the context key of the maximum size of the answer to a request, in
// bytes.
type maxAnswerKey struct{}

// failFast makes a request fail as soon as no endpoint can be reached, or if its
// answer is larger than the limit in its context.
func failFast(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	opts = append(opts, grpc.WaitForReady(false))
	if limit, limited := ctx.Value(maxAnswerKey{}).(int); limited {
		opts = append(opts, grpc.MaxCallRecvMsgSize(limit))
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}

// failOnce makes a watch fail as soon as no endpoint can be reached, and when its
// connection breaks. The library would resume it after the last revision that the
// server reported, which some servers report wrongly.
func failOnce(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := open(ctx, desc, cc, method, append(opts, grpc.WaitForReady(false))...)
	if err != nil {
		return nil, final(err)
	}
	return finalStream{stream}, nil
}

type finalStream struct{ grpc.ClientStream }

func (s finalStream) RecvMsg(m any) error { return final(s.ClientStream.RecvMsg(m)) }

// final gives an error a code after which the library does not retry.
func final(err error) error {
	if code := status.Code(err); code == codes.Unavailable || code == codes.Internal {
		return status.Error(codes.Aborted, status.Convert(err).Message())
	}
	return err
}

// mark follows one attempt: to which endpoint it was sent, where it may have been
// performed, and whether its answer has begun to arrive.
type mark struct {
	at       atomic.Pointer[endpoint]
	from     atomic.Pointer[string] // the local address of its connection
	answered atomic.Bool
	patience time.Duration // how long the endpoint may stay silent; 0 for no limit
	lost     func()        // called when it was silent for longer
}

type markKey struct{}

// marker updates the mark of each attempt.
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
