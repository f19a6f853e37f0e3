package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/conftool/confctl/internal/netcause"
	"github.com/conftool/confctl/pkg/store"
)

// endpoint is one address of the cluster.
type endpoint struct {
	address string // as configured
	target  string // host:port
	secure  bool
}

func (e *endpoint) url() string {
	u := url.URL{Scheme: "http", Host: e.target}
	if e.secure {
		u.Scheme = "https"
	}
	return u.String()
}

func parseEndpoints(addresses []string, secure bool) ([]*endpoint, error) {
	var endpoints []*endpoint
	for _, a := range addresses {
		e, err := parseEndpoint(a, secure)
		if err != nil {
			return nil, fmt.Errorf("etcd: endpoint %q: %w", withoutUser(a), err)
		}
		twice := func(other *endpoint) bool { return other.target == e.target }
		if !slices.ContainsFunc(endpoints, twice) { // a failed endpoint must not be the next one to try
			endpoints = append(endpoints, e)
		}
	}
	return endpoints, nil
}

// withoutUser returns an address without the part before its @, which may be a
// password.
func withoutUser(address string) string {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		scheme, rest = "", address
	} else {
		scheme += "://"
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		return scheme + "..." + rest[at:]
	}
	return address
}

func parseEndpoint(address string, secure bool) (*endpoint, error) {
	if strings.Contains(address, "@") { // first, because later errors quote the address
		return nil, errors.New("a URL takes no user and no password: they are username and password in an etcdrc")
	}
	full := address
	switch {
	case strings.Contains(address, "://"):
	case secure:
		full = "https://" + address
	default:
		full = "http://" + address
	}
	u, err := url.Parse(full)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return nil, err
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("scheme %s is neither http nor https", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("no host")
	case u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return nil, errors.New("only a scheme, a host and a port are allowed")
	}
	port := u.Port()
	if port == "" {
		port = "2379"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, fmt.Errorf("port %s is none", port)
	}
	return &endpoint{address: address, target: net.JoinHostPort(u.Hostname(), port), secure: u.Scheme == "https"}, nil
}

// resolve returns the endpoints, from SRV records if none are configured.
func (s *Store) resolve(ctx context.Context) ([]*endpoint, error) {
	s.mu.Lock()
	known := s.endpoints
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	found, err := s.lookup(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = causef(context.DeadlineExceeded, "%s", netcause.NoNameServer)
		}
		return nil, &store.UnavailableError{Tried: []store.Endpoint{{Address: s.cfg.SRVDomain, Err: err}}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endpoints == nil {
		s.endpoints = found
	}
	return s.endpoints, nil
}

// lookup finds the endpoints by SRV records. If TLS is configured, or records for TLS
// exist, it uses nothing else: an attacker who forges or suppresses an answer must
// not receive a password in clear.
func (s *Store) lookup(ctx context.Context) ([]*endpoint, error) {
	type service struct{ name, scheme string }
	services := []service{{"etcd-client-ssl", "https"}, {"etcd-client", "http"}, {"etcd", "http"}}
	if s.cfg.secure() {
		services = []service{{"etcd-client-ssl", "https"}, {"etcd", "https"}}
	}
	var asked []string
	var err error
	for _, one := range services {
		var records []*net.SRV
		_, records, err = s.resolver.LookupSRV(ctx, one.name, "tcp", s.cfg.SRVDomain)
		if len(records) > 0 {
			return parseEndpoints(addressesOf(records, one.scheme), s.cfg.secure())
		}
		var dns *net.DNSError
		if absent := err == nil || errors.As(err, &dns) && dns.IsNotFound; !absent {
			return nil, connectionCause(err, s.cfg.CACert)
		}
		asked = append(asked, "_"+one.name+"._tcp")
	}
	last := len(asked) - 1
	return nil, causef(err, "no SRV record %s or %s", strings.Join(asked[:last], ", "), asked[last])
}

// addressesOf returns the URLs of services.
func addressesOf(records []*net.SRV, scheme string) []string {
	var addresses []string
	for _, r := range records {
		host := net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port)))
		addresses = append(addresses, scheme+"://"+host)
	}
	return addresses
}
