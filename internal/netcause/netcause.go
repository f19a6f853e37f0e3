// Package netcause describes in a few words why a connection to a server failed, in
// the same way for all clients.
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

// Lookup returns the reason why a name could not be looked up, or "" if err is not
// such an error.
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

// Network returns the reason why a connection could not be made or was interrupted,
// except for errors of TLS, or "" if err is not such an error.
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

// Certificate returns the reason why the certificate of a server was not accepted,
// or "" if err is not such an error. It also returns "" if the authority is unknown,
// because only the caller knows the accepted authorities.
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

// names returns the names that a certificate is valid for.
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

// Alert returns the alert with which the peer ended a TLS connection, or "" if it
// did not. The library has no type for it.
func Alert(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return strings.TrimPrefix(op.Err.Error(), "tls: ")
	}
	return ""
}

// WantsCertificate reports whether the server ended the connection because it
// requires a client certificate, or another one. The alert is one of TLS 1.3, or
// that of TLS 1.2 for a bad certificate, which also means that there was none.
func WantsCertificate(err error) bool {
	alert := Alert(err)
	return alert == "certificate required" || alert == "bad certificate"
}
