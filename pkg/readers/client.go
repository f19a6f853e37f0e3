package readers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// maxAuthorities bounds a file of authorities. That of a system has 230 KB.
const maxAuthorities = 4 << 20

// client asks over HTTP: one question each time, of whom it is told to, without a
// proxy or another place that a server names. It has no certificate of its own:
// that for the store is nobody else's business.
type client struct {
	*http.Client
	config *tls.Config
	ca     string // the file of the authorities; empty: the system's
	err    error  // why nobody can be asked over TLS
}

// clients returns one for each file of authorities that readers declare. The one
// for those that declare none is under the empty name.
func (c Check) clients(all []Reader) map[string]client {
	clients := map[string]client{"": newClient(c.CA)}
	for _, r := range all {
		if _, there := clients[r.ca]; !there {
			clients[r.ca] = newClient(r.ca)
		}
	}
	return clients
}

func newClient(ca string) client {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if ca != "" {
		config.RootCAs, err = authorities(ca)
	}
	return client{asking(config, ""), config, ca, err}
}

// to is the client for one of the servers behind a URL. What is asked for, and the
// name in the certificate, stay those of the URL.
func (c client) to(host string) client {
	c.Client = asking(c.config.Clone(), host)
	return c
}

// asking makes connections to the host of a URL, or to another one if that is
// given. Each host has its own, so that no connection is shared.
func asking(config *tls.Config, host string) *http.Client {
	transport := &http.Transport{
		TLSClientConfig:        config,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxHeaders,
		ForceAttemptHTTP2:      true,
	}
	if host != "" {
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			to, err := hostPort(host, port)
			if err != nil {
				return nil, err
			}
			return new(net.Dialer).DialContext(ctx, network, to)
		}
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: transport, CheckRedirect: stay}
}

func authorities(file string) (*x509.CertPool, error) {
	text, err := readFile(file, maxAuthorities)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca: %s has no certificate in it (PEM is expected)", printable(file))
	}
	return pool, nil
}

func isHTTPS(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https"
}
