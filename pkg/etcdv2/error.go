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

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/netcause"
)

// Kind is what sort of thing went wrong.
type Kind int

// The kinds of errors.
const (
	Misused     Kind = iota // URL, user or password are such that nothing was sent
	Unavailable             // it cannot be reached, does not answer in time, or says it cannot work now
	Denied                  // this user, or certificate, may not
	Absent                  // there is no directory at the prefix
	Foreign                 // what answers does not serve the v2 API, or not as etcd does
)

// Error reports a Read that failed. It never holds a password.
type Error struct {
	Kind Kind
	At   string // the URL of the server, without a path; empty if Misused
	What string // what is wrong, without the URL
	Hint string // what to do about it, as a second sentence; may be empty
	Err  error  // what it was made of, if anything; its text may be of the library's
}

func (e *Error) Error() string {
	if e.At == "" {
		return e.What
	}
	return "etcd v2 at " + e.At + ": " + e.What
}

// Unwrap returns what the error was made of.
func (e *Error) Unwrap() error { return e.Err }

func (r *reader) errorf(kind Kind, hint, format string, args ...any) *Error {
	return &Error{
		Kind: kind, At: r.api.Scheme + "://" + r.api.Host,
		What: fmt.Sprintf(format, args...), Hint: hint,
	}
}

// excerpt is that of what a server sent, which may hold what we sent to it.
func (r *reader) excerpt(text string) string { return excerpt(r.clean(text)) }

// clean takes the password out of a text that is not ours.
func (r *reader) clean(text string) string {
	if r.cfg.Password == "" {
		return text
	}
	sent := base64.StdEncoding.EncodeToString([]byte(r.cfg.Username + ":" + r.cfg.Password))
	return strings.NewReplacer(sent, "***", r.cfg.Password, "***").Replace(text)
}

// excerpt is the beginning of a text of others, fit for a line of a message.
func excerpt(said string) string {
	const most = 100
	return text.Cut(text.Words(said), most)
}

// Hints of more than one error.
const (
	proxies    = "see HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment"
	notEtcd    = "is this the address of etcd, and is there a proxy in between?"
	noTLS      = "write http:// in front of it, if that is meant"
	isNamed    = "are namespace and api_version those of the Python tool?"
	closedHint = "write https:// in front of it if it speaks TLS, and http:// if not"
	isCut      = "try again; a proxy in between may cut long answers"
	otherAPI   = "users of the v2 API are not those of v3"
)

// unreachable makes an error of why there was no answer, as the driver of etcd v3
// reports it.
func (r *reader) unreachable(err error) *Error {
	what, hint := cause(err)
	switch text := err.Error(); {
	case what != "":
	case errors.Is(err, http.ErrSchemeMismatch):
		what, hint = "the server does not speak TLS", noTLS
	case strings.Contains(text, "malformed HTTP"): // the library has no type for it
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

// cause returns why a connection failed, and what to do; both are empty if it did not.
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

// refused makes an error of an answer that has no keys.
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
	if said := r.said(resp, text); said != nil {
		return said
	}
	kind, hint := Foreign, notEtcd
	if resp.StatusCode >= http.StatusInternalServerError {
		kind, hint = Unavailable, "is there a proxy in between? the server behind it may be down"
	}
	return r.errorf(kind, hint, "answers %s", strings.TrimSuffix(r.excerpt(resp.Status)+": "+r.excerpt(string(text)), ": "))
}

// said makes an error of one of etcd's; it is nil if the text is not one.
func (r *reader) said(resp *http.Response, text []byte) *Error {
	var said struct {
		Code    int    `json:"errorCode"`
		Message string `json:"message"`
		Cause   string `json:"cause"`
	}
	const (
		noKey = 100
		raft  = 300 // and above: the cluster, not the request
	)
	_ = json.Unmarshal(text, &said) // what is not JSON has no message
	if said.Message == "" {
		return nil
	}
	what := "says: " + r.excerpt(said.Message)
	if said.Cause != "" {
		what += " (" + r.excerpt(said.Cause) + ")"
	}
	switch {
	case said.Code == noKey:
		return r.errorf(Absent, isNamed, "there is no %s", r.prefix)
	case said.Code >= raft || resp.StatusCode >= http.StatusInternalServerError:
		return r.errorf(Unavailable, "has the cluster a leader? try again, or another member", "%s", what)
	}
	return r.errorf(Foreign, "", "%s", what)
}

// denied makes an error of what etcd answers alike to a wrong password and to a
// user without the permission.
func (r *reader) denied(resp *http.Response) error {
	if r.cfg.Username == "" {
		return r.errorf(Denied, otherAPI, "it wants a user and password to read %s (%d)", r.prefix, resp.StatusCode)
	}
	hint := fmt.Sprintf("etcd does not say which; the user needs a role that may read %s*, and %s", strings.TrimSuffix(r.prefix, "/"), otherAPI)
	return r.errorf(Denied, hint, "user %s has another password, or may not read %s (%d)", r.cfg.Username, r.prefix, resp.StatusCode)
}

// foreign makes an error of an answer that is not etcd's.
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
