// Package etcd keeps a store in an etcd v3 cluster.
//
// It is built on etcd's client library, which speaks the protocol, logs in, keeps
// watches and chooses among connections. This package adds errors that an operator
// can act on. The library waits for the whole deadline and gives no cause. Here, each
// request has one budget and consists of short attempts that go from endpoint to
// endpoint. It is repeated only where that is safe, it fails immediately when the
// cause is certain, and its error gives the cause for each endpoint.
package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

var _ store.Store = (*Store)(nil)

// Config says where the cluster is and how to authenticate.
type Config struct {
	// Endpoints are URLs such as https://conf1001.example.org:2379, in order
	// of preference. Without a scheme it is https if CACert or Cert is given or
	// Secure is set, else http; without a port it is 2379.
	Endpoints []string
	// SRVDomain is the domain whose SRV records name the endpoints if Endpoints is
	// empty. The records are _etcd-client-ssl._tcp, then, unless TLS is configured,
	// _etcd-client._tcp, and then _etcd._tcp. The last says nothing about TLS, which
	// is used if it is configured. The lookup happens with the first request.
	SRVDomain string
	// Secure requires TLS at the endpoints found by SRVDomain, as CACert and Cert do.
	Secure bool

	// CACert, Cert and Key are files in PEM format. Without CACert, servers are
	// verified with the system's authorities.
	CACert, Cert, Key string
	// User and Password log in. Without a user, the client certificate may identify
	// the user.
	User, Password string

	// Timeout is the budget of one request to the store; 5 s if zero.
	Timeout time.Duration
	// Attempt is how long an endpoint may stay silent before the next one is tried; 2
	// s if zero.
	Attempt time.Duration

	// Debug, if set, is called with one line for each request: what it was, how long
	// it took, how it ended and which endpoint answered. It is called from several
	// goroutines.
	Debug func(format string, args ...any)
}

// Defaults of the configuration.
const (
	defaultTimeout = 5 * time.Second
	defaultAttempt = 2 * time.Second
)

// Store is a store in a cluster. It connects with its first request.
type Store struct {
	cfg      Config
	opened   time.Time
	user     string // the user, or the name in the certificate
	resolver *net.Resolver

	tlsMu sync.Mutex
	tls   *tls.Config // for all endpoints; the last that was usable

	ctx  context.Context // canceled by Close
	stop context.CancelFunc

	mu        sync.Mutex
	endpoints []*endpoint // nil until the SRV records are looked up
	first     int         // the endpoint to try first
	current   *session    // nil before the first request and after a failure
}

// Open prepares a store. It reads the certificates and returns an error for a
// configuration that cannot work, but sends nothing.
func Open(cfg Config) (*Store, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Attempt <= 0 {
		cfg.Attempt = defaultAttempt
	}
	if cfg.User != "" && cfg.Password == "" {
		return nil, fmt.Errorf("etcd: user %s is given without a password", cfg.User)
	}
	if cfg.User == "" && cfg.Password != "" {
		return nil, errors.New("etcd: a password is given without a user")
	}
	s := &Store{cfg: cfg, user: cfg.User, resolver: net.DefaultResolver, opened: time.Now()}
	if err := s.loadTLS(); err != nil {
		return nil, err
	}
	endpoints, err := parseEndpoints(cfg.Endpoints, cfg.secure())
	if err != nil {
		return nil, err
	}
	if len(endpoints) == 0 && cfg.SRVDomain == "" {
		return nil, errors.New("etcd: neither an endpoint nor an SRV domain is given")
	}
	s.endpoints = endpoints
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s, nil
}

// Close closes all connections. Requests under way fail.
func (s *Store) Close() error {
	s.stop()
	return nil
}

// secure reports whether the configuration requires TLS.
func (c Config) secure() bool { return c.Secure || c.CACert != "" || c.Cert != "" }

// currentTLS returns the configuration that the certificate files hold now: they may
// be replaced while a process runs. If they are unusable, it returns the last usable
// configuration and an error.
func (s *Store) currentTLS() (*tls.Config, error) {
	s.tlsMu.Lock()
	defer s.tlsMu.Unlock()
	if time.Since(s.opened) < time.Second { // most processes end before that
		return s.tls, nil
	}
	now, err := TLS(s.cfg.CACert, s.cfg.Cert, s.cfg.Key)
	if err != nil {
		return s.tls, err
	}
	s.tls = now
	return now, nil
}

// loadTLS reads the certificates, and the user's name from the client certificate if
// none is configured.
func (s *Store) loadTLS() error {
	var err error
	if s.tls, err = TLS(s.cfg.CACert, s.cfg.Cert, s.cfg.Key); err != nil {
		return err
	}
	for _, pair := range s.tls.Certificates {
		if s.user == "" && pair.Leaf != nil {
			s.user = pair.Leaf.Subject.CommonName
		}
	}
	return nil
}

func (s *Store) debugf(format string, args ...any) {
	if s.cfg.Debug != nil {
		s.cfg.Debug(format, args...)
	}
}
