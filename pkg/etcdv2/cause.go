package etcdv2

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// reason is why there is no answer, in few words, and what to do.
type reason struct{ text, hint string }

// cause says why a request came to nothing, in the words of the driver of etcd
// v3.
func (r *reader) cause(err error) reason {
	var (
		outer   *url.Error
		op      *net.OpError
		refusal *proxyError
	)
	if errors.As(err, &outer) {
		err = outer.Err
	}
	const proxies = "see HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment"
	switch {
	case errors.As(err, &refusal):
		return reason{refusal.Error(), proxies}
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return reason{"the proxy on the way cannot be reached: " + network(op.Err).text, proxies}
	case errors.Is(err, http.ErrSchemeMismatch):
		return reason{"the server does not speak TLS", "write http:// in front of it, if that is meant"}
	case strings.Contains(err.Error(), "malformed HTTP"): // the library has no type for it
		return reason{"the server does not speak HTTP", "is this the address of etcd?"}
	}
	if why := distrust(err); why.text != "" {
		return why
	}
	why := network(err)
	switch {
	case r.api.Scheme == "http" && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		why.hint = "does it want https?"
	case r.api.Port() == "":
		why.hint = "no port is given, so it was " + port(r.api) + "; that of etcd is 2379"
	}
	return why
}

// network is the cause of a connection that failed.
func network(err error) reason {
	var (
		dns  *net.DNSError
		wait net.Error
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return reason{"no such host", ""}
	case errors.As(err, &dns):
		return reason{"name lookup failed: " + dns.Err, ""}
	case errors.As(err, &wait) && wait.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return reason{"no answer", ""}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return reason{"connection closed by the server", ""}
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return reason{errno.Error(), ""}
	}
	return reason{excerpt(err.Error()), ""}
}

// distrust is the cause of a TLS handshake that failed; nothing if it is
// another.
func distrust(err error) reason {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		other   *tls.CertificateVerificationError
		record  tls.RecordHeaderError
	)
	const authority = "name the file of the authority that signed it, if it is not one of the system's"
	switch {
	case errors.As(err, &unknown):
		return reason{"certificate signed by unknown authority" + issuer(unknown.Cert), authority}
	case errors.As(err, &host):
		return reason{"certificate is not for " + host.Host + " but for " + names(host.Certificate), "name the server as its certificate does"}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return reason{"certificate has expired or is not valid yet (valid " +
			invalid.Cert.NotBefore.UTC().Format(time.DateOnly) + " to " + invalid.Cert.NotAfter.UTC().Format(time.DateOnly) + ")", ""}
	case errors.As(err, &other):
		return reason{"certificate not accepted: " + excerpt(strings.TrimPrefix(other.Err.Error(), "x509: ")), authority}
	case errors.As(err, &record):
		return reason{"the server does not speak TLS", "write http:// in front of it, if that is meant"}
	}
	switch said := alert(err); said {
	case "":
		return reason{}
	case "certificate required", "bad certificate": // the latter in TLS 1.2, of none too
		return reason{"the server wants a client certificate that it accepts", "name the files of certificate and key"}
	default:
		return reason{"refused by the server: " + said, "is the client certificate, if one is given, of an authority it trusts?"}
	}
}

// alert is what the other side broke a TLS connection off with; empty if it
// did not. The library has no type for it.
func alert(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return strings.TrimPrefix(op.Err.Error(), "tls: ")
	}
	return ""
}

func issuer(c *x509.Certificate) string {
	if c == nil || c.Issuer.CommonName == "" {
		return ""
	}
	return " (" + excerpt(c.Issuer.CommonName) + ")"
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
	return excerpt(strings.Join(all, ", "))
}
