package etcdv2

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/conftool/confctl/internal/text"
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
	return text.Cut(strings.Join(strings.Fields(text.Spaced(said)), " "), most)
}

// isBroken reports an error of the connection, not of what came over it.
func isBroken(err error) bool {
	var network net.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.As(err, &network)
}

// explain makes an *Error of whatever stopped a request.
func (r *reader) explain(err error, within time.Duration) error {
	var known *Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		e := r.errorf(Unavailable, "is it up, and is there a firewall in between?", "no answer within %v", within)
		if errors.As(err, &known) { // it had begun
			e = r.errorf(Unavailable, "give it more time", "%s within %v", known.What, within)
		}
		e.Err = context.DeadlineExceeded
		return e
	case errors.As(err, &known):
		return known
	}
	why := r.cause(err)
	return r.errorf(Unavailable, why.hint, "%s", r.clean(why.text)).of(err)
}

// etcdError is how etcd says that it will not.
type etcdError struct {
	Code    int    `json:"errorCode"`
	Message string `json:"message"`
	Cause   string `json:"cause"`
}

// The codes of etcd's that mean something here.
const (
	codeNoKey = 100
	codeRaft  = 300 // and above: the cluster, not the request
)

// refused makes an error of an answer that has no keys.
func (r *reader) refused(resp *http.Response, body io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(body, 64<<10))
	if err != nil && len(text) == 0 {
		return r.errorf(Unavailable, "", "answers %s", r.excerpt(resp.Status)).of(err)
	}
	var said etcdError
	isEtcd := json.Unmarshal(text, &said) == nil && said.Message != ""
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return r.denied(resp)
	case code == http.StatusProxyAuthRequired:
		return r.errorf(Denied, "see HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment", "the proxy on the way wants a user and password")
	case isEtcd && said.Code == codeNoKey:
		return r.errorf(Absent, "are namespace and api_version those of the Python tool?", "there is no %s", r.prefix)
	case isEtcd:
		return r.said(resp, said)
	case code == http.StatusNotFound && bytes.HasPrefix(text, []byte("404 page not found")):
		return r.errorf(Foreign, "etcd up to 3.5 has it with --enable-v2, later ones have none", "it does not serve the v2 API")
	case bytes.Contains(text, []byte("HTTP request to an HTTPS server")):
		return r.errorf(Foreign, "write https:// in front of it", "the server speaks TLS")
	case code >= http.StatusInternalServerError:
		return r.errorf(Unavailable, "is there a proxy in between? the server behind it may be down", "answers %s%s", r.excerpt(resp.Status), r.quoted(text))
	}
	return r.errorf(Foreign, notEtcd, "answers %s%s", r.excerpt(resp.Status), r.quoted(text))
}

const notEtcd = "is this the address of etcd, and is there a proxy in between?"

// said is an error in etcd's words.
func (r *reader) said(resp *http.Response, said etcdError) error {
	kind, hint := Foreign, ""
	if said.Code >= codeRaft || resp.StatusCode >= http.StatusInternalServerError {
		kind, hint = Unavailable, "has the cluster a leader? try again, or another member"
	}
	what := "says: " + r.excerpt(said.Message)
	if said.Cause != "" {
		what += " (" + r.excerpt(said.Cause) + ")"
	}
	return r.errorf(kind, hint, "%s", what)
}

// denied is what etcd answers alike to a wrong password and to a user without
// the permission.
func (r *reader) denied(resp *http.Response) error {
	if r.cfg.Username == "" {
		return r.errorf(Denied, "users of the v2 API are not those of v3", "it wants a user and password to read %s (%d)", r.prefix, resp.StatusCode)
	}
	return r.errorf(Denied,
		fmt.Sprintf("etcd does not say which; the user needs a role that may read %s*, and users of the v2 API are not those of v3", strings.TrimSuffix(r.prefix, "/")),
		"user %s has another password, or may not read %s (%d)", r.cfg.Username, r.prefix, resp.StatusCode)
}

// foreign is an error for an answer that is not etcd's.
func (r *reader) foreign(resp *http.Response, err error) *Error {
	kind := resp.Header.Get("Content-Type")
	if kind == "" {
		kind = "no content type"
	}
	return r.errorf(Foreign, notEtcd, "answers, but not with keys (%s): %s", r.excerpt(kind), r.clean(err.Error())).of(err)
}

// unreadable makes an error of why the keys could not be read.
func (r *reader) unreadable(resp *http.Response, body *counted, err error) error {
	var (
		syntax *json.SyntaxError
		shape  *shapeError
		single *singleError
	)
	switch {
	case errors.As(err, &single):
		return r.errorf(Absent, "are namespace and api_version those of the Python tool?", "%s is a key, not a directory", r.prefix)
	case errors.Is(err, errTooLong):
		return r.errorf(Foreign, notEtcd, "the answer is longer than %d MiB", r.limit>>20)
	case errors.As(err, &syntax):
		return r.foreign(resp, fmt.Errorf("not JSON at byte %d", syntax.Offset))
	case errors.As(err, &shape):
		return r.foreign(resp, shape)
	}
	of := ""
	if resp.ContentLength > 0 {
		of = fmt.Sprintf(" of %d", resp.ContentLength)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return r.errorf(Unavailable, "", "only %d bytes%s", body.read, of).of(err)
	}
	return r.errorf(Unavailable, "try again; a proxy in between may cut long answers", "the answer is cut off after %d bytes%s", body.read, of).of(err)
}

func (e *Error) of(err error) *Error {
	e.Err = err
	return e
}

// quoted is what a server said beyond the status, if it is fit to be read.
func (r *reader) quoted(text []byte) string {
	if line := r.excerpt(string(text)); line != "" {
		return ": " + line
	}
	return ""
}
