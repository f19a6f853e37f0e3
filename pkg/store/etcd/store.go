// Package etcd keeps a store in an etcd v3 cluster.
//
// It is built on etcd's client library, which speaks the protocol, logs in,
// keeps watches and chooses among the connections. What it adds are answers a
// person can act on. The library waits out every deadline and gives no cause;
// here each request has one budget, is made of short attempts that go from
// endpoint to endpoint, is repeated only where that is safe, fails at once
// when the cause is certain, and then says for each endpoint why.
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

// Config says where the cluster is and who asks.
type Config struct {
	// Endpoints are URLs such as https://conf1001.example.org:2379, in order
	// of preference. Without a scheme it is https if CACert or Cert is given or
	// Secure is set, else http; without a port it is 2379.
	Endpoints []string
	// SRVDomain is where to find the endpoints when there are none, by the
	// records _etcd-client-ssl._tcp, then, unless TLS is asked for,
	// _etcd-client._tcp, and then _etcd._tcp, which say nothing about TLS: it
	// is used if it is asked for. They are looked up with the first request.
	SRVDomain string
	// Secure asks for TLS at the endpoints that are found by SRVDomain, as
	// certificates do.
	Secure bool

	// CACert, Cert and Key are files in PEM format. Without CACert, servers
	// are verified by the system's authorities.
	CACert, Cert, Key string
	// User and Password log in. Without a user it may be the certificate that
	// says who asks.
	User, Password string

	// Timeout is the budget of one request to the store; 5 s if zero.
	Timeout time.Duration
	// Attempt is how long an endpoint may stay mute before the next one is
	// asked; 2 s if zero.
	Attempt time.Duration

	// Debug, if set, is given one line for each request: what it was, how
	// long it took, how it ended and which endpoint answered. It is called
	// from several goroutines.
	Debug func(format string, args ...any)
}

// Defaults of the configuration.
const (
	defaultTimeout = 5 * time.Second
	defaultAttempt = 2 * time.Second
)

// Store is a cluster. It connects with its first request.
type Store struct {
	cfg      Config
	opened   time.Time
	who      string // the user, or the name in the certificate
	resolver *net.Resolver

	tlsMu sync.Mutex
	tls   *tls.Config // what is the same for all endpoints: the last that could be used

	ctx  context.Context // ends with Close
	stop context.CancelFunc

	mu        sync.Mutex
	endpoints []*endpoint // nil until the SRV records are looked up
	first     int         // the endpoint to try first
	current   *session    // nil until there is a request, and after it failed
}

// Open prepares a store. It reads the certificates and reports what cannot
// work, but sends nothing.
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
	s := &Store{cfg: cfg, who: cfg.User, resolver: net.DefaultResolver, opened: time.Now()}
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

// secure reports whether the configuration speaks of TLS.
func (c Config) secure() bool { return c.Secure || c.CACert != "" || c.Cert != "" }

// currentTLS is what the files hold now: certificates are replaced while a process
// goes on. If they cannot be used it is what they held when they last could, with
// the reason.
func (s *Store) currentTLS() (*tls.Config, error) {
	s.tlsMu.Lock()
	defer s.tlsMu.Unlock()
	if time.Since(s.opened) < time.Second { // as for most processes
		return s.tls, nil
	}
	now, err := TLS(s.cfg.CACert, s.cfg.Cert, s.cfg.Key)
	if err != nil {
		return s.tls, err
	}
	s.tls = now
	return now, nil
}

// loadTLS reads the certificates, and who the client's says that it is.
func (s *Store) loadTLS() error {
	var err error
	if s.tls, err = TLS(s.cfg.CACert, s.cfg.Cert, s.cfg.Key); err != nil {
		return err
	}
	for _, pair := range s.tls.Certificates {
		if s.who == "" && pair.Leaf != nil {
			s.who = pair.Leaf.Subject.CommonName
		}
	}
	return nil
}

func (s *Store) debugf(format string, args ...any) {
	if s.cfg.Debug != nil {
		s.cfg.Debug(format, args...)
	}
}
