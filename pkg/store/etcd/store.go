// Package etcd keeps a store in an etcd v3 cluster.
//
// It speaks etcd's gRPC interface itself, one connection an endpoint, rather
// than through etcd's client library: that one waits out every deadline
// without giving a cause, retries by its own rules, and hides which endpoint
// answered. Here every request has one budget, is made of short attempts that
// go from endpoint to endpoint, and ends in a cause a person can act on.
package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/grpclog"

	"github.com/conftool/confctl/pkg/store"
)

var _ store.Store = (*Store)(nil)

// Config says where the cluster is and who asks.
type Config struct {
	// Endpoints are URLs such as https://conf1001.example.org:2379, in order
	// of preference. Without a scheme it is https if CACert or Cert is given,
	// else http; without a port it is 2379.
	Endpoints []string
	// SRVDomain is where to find the endpoints when there are none, by the
	// records _etcd-client-ssl._tcp and, if no certificates are given,
	// _etcd-client._tcp. They are looked up with the first request.
	SRVDomain string

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
	tls      *tls.Config // what is the same for all endpoints
	who      string      // the user, or the name in the certificate
	resolver *net.Resolver

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	work sync.WaitGroup // connections being made

	mu        sync.Mutex
	endpoints []*endpoint // nil until the SRV records are looked up
	token     string      // of the login, once there was one
}

//nolint:gochecknoinits // the logger is not to be set once the library is in use
func init() {
	// The gRPC library tells stderr what the errors of this package say
	// better. It has to be told before anything else uses it.
	grpclog.SetLoggerV2(quiet{})
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
	s := &Store{cfg: cfg, who: cfg.User, resolver: net.DefaultResolver}
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
	s.work.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.endpoints {
		e.close()
	}
	return nil
}

// secure reports whether the configuration speaks of TLS.
func (c Config) secure() bool { return c.CACert != "" || c.Cert != "" }

func (s *Store) loadTLS() error {
	s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if s.cfg.CACert != "" {
		pem, err := os.ReadFile(s.cfg.CACert)
		if err != nil {
			return fmt.Errorf("etcd: ca_cert: %w", err)
		}
		s.tls.RootCAs = x509.NewCertPool()
		if !s.tls.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("etcd: ca_cert: %s holds no certificate", s.cfg.CACert)
		}
	}
	if (s.cfg.Cert == "") != (s.cfg.Key == "") {
		return errors.New("etcd: cert and key are only useful together")
	}
	if s.cfg.Cert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(s.cfg.Cert, s.cfg.Key)
	if err != nil {
		return fmt.Errorf("etcd: cert %s with key %s: %w", s.cfg.Cert, s.cfg.Key, err)
	}
	s.tls.Certificates = []tls.Certificate{pair}
	if s.who == "" && pair.Leaf != nil {
		s.who = pair.Leaf.Subject.CommonName
	}
	return nil
}

func (s *Store) debugf(format string, args ...any) {
	if s.cfg.Debug != nil {
		s.cfg.Debug(format, args...)
	}
}

// quiet is a gRPC logger that says nothing. Only what ends the process anyway
// is left to the library.
type quiet struct{}

func (quiet) Info(...any)             {}
func (quiet) Infoln(...any)           {}
func (quiet) Infof(string, ...any)    {}
func (quiet) Warning(...any)          {}
func (quiet) Warningln(...any)        {}
func (quiet) Warningf(string, ...any) {}
func (quiet) Error(...any)            {}
func (quiet) Errorln(...any)          {}
func (quiet) Errorf(string, ...any)   {}
func (quiet) Fatal(...any)            {}
func (quiet) Fatalln(...any)          {}
func (quiet) Fatalf(string, ...any)   {}
func (quiet) V(int) bool              { return false }
