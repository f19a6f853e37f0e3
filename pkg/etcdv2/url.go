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

const urlForm = "write it as https://HOST:PORT"

// parseURL returns the URL of the API, with /v2 at its end. Its errors do not
// repeat what may hold a password: a user, or a query.
func parseURL(cfg Config) (*url.URL, error) {
	misused := func(hint, format string, args ...any) (*url.URL, error) {
		return nil, &Error{Kind: Misused, What: fmt.Sprintf(format, args...), Hint: hint}
	}
	text, more := cfg.URL, false
	if at := strings.IndexAny(text, "?#"); at >= 0 {
		text, more = text[:at], true
	}
	switch first, _, several := strings.Cut(text, ","); {
	case cfg.URL == "":
		return misused(urlForm, "no URL of an etcd v2 API")
	case strings.Contains(cfg.URL, "@"):
		return misused("give user and password where only you can read them", "the URL has an @ in it: a user or a password has no place there, everybody on this host can see a command line")
	case several:
		return misused(proposal(first), "the URL names several servers; one member of the cluster is enough")
	case !strings.Contains(text, "://"):
		return misused(proposal(text), "the URL %s has no scheme", excerpt(text))
	case more:
		return misused(proposal(text), "the URL has a query behind the host, the port and the path")
	}
	u, err := url.Parse(text)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return misused(urlForm, "the URL %s cannot be read: %v", excerpt(text), err)
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return misused(urlForm, "the URL %s has the scheme %s, which is neither http nor https", excerpt(text), u.Scheme)
	case u.Hostname() == "":
		return misused(urlForm, "the URL %s has no host", excerpt(text))
	case namesKeys(u) >= 0:
		return misused(proposal(text), "the URL %s names keys; it is to be that of the API alone", excerpt(text))
	}
	if !strings.HasSuffix(u.Path, "/v2") {
		u.Path += "/v2"
	}
	return u, checkUser(cfg)
}

// namesKeys returns where in the path of a URL the name of a key begins; it is
// negative if there is none.
func namesKeys(u *url.URL) int { return strings.Index(u.Path+"/", "/v2/keys/") }

// proposal is what to write instead of a text: a URL that can be used as it is,
// if one can be made of it.
func proposal(text string) string {
	schemes := []string{""}
	if !strings.Contains(text, "://") {
		schemes = []string{"http://", "https://"}
	}
	var usable []string
	for _, scheme := range schemes {
		u, err := url.Parse(scheme + strings.TrimSpace(text))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			return urlForm
		}
		if scheme != "" && u.Port() == "" {
			u.Host = net.JoinHostPort(u.Hostname(), "2379")
		}
		if at := namesKeys(u); at >= 0 {
			u.Path = u.Path[:at]
		}
		usable = append(usable, u.Scheme+"://"+u.Host+strings.TrimRight(u.Path, "/"))
	}
	return "write " + strings.Join(usable, " or ")
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
