package etcdv2

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const urlForm = "write it as http://HOST:PORT or https://HOST:PORT"

// parseURL returns the URL of the API, with /v2 at the end. Its errors do not
// contain the user or the query, which may include a password.
func parseURL(cfg Config) (*url.URL, error) {
	misused := func(hint, format string, args ...any) (*url.URL, error) {
		return nil, &Error{Kind: Misused, What: fmt.Sprintf(format, args...), Hint: hint}
	}
	shown := excerpt(cfg.URL)
	u, err := url.Parse(cfg.URL)
	var parse *url.Error
	if errors.As(err, &parse) {
		err = parse.Err
	}
	switch {
	case cfg.URL == "":
		return misused(urlForm, "the URL of the etcd v2 API is empty")
	case strings.Contains(cfg.URL, "@"):
		return misused("give user and password where only you can read them: everybody on this host can see a command line", "the URL has an @ in it, and may not hold a user or a password")
	case strings.ContainsAny(cfg.URL, "?#"):
		return misused(urlForm, "the URL has a query, and may only have a host, a port and a path")
	case strings.Contains(cfg.URL, ","):
		return misused(urlForm, "the URL %s names several servers; name one member of the cluster", shown)
	case !strings.Contains(cfg.URL, "://"):
		return misused(urlForm, "the URL %s has no scheme", shown)
	case err != nil:
		return misused(urlForm, "the URL %s cannot be read: %s", shown, excerpt(err.Error()))
	case u.Scheme != "http" && u.Scheme != "https":
		return misused(urlForm, "the URL %s has the scheme %s, which is neither http nor https", shown, u.Scheme)
	case u.Hostname() == "":
		return misused(urlForm, "the URL %s has no host", shown)
	case strings.Contains(u.Path+"/", "/v2/keys/"):
		return misused("leave out /v2/keys and all after it", "the URL %s names keys, not the API", shown)
	case (cfg.Username == "") != (cfg.Password == ""):
		return misused("give both, or neither", "user and password are only useful together")
	case strings.Contains(cfg.Username, ":"):
		return misused("if that is a user with its password, give them apart", "the user has a colon in it, which HTTP cannot send")
	}
	u.Path, u.RawPath = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/v2")+"/v2", ""
	return u, nil
}

const maxRedirects = 5

// checkRedirect allows a member of the cluster to redirect to another, but not with
// a password, and not from https to http.
func (r *reader) checkRedirect(to *http.Request, via []*http.Request) error {
	to.URL.User = nil // chosen by the server, so it is not sent
	at := r.excerpt(to.URL.Scheme + "://" + to.URL.Host)
	first := via[0].URL
	switch {
	case to.URL.Scheme != "http" && to.URL.Scheme != "https", to.URL.Hostname() == "":
		return r.errorf(Foreign, notEtcd, "redirects to %s", at)
	case first.Scheme == "https" && to.URL.Scheme != "https":
		return r.errorf(Foreign, "name an address that answers over https itself", "redirects to %s, which is not encrypted", at)
	case !strings.EqualFold(to.URL.Host, first.Host) && r.cfg.Username != "":
		return r.errorf(Denied, "name that address, if it is yours", "redirects to %s, another server, to which the password is not sent", at)
	case len(via) > maxRedirects:
		return r.errorf(Foreign, notEtcd, "redirects more than %d times", maxRedirects)
	}
	return nil
}
