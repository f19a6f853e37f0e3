package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/conftool/confctl/internal/config"
)

// ListenError reports that a part cannot listen on its address.
type ListenError struct {
	Part string // gateway or metrics
	At   config.Value
	Err  error // a syscall.Errno if the operating system refused
}

func (e *ListenError) Error() string {
	return fmt.Sprintf("%s cannot listen on %s: %v", e.Part, e.At.Text, e.Err)
}

// Unwrap returns Err.
func (e *ListenError) Unwrap() error { return e.Err }

func newListenError(part string, at config.Value, err error) error {
	var number syscall.Errno
	var name *net.DNSError
	switch {
	case errors.As(err, &name):
		err = fmt.Errorf("the name %s has no address: %s", name.Name, name.Err)
	case errors.As(err, &number):
		err = number
	}
	return &ListenError{part, at, err}
}

// part is one service with an address of its own.
type part struct {
	name    string
	at      config.Value
	handler http.Handler
	secure  *tls.Config // nil for plain HTTP
	stop    func()      // ends waiting requests; may be nil
}

// listener is the listener of a part.
type listener struct {
	part
	net.Listener
}

// listen opens the listeners of all parts or of none. It reports them after all
// are open.
func (v *service) listen() (all []listener, err error) {
	parts, err := v.parts()
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		l, err := listenTCP(p.at.Text)
		if err != nil {
			for _, l := range all {
				_ = l.Close() // the earlier error is returned
			}
			return nil, newListenError(p.name, p.at, err)
		}
		b := newBounded(l, config.MaxConnections, v.Settings.ConnectionsPerAddress(), func(limit string) {
			v.refused.WithLabelValues(p.name, limit).Inc()
		})
		l = b
		if p.secure != nil {
			b.maxUnanswered = maxTLSUnanswered
			l = tls.NewListener(b, p.secure)
		}
		all = append(all, listener{p, l})
	}
	for _, l := range all {
		v.Say("%s listens on %s", l.name, l.Addr())
	}
	return all, nil
}

// parts returns the parts that are switched on.
func (v *service) parts() (all []part, err error) {
	if c := v.Settings.Gateway; c.Listen.Text != "" {
		if v.gateway, err = v.newGateway(); err != nil {
			return nil, err
		}
		p := part{name: "gateway", at: c.Listen, handler: v.gateway, stop: v.gateway.Close}
		if c.Cert.Text != "" {
			if p.secure, err = v.secure(c); err != nil {
				return nil, err
			}
		}
		all = append(all, p)
	}
	if at := v.Settings.Metrics; at.Text != "" {
		all = append(all, part{name: "metrics", at: at, handler: v.monitoring()})
	}
	return all, nil
}

// secure returns the TLS configuration of the gateway. The certificate must be
// usable when the service starts; see certificate for later changes.
func (v *service) secure(c config.Gateway) (*tls.Config, error) {
	certificate := &certificate{cert: c.Cert.Text, key: c.Key.Text, warn: v.Warn}
	if _, err := certificate.get(nil); err != nil {
		return nil, c.Cert.Errorf(certificateFix(err), "%v", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: certificate.get, NextProtos: []string{"http/1.1", "http/1.0"},
	}, nil
}

// certificateFix returns advice about files that cannot be read.
func certificateFix(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "the user that serve runs as has to be able to read both"
	case errors.Is(err, fs.ErrNotExist):
		return "a relative path begins where serve is started, wherever confctl.yaml is"
	}
	return ""
}

// listenTCP listens on an address. Keep-alive detects after 30 seconds that a
// client has disappeared, such as a host without power; otherwise its requests
// would wait for hours.
func listenTCP(address string) (net.Listener, error) {
	c := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 10 * time.Second, Count: 2,
	}}
	return c.Listen(context.Background(), "tcp", address)
}
