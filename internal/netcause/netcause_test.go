package netcause_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/netcause"
)

// get requests a page from a server with the given TLS configuration, and returns
// the reason of the failure.
func get(t *testing.T, server *tls.Config, client *tls.Config, url func(string) string) error {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = nil
	s.TLS = server
	s.StartTLS()
	t.Cleanup(s.Close)
	if client.RootCAs == nil && !client.InsecureSkipVerify {
		client.RootCAs = x509.NewCertPool()
		client.RootCAs.AddCert(s.Certificate())
	}
	c := http.Client{Transport: &http.Transport{TLSClientConfig: client}, Timeout: 5 * time.Second}
	resp, err := c.Get(url(s.URL))
	if err == nil {
		_ = resp.Body.Close()
	}
	return err
}

func same(url string) string { return url }

func TestCertificate(t *testing.T) {
	localhost := func(url string) string { return strings.Replace(url, "127.0.0.1", "localhost", 1) }
	if got := netcause.Certificate(get(t, nil, &tls.Config{}, localhost)); got != "certificate is not for localhost but for example.com, *.example.com, 127.0.0.1, ::1" {
		t.Errorf("another name: %q", got)
	}
	later := &tls.Config{Time: func() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }}
	if got := netcause.Certificate(get(t, nil, later, same)); got != "certificate has expired or is not valid yet (valid 1970-01-01 to 2084-01-29)" {
		t.Errorf("expired: %q", got)
	}
	if err := get(t, nil, &tls.Config{RootCAs: x509.NewCertPool()}, same); err == nil || netcause.Certificate(err) != "" {
		t.Errorf("an unknown authority: %v, %q", err, netcause.Certificate(err))
	}
	if got := netcause.Certificate(errors.New("x509: something")); got != "" {
		t.Errorf("something else: %q", got)
	}
}

func TestAlert(t *testing.T) {
	err := get(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert}, &tls.Config{}, same)
	if got := netcause.Alert(err); got != "certificate required" || !netcause.WantsCertificate(err) {
		t.Errorf("%v: %q", err, got)
	}
	err = get(t, &tls.Config{MaxVersion: tls.VersionTLS12}, &tls.Config{MinVersion: tls.VersionTLS13}, same)
	if got := netcause.Alert(err); got != "protocol version not supported" || netcause.WantsCertificate(err) {
		t.Errorf("%v: %q", err, got)
	}
}

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("dial: %w", &net.DNSError{IsNotFound: true}), "no such host"},
		{fmt.Errorf("dial: %w", &net.DNSError{Err: "i/o timeout", IsTimeout: true}), netcause.NoNameServer},
		{&net.DNSError{Err: "server misbehaving"}, "name lookup failed: server misbehaving"},
		{errors.New("no such host"), ""},
	} {
		if got := netcause.Lookup(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
