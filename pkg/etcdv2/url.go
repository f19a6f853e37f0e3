package etcdv2

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// parseURL returns the URL of the API, with /v2 at its end. Its errors do not
// repeat a URL that may hold a password.
func parseURL(cfg Config) (*url.URL, error) {
	misused := func(hint, format string, args ...any) (*url.URL, error) {
		return nil, &Error{Kind: Misused, What: fmt.Sprintf(format, args...), Hint: hint}
	}
	const form = "write it as https://HOST:PORT"
	text := cfg.URL
	switch {
	case text == "":
		return misused(form, "no URL of an etcd v2 API")
	case strings.Contains(text, "@"):
		return misused("give user and password where only you can read them", "the URL has an @ in it: a user or a password has no place there, everybody on this host can see a command line")
	case !strings.Contains(text, "://"):
		return misused("http://"+text+" or https://"+text, "the URL %s has no scheme", excerpt(text))
	}
	u, err := url.Parse(text)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return misused(form, "the URL %s cannot be read: %v", excerpt(text), err)
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	at := u.Scheme + "://" + u.Host
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return misused(form, "the URL %s has the scheme %s, which is neither http nor https", excerpt(text), u.Scheme)
	case u.Hostname() == "":
		return misused(form, "the URL %s has no host", excerpt(text))
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return misused("write "+at+u.Path, "the URL %s has more than a host, a port and a path", excerpt(text))
	case strings.Contains(u.Path+"/", "/v2/keys/"):
		return misused("write "+at+u.Path[:strings.Index(u.Path+"/", "/v2/keys/")], "the URL %s names keys; it is to be that of the API alone", excerpt(text))
	}
	if !strings.HasSuffix(u.Path, "/v2") {
		u.Path += "/v2"
	}
	return u, checkUser(cfg)
}

func checkUser(cfg Config) error {
	misused := func(format string, args ...any) error {
		return &Error{Kind: Misused, What: fmt.Sprintf(format, args...), Hint: "give both, or neither"}
	}
	switch {
	case cfg.Username == "" && cfg.Password != "":
		return misused("a password is given without a user")
	case cfg.Username != "" && cfg.Password == "":
		return misused("user %s is given without a password", cfg.Username)
	case strings.Contains(cfg.Username, ":"):
		return &Error{Kind: Misused, What: fmt.Sprintf("the user %q has a colon in it, which HTTP cannot send", cfg.Username), Hint: "is that a user with its password? give them apart"}
	}
	return nil
}

// address is host and port of a URL.
func address(u *url.URL) string {
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port(u))
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

const maxRedirects = 5

// checkRedirect says whether to go where a server sends us: a member of the
// cluster may send on to another.
func (r *reader) checkRedirect(to *http.Request, via []*http.Request) error {
	to.URL.User = nil // what it says there is nothing of ours
	at := to.URL.Scheme + "://" + to.URL.Host
	first := via[0].URL
	elsewhere := address(to.URL) != address(first)
	switch {
	case to.URL.Scheme != "http" && to.URL.Scheme != "https", to.URL.Hostname() == "":
		return r.errorf(Foreign, "is this the address of etcd?", "sends on to %s", r.excerpt(at))
	case first.Scheme == "https" && to.URL.Scheme != "https":
		return r.errorf(Foreign, "name an address that answers over https itself", "sends on to %s, which is not encrypted", r.excerpt(at))
	case elsewhere && r.cfg.Username != "":
		return r.errorf(Denied, "name that address, if it is yours", "sends on to %s, another server, to which the password is not sent", r.excerpt(at))
	case len(via) > maxRedirects:
		return r.errorf(Foreign, "is this the address of etcd?", "sends on from one address to the next, %d times so far", len(via))
	}
	return nil
}

// proxyError is a proxy's refusal to connect us.
type proxyError struct{ status string }

func (e *proxyError) Error() string { return "the proxy refuses to connect: " + e.status }

func refusedByProxy(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return &proxyError{excerpt(resp.Status)}
	}
	return nil
}
