package etcdtest

import (
	"context"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
)

// Unordered makes a real server treat watches as etcd does before 3.4.25 and 3.5.8:
// the answer to a progress request may overtake events of the revision that it names.
// The server also reports such a version. Its methods may be called from several
// goroutines.
type Unordered struct {
	mu          sync.Mutex
	holding     bool // events are held
	mute        bool // answers to progress requests are held, too
	streams     map[*unorderedStream]bool
	overtook    int // the number of answers sent on streams that held events
	outstanding int // the maximum number of unanswered requests of one stream
}

// Option returns the option that makes a server unordered.
func (u *Unordered) Option() Option {
	u.streams = make(map[*unorderedStream]bool)
	return func(cfg *embed.Config) {
		cfg.GRPCAdditionalServerOptions = append(cfg.GRPCAdditionalServerOptions,
			grpc.ChainUnaryInterceptor(oldVersion), grpc.ChainStreamInterceptor(u.intercept))
	}
}

// Hold holds events back, on existing and new streams, while answers to progress
// requests pass.
func (u *Unordered) Hold() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.holding, u.overtook = true, 0
}

// Mute holds back answers to progress requests as well.
func (u *Unordered) Mute() {
	u.Hold()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mute, u.outstanding = true, 0
	for s := range u.streams {
		u.outstanding = max(u.outstanding, s.outstanding)
	}
}

// Release sends what is held, in order, and ends a Hold or a Mute.
func (u *Unordered) Release() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.holding, u.mute = false, false
	for s := range u.streams {
		s.flush()
	}
}

// Lose drops the held messages and all future events of the existing streams. Answers
// to progress requests still pass. New streams are not affected.
func (u *Unordered) Lose() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.holding, u.mute = false, false
	for s := range u.streams {
		s.held, s.lost = nil, true
	}
}

// Overtook returns how many answers were sent since Hold on streams that held an
// event.
func (u *Unordered) Overtook() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.overtook
}

// Outstanding returns the maximum number of progress requests since Mute that one
// stream had received and not answered.
func (u *Unordered) Outstanding() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.outstanding
}

func oldVersion(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	answer, err := next(ctx, req)
	if status, ok := answer.(*pb.StatusResponse); ok && err == nil {
		status.Version = "3.4.23"
	}
	return answer, err
}

func (u *Unordered) intercept(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if info.FullMethod != pb.Watch_Watch_FullMethodName {
		return next(srv, stream)
	}
	s := &unorderedStream{ServerStream: stream, server: u}
	u.mu.Lock()
	u.streams[s] = true
	u.mu.Unlock()
	defer func() {
		u.mu.Lock()
		delete(u.streams, s)
		u.mu.Unlock()
	}()
	return next(srv, s)
}

// unorderedStream is one stream of watches. The mutex of its server guards its
// fields.
type unorderedStream struct {
	grpc.ServerStream
	server      *Unordered
	held        []any // events, and also answers if the server is mute
	lost        bool  // events are dropped
	outstanding int   // the number of unanswered progress requests
}

func (s *unorderedStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if request, ok := m.(*pb.WatchRequest); ok && err == nil && request.GetProgressRequest() != nil {
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		s.outstanding++
		s.server.outstanding = max(s.server.outstanding, s.outstanding)
	}
	return err
}

func (s *unorderedStream) SendMsg(m any) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	answer, ok := m.(*pb.WatchResponse)
	events := ok && len(answer.Events) > 0
	progress := ok && !events && !answer.Created && !answer.Canceled
	switch {
	case events && s.lost:
		return nil
	case events && s.server.holding, progress && s.server.mute:
		s.held = append(s.held, m)
		return nil
	case progress:
		s.outstanding = 0
		if len(s.held) > 0 {
			s.server.overtook++
		}
	}
	return s.ServerStream.SendMsg(m)
}

// flush sends what is held. The caller holds the server's mutex.
func (s *unorderedStream) flush() {
	for _, m := range s.held {
		_ = s.ServerStream.SendMsg(m) // the server notices elsewhere that a stream has ended
	}
	s.held, s.outstanding = nil, 0
}
