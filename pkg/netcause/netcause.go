// Package netcause says in a few words why a connection to a server failed, the
// same for all that talk to one.
package netcause

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// Lookup is why a name has no address; empty if that is not what failed.
func Lookup(err error) string {
	var dns *net.DNSError
	switch {
	case !errors.As(err, &dns):
		return ""
	case dns.IsNotFound:
		return "no such host"
	case dns.IsTimeout:
		return NoNameServer
	}
	return "name lookup failed: " + dns.Err
}

// Closed is what Network returns if the server closed the connection.
const Closed = "connection closed by the server"

// Network is why a connection could not be made or broke off, TLS apart; empty if
// that is not what failed.
func Network(err error) string {
	var (
		wait  net.Error
		errno syscall.Errno
	)
	switch why := Lookup(err); {
	case why != "":
		return why
	case errors.As(err, &wait) && wait.Timeout():
		return "no answer"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Closed
	case errors.As(err, &errno):
		return errno.Error()
	}
	return ""
}

// Certificate is why a server's certificate is not accepted; empty if that is
// not what failed, or if its authority is unknown, where it matters which ones
// are known.
func Certificate(err error) string {
	var (
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &host):
		return fmt.Sprintf("certificate is not for %s but for %s", host.Host, names(host.Certificate))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("certificate has expired or is not valid yet (valid %s to %s)",
			invalid.Cert.NotBefore.UTC().Format(time.DateOnly), invalid.Cert.NotAfter.UTC().Format(time.DateOnly))
	case errors.As(err, &invalid):
		return "certificate not accepted: " + strings.TrimPrefix(invalid.Error(), "x509: ")
	}
	return ""
}

// names are the names a certificate is for.
func names(c *x509.Certificate) string {
	all := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name"
	}
	return strings.Join(all, ", ")
}

// Alert is what the other side broke a TLS connection off with; empty if it did
// not. The library has no type for it.
func Alert(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return strings.TrimPrefix(op.Err.Error(), "tls: ")
	}
	return ""
}

// WantsCertificate reports whether the server broke off as it wants a client
// certificate, or a better one: an alert of TLS 1.3, or of 1.2, of none too.
func WantsCertificate(err error) bool {
	said := Alert(err)
	return said == "certificate required" || said == "bad certificate"
}
