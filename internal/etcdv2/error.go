package etcdv2

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/conftool/confctl/internal/netcause"
	"github.com/conftool/confctl/internal/text"
)

// Kind is the kind of an error.
type Kind int

// The kinds of errors.
const (
	Misused     Kind = iota // the URL, user or password is invalid; nothing was sent
	Unavailable             // the server cannot be reached, does not answer in time, or reports that it cannot serve now
	Denied                  // this user or certificate has no permission
	Absent                  // no directory exists at the prefix
	Foreign                 // the server does not serve the v2 API, or not as etcd does
)

// Error reports a Read that failed. It never contains a password.
type Error struct {
	Kind Kind
	At   string // the URL of the server, without a path; empty if Misused
	What string // what is wrong, without the URL
	Hint string // what to do about it, as a second sentence; may be empty
	Err  error  // the underlying error, or nil; its text may come from the library
}

func (e *Error) Error() string {
	if e.At == "" {
		return e.What
	}
	return "etcd v2 at " + e.At + ": " + e.What
}

// Unwrap returns the underlying error.
func (e *Error) Unwrap() error { return e.Err }

func (r *reader) errorf(kind Kind, hint, format string, args ...any) *Error {
	return &Error{
		Kind: kind, At: r.api.Scheme + "://" + r.api.Host,
		What: fmt.Sprintf(format, args...), Hint: hint,
	}
}

// excerpt returns the beginning of a text from a server, without the password, which
// the server may have repeated.
func (r *reader) excerpt(text string) string { return excerpt(r.clean(text)) }

// clean removes the password from a text of others.
func (r *reader) clean(text string) string {
	if r.cfg.Password == "" {
		return text
	}
	sent := base64.StdEncoding.EncodeToString([]byte(r.cfg.Username + ":" + r.cfg.Password))
	return strings.NewReplacer(sent, "***", r.cfg.Password, "***").Replace(text)
}

// excerpt returns the beginning of an untrusted text, safe for a line of a message.
func excerpt(untrusted string) string {
	const maxLength = 100
	return text.Cut(text.Words(untrusted), maxLength)
}

// Hints that several errors share.
const (
	proxies    = "see HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment"
	notEtcd    = "is this the address of etcd, and is there a proxy in between?"
	noTLS      = "write http:// in front of it, if that is meant"
	isNamed    = "are namespace and api_version those of the Python tool?"
	closedHint = "write https:// in front of it if it speaks TLS, and http:// if not"
	isCut      = "try again; a proxy in between may cut long answers"
	otherAPI   = "users of the v2 API are not those of v3"
)

// unreachable returns the error for a request without an answer, in the words of the
// etcd v3 driver.
func (r *reader) unreachable(err error) *Error {
	what, hint := cause(err)
	switch text := err.Error(); {
	case what != "":
	case errors.Is(err, http.ErrSchemeMismatch):
		what, hint = "the server does not speak TLS", noTLS
	case strings.Contains(text, "malformed HTTP"): // the library has no type for this error
		what, hint = "the server does not speak HTTP", notEtcd
	default:
		what = text
		var outer *url.Error
		if errors.As(err, &outer) {
			what = outer.Err.Error()
		}
	}
	if hint == "" && r.api.Port() == "" {
		hint = "no port is given; that of etcd is 2379"
	}
	return r.errorf(Unavailable, hint, "%s", r.excerpt(what)).of(err)
}

