package etcd

import (
	"context"
	"errors"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// login returns the token that says who asks: none without a user, else that
// of the first login. A server drops tokens at will; then there is another.
func (s *Store) login(ctx context.Context, l *link) (string, error) {
	s.mu.Lock()
	token := s.token
	s.mu.Unlock()
	if s.cfg.User == "" || token != "" {
		return token, nil
	}
	answer, err := pb.NewAuthClient(l).Authenticate(asking(ctx, ""), &pb.AuthenticateRequest{Name: s.cfg.User, Password: s.cfg.Password})
	if errors.Is(rpctypes.Error(err), rpctypes.ErrAuthNotEnabled) {
		return "", nil // everybody may do everything
	}
	if err != nil {
		return "", err
	}
	s.setToken(answer.Token)
	return answer.Token, nil
}

func (s *Store) setToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}
