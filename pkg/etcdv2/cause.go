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

	"github.com/conftool/confctl/pkg/netcause"
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
	switch closed := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET); {
	case closed && r.api.Scheme == "http" && netcause.SpeaksTLS(context.Background(), net.JoinHostPort(r.api.Hostname(), port(r.api))):
		return reason{"the server speaks TLS", "write https:// in front of it"}
	case closed && r.api.Scheme == "https" && netcause.SpeaksHTTP(context.Background(), net.JoinHostPort(r.api.Hostname(), port(r.api))):
		return reason{"the server does not speak TLS", "write http:// in front of it, if that is meant"}
	case closed: // it may be a proxy whose server is dead
	case r.api.Port() == "":
		why.hint = "no port is given, so it was " + port(r.api) + "; that of etcd is 2379"
	}
	return why
}

// network is the cause of a connection that failed.
func network(err error) reason {
	var wait net.Error
	switch text := netcause.Lookup(err); {
	case text != "":
		return reason{text, ""}
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
		other   *tls.CertificateVerificationError
		record  tls.RecordHeaderError
	)
	const authority = "name the file of the authority that signed it, if it is not one of the system's"
	switch why := netcause.Certificate(err); {
	case errors.As(err, &host):
		return reason{why, "name the server as its certificate does"}
	case why != "":
		return reason{why, ""}
	case errors.As(err, &unknown):
		return reason{"certificate signed by unknown authority" + issuer(unknown.Cert), authority}
	case errors.As(err, &other):
		return reason{"certificate not accepted: " + excerpt(strings.TrimPrefix(other.Err.Error(), "x509: ")), authority}
	case errors.As(err, &record):
		return reason{"the server does not speak TLS", "write http:// in front of it, if that is meant"}
	case netcause.WantsCertificate(err):
		return reason{"the server wants a client certificate that it accepts", "name the files of certificate and key"}
	case netcause.Alert(err) != "":
		return reason{"refused by the server: " + netcause.Alert(err), "is the client certificate, if one is given, of an authority it trusts?"}
	}
	return reason{}
}

func issuer(c *x509.Certificate) string {
	if c == nil || c.Issuer.CommonName == "" {
		return ""
	}
	return " (" + excerpt(c.Issuer.CommonName) + ")"
}