// cause returns why a connection failed, and what to do; both are empty if err is
// not such an error.
func cause(err error) (what, hint string) {
	var (
		op      *net.OpError
		unknown x509.UnknownAuthorityError
		record  tls.RecordHeaderError
	)
	switch why := netcause.Network(err); {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "the proxy cannot be reached: " + why, proxies
	case why == netcause.Closed:
		return why, closedHint
	case why != "":
		return why, ""
	case errors.As(err, &unknown):
		return "certificate signed by unknown authority (" + unknown.Cert.Issuer.CommonName + ")", "name the file of the authority that signed it, if it is not one of the system's"
	case errors.As(err, &record):
		return "the server does not speak TLS", noTLS
	}
	switch {
	case netcause.WantsCertificate(err):
		return "the server wants a client certificate that it accepts", "name the files of certificate and key"
	case netcause.Alert(err) != "":
		return "refused by the server: " + netcause.Alert(err), "is the client certificate, if one is given, of an authority it trusts?"
	}
	return netcause.Certificate(err), ""
}

// refused returns the error for a response without keys.
func (r *reader) refused(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil && len(text) == 0 {
		return r.errorf(Unavailable, "", "answers %s", r.excerpt(resp.Status)).of(err)
	}
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return r.denied(resp)
	case code == http.StatusProxyAuthRequired:
		return r.errorf(Denied, proxies, "the proxy on the way wants a user and password")
	case code == http.StatusNotFound && bytes.HasPrefix(text, []byte("404 page not found")):
		return r.errorf(Foreign, "etcd up to 3.5 has it with --enable-v2, later ones have none", "it does not serve the v2 API")
	case bytes.Contains(text, []byte("HTTP request to an HTTPS server")):
		return r.errorf(Foreign, "write https:// in front of it", "the server speaks TLS")
	}
	if err := r.etcdError(resp, text); err != nil {
		return err
	}
	kind, hint := Foreign, notEtcd
	if resp.StatusCode >= http.StatusInternalServerError {
		kind, hint = Unavailable, "is there a proxy in between? the server behind it may be down"
	}
	return r.errorf(kind, hint, "answers %s", strings.TrimSuffix(r.excerpt(resp.Status)+": "+r.excerpt(string(text)), ": "))
}

// etcdError returns the error for an error response of etcd, or nil if the text is
// not one.
func (r *reader) etcdError(resp *http.Response, text []byte) *Error {
	var reply struct {
		Code    int    `json:"errorCode"`
		Message string `json:"message"`
		Cause   string `json:"cause"`
	}
	const (
		noKey = 100
		raft  = 300 // and above: errors of the cluster, not of the request
	)
	_ = json.Unmarshal(text, &reply) // a text that is not JSON has no message
	if reply.Message == "" {
		return nil
	}
	what := "says: " + r.excerpt(reply.Message)
	if reply.Cause != "" {
		what += " (" + r.excerpt(reply.Cause) + ")"
	}
	switch {
	case reply.Code == noKey:
		return r.errorf(Absent, isNamed, "there is no %s", r.prefix)
	case reply.Code >= raft || resp.StatusCode >= http.StatusInternalServerError:
		return r.errorf(Unavailable, "has the cluster a leader? try again, or another member", "%s", what)
	}
	return r.errorf(Foreign, "", "%s", what)
}

// denied returns the error for a response that etcd gives both to a wrong password
// and to a user without permission.
func (r *reader) denied(resp *http.Response) error {
	if r.cfg.Username == "" {
		return r.errorf(Denied, otherAPI, "it wants a user and password to read %s (%d)", r.prefix, resp.StatusCode)
	}
	hint := fmt.Sprintf("etcd does not say which; the user needs a role that may read %s*, and %s", strings.TrimSuffix(r.prefix, "/"), otherAPI)
	return r.errorf(Denied, hint, "user %s has another password, or may not read %s (%d)", r.cfg.Username, r.prefix, resp.StatusCode)
}

// foreign returns the error for a response that is not from etcd.
func (r *reader) foreign(resp *http.Response, err error) *Error {
	kind := resp.Header.Get("Content-Type")
	if kind == "" {
		kind = "no content type"
	}
	return r.errorf(Foreign, notEtcd, "answers, but not with keys (%s): %s", r.excerpt(kind), r.clean(err.Error())).of(err)
}

func (e *Error) of(err error) *Error {
	e.Err = err
	return e
}
